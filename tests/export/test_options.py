"""Columns have the API's names, a file's suffix names its format, and errors say what would be right."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import attrs
import pytest

from campaigns_async import Campaign, Contact, InvalidArgumentError
from campaigns_async._field_rules import camel
from campaigns_async.export import Format
from campaigns_async.export._encoders import CsvEncoder, NdjsonEncoder, ParquetEncoder, make_encoder
from campaigns_async.export._options import CAMPAIGN_COLUMNS, CONTACT_COLUMNS, choose_columns, find_format

ALL_OF_CONTACTS = "the fields are campaignId, id, phoneNumber, name, custom1, custom2"


def test_the_columns_are_the_models_fields_by_the_wires_names() -> None:
    assert [column.attribute for column in CAMPAIGN_COLUMNS] == [field.name for field in attrs.fields(Campaign)]
    assert [column.attribute for column in CONTACT_COLUMNS[1:]] == [field.name for field in attrs.fields(Contact)]
    for column in (*CAMPAIGN_COLUMNS, *CONTACT_COLUMNS[1:]):
        assert column.attribute is not None
        assert column.name == camel(column.attribute)
    assert CONTACT_COLUMNS[0].name == "campaignId"


def test_all_columns_stand_for_none_given() -> None:
    assert choose_columns(None, CAMPAIGN_COLUMNS) == CAMPAIGN_COLUMNS


def test_columns_stand_in_the_order_given() -> None:
    chosen = choose_columns(iter(["name", "campaignId", "id"]), CONTACT_COLUMNS)
    assert [column.name for column in chosen] == ["name", "campaignId", "id"]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (["id", "phone_number"], "fields: unknown field 'phone_number'; did you mean 'phoneNumber'?"),
        (["CAMPAIGNID"], "fields: unknown field 'CAMPAIGNID'; did you mean 'campaignId'?"),
        (["phoneNumbr"], "fields: unknown field 'phoneNumbr'; did you mean 'phoneNumber'?"),
        (["message"], f"fields: unknown field 'message'; {ALL_OF_CONTACTS}"),
        (["id", ""], f"fields: name 2 is not a field; {ALL_OF_CONTACTS}"),
        (["id", 5], "fields: name 2 must be text, not int"),
        ([], f"fields is empty: {ALL_OF_CONTACTS}"),
        ("id", "fields must be a list of names, not str"),
        (5, "fields must be a list of names, not int"),
    ],
)
def test_a_wrong_name_is_answered_with_the_right_ones(fields: Any, message: str) -> None:
    with pytest.raises(InvalidArgumentError) as caught:
        choose_columns(fields, CONTACT_COLUMNS)
    assert caught.value.message == message


def test_a_name_given_twice_is_refused() -> None:
    with pytest.raises(InvalidArgumentError, match="name 3 is id again, which is name 1 already"):
        choose_columns(["id", "name", "id"], CONTACT_COLUMNS)


def test_a_wrong_name_is_not_quoted() -> None:
    with pytest.raises(InvalidArgumentError) as caught:
        choose_columns(["+447700900123"], CONTACT_COLUMNS)
    assert "7700" not in str(caught.value)


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
def test_the_suffix_names_the_format(name: str, expected: tuple[Format, bool]) -> None:
    assert find_format(Path("some.ndjson", name), None) == expected


@pytest.mark.parametrize("name", ["a", "a.txt", "a.gz", "a.csv.bz2", "csv", "a.csv.gz.gz", "a.json"])
def test_an_unknown_suffix_needs_a_format(name: str) -> None:
    with pytest.raises(
        InvalidArgumentError, match=r"suffix names no format: end the name with \.csv.* csv, ndjson, parquet"
    ):
        find_format(Path(name), None)


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
    found = find_format(Path(name), given)
    assert found == expected
    assert isinstance(found[0], Format)


@pytest.mark.parametrize(("name", "given"), [("a.parquet.gz", None), ("a.gz", Format.PARQUET)])
def test_parquet_is_not_packed(name: str, given: Format | None) -> None:
    with pytest.raises(InvalidArgumentError, match=r"remove \.gz"):
        find_format(Path(name), given)


@pytest.mark.parametrize("given", ["xlsx", "", 5])
def test_a_format_that_is_none_is_refused(given: Any) -> None:
    with pytest.raises(InvalidArgumentError, match="format must be one of 'csv', 'ndjson', 'parquet'"):
        find_format(Path("a.csv"), given)


@pytest.mark.parametrize(
    ("format", "cls"),
    [
        (Format.CSV, CsvEncoder),
        (Format.NDJSON, NdjsonEncoder),
        pytest.param(Format.PARQUET, ParquetEncoder, marks=pytest.mark.slow),
    ],
)
def test_each_format_has_its_encoder(format: Any, cls: type) -> None:
    assert isinstance(make_encoder(format, CAMPAIGN_COLUMNS), cls)


def test_parquet_without_pyarrow_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ModuleNotFoundError, match=r'pip install "campaigns-async\[parquet\]"') as caught:
        make_encoder(Format.PARQUET, CONTACT_COLUMNS)
    assert caught.value.name == "pyarrow"
    make_encoder(Format.CSV, CONTACT_COLUMNS)  # the others need none


@pytest.mark.slow
def test_pyarrow_is_imported_for_parquet_alone() -> None:
    code = (
        "import sys; from campaigns_async.export import Format, _encoders, _options;"
        "make = lambda form: _encoders.make_encoder(Format(form), _options.CONTACT_COLUMNS);"
        "make('csv'), make('ndjson');"
        "assert 'pyarrow' not in sys.modules;"
        "make('parquet');"
        "assert 'pyarrow' in sys.modules"
    )
    subprocess.run([sys.executable, "-P", "-W", "error", "-c", code], check=True, timeout=50)
