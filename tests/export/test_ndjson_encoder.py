"""NDJSON is one object a line with all columns, and gives back exactly what went in."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given, strategies as st

from campaigns_async import Campaign, CampaignStatus, Contact
from campaigns_async.export import UnwritableValueError
from campaigns_async.export._encoders import Batch, NdjsonEncoder
from campaigns_async.export._options import CAMPAIGN_COLUMNS, CONTACT_COLUMNS, Column, choose_columns

TEXTS = st.one_of(st.text(max_size=20), st.sampled_from(["", "\n", "\r\n", "\x00", '"', "\\", "\u2028", "😀"]))
VALUES = st.none() | TEXTS
CONTACTS = st.builds(Contact, TEXTS, VALUES, VALUES, VALUES, VALUES)


def lines(data: bytes) -> list[dict[str, object]]:
    assert not data or data.endswith(b"\n")
    return [json.loads(line) for line in data.split(b"\n")[:-1]]


@given(st.lists(st.sampled_from(CONTACT_COLUMNS), min_size=1, unique=True), st.lists(CONTACTS, max_size=5), VALUES)
def test_json_gets_exactly_the_values(columns: list[Column], rows: list[Contact], campaign_id: str | None) -> None:
    encoder = NdjsonEncoder(columns)
    data = encoder.begin() + encoder.encode(Batch(rows, campaign_id)) + encoder.encode(Batch(rows, "b")) + encoder.end()
    expected = [
        {column.name: of if column.name == "campaignId" else getattr(row, str(column.attribute)) for column in columns}
        for of in (campaign_id, "b")
        for row in rows
    ]
    got = lines(data)
    assert got == expected
    for line in got:
        assert list(line) == [column.name for column in columns]


@given(st.permutations(CONTACT_COLUMNS), st.lists(CONTACTS, min_size=1, max_size=3))
def test_whole_contacts_in_any_order(columns: list[Column], rows: list[Contact]) -> None:
    got = lines(NdjsonEncoder(columns).encode(Batch(rows, "c")))
    assert got == [
        {column.name: "c" if column.attribute is None else getattr(row, column.attribute) for column in columns}
        for row in rows
    ]
    assert list(map(list, got)) == [[column.name for column in columns]] * len(rows)


@given(st.permutations(CAMPAIGN_COLUMNS))
def test_whole_campaigns_in_any_order(columns: list[Column]) -> None:
    start = datetime(2031, 6, 27, 9, 30, tzinfo=UTC)
    row = Campaign("1", start, "Golf", 2, "text", CampaignStatus.SUBMITTED, 3, "https://example.com")
    values = {
        "id": "1",
        "startDateTime": "2031-06-27T09:30:00Z",
        "sender": "Golf",
        "recipientCount": 2,
        "message": "text",
        "status": CampaignStatus.SUBMITTED.value,
        "optOutLinkId": 3,
        "trackLinkUrl": "https://example.com",
    }
    names = [column.name for column in columns]
    got = lines(NdjsonEncoder(columns).encode(Batch([row, Campaign("2")])))
    assert got == [values, {**dict.fromkeys(values), "id": "2"}]
    assert list(map(list, got)) == [names] * 2


def test_what_a_line_looks_like() -> None:
    columns = choose_columns(["id", "status", "startDateTime", "recipientCount", "message"], CAMPAIGN_COLUMNS)
    rows = [
        Campaign("1", datetime(2031, 6, 27, 9, 30, tzinfo=UTC), None, 5, "a\nb", CampaignStatus.SENDING),
        Campaign("2", datetime(1, 1, 1, 0, 0, 0, 120, tzinfo=UTC), None, 2**64 - 1, "", CampaignStatus(99)),
        Campaign("3"),
    ]
    assert NdjsonEncoder(columns).encode(Batch(rows)).decode() == (
        '{"id":"1","status":1,"startDateTime":"2031-06-27T09:30:00Z","recipientCount":5,"message":"a\\nb"}\n'
        '{"id":"2","status":99,"startDateTime":"0001-01-01T00:00:00.000120Z",'
        '"recipientCount":18446744073709551615,"message":""}\n'
        '{"id":"3","status":null,"startDateTime":null,"recipientCount":null,"message":null}\n'
    )


def test_no_rows_are_no_bytes() -> None:
    encoder = NdjsonEncoder(CONTACT_COLUMNS)
    assert encoder.begin() + encoder.encode(Batch([], "c")) + encoder.end() == b""


@pytest.mark.parametrize("text", ["half\ud83d", "\udc00"])
def test_half_a_surrogate_pair_is_refused_by_its_place(text: str) -> None:
    rows = [Contact("1", name="😀"), Contact("2", name=text)]
    with pytest.raises(UnwritableValueError, match=r"^contact '2': name contains a lone surrogate") as caught:
        NdjsonEncoder(CONTACT_COLUMNS).encode(Batch(rows, "c"))
    assert "half\ud83d" not in str(caught.value)
    assert caught.value.__context__ is None


@pytest.mark.parametrize("number", [2**64, -(2**63) - 1])
def test_a_number_of_more_than_64_bits_is_refused_by_its_place(number: int) -> None:
    rows = [Campaign("1", recipient_count=-(2**63)), Campaign("2", opt_out_link_id=number)]
    with pytest.raises(UnwritableValueError, match=r"^campaign '2': optOutLinkId is an integer of more than 64"):
        NdjsonEncoder(CAMPAIGN_COLUMNS).encode(Batch(rows))


def test_an_id_that_cannot_be_printed_is_escaped_in_the_error() -> None:
    with pytest.raises(UnwritableValueError) as caught:
        NdjsonEncoder(CONTACT_COLUMNS).encode(Batch([Contact("\ud800\n")], "c"))
    assert str(caught.value).startswith("contact '\\ud800\\n': id contains a lone")
