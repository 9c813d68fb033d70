"""Runs the lines that `corelane demo` printed for a shell, as they stand there, and prints what they show as JSON.

    demo_lines.py LAKE DOCS OUTPUT

`shown` are the numbers of rows that each line shows; `windows` are those of the view that the last one makes, and
`differing` counts its rows that the view of docs/windows.md does not have, and the other way round. The rest is counted in the lake, for
what the demo says of itself.
"""

import json
import re
import sys
from pathlib import Path

import duckdb


def main():
    lake, docs, output = map(Path, sys.argv[1:])
    lines = re.findall(r'^  duckdb -c "([^"]*)"$', output.read_text(), re.MULTILINE)
    quoted = str(lake).replace("'", "''")
    view = next(block for block in re.findall(r"```sql\n(.*?)```", docs.read_text(), re.DOTALL) if block.startswith("CREATE VIEW windows AS"))
    view = view.replace("CREATE VIEW windows", "CREATE VIEW documented").replace("'lake/", f"'{quoted}/")
    db = duckdb.connect()
    # One thread adds in one order.
    db.execute("SET TimeZone = 'UTC'; SET threads = 1")
    report = {"shown": [len(db.execute(line).fetchall()) for line in lines]}
    db.execute(view)
    one = lambda query: db.execute(query).fetchone()[0]
    report["windows"] = one("SELECT count(*) FROM windows")
    report["differing"] = one("SELECT count(*) FROM (FROM windows EXCEPT ALL FROM documented)") + one(
        "SELECT count(*) FROM (FROM documented EXCEPT ALL FROM windows)")
    for table in ["aggregates", "groups"]:
        report[table] = one(f"SELECT count(*) FROM read_parquet('{quoted}/{table}/**/*.parquet')")
    # future_time, old_time and no_kafka_time; duplicate; over_limit
    report["kept_out"] = [one(f"SELECT count(*) FROM read_parquet('{quoted}/readings/**/*.parquet') WHERE quality & {mask} <> 0")
                          for mask in [0b111 << 6, 1 << 9, 1 << 10]]
    print(json.dumps(report))


main()
