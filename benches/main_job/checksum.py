"""Sums up Parquet files of readings, so that two ways to make them can be compared.

    checksum.py GLOB

Prints {"rows": …, "ends": {"0": highest offset, …}, "values": {name: whole number}}.
"""

import json
import sys

import duckdb

NUMBERS = ["temperature", "humidity", "pressure", "current"]

connection = duckdb.connect()
connection.execute("SET TimeZone = 'UTC'")
source = f"read_parquet('{sys.argv[1]}', hive_partitioning = false)"
columns = {row[0] for row in connection.execute(f"DESCRIBE SELECT * FROM {source}").fetchall()}

wanted = {
    "rows": "count(*)",
    "devices": "count(DISTINCT device_id)",
    "device_bytes": "sum(strlen(device_id))",
    "event_time_max": "epoch_us(max(event_time))",
    "event_time_sum_ms": "sum(epoch_ms(event_time))",
    "floors": "sum(floor)",
    "battery": "sum(battery)",
    "rooms_bytes": "sum(strlen(room))",
    "switched_on": "count(*) FILTER (switch_status)",
}
for number in NUMBERS:
    wanted[f"{number}_count"] = f"count({number})"
    # The simulator sends three decimals at most.
    wanted[f"{number}_sum_milli"] = f"sum(CAST(round({number} * 1000) AS BIGINT))"
found = connection.execute(f"SELECT {', '.join(wanted.values())} FROM {source}").fetchone()
values = {name: int(value) for name, value in zip(wanted, found)}

ends = {}
if "offset" in columns:
    ends = dict(connection.execute(f'SELECT CAST("partition" AS VARCHAR), max("offset") FROM {source} GROUP BY 1').fetchall())
print(json.dumps({"rows": values["rows"], "ends": ends, "values": values}))
