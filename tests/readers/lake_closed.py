"""Prints how far windows are closed in a lake: {"rows": …, "devices": …, "closed_min": …}.

    lake_closed.py LAKE

`rows` are those of `aggregates`; `closed_min` is the least that any device of `readings` has of windows with an on-time part.
"""

import json
import sys

import duckdb

aggregates, readings = (f"read_parquet('{sys.argv[1].replace(chr(39), chr(39) * 2)}/{table}/**/*.parquet', hive_partitioning = false)"
                        for table in ["aggregates", "readings"])
rows, devices, closed_min = duckdb.connect().execute(f"""
    WITH closed AS (SELECT device_id, count(DISTINCT (window_start, window_end)) FILTER (on_time) AS n FROM {aggregates} GROUP BY ALL)
    SELECT (SELECT count(*) FROM {aggregates}), count(*), min(coalesce(n, 0))
    FROM (SELECT DISTINCT device_id FROM {readings}) LEFT JOIN closed USING (device_id)""").fetchone()
print(json.dumps({"rows": rows, "devices": devices, "closed_min": closed_min}))
