"""A file's name tells its format, or the user does; what cannot be is refused with what to do."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from campaigns_async import InvalidArgumentError
from campaigns_async.export.columns import CAMPAIGN_COLUMNS, CONTACT_COLUMNS
from campaigns_async.export.csv_encoder import CsvEncoder
from campaigns_async.export.formats import encoder, format_of
from campaigns_async.export.ndjson_encoder import NdjsonEncoder
from campaigns_async.export.options import CsvOptions, Format
from campaigns_async.export.parquet_encoder import ParquetEncoder


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a.csv", (Format.CSV, False)),
        ("a.CSV", (Format.CSV, False)),
        ("a.csv.gz", (Format.CSV, True)),
        ("a.Csv.GZ", (Format.CSV, True)),
        ("a.ndjson", (Format.NDJSON, False)),
        ("a.jsonl", (Format.NDJSON, False)),
        ("a.jsonl.gz", (Format.NDJSON, True)),
        ("a.parquet", (Format.PARQUET, False)),
        ("a.csv.parquet", (Format.PARQUET, False)),
    ],
)
def test_the_suffix_tells_the_format(name: str, expected: tuple[Format, bool]) -> None:
    assert format_of(Path("some.ndjson", name), None) == expected


@pytest.mark.parametrize("name", ["a", "a.txt", "a.gz", "a.csv.bz2", "csv", "a.csv.gz.gz", "a.json"])
def test_an_unknown_suffix_needs_a_format(name: str) -> None:
    with pytest.raises(
        InvalidArgumentError, match=r"does not tell its format: end it with \.csv.* csv, ndjson, parquet"
    ):
        format_of(Path(name), None)


@pytest.mark.parametrize(
    ("name", "given", "expected"),
    [
        ("a.txt", Format.CSV, (Format.CSV, False)),
        ("a.gz", Format.NDJSON, (Format.NDJSON, True)),
        ("a.csv", Format.NDJSON, (Format.NDJSON, False)),
        ("a", "parquet", (Format.PARQUET, False)),
    ],
)
def test_the_format_given_counts_more_than_the_suffix(name: str, given: Any, expected: tuple[Format, bool]) -> None:
    found = format_of(Path(name), given)
    assert found == expected
    assert isinstance(found[0], Format)


@pytest.mark.parametrize(("name", "given"), [("a.parquet.gz", None), ("a.gz", Format.PARQUET)])
def test_parquet_is_not_packed(name: str, given: Format | None) -> None:
    with pytest.raises(InvalidArgumentError, match=r"leave \.gz out"):
        format_of(Path(name), given)


@pytest.mark.parametrize("given", ["xlsx", "", 5])
def test_a_format_that_is_none_is_refused(given: Any) -> None:
    for call in (lambda: format_of(Path("a.csv"), given), lambda: encoder(given, CAMPAIGN_COLUMNS, CsvOptions())):
        with pytest.raises(InvalidArgumentError, match="format must be one of csv, ndjson, parquet"):
            call()


@pytest.mark.parametrize(
    ("format", "cls"),
    [
        ("csv", CsvEncoder),
        (Format.NDJSON, NdjsonEncoder),
        pytest.param(Format.PARQUET, ParquetEncoder, marks=pytest.mark.slow),
    ],
)
def test_each_format_has_its_encoder(format: Any, cls: type) -> None:
    assert isinstance(encoder(format, CAMPAIGN_COLUMNS, CsvOptions()), cls)


@pytest.mark.parametrize("format", [Format.NDJSON, Format.PARQUET])
def test_switches_of_csv_are_refused_for_another_format(format: Format) -> None:
    with pytest.raises(InvalidArgumentError, match=f"{format} knows no bom and no null: these are switches of csv"):
        encoder(format, CONTACT_COLUMNS, CsvOptions(bom=True, null="-"))


@pytest.mark.parametrize(
    ("null", "told"),
    [
        ('"', "must not hold quotes"),
        ("a,b", "must not hold quotes"),
        (";", "must not hold quotes"),
        ("a\tb", "must not hold quotes"),
        ("a\n", "must not hold quotes"),
        ("\r", "must not hold quotes"),
        ("\x00", "must not hold quotes"),
        ("\ufeff", "must not hold quotes"),
        ("\ud800", "must not hold quotes"),
        (" -", "must not begin or end with a blank"),
        (" ", "must not begin or end with a blank"),
        ("0", "must not look like a number"),
        ("-1", "must not look like a number"),
        ("+.5", "must not look like a number"),
        ("2031-06-27", "must not look like a number"),
        (None, "must be text"),
    ],
)
def test_a_word_that_could_be_a_value_or_break_a_line_cannot_stand_for_none(null: Any, told: str) -> None:
    with pytest.raises(InvalidArgumentError, match=f"^null {told}"):
        encoder(Format.CSV, CONTACT_COLUMNS, CsvOptions(null=null))


@pytest.mark.parametrize("null", ["", "\\N", "NULL", "NaN", "-", "no value", "∅", "#N/A"])
def test_a_word_can_stand_for_no_value(null: str) -> None:
    encoder(Format.CSV, CONTACT_COLUMNS, CsvOptions(null=null, escape_formulas=True))


def test_no_value_is_no_formula() -> None:
    encoder(Format.CSV, CONTACT_COLUMNS, CsvOptions(null="=NA()"))
    with pytest.raises(InvalidArgumentError, match="must not look like a formula"):
        encoder(Format.CSV, CONTACT_COLUMNS, CsvOptions(null="=NA()", escape_formulas=True))


@pytest.mark.parametrize("switches", [{"bom": 1}, {"escape_formulas": "yes"}])
def test_switches_are_true_or_false(switches: Any) -> None:
    with pytest.raises(InvalidArgumentError, match="must be True or False"):
        encoder(Format.CSV, CONTACT_COLUMNS, CsvOptions(**switches))


def test_switches_must_be_switches() -> None:
    options: Any = {"bom": True}
    with pytest.raises(InvalidArgumentError, match="csv must be a CsvOptions, not dict"):
        encoder(Format.CSV, CONTACT_COLUMNS, options)


def test_parquet_without_pyarrow_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ModuleNotFoundError, match=r'pip install "campaigns-async\[parquet\]"') as caught:
        encoder(Format.PARQUET, CONTACT_COLUMNS, CsvOptions())
    assert caught.value.name == "pyarrow"
    encoder(Format.CSV, CONTACT_COLUMNS, CsvOptions())  # the others need none


@pytest.mark.slow
def test_pyarrow_is_imported_for_parquet_alone() -> None:
    code = (
        "import sys; from campaigns_async.export import columns, formats, options;"
        "[formats.encoder(name, columns.CONTACT_COLUMNS, options.CsvOptions()) for name in ('csv', 'ndjson')];"
        "assert 'pyarrow' not in sys.modules;"
        "formats.encoder('parquet', columns.CONTACT_COLUMNS, options.CsvOptions());"
        "assert 'pyarrow' in sys.modules"
    )
    subprocess.run([sys.executable, "-P", "-W", "error", "-c", code], check=True, timeout=50)
