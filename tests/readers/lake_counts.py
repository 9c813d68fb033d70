"""Reads every table of a lake with DuckDB, pyarrow and Polars, each in its own way, and prints what each saw as JSON.

    lake_counts.py LAKE

{"duckdb": {"readings": {"rows": 3, "columns": {"offset": {"kind": "int64", "count": 3, "sum": 6, "min": 1, "max": 3}}}}, …}

`count` is that of the values that are not null. Texts and bytes have the sum of their lengths in bytes, booleans the number of true
ones, times their extremes in µs since 1970, quantile sketches (`buckets`) the number of their buckets and what these count. A table
without a file has 0 rows and no columns. Comparing is left to the caller.
"""

import json
import math
import sys
from pathlib import Path

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

TABLES = ["readings", "events", "rejects", "aggregates", "groups"]

INTEGERS = {"int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"}


# --- DuckDB: one SQL query a table

DUCKDB_KINDS = {
    "TINYINT": "int8", "SMALLINT": "int16", "INTEGER": "int32", "BIGINT": "int64",
    "UTINYINT": "uint8", "USMALLINT": "uint16", "UINTEGER": "uint32", "UBIGINT": "uint64",
    "FLOAT": "float32", "DOUBLE": "float64", "BOOLEAN": "bool", "VARCHAR": "text", "BLOB": "bytes",
    "TIMESTAMP WITH TIME ZONE": "time_utc", "TIMESTAMP": "time", "DATE": "date",
    'STRUCT(bucket INTEGER, "count" BIGINT)[]': "buckets", "STRUCT(bucket INTEGER, count BIGINT)[]": "buckets",
}


def duckdb_expressions(column, kind):
    name = '"' + column.replace('"', '""') + '"'
    found = {"count": f"count({name})"}
    if kind in INTEGERS or kind.startswith("float"):
        found |= {"sum": f"sum({name})", "min": f"min({name})", "max": f"max({name})"}
    elif kind == "bool":
        found["true"] = f"count(*) FILTER ({name})"
    elif kind == "text":
        found["bytes"] = f"sum(strlen({name}))"
    elif kind == "bytes":
        found["bytes"] = f"sum(octet_length({name}))"
    elif kind.startswith("time"):
        found |= {"min": f"epoch_us(min({name}))", "max": f"epoch_us(max({name}))"}
    elif kind == "buckets":
        counted = f"list_sum(list_transform({name}, lambda b: b.count))"
        found |= {"buckets": f"sum(len({name}))", "counted": f"sum({counted})"}
    return found


def with_duckdb(folder):
    connection = duckdb.connect()
    source = f"read_parquet('{str(folder).replace(chr(39), chr(39) * 2)}/date=*/hour=*/*.parquet', hive_partitioning = false)"
    described = connection.execute(f"DESCRIBE SELECT * FROM {source}").fetchall()
    kinds = {row[0]: DUCKDB_KINDS.get(row[1], row[1]) for row in described}
    wanted = {column: duckdb_expressions(column, kind) for column, kind in kinds.items()}
    flat = [expression for expressions in wanted.values() for expression in expressions.values()]
    rows, *values = connection.execute(f"SELECT count(*), {', '.join(flat)} FROM {source}").fetchone()
    taken = iter(values)
    columns = {c: {"kind": kinds[c]} | {name: plain(kinds[c], name, next(taken)) for name in wanted[c]} for c in wanted}
    return {"rows": rows, "columns": columns}


# --- pyarrow: batch by batch

def pyarrow_kind(kind):
    if pa.types.is_dictionary(kind):
        return pyarrow_kind(kind.value_type)
    if pa.types.is_list(kind) and pa.types.is_struct(kind.value_type):
        fields = [(field.name, str(field.type)) for field in kind.value_type]
        return "buckets" if fields == [("bucket", "int32"), ("count", "int64")] else str(kind)
    if pa.types.is_timestamp(kind):
        return "time_utc" if kind.tz == "UTC" else "time" if kind.tz is None else str(kind)
    names = {"double": "float64", "float": "float32", "string": "text", "large_string": "text", "string_view": "text",
             "binary": "bytes", "large_binary": "bytes", "binary_view": "bytes", "date32[day]": "date"}
    return names.get(str(kind), str(kind))


def pyarrow_values(array, kind):
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    found = {"count": len(array) - array.null_count}
    if kind in INTEGERS or kind.startswith("float"):
        found |= {"sum": pc.sum(array).as_py(), **pc.min_max(array).as_py()}
    elif kind == "bool":
        found["true"] = pc.sum(array).as_py()
    elif kind in ("text", "bytes"):
        found["bytes"] = pc.sum(pc.binary_length(array)).as_py()
    elif kind.startswith("time"):
        micros = array.cast(pa.timestamp("us", array.type.tz)).cast(pa.int64())
        found |= pc.min_max(micros).as_py()
    elif kind == "buckets":
        items = array.flatten()
        found |= {"buckets": len(items), "counted": pc.sum(items.field("count")).as_py()}
    return found


def merge(name, one, other):
    if one is None or other is None:
        return other if one is None else one
    return {"min": min, "max": max}.get(name, lambda a, b: a + b)(one, other)


def with_pyarrow(folder):
    data = ds.dataset(folder, format="parquet")
    kinds = {field.name: pyarrow_kind(field.type) for field in data.schema}
    rows, columns = 0, {column: {} for column in kinds}
    for batch in data.to_batches():
        rows += batch.num_rows
        for column, kind in kinds.items():
            found = pyarrow_values(batch.column(column), kind)
            columns[column] = {name: merge(name, columns[column].get(name), value) for name, value in found.items()}
    columns = {c: {"kind": kinds[c]} | {name: plain(kinds[c], name, v) for name, v in columns[c].items()} for c in columns}
    return {"rows": rows, "columns": columns}


# --- Polars: one lazy query a table

def polars_kind(kind):
    if isinstance(kind, pl.Datetime):
        return "time_utc" if kind.time_zone == "UTC" else "time" if kind.time_zone is None else str(kind)
    if isinstance(kind, pl.List) and kind.inner == pl.Struct({"bucket": pl.Int32, "count": pl.Int64}):
        return "buckets"
    names = {"String": "text", "Categorical": "text", "Boolean": "bool", "Binary": "bytes", "Date": "date"}
    base = str(kind.base_type())
    return names.get(base, str(kind).lower())


def polars_expressions(column, kind):
    col = pl.col(column)
    found = {"count": col.count()}
    if kind in INTEGERS or kind.startswith("float"):
        wide = col.cast(pl.Int64) if kind in INTEGERS else col
        found |= {"sum": wide.sum(), "min": col.min(), "max": col.max()}
    elif kind == "bool":
        found["true"] = col.sum()
    elif kind == "text":
        found["bytes"] = col.cast(pl.String).str.len_bytes().cast(pl.Int64).sum()
    elif kind == "bytes":
        found["bytes"] = col.bin.size().cast(pl.Int64).sum()
    elif kind.startswith("time"):
        found |= {"min": col.dt.epoch("us").min(), "max": col.dt.epoch("us").max()}
    elif kind == "buckets":
        counted = col.list.eval(pl.element().struct.field("count")).list.sum()
        found |= {"buckets": col.list.len().cast(pl.Int64).sum(), "counted": counted.sum()}
    return found


def with_polars(folder):
    scan = pl.scan_parquet(f"{folder}/**/*.parquet", hive_partitioning=False)
    kinds = {column: polars_kind(kind) for column, kind in scan.collect_schema().items()}
    wanted = {column: polars_expressions(column, kind) for column, kind in kinds.items()}
    flat = [expression.alias(f"{c}/{name}") for c, expressions in wanted.items() for name, expression in expressions.items()]
    row = scan.select(pl.len().alias("/rows"), *flat).collect(engine="streaming").row(0, named=True)
    columns = {c: {"kind": kinds[c]} | {name: plain(kinds[c], name, row[f"{c}/{name}"]) for name in wanted[c]} for c in wanted}
    return {"rows": row["/rows"], "columns": columns}


# --- all

def plain(kind, name, value):
    """A number that JSON can hold. A sum of nothing is null in one reader and 0 in another: 0 here; an extreme of nothing is null."""
    if value is None:
        return None if name in ("min", "max") else 0.0 if kind.startswith("float") else 0
    if kind.startswith("float") and name != "count":
        return float(value) if math.isfinite(value) else str(value)
    return int(value)


def main():
    lake = Path(sys.argv[1])
    if not lake.is_dir():
        sys.exit(f"no lake at {lake}")
    readers = {"duckdb": with_duckdb, "pyarrow": with_pyarrow, "polars": with_polars}
    report = {}
    for name, reader in readers.items():
        report[name] = {}
        for table in TABLES:
            folder = lake / table
            has_files = any(folder.glob("date=*/hour=*/*.parquet"))
            report[name][table] = reader(folder) if has_files else {"rows": 0, "columns": {}}
    print(json.dumps(report))


main()
