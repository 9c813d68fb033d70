"""Holds a lake against the labels of the simulator with DuckDB, row by row, and prints what does not fit as JSON.

    lake_labels.py LAKE LABELS

A label and a row belong together by topic, partition and offset. Every message must be in exactly one table, once, with what its
label expects. `wrong` counts by aspect (table, reason, device_id, format, kafka_time, event_time, quality, and each sensor's value
and quality), `by_fault` by what was injected; `first` shows ten mismatches whole. Kafka must keep the producer's timestamps.
"""

import json
import sys
from pathlib import Path

import duckdb

SENSORS = ["temperature", "humidity", "pressure", "current", "switch_status"]
TABLES = ["readings", "events", "rejects"]
# Flags that a message gets from its neighbours, not from its own bytes: duplicate and over_limit. A label cannot know them.
FROM_NEIGHBOURS = (1 << 9) | (1 << 10)
# A label's value went through the same factor and offset of its unit, perhaps in another order.
RELATIVE_ERROR = 1e-12


def quoted(path):
    return "'" + str(path).replace("'", "''") + "'"


def rows_of(lake):
    """SQL of all rows of all tables with the columns that labels speak of; what a table lacks is null."""
    sensors = ", ".join(f"{s}::DOUBLE AS {s}, {s}_quality" for s in SENSORS)
    no_sensors = ", ".join(f"NULL::DOUBLE AS {s}, NULL::USMALLINT AS {s}_quality" for s in SENSORS)
    columns = {
        "readings": f"device_id, event_time, NULL::VARCHAR AS reason, format, quality, {sensors}",
        "events": f"device_id, event_time, NULL::VARCHAR AS reason, NULL::VARCHAR AS format, NULL::USMALLINT AS quality, {no_sensors}",
        "rejects": "NULL::VARCHAR AS device_id, NULL::TIMESTAMPTZ AS event_time, reason, NULL::VARCHAR AS format, "
                   f"NULL::USMALLINT AS quality, {no_sensors}",
    }
    selects = [
        f"SELECT '{table}' AS in_table, topic, partition, \"offset\", kafka_time, {columns[table]} "
        f"FROM read_parquet({quoted(lake / table / 'date=*/hour=*/*.parquet')}, hive_partitioning = false)"
        for table in TABLES
        if any((lake / table).glob("date=*/hour=*/*.parquet"))
    ]
    return " UNION ALL ".join(selects) or sys.exit(f"no committed file in {lake}")


def aspects():
    """Name and SQL condition of each way in which a row `r` can differ from its label `l`."""
    found = {
        "table": "r.in_table IS DISTINCT FROM l.expected_table",
        "kafka_time": "epoch_ms(r.kafka_time) IS DISTINCT FROM l.kafka_time_ms",
    }
    where_reject = {"reason": "r.reason IS DISTINCT FROM l.expected_reason"}
    where_event = {"event_time": "r.event_time IS DISTINCT FROM l.event_time"}
    where_reading = {
        "device_id": "r.device_id IS DISTINCT FROM l.device_id",
        "format": "r.format IS DISTINCT FROM l.expected_format",
        "quality": f"(r.quality::INTEGER & {0xffff & ~FROM_NEIGHBOURS}) IS DISTINCT FROM l.quality::INTEGER",
    }
    for sensor in SENSORS:
        where_reading[sensor] = (
            f"(r.{sensor} IS NULL) <> (l.{sensor} IS NULL) "
            f"OR abs(r.{sensor} - l.{sensor}::DOUBLE) > {RELATIVE_ERROR} * greatest(abs(l.{sensor}::DOUBLE), 1)"
        )
        where_reading[f"{sensor}_quality"] = f"r.{sensor}_quality IS DISTINCT FROM l.{sensor}_quality"
    found |= {name: f"l.expected_table = 'rejects' AND ({condition})" for name, condition in where_reject.items()}
    found |= {name: f"l.expected_table <> 'rejects' AND ({condition})" for name, condition in where_event.items()}
    found |= {name: f"l.expected_table = 'readings' AND ({condition})" for name, condition in where_reading.items()}
    return found


def main():
    lake, labels = Path(sys.argv[1]), Path(sys.argv[2])
    db = duckdb.connect()
    one = lambda query: db.execute(query).fetchone()[0]
    db.execute("SET TimeZone = 'UTC'")
    db.execute(f"CREATE TEMP TABLE label AS SELECT * FROM read_parquet({quoted(labels)})")
    db.execute(f"CREATE TEMP TABLE found AS {rows_of(lake)}")

    # What would make the join below lie.
    delivered = "label WHERE \"offset\" IS NOT NULL"
    report = {
        "labels": one("SELECT count(*) FROM label"),
        "delivered": one(f"SELECT count(*) FROM {delivered}"),
        "rows": one("SELECT count(*) FROM found"),
        "labels_double": one("SELECT count(*) - count(DISTINCT seq) FROM label")
        + one(f"SELECT count(*) - count(DISTINCT (topic, partition, \"offset\")) FROM {delivered}"),
    }

    # Each message exactly once.
    db.execute(f"""
        CREATE TEMP TABLE matched AS
        SELECT l.seq, l.fault, count(r.in_table) AS times
        FROM (SELECT * FROM {delivered}) l LEFT JOIN found r USING (topic, partition, "offset") GROUP BY ALL""")
    report["missing"] = one("SELECT count(*) FROM matched WHERE times = 0")
    report["double"] = one("SELECT count(*) FROM matched WHERE times > 1")
    report["unlabelled"] = one('SELECT count(*) FROM found r ANTI JOIN label l USING (topic, partition, "offset")')

    # As expected.
    conditions = aspects()
    cases = ", ".join(f"CASE WHEN {condition} THEN '{name}' END" for name, condition in conditions.items())
    db.execute(f"""
        CREATE TEMP TABLE compared AS
        SELECT l.seq, concat_ws(' ', {cases}) AS wrong
        FROM label l JOIN found r USING (topic, partition, "offset")""")
    report["wrong"] = dict(db.execute("""
        SELECT aspect, count(*) FROM (SELECT unnest(string_split(wrong, ' ')) AS aspect FROM compared WHERE wrong <> '')
        GROUP BY aspect ORDER BY aspect""").fetchall())
    report["by_table"] = dict(db.execute("SELECT in_table, count(*) FROM found GROUP BY in_table ORDER BY in_table").fetchall())
    report["by_reason"] = dict(db.execute("SELECT reason, count(*) FROM found WHERE reason NOT NULL GROUP BY ALL ORDER BY ALL").fetchall())
    report["by_fault"] = {
        fault: {"messages": messages, "wrong": wrong}
        for fault, messages, wrong in db.execute("""
            SELECT coalesce(m.fault, ''), count(*), count(*) FILTER (m.times <> 1 OR c.wrong <> '')
            FROM matched m LEFT JOIN (SELECT DISTINCT ON (seq) * FROM compared) c USING (seq)
            GROUP BY ALL ORDER BY ALL""").fetchall()
    }

    # The first ten, whole: what was expected, what is there.
    bad = db.execute("""
        SELECT seq, times, string_agg(DISTINCT wrong, ' ') FROM matched LEFT JOIN (SELECT seq, wrong FROM compared) USING (seq)
        WHERE times <> 1 OR wrong <> '' GROUP BY ALL ORDER BY seq LIMIT 10""").fetchall()
    report["first"] = []
    for seq, times, wrong in bad:
        expected = records(db.execute("SELECT * FROM label WHERE seq = ?", [seq]))[0]
        place = [expected["topic"], expected["partition"], expected["offset"]]
        rows = records(db.execute('SELECT * FROM found WHERE topic = ? AND partition = ? AND "offset" = ?', place))
        report["first"].append({"seq": seq, "times": times, "wrong": wrong or "", "label": expected, "rows": rows})
    print(json.dumps(report, default=str))


def records(result):
    names = [column[0] for column in result.description]
    return [{name: value for name, value in zip(names, row) if value is not None} for row in result.fetchall()]


main()
