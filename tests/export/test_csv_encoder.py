"""CSV gives back exactly what went in, no value and empty text apart, to whoever sees quotes."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import assume, given, strategies as st

from campaigns_async import Campaign, CampaignStatus, Contact
from campaigns_async.export import UnwritableValueError
from campaigns_async.export._encoders import Batch, CsvEncoder
from campaigns_async.export._options import CAMPAIGN_COLUMNS, CONTACT_COLUMNS, Column, choose_columns

NASTY = ["", '"', ",", "\r", "\n", "\r\n", "\x00", " ", "'", "\\N", "\\", "=1+1", "\ufeff", "😀", "\u2028", "NULL", "0"]
TEXTS = st.one_of(
    st.sampled_from(NASTY),
    st.lists(st.sampled_from(NASTY) | st.text(max_size=3), max_size=6).map("".join),
    st.text(max_size=30),
)
VALUES = st.none() | TEXTS
CONTACTS = st.builds(Contact, TEXTS, VALUES, VALUES, VALUES, VALUES)
SOME_COLUMNS = st.lists(st.sampled_from(CONTACT_COLUMNS), min_size=1, unique=True)
CELL = re.compile(r'(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r\n)')


def seen(text: str) -> list[list[str | int | None]]:
    """The rows, as a reader of RFC 4180 has them that sees quotes."""
    rows: list[list[str | int | None]] = [[]]
    text = text.removeprefix("\ufeff")
    at = 0
    while at < len(text):
        cell = CELL.match(text, at)
        assert cell is not None, f"no cell at {at}"
        quoted, bare, after = cell.groups()
        if quoted is not None:
            rows[-1].append(quoted.replace('""', '"'))
        else:
            rows[-1].append(int(bare) if bare else None)
        if after == "\r\n":
            rows.append([])
        at = cell.end()
    assert rows.pop() == [], "the last line is not closed"
    return rows


def written(columns: Sequence[Column], batches: Sequence[Batch], *, excel: bool = False) -> str:
    encoder = CsvEncoder(columns, excel=excel)
    data = encoder.begin() + b"".join(map(encoder.encode, batches)) + encoder.end()
    return data.decode()


def values(columns: Sequence[Column], batches: Sequence[Batch]) -> list[list[Any]]:
    """What the rows hold, read without the encoder's help."""
    return [
        [
            batch.campaign_id if column.name == "campaignId" else getattr(row, str(column.attribute))
            for column in columns
        ]
        for batch in batches
        for row in batch.rows
    ]


@given(SOME_COLUMNS, st.lists(CONTACTS, max_size=5), st.none() | TEXTS)
def test_a_reader_that_sees_quotes_gets_exactly_the_values(
    columns: list[Column], rows: list[Contact], campaign_id: str | None
) -> None:
    batches = [Batch(rows[:2], campaign_id), Batch(rows[2:], "b")]
    expected = values(columns, batches)
    assume(len(columns) > 1 or [None] not in expected)
    names, *got = seen(written(columns, batches))
    assert names == [column.name for column in columns]
    assert got == expected


@given(st.lists(CONTACTS, max_size=5))
def test_the_csv_module_gets_exactly_the_values_but_for_none(rows: list[Contact]) -> None:
    batches = [Batch(rows, "c")]
    _, *got = csv.reader(io.StringIO(written(CONTACT_COLUMNS, batches), newline=""), strict=True)
    assert got == [["" if cell is None else cell for cell in row] for row in values(CONTACT_COLUMNS, batches)]


def test_what_a_line_looks_like() -> None:
    columns = choose_columns(
        ["id", "startDateTime", "recipientCount", "message", "status", "optOutLinkId"], CAMPAIGN_COLUMNS
    )
    rows = [
        Campaign(
            "1", datetime(2031, 6, 27, 9, 30, tzinfo=UTC), None, 5, 'Say "hi",\nplease', CampaignStatus.SENDING, 0
        ),
        Campaign("2", datetime(1, 1, 1, 0, 0, 0, 120, tzinfo=UTC), None, -1, "", CampaignStatus(99)),
        Campaign("3"),
    ]
    assert written(columns, [Batch(rows)]) == (
        '"id","startDateTime","recipientCount","message","status","optOutLinkId"\r\n'
        '"1","2031-06-27T09:30:00Z",5,"Say ""hi"",\nplease",1,0\r\n'
        '"2","0001-01-01T00:00:00.000120Z",-1,"",99,\r\n'
        '"3",,,,,\r\n'
    )


@pytest.mark.parametrize("rows", [[], [Contact("1")]])
def test_the_mark_for_excel_stands_once_before_all(rows: list[Contact]) -> None:
    encoder = CsvEncoder(CONTACT_COLUMNS, excel=True)
    whole = encoder.begin() + encoder.encode(Batch(rows, "c")) + encoder.encode(Batch(rows, "c")) + encoder.end()
    assert whole.startswith(codecs.BOM_UTF8 + b'"campaignId"')
    assert whole.count(codecs.BOM_UTF8) == 1


def test_no_rows_are_no_bytes() -> None:
    assert CsvEncoder(CONTACT_COLUMNS, excel=False).encode(Batch([], "c")) == b""


def test_half_a_surrogate_pair_is_refused_by_its_place() -> None:
    rows = [Campaign("1"), Campaign("2", message="secret\ud800")]
    with pytest.raises(UnwritableValueError, match=r"^campaign '2': message contains a lone surrogate") as caught:
        written(CAMPAIGN_COLUMNS, [Batch(rows)])
    assert "secret" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


def test_a_line_that_would_be_empty_is_refused() -> None:
    columns = choose_columns(["name"], CONTACT_COLUMNS)
    batch = Batch([Contact("1", name=""), Contact("2")], "c")
    with pytest.raises(UnwritableValueError, match=r"^contact '2': name has no value, and is the only column"):
        written(columns, [batch])
    assert written(columns, [Batch(batch.rows[:1], "c")]) == '"name"\r\n""\r\n'


@pytest.mark.parametrize(
    "text",
    [
        "=1+1",
        "+1+1",
        "-1+1",
        "@SUM(A1)",
        "\tx",
        "\rx",
        "\nx",
        "＝1",
        "＋1",
        "－1",
        "＠x",
        "+44x",
        "- item",
        "+1\n",
        "+٣",
    ]
    + [" =1", "\x00=1", "\ufeff=1", "\u200b@x", "\xa0-x", '="a"', "--", "=" * 3],
)
def test_what_a_spreadsheet_would_run_gets_an_apostrophe(text: str) -> None:
    batch = Batch([Contact("1", text, text, text, text)], text)
    assert seen(written(CONTACT_COLUMNS, [batch], excel=True))[1] == [
        "'" + text,
        "1",
        *["'" + text] * 4,
    ]
    assert seen(written(CONTACT_COLUMNS, [batch]))[1] == [text, "1", *[text] * 4]


@pytest.mark.parametrize(
    "text",
    [
        "+447700900123",
        "+44 7700 900123",
        "+44 (0)7700-900.123",
        "+44/7700 900123 ext. 12",
        "-1,234.50",
        "+1.5e-3",
        "-.5",
        "-5",
        "+",
        "-",
        "",
        "a=1",
        "1+1",
        "'=1",
        " a",
        "😀",
        "(=1)",
        "#x",
        "|x",
    ],
)
def test_what_no_spreadsheet_runs_is_left(text: str) -> None:
    batch = Batch([Contact(text, text)], "c")
    assert seen(written(CONTACT_COLUMNS, [batch], excel=True))[1][1:3] == [text, text]


@given(st.lists(CONTACTS, max_size=5))
def test_an_apostrophe_is_all_that_is_added(rows: list[Contact]) -> None:
    batches = [Batch(rows, "c")]
    got = seen(written(CONTACT_COLUMNS, batches, excel=True))[1:]
    for cells, originals in zip(got, values(CONTACT_COLUMNS, batches), strict=True):
        for cell, original in zip(cells, originals, strict=True):
            assert cell in {original, f"'{original}"}
            if isinstance(cell, str):
                assert not cell.startswith(("=", "@", "\t", "\r", "\n"))


def test_numbers_and_dates_get_no_apostrophe() -> None:
    columns = choose_columns(["id", "recipientCount"], CAMPAIGN_COLUMNS)
    assert seen(written(columns, [Batch([Campaign("1", recipient_count=-1)])], excel=True))[1] == [
        "1",
        -1,
    ]
