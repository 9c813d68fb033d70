"""Holds the tables of windows against `readings` with DuckDB, and prints what does not fit as JSON.

    lake_windows.py LAKE --docs docs/windows.md --sizes MS[,MS…] [--labels FILE] [--messages FILE --schema FILE]

What a window must be is computed from `readings` alone, by the rule of the docs: which readings count, which of their values, and in
which window. Each part names the readings that it is made of, so every value is looked for in the one part that must have it. The view
that merges parts, and the query of quantiles, are taken from the docs as they stand there. `--labels` are the simulator's; `--messages`
are the records of <prefix>.aggregates, a line of JSON each: {"key": …, "value": …}. `--kept-from`: readings before this offset were
lost to the windows, by retention. Everything that ends in `wrong`, `missing`, `double`
or `overlapping` counts faults.
"""

import argparse
import json
import math
import re
from pathlib import Path

import duckdb

SENSORS = ["temperature", "humidity", "pressure", "current", "switch_status"]
# Bits of docs/formats.md. A message's: future_time, old_time, no_kafka_time, duplicate, over_limit keep a reading out.
KEPT_OUT = (1 << 6) | (1 << 7) | (1 << 8) | (1 << 9) | (1 << 10)
FUTURE, DUPLICATE = 1 << 6, 1 << 9
# A sensor's: any of bad_value, missing, unknown_unit, out_of_range, device_fault keeps a value out; the last two count it as bad.
NOT_COUNTED, BAD = 0b11111, (1 << 3) | (1 << 4)
# Mean and variance: rounding differs with the order of adding. What is left of a variance of equal values is of the size of the mean.
RELATIVE_ERROR = 1e-9
PART = 'window_start, window_end, topic, "partition", offset_from, offset_to'


def parse_arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("lake", type=Path)
    parser.add_argument("--docs", type=Path, required=True)
    parser.add_argument("--sizes", required=True)
    parser.add_argument("--kept-from", type=int, default=0)
    for name in ["labels", "messages", "schema"]:
        parser.add_argument(f"--{name}", type=Path)
    return parser.parse_args()


def quoted(path):
    return "'" + str(path).replace("'", "''") + "'"


def documented_sql(docs, lake):
    """The statements of the docs, for this lake."""
    blocks = re.findall(r"```sql\n(.*?)```", docs.read_text(), re.DOTALL)
    view, quantiles = [block for block in blocks if "lake/" in block]
    assert view.startswith("CREATE VIEW windows AS") and "p95" in quantiles, "docs/windows.md has another order"
    here = lambda sql: sql.replace("'lake/", "'" + str(lake).replace("'", "''") + "/")
    return here(view), here(quantiles)


def load(db, lake, sizes, kept_from):
    db.execute(f"CREATE TEMP TABLE reading AS SELECT *, (quality & {KEPT_OUT}) = 0 AND \"offset\" >= {kept_from} AS counts "
               f"FROM read_parquet({quoted(lake / 'readings/**/*.parquet')}, hive_partitioning = false)")
    for table in ["aggregates", "groups"]:
        db.execute(f"CREATE TEMP TABLE {table} AS "
                   f"FROM read_parquet({quoted(lake / table / '**/*.parquet')}, hive_partitioning = false)")
    for table in ["aggregates", "groups"]:
        db.execute(f"CREATE TEMP TABLE {table}_part AS SELECT DISTINCT {PART}, on_time FROM {table}")
    # The window of each counted reading on every grid that there was, and the parts there that name it.
    db.execute(f"""
        CREATE TEMP TABLE placed AS
        WITH grid AS (SELECT unnest({sizes}::BIGINT[]) AS size_ms),
        asked AS (
          SELECT topic, "partition", "offset", make_timestamptz(event_us - (event_us % size_us + size_us) % size_us) AS window_start,
                 to_microseconds(size_us) AS size
          FROM (SELECT *, epoch_us(event_time) AS event_us, size_ms * 1000 AS size_us FROM reading, grid WHERE counts)
        )
        SELECT a.topic, a."partition", a."offset", p.window_start, p.window_end, p.offset_from, p.offset_to, p.on_time
        FROM asked a JOIN aggregates_part p
          ON a.topic = p.topic AND a."partition" = p."partition" AND a.window_start = p.window_start
         AND a.window_start + a.size = p.window_end AND a."offset" >= p.offset_from AND a."offset" < p.offset_to""")
    # One row a (reading, sensor) that counts, or counts as bad: then without its value.
    selects = [f"""
        SELECT topic, "partition", "offset", event_time, device_id, building, floor, '{sensor}' AS sensor,
               CASE WHEN {sensor}_quality & {NOT_COUNTED} = 0 THEN {sensor}::DOUBLE END AS value
        FROM reading WHERE counts AND {sensor} IS NOT NULL AND ({sensor}_quality & {NOT_COUNTED} = 0 OR {sensor}_quality & {BAD} <> 0)"""
               for sensor in SENSORS]
    db.execute(f"CREATE TEMP TABLE value AS {' UNION ALL '.join(selects)}")
    db.execute('CREATE TEMP TABLE named AS FROM value JOIN placed USING (topic, "partition", "offset")')


MEASURES = """
    count(value) AS count, count(*) FILTER (value IS NULL) AS count_bad, avg(value) AS mean, var_pop(value) AS variance,
    min(value) AS min, max(value) AS max,
    arg_min(value, (event_time, topic, "partition", "offset")) FILTER (value IS NOT NULL) AS first,
    arg_max(value, (event_time, topic, "partition", "offset")) FILTER (value IS NOT NULL) AS last,
    min(event_time) FILTER (value IS NOT NULL) AS first_time, max(event_time) FILTER (value IS NOT NULL) AS last_time"""


def compare(db, found, expected, keys):
    """Rows on one side only, and by measure those that differ."""
    same = " AND ".join(f"f.{key} IS NOT DISTINCT FROM e.{key}" for key in keys)
    # A null on one side only is a difference too.
    near = lambda name, least: (f"(f.{name} IS NULL) <> (e.{name} IS NULL) OR "
                                f"abs(f.{name} - e.{name}) > {RELATIVE_ERROR} * greatest(abs(f.{name}), abs(e.{name})) + {least}")
    exact = ["count", "count_bad", "min", "max", "first", "last", "first_time", "last_time"]
    conditions = {name: f"f.{name} IS DISTINCT FROM e.{name}" for name in exact}
    conditions |= {"mean": near("mean", 0), "variance": near("variance", "1e-20 * e.mean * e.mean")}
    cases = ", ".join(f"CASE WHEN {condition} THEN '{name}' END" for name, condition in conditions.items())
    there = "e.count IS NOT NULL AND f.count IS NOT NULL"
    db.execute(f"""
        CREATE OR REPLACE TEMP TABLE compared AS
        SELECT CASE WHEN {there} THEN concat_ws(' ', {cases}) WHEN e.count IS NULL THEN 'unexpected' ELSE 'missing' END AS wrong,
               f, e
        FROM ({found}) f FULL JOIN ({expected}) e ON {same}""")
    wrong = db.execute("""
        SELECT aspect, count(*) FROM (SELECT unnest(string_split(wrong, ' ')) AS aspect FROM compared WHERE wrong <> '')
        GROUP BY aspect ORDER BY aspect""").fetchall()
    first = db.execute("SELECT wrong, f::VARCHAR, e::VARCHAR FROM compared WHERE wrong <> '' LIMIT 3").fetchall()
    return dict(wrong), first


def check_parts(db, report):
    one = lambda query: db.execute(query).fetchone()[0]
    for table in ["aggregates", "groups"]:
        report["rows"][table] = one(f"SELECT count(*) FROM {table}")
        # Disjoint, and not empty.
        report["overlapping"] += one(f"""
            SELECT count(*) FROM (
              SELECT offset_from, offset_to, lag(offset_to) OVER (
                PARTITION BY window_start, window_end, topic, "partition" ORDER BY offset_from, offset_to) AS before
              FROM {table}_part)
            WHERE before > offset_from OR offset_to <= offset_from""")
        report["on_time_double"] += one(f"""
            SELECT count(*) FROM (SELECT count(*) AS n FROM {table}_part WHERE on_time
              GROUP BY window_start, window_end, topic, "partition") WHERE n > 1""")
    report["parts"] = dict(db.execute(
        "SELECT CASE WHEN on_time THEN 'on_time' ELSE 'loose' END, count(*) FROM aggregates_part GROUP BY ALL ORDER BY ALL").fetchall())
    report["parts_wrong"] = one("SELECT count(*) FROM (FROM aggregates_part EXCEPT FROM groups_part)") + one(
        "SELECT count(*) FROM (FROM groups_part EXCEPT FROM aggregates_part)")
    report["partial_rows"] = one("SELECT count(*) FROM aggregates WHERE partial") + one("SELECT count(*) FROM groups WHERE partial")
    report["partial_parts"] = one(f"SELECT count(*) FROM (SELECT DISTINCT {PART} FROM aggregates WHERE partial)")
    report["grids"] = dict(db.execute(
        "SELECT epoch_ms(window_end) - epoch_ms(window_start), count(*) FROM aggregates_part GROUP BY ALL").fetchall())
    # Complete: every value in exactly one.
    report["values"] = one("SELECT count(*) FROM value")
    report["values_missing"] = one('SELECT count(*) FROM value ANTI JOIN placed USING (topic, "partition", "offset")')
    report["readings_double"] = one('SELECT count(*) - count(DISTINCT (topic, "partition", "offset")) FROM placed')


def check_rows(db, report):
    part = [name.strip() for name in PART.split(",")]
    found = lambda table: f"SELECT *, m2 / nullif(count, 0) AS variance FROM {table}"
    for table, series in [("aggregates", ["device_id", "sensor"]), ("groups", ["sensor", "building", "floor"])]:
        keys = part + series
        expected = f"SELECT {', '.join(keys)}, {MEASURES} FROM named GROUP BY ALL"
        report[f"{table}_rows_wrong"], report[f"{table}_rows_first"] = compare(db, found(table), expected, keys)


MERGED_GROUPS = """
    WITH parts AS (SELECT *, sum(count * mean) OVER w / nullif(sum(count) OVER w, 0) AS mu FROM groups
                   WINDOW w AS (PARTITION BY window_start, window_end, sensor, building, floor))
    SELECT window_start, window_end, sensor, building, floor, sum(count) AS count, sum(count_bad) AS count_bad, any_value(mu) AS mean,
           sum(m2 + count * (mean - mu) ** 2) / nullif(sum(count), 0) AS variance, min(min) AS min, max(max) AS max,
           arg_min(first, (first_time, topic, "partition", offset_from)) AS first,
           arg_max(last, (last_time, topic, "partition", offset_from)) AS last,
           min(first_time) AS first_time, max(last_time) AS last_time
    FROM parts GROUP BY ALL"""


def check_merged(db, view, report):
    db.execute(view)
    keys = ["window_start", "window_end", "device_id", "sensor"]
    expected = f"SELECT {', '.join(keys)}, {MEASURES} FROM named GROUP BY ALL"
    # The view's own stddev is what is held against the variance.
    found = "SELECT * EXCLUDE (m2), stddev ** 2 AS variance FROM windows"
    report["windows"] = db.execute("SELECT count(*) FROM windows").fetchone()[0]
    report["windows_of_parts"] = db.execute("SELECT count(*) FROM windows WHERE parts > 1").fetchone()[0]
    report["windows_wrong"], report["windows_first"] = compare(db, found, expected, keys)
    keys = ["window_start", "window_end", "sensor", "building", "floor"]
    expected = f"SELECT {', '.join(keys)}, {MEASURES} FROM named GROUP BY ALL"
    report["places_wrong"], report["places_first"] = compare(db, MERGED_GROUPS, expected, keys)


def check_quantiles(db, query, report):
    db.execute(f"CREATE TEMP TABLE quantile AS {query}")
    db.execute("""
        CREATE TEMP TABLE exact_quantile AS
        SELECT window_start, window_end, building, sensor,
               max(value) FILTER (rank = (n * 50 + 99) // 100) AS p50, max(value) FILTER (rank = (n * 95 + 99) // 100) AS p95,
               max(value) FILTER (rank = (n * 99 + 99) // 100) AS p99
        FROM (SELECT *, row_number() OVER w AS rank, count(*) OVER (PARTITION BY window_start, window_end, building, sensor) AS n
              FROM named WHERE value IS NOT NULL
              WINDOW w AS (PARTITION BY window_start, window_end, building, sensor ORDER BY value))
        GROUP BY ALL""")
    worst = ", ".join(f"max(abs(f.{p} - e.{p}) / nullif(abs(e.{p}), 0))" for p in ["p50", "p95", "p99"])
    wrong = " OR ".join(f"f.{p} IS NULL OR e.{p} IS NULL OR abs(f.{p} - e.{p}) > 0.01 * abs(e.{p})" for p in ["p50", "p95", "p99"])
    joined = ("quantile f FULL JOIN exact_quantile e ON f.window_start = e.window_start AND f.window_end = e.window_end "
              "AND f.building IS NOT DISTINCT FROM e.building AND f.sensor = e.sensor")
    report["quantiles"], report["quantiles_wrong"], worst = db.execute(
        f"SELECT count(*), count(*) FILTER ({wrong}), greatest({worst}) FROM {joined}").fetchone()
    report["quantiles_worst_error"] = worst


def check_labels(db, labels, report):
    one = lambda query: db.execute(query).fetchone()[0]
    db.execute(f"""
        CREATE TEMP TABLE label AS SELECT l.*, r.quality AS found
        FROM read_parquet({quoted(labels)}) l JOIN reading r USING (topic, "partition", "offset")""")
    ahead = "(fault = 'future_clock' OR fault = 'future_minutes')"
    report["ahead"] = one(f"SELECT count(*) FROM label WHERE {ahead}")
    report["ahead_wrong"] = one(f"SELECT count(*) FROM label WHERE {ahead} AND found & {FUTURE} = 0")
    report["late"] = one("SELECT count(*) FROM label WHERE fault LIKE 'late_%'")
    # A clock that somebody else had moved would have closed the window of a healthy reading before it came.
    report["healthy_not_on_time_wrong"] = one(
        'SELECT count(*) FROM label JOIN placed USING (topic, "partition", "offset") WHERE fault = \'\' AND NOT on_time')
    # A repeat beside its original in one on-time part: known, also where a successor had to read the original again.
    report["repeats"], report["repeats_wrong"] = db.execute(f"""
        SELECT count(*), count(*) FILTER (l.found & {DUPLICATE} = 0)
        FROM label l JOIN label o ON l.duplicate_of = o.seq
        JOIN placed p ON p.topic = o.topic AND p."partition" = o."partition" AND p."offset" = o."offset"
        WHERE l.repeat AND p.on_time AND l."offset" > o."offset" AND l."offset" < p.offset_to AND l."partition" = o."partition"
    """).fetchone()
    report["duplicates_wrong"] = one(f"SELECT count(*) FROM label WHERE found & {DUPLICATE} <> 0 AND NOT repeat")


# --- the messages

SENSOR_MEMBERS = {
    "count": "BIGINT", "count_bad": "BIGINT", "mean": "DOUBLE", "m2": "DOUBLE", "min": "DOUBLE", "max": "DOUBLE", "first": "DOUBLE",
    "last": "DOUBLE", "first_time_us": "BIGINT", "last_time_us": "BIGINT", "time_weighted_mean": "DOUBLE", "transitions": "BIGINT",
    "time_on_us": "BIGINT", "rolling_mean": "DOUBLE", "rolling_stddev": "DOUBLE", "rolling_windows": "INTEGER",
}


def check_messages(db, path, schema, report):
    sensors = ", ".join(f'"{name}" {kind}' for name, kind in SENSOR_MEMBERS.items())
    value = ("STRUCT(version INTEGER, device_id VARCHAR, window_start_ms BIGINT, window_end_ms BIGINT, building VARCHAR, floor INTEGER, "
             "room VARCHAR, on_time BOOLEAN, partial BOOLEAN, topic VARCHAR, \"partition\" INTEGER, offset_from BIGINT, offset_to BIGINT, "
             f"sensors MAP(VARCHAR, STRUCT({sensors})))")
    db.execute(f"CREATE TEMP TABLE message AS SELECT key, unnest(value) "
               f"FROM read_ndjson({quoted(path)}, columns = {{key: 'VARCHAR', value: '{value}'}})")
    one = lambda query: db.execute(query).fetchone()[0]
    report["messages"] = one("SELECT count(*) FROM message")
    report["messages_wrong"] = {
        "key": one("SELECT count(*) FROM message WHERE key IS DISTINCT FROM device_id"),
        "double": one('SELECT count(*) - count(DISTINCT (device_id, window_start_ms, window_end_ms, topic, "partition", offset_from)) '
                      "FROM message"),
    }
    columns = ("device_id, building, floor, room, on_time, partial, topic, \"partition\", offset_from, offset_to, sensor, "
               "count, count_bad, mean, m2, min, max, first, last, time_weighted_mean, transitions, time_on_us, "
               "rolling_mean, rolling_stddev, rolling_windows")
    db.execute(f"""
        CREATE TEMP TABLE said AS
        SELECT window_start_ms, window_end_ms, first_time_us, last_time_us, {columns}
        FROM (SELECT * EXCLUDE (sensors, entry), entry.key AS sensor, unnest(entry.value)
              FROM (SELECT *, unnest(map_entries(sensors)) AS entry FROM message))""")
    stored = (f"SELECT epoch_ms(window_start) AS window_start_ms, epoch_ms(window_end) AS window_end_ms, "
              f"epoch_us(first_time) AS first_time_us, epoch_us(last_time) AS last_time_us, {columns} FROM aggregates")
    report["messages_wrong"]["not_in_table"] = one(f"SELECT count(*) FROM (FROM said EXCEPT ALL {stored})")
    report["messages_wrong"]["not_said"] = one(f"SELECT count(*) FROM ({stored} EXCEPT ALL FROM said)")
    schema, invalid = json.loads(schema.read_text()), []
    with path.open() as lines:
        for line in lines:
            fault = fault_of(json.loads(line)["value"], schema)
            if fault:
                invalid.append(f"{fault} in {line.strip()}")
    report["messages_wrong"]["schema"] = len(invalid)
    report["messages_first"] = invalid[:3]


JSON_TYPES = {
    "object": lambda v: isinstance(v, dict), "string": lambda v: isinstance(v, str), "boolean": lambda v: isinstance(v, bool),
    "integer": lambda v: isinstance(v, int) and not isinstance(v, bool), "null": lambda v: v is None,
    "number": lambda v: isinstance(v, (int, float)) and not isinstance(v, bool) and math.isfinite(v),
}


def fault_of(value, schema, path="$"):
    """The first way in which a value breaks a schema of the words that ours uses; a member that the schema does not know is one too."""
    kinds = schema.get("type", list(JSON_TYPES))
    if not any(JSON_TYPES[kind](value) for kind in ([kinds] if isinstance(kinds, str) else kinds)):
        return f"{path} is no {kinds}"
    if "const" in schema and value != schema["const"]:
        return f"{path} is not {schema['const']}"
    if "minimum" in schema and value < schema["minimum"]:
        return f"{path} is below {schema['minimum']}"
    if not isinstance(value, dict):
        return None
    missing = [name for name in schema.get("required", []) if name not in value]
    if missing or len(value) < schema.get("minProperties", 0):
        return f"{path} lacks {missing or 'members'}"
    for name, member in value.items():
        inner = schema.get("properties", {}).get(name, schema.get("additionalProperties"))
        fault = f"{path}.{name} is unknown" if inner is None else fault_of(member, inner, f"{path}.{name}")
        if fault:
            return fault
    return None


def main():
    arguments = parse_arguments()
    db = duckdb.connect()
    db.execute("SET TimeZone = 'UTC'")
    sizes = [int(size) for size in arguments.sizes.split(",")]
    view, quantiles = documented_sql(arguments.docs, arguments.lake)
    report = {"rows": {}, "overlapping": 0, "on_time_double": 0}
    load(db, arguments.lake, sizes, arguments.kept_from)
    check_parts(db, report)
    check_rows(db, report)
    check_merged(db, view, report)
    check_quantiles(db, quantiles, report)
    if arguments.labels:
        check_labels(db, arguments.labels, report)
    if arguments.messages:
        check_messages(db, arguments.messages, arguments.schema, report)
    print(json.dumps(report, default=str))


main()
