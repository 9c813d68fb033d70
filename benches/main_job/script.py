"""Readings from lines of JSON to Parquet with DuckDB: what one writes by hand when there is no Corelane.

    script.py QUERY.sql FOLDER OUT.parquet

One thread, so that CPU and wall time can be compared with one lane; the level of zstd is the lane's.
"""

import sys
from pathlib import Path

import duckdb

query, folder, out = sys.argv[1:]
connection = duckdb.connect()
connection.execute("SET threads = 1")
connection.execute("SET TimeZone = 'UTC'")
select = Path(query).read_text().replace("$FILES", f"{folder}/*.ndjson")
connection.execute(f"COPY ({select}) TO '{out}' (FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1)")
