"""What others read in the files: the csv module, json, polars, DuckDB and pyarrow, each set as the docstrings say.

Files in gzip are members one behind the other, as an export writes them.
"""

from __future__ import annotations

import csv
import gzip
import json
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from campaigns_async import Campaign, CampaignStatus, Contact
from campaigns_async.export._encoders import Batch, make_encoder
from campaigns_async.export._options import CAMPAIGN_COLUMNS, CONTACT_COLUMNS, Column, find_format
from campaigns_async.query._columns import Kind

pytestmark = pytest.mark.slow
duckdb = pytest.importorskip("duckdb")
pl = pytest.importorskip("polars")
pa = pytest.importorskip("pyarrow")
pa_csv = pytest.importorskip("pyarrow.csv")
pa_json = pytest.importorskip("pyarrow.json")
pq = pytest.importorskip("pyarrow.parquet")

TEXTS = [
    *("x", "", None, "a,b", 'say "hi"', '"', '""', "'", "a\nb", "a\rb", "a\r\nb", "\n", "\r", "\r\n", "\n\n"),
    *(" in front", "behind ", "  ", "\ttab\t", "\x00", "a\x00b", "\x1a", "\x7f", "\x85", "\u2028", "\xa0", "\ufeff"),
    *("=1+1", "+1", "-1", "@x", "＝１＋１", "Ａｎｎ", "😀", "👨‍👩‍👧", "e\u0301", "\U0010ffff", "漢字", "עברית"),
    *(
        "\\",
        "\\n",
        '\\"',
        "a;b",
        "a|b",
        "#x",
        "//x",
        "{}",
        "[1]",
        '{"a":1}',
        "NULL",
        "null",
        "None",
        "NA",
        "nan",
        "inf",
    ),
    *("0", "007", "1e5", "1.0", "true", "2031-06-27", "2031-06-27T09:30:00Z", "+447700900123", "x" * 100_000),
]
CONTACTS = [
    Contact(f"{number}", text, TEXTS[number - 1], TEXTS[number - 2], TEXTS[number - 3])
    for number, text in enumerate(TEXTS)
]
MOMENTS = [
    datetime(2031, 6, 27, 9, 30, tzinfo=UTC),
    datetime.min.replace(tzinfo=UTC),
    None,
    datetime.max.replace(tzinfo=UTC),
    datetime(1970, 1, 1, tzinfo=UTC) - timedelta(microseconds=1),
    datetime(2031, 6, 27, 9, 30, 0, 120_000, tzinfo=UTC),
]
NUMBERS = [5, 0, None, -1, 2**63 - 1, -(2**63)]
STATUSES = [CampaignStatus.PENDING, CampaignStatus(99), None, CampaignStatus(-1), *CampaignStatus]
CAMPAIGNS = [
    Campaign(
        str(number),
        MOMENTS[number % len(MOMENTS)],
        TEXTS[number - 1],
        NUMBERS[number % len(NUMBERS)],
        text,
        STATUSES[number % len(STATUSES)],
        NUMBERS[number % 5],
        TEXTS[number - 2],
    )
    for number, text in enumerate(TEXTS)
]
ROWS: dict[str, tuple[Sequence[Column], Sequence[Campaign] | Sequence[Contact], str | None]] = {
    "campaigns": (CAMPAIGN_COLUMNS, CAMPAIGNS, None),
    "contacts": (CONTACT_COLUMNS, CONTACTS, 'cam"paign'),
}
Rows = list[tuple[Any, ...]]
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def member(data: bytes) -> bytes:
    return gzip.compress(data, mtime=0)


def write(path: Path, which: str, *, excel: bool = False) -> Rows:
    """Write the file in several pieces; the rows that should be in it."""
    columns, rows, campaign_id = ROWS[which]
    chosen, packed = find_format(path, None)
    writer = make_encoder(chosen, columns, excel=excel)
    batches = [Batch(rows[at : at + 7], campaign_id) for at in range(0, len(rows), 7)]
    pieces = [writer.begin(), *map(writer.encode, batches), writer.end()]
    path.write_bytes(b"".join(member(piece) if packed else piece for piece in pieces))
    return [
        tuple(campaign_id if column.name == "campaignId" else getattr(row, str(column.attribute)) for column in columns)
        for row in rows
    ]


def typed(columns: Sequence[Column], rows: Iterator[tuple[Any, ...]]) -> Rows:
    """Rows out of text, of which None is no value."""

    def value(column: Column, cell: Any) -> Any:
        if cell is None or column.kind is Kind.TEXT:
            return cell
        return datetime.fromisoformat(cell) if column.kind is Kind.DATE else int(cell)

    return [tuple(value(column, cell) for column, cell in zip(columns, row, strict=True)) for row in rows]


def names(columns: Sequence[Column]) -> list[str]:
    return [column.name for column in columns]


def arrow_type(column: Column) -> pa.DataType:
    if column.kind is Kind.DATE:
        return pa.timestamp("us", tz="UTC")
    return pa.string() if column.kind is Kind.TEXT else pa.int64()


def arrow_rows(columns: Sequence[Column], table: pa.Table) -> Rows:
    assert table.column_names == names(columns)
    return [tuple(row.values()) for row in table.to_pylist()]


def sql_type(column: Column) -> str:
    if column.kind is Kind.DATE:
        return "timestamptz"
    return "varchar" if column.kind is Kind.TEXT else "bigint"


def sql_struct(columns: Sequence[Column]) -> str:
    return "{" + ", ".join(f"'{column.name}': '{sql_type(column)}'" for column in columns) + "}"


def sql_rows(columns: Sequence[Column], source: str) -> Rows:
    """What DuckDB selects; moments by their microseconds, since in Python it would need pytz."""
    chosen = ", ".join(
        f'epoch_us("{column.name}")' if column.kind is Kind.DATE else f'"{column.name}"' for column in columns
    )
    with duckdb.connect() as connection:
        connection.execute("set threads = 1")  # keeps the rows in order
        found = connection.sql(f"select {chosen} from {source}").fetchall()  # noqa: S608  # names of ours
    return [
        tuple(
            EPOCH + timedelta(microseconds=cell) if column.kind is Kind.DATE and cell is not None else cell
            for column, cell in zip(columns, row, strict=True)
        )
        for row in found
    ]


def csv_by_csv(path: Path, columns: Sequence[Column]) -> Rows:
    opened: Any = gzip.open if path.suffix == ".gz" else open
    with opened(path, "rt", encoding="utf-8", newline="") as file:
        header, *rows = csv.reader(file, strict=True)
    assert header == names(columns)
    return typed(columns, (tuple(row) for row in rows))


def csv_by_polars(path: Path, columns: Sequence[Column]) -> Rows:
    frame = pl.read_csv(path, infer_schema=False)
    assert frame.columns == names(columns)
    return typed(columns, iter(frame.rows()))


def csv_by_duckdb(path: Path, columns: Sequence[Column]) -> Rows:
    settings = f"auto_detect=false, header=true, delim=',', quote='\"', escape='\"', columns={sql_struct(columns)}"
    return sql_rows(columns, f"read_csv('{path}', {settings}, nullstr='', allow_quoted_nulls=false)")


def csv_by_pyarrow(path: Path, columns: Sequence[Column]) -> Rows:
    table = pa_csv.read_csv(
        path,
        parse_options=pa_csv.ParseOptions(newlines_in_values=True),
        convert_options=pa_csv.ConvertOptions(
            column_types={column.name: arrow_type(column) for column in columns},
            null_values=[""],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
        ),
    )
    return arrow_rows(columns, table)


def ndjson_by_json(path: Path, columns: Sequence[Column]) -> Rows:
    data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    *lines, last = data.split(b"\n")
    assert last == b""
    rows = [json.loads(line) for line in lines]
    assert all(list(row) == names(columns) for row in rows)
    return typed(columns, (tuple(row.values()) for row in rows))


def ndjson_by_polars(path: Path, columns: Sequence[Column]) -> Rows:
    schema = {column.name: pl.Int64 if column.kind not in {Kind.TEXT, Kind.DATE} else pl.String for column in columns}
    frame = pl.read_ndjson(path, schema=schema)
    return typed(columns, iter(frame.rows()))


def ndjson_by_duckdb(path: Path, columns: Sequence[Column]) -> Rows:
    return sql_rows(columns, f"read_json('{path}', format='newline_delimited', columns={sql_struct(columns)})")


def ndjson_by_pyarrow(path: Path, columns: Sequence[Column]) -> Rows:
    schema = pa.schema([(column.name, arrow_type(column)) for column in columns])
    with pa.input_stream(path) as stream:  # which unpacks by the suffix
        return arrow_rows(
            columns, pa_json.read_json(stream, parse_options=pa_json.ParseOptions(explicit_schema=schema))
        )


def parquet_by_pyarrow(path: Path, columns: Sequence[Column]) -> Rows:
    return arrow_rows(columns, pq.read_table(path))


def parquet_by_polars(path: Path, columns: Sequence[Column]) -> Rows:
    frame = pl.read_parquet(path)
    assert frame.columns == names(columns)
    return frame.rows()


def parquet_by_duckdb(path: Path, columns: Sequence[Column]) -> Rows:
    return sql_rows(columns, f"read_parquet('{path}')")


SEES_QUOTES = [csv_by_polars, csv_by_duckdb, csv_by_pyarrow]
both = pytest.mark.parametrize("which", ROWS)


@both
@pytest.mark.parametrize("name", ["rows.csv", "rows.csv.gz"])
@pytest.mark.parametrize("read", SEES_QUOTES)
def test_csv_is_read_back(
    tmp_path: Path, read: Callable[[Path, Sequence[Column]], Rows], name: str, which: str
) -> None:
    rows = write(tmp_path / name, which)
    assert read(tmp_path / name, ROWS[which][0]) == rows


@both
@pytest.mark.parametrize("name", ["rows.ndjson", "rows.ndjson.gz"])
@pytest.mark.parametrize("read", [ndjson_by_json, ndjson_by_polars, ndjson_by_duckdb, ndjson_by_pyarrow])
def test_ndjson_is_read_back(
    tmp_path: Path, read: Callable[[Path, Sequence[Column]], Rows], name: str, which: str
) -> None:
    rows = write(tmp_path / name, which)
    assert read(tmp_path / name, ROWS[which][0]) == rows


@both
@pytest.mark.parametrize("read", [parquet_by_pyarrow, parquet_by_polars, parquet_by_duckdb])
def test_parquet_is_read_back(tmp_path: Path, read: Callable[[Path, Sequence[Column]], Rows], which: str) -> None:
    rows = write(tmp_path / "rows.parquet", which)
    assert read(tmp_path / "rows.parquet", ROWS[which][0]) == rows


def test_the_mark_for_excel_is_no_part_of_a_name(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    rows = write(path, "contacts", excel=True)
    plain = [tuple(cell and cell.removeprefix("'") for cell in row) for row in rows]
    for read in SEES_QUOTES:
        found = [tuple(cell and cell.removeprefix("'") for cell in row) for row in read(path, CONTACT_COLUMNS)]
        assert found == plain
    with path.open(encoding="utf-8-sig", newline="") as file:
        assert next(csv.reader(file)) == names(CONTACT_COLUMNS)


def test_types_are_found_by_readers_that_guess(tmp_path: Path) -> None:
    for name in ("rows.csv", "rows.ndjson"):
        write(tmp_path / name, "campaigns")
    with duckdb.connect() as connection:
        for found in (connection.read_csv(tmp_path / "rows.csv"), connection.read_json(tmp_path / "rows.ndjson")):
            types = dict(zip(found.columns, map(str, found.types), strict=True))
            assert types["startDateTime"] in {"TIMESTAMP WITH TIME ZONE", "TIMESTAMP"}
            assert types["recipientCount"] in {"BIGINT", "HUGEINT"}  # the least of 64 bits makes it wary
            assert types["message"] == "VARCHAR"
    frame = pl.read_csv(tmp_path / "rows.csv", try_parse_dates=True, schema_overrides={"sender": pl.String})
    assert frame.schema["startDateTime"] == pl.Datetime("us", "UTC")
    assert frame["startDateTime"].to_list() == [campaign.start_date_time for campaign in CAMPAIGNS]


def test_the_csv_module_cannot_tell_no_value_from_empty_text(tmp_path: Path) -> None:
    rows = write(tmp_path / "rows.csv", "contacts")
    assert csv_by_csv(tmp_path / "rows.csv", CONTACT_COLUMNS) == [
        tuple("" if cell is None else cell for cell in row) for row in rows
    ]


def test_duckdb_as_it_comes_takes_empty_text_for_no_value(tmp_path: Path) -> None:
    rows = write(tmp_path / "rows.csv", "contacts")
    assert sql_rows(CONTACT_COLUMNS, f"read_csv('{tmp_path / 'rows.csv'}', all_varchar=true)") == [
        tuple(cell or None for cell in row) for row in rows
    ]


def test_polars_as_it_comes_tells_no_value_from_empty_text(tmp_path: Path) -> None:
    rows = write(tmp_path / "rows.csv", "contacts")
    assert pl.read_csv(tmp_path / "rows.csv", infer_schema=False).rows() == rows


@pytest.mark.parametrize("name", ["rows.csv", "rows.ndjson", "rows.csv.gz", "rows.parquet"])
def test_a_file_of_no_rows_is_read_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setitem(ROWS, "none", (CONTACT_COLUMNS, [], None))
    path = tmp_path / name
    assert write(path, "none") == []
    if "csv" in name:
        assert csv_by_csv(path, CONTACT_COLUMNS) == csv_by_polars(path, CONTACT_COLUMNS) == []
    elif "ndjson" in name:
        assert path.read_bytes() == b""
    else:
        assert parquet_by_polars(path, CONTACT_COLUMNS) == parquet_by_duckdb(path, CONTACT_COLUMNS) == []
