"""Counts the readings of a lake by device, flag and format with DuckDB, and prints JSON.

    lake_flags.py LAKE
"""

import json
import sys
from pathlib import Path

import duckdb

OVER_LIMIT = 1 << 10

lake = Path(sys.argv[1])
files = str(lake / "readings/date=*/hour=*/*.parquet").replace("'", "''")
db = duckdb.connect()
db.execute(f"CREATE VIEW readings AS SELECT * FROM read_parquet('{files}', hive_partitioning = false)")
readings, devices, over_limit = db.execute(
    f"SELECT count(*), count(DISTINCT device_id), count(*) FILTER (quality::INTEGER & {OVER_LIMIT} <> 0) FROM readings"
).fetchone()
busiest = db.execute("SELECT max(n) FROM (SELECT count(*) AS n FROM readings GROUP BY device_id)").fetchone()[0]
formats = dict(db.execute("SELECT format, count(*) FROM readings GROUP BY format").fetchall())
longest_extra = db.execute("SELECT coalesce(max(length(extra)), 0) FROM readings").fetchone()[0]
print(json.dumps({
    "readings": readings, "devices": devices, "over_limit": over_limit, "busiest": busiest, "formats": formats,
    "longest_extra": longest_extra,
}))
