"""Compares tables with the JSON lines of the same capture: every row, every column, every value.

Usage: compare.py csv|parquet RECORDS.json DIRECTORY
Prints the number of rows of each kind.
"""

import csv
import datetime
import json
import pathlib
import sys

FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


def flatten(value, prefix=""):
    """A record as columns: names with dots, lists whole."""
    for name, inner in value.items():
        if isinstance(inner, dict):
            yield from flatten(inner, prefix + name + ".")
        else:
            yield prefix + name, inner


def cell(value):
    """A value of JSON as a cell of CSV."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return "'" + value if value.startswith(FORMULA) else value
    return value


def nanoseconds(text):
    """RFC 3339 with nine digits, since 1970."""
    whole, fraction = text.rstrip("Z").split(".")
    seconds = datetime.datetime.fromisoformat(whole + "+00:00").timestamp()
    return int(seconds) * 1_000_000_000 + int(fraction)


def same_csv(text, value):
    if isinstance(value, list):
        return json.loads(text) == value
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(text) == value if isinstance(value, float) else int(text) == value
    return text == cell(value)


def without_null(value):
    """Members that are absent in JSON are null in Parquet."""
    if isinstance(value, list):
        return [without_null(item) for item in value]
    if isinstance(value, dict):
        return {name: inner for name, inner in value.items() if inner is not None}
    return value


def read_csv(path):
    with open(path, newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file, strict=True)
        rows = list(reader)
    return reader.fieldnames, rows, same_csv


def read_parquet(path):
    import pyarrow
    import pyarrow.parquet

    table = pyarrow.parquet.read_table(path)
    for i, field in enumerate(table.schema):
        assert field.nullable, field
        if pyarrow.types.is_timestamp(field.type):
            assert field.type == pyarrow.timestamp("ns", "UTC"), field
            table = table.set_column(i, field.name, table.column(i).cast(pyarrow.int64()))
    times = {f.name for f in pyarrow.parquet.read_schema(path) if pyarrow.types.is_timestamp(f.type)}

    def same(name, found, value):
        if name in times and value is not None:
            return found == nanoseconds(value)
        if isinstance(value, bool) or isinstance(found, bool):
            return found is value
        return type(found) is type(value) and without_null(found) == value

    return table.column_names, table.to_pylist(), same


def compare(form, records, directory):
    expected = {}
    for line in open(records, encoding="utf-8"):
        record = json.loads(line)
        expected.setdefault(record["record"], []).append(dict(flatten(record)))
    # A running instance begins new files now and then: flow-20261121T140515Z.csv.
    files = {}
    for path in sorted(pathlib.Path(directory).glob("*." + form)):
        files.setdefault(path.stem.split("-")[0], []).append(path)
    assert files.keys() >= expected.keys(), (files.keys(), expected.keys())
    for kind, paths in files.items():
        tables = [read_csv(path) if form == "csv" else read_parquet(path) for path in paths]
        names, _, same = tables[0]
        rows = [row for _, rows, _ in tables for row in rows]
        wanted = expected.get(kind, [])
        assert len(rows) == len(wanted), (kind, len(rows), len(wanted))
        for number, (row, record) in enumerate(zip(rows, wanted)):
            assert record.keys() <= set(names), (kind, record.keys() - set(names))
            for name in names:
                found, value = row[name], record.get(name)
                equal = same(found, value) if form == "csv" else same(name, found, value)
                assert equal, (kind, number, name, found, value)
        print(kind, len(rows))


compare(*sys.argv[1:])
