"""Prints how many rows of two files of labels have no equal in the other one; the topic may differ.

    labels_differ.py ONE OTHER
"""

import sys

import duckdb

db = duckdb.connect()
for name, path in zip(["one", "other"], sys.argv[1:]):
    db.execute(f"CREATE TEMP TABLE {name} AS SELECT * EXCLUDE (topic) FROM read_parquet($1)", [path])
without = lambda a, b: db.execute(f"SELECT count(*) FROM (FROM {a} EXCEPT ALL FROM {b})").fetchone()[0]
print(without("one", "other") + without("other", "one"))
