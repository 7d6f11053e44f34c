"""The fast reader of pages reads the same values as the converters, or leaves a page to them."""

from __future__ import annotations

import copy
import pickle
import sys
from typing import Any

import attrs
import orjson
import pytest
from hypothesis import example, given, strategies as st
from support.wire_rows import BAD_DATES, FULL, ODD, PERSON, UTC_DATES, odd_rows, outcome

from campaigns_async import Campaign, CampaignStatus, Contact, DecodeError, Page, Response
from campaigns_async._http import codec, pages, response
from campaigns_async._http.problems import read_problem
from campaigns_async._http.response import read_campaigns, read_contacts

ENVELOPE = {"pageIndex": 1, "totalPages": 1, "totalRecords": 1}
WIRE: dict[type, dict[str, Any]] = {Campaign: FULL, Contact: PERSON}
BOTH = pytest.mark.parametrize("cls", WIRE)


def body(*rows: object, **envelope: object) -> bytes:
    """Build the body of a page."""
    return orjson.dumps({**ENVELOPE, **envelope, "items": rows})


def read_by_converters(raw: bytes, cls: type) -> Page[Any]:
    """Read a page without msgspec."""
    return response._read_envelope(response.single(Response(200, {}, raw).json()), cls)


def check_agreement(raw: bytes, cls: type) -> bool:
    """Return True if the fast reader reads the page; then check that the converters read the same values."""
    page = pages.read_page(raw, cls)
    if page is None:
        return False
    # A name that it does not know is skipped, be it UTF-8 or not.
    same = read_by_converters(raw.decode(errors="replace").encode(), cls)
    assert page == same
    assert (type(page.index), type(page.total_pages), type(page.total_records)) == (
        type(same.index),
        type(same.total_pages),
        type(same.total_records),
    )
    assert outcome(lambda: page.items) == outcome(lambda: same.items)
    return True


@BOTH
def test_a_documented_page_is_read_by_the_fast_reader(cls: type) -> None:
    assert check_agreement(body(), cls)
    assert check_agreement(body(WIRE[cls], dict.fromkeys(WIRE[cls]) | {"id": "b"}, {"id": "c"}), cls)
    assert check_agreement(orjson.dumps({"items": [WIRE[cls]]}), cls)
    assert check_agreement(body({**WIRE[cls], "new": {"deep": [1]}}, links=[{"rel": "next"}]), cls)
    assert check_agreement(body({**WIRE[cls], "id": 'Zoë 🏌️ " \\ \n \x00 \ud7ff'}), cls)


@pytest.mark.parametrize("text", UTC_DATES)
def test_the_fast_reader_reads_dates_and_cuts_the_seventh_digit(text: str) -> None:
    assert check_agreement(body({**FULL, "startDateTime": text}), Campaign)


@pytest.mark.parametrize("number", [*CampaignStatus, -1, 6, 99, 2**63 - 1])
def test_the_fast_reader_reads_known_and_unknown_statuses(number: int) -> None:
    assert check_agreement(body({**FULL, "status": int(number)}), Campaign)


@pytest.mark.parametrize(("name", "cls"), [(name, cls) for cls, wire in WIRE.items() for name in wire])
def test_any_field_value_is_read_as_by_the_converters_or_left_to_them(name: str, cls: type) -> None:
    for value in (*ODD, *BAD_DATES, 2**63, -(2**63)):
        if value != "\ud800":
            check_agreement(body(WIRE[cls], {**WIRE[cls], name: value}), cls)


@BOTH
@pytest.mark.parametrize("name", ENVELOPE)
@pytest.mark.parametrize("value", [None, 0, -1, True, 1.0, "1", 2**63, 2**64, 2**70], ids=repr)
def test_any_envelope_value_is_read_as_by_the_converters_or_left_to_them(cls: type, name: str, value: object) -> None:
    raw = body().replace(b'"%s":1' % name.encode(), b'"%s":%s' % (name.encode(), str_of(value)))
    check_agreement(raw, cls)


@pytest.mark.parametrize("name", ["recipientCount", "status", "optOutLinkId"])
@pytest.mark.parametrize("number", [2**63 - 1, 2**63, 2**64 - 1, 2**64, 2**70, -(2**63), -(2**63) - 1, -(2**70)])
def test_a_number_beyond_64_bits_is_left_to_the_converters(name: str, number: int) -> None:
    raw = body(FULL).replace(b'"%s":%d' % (name.encode(), FULL[name]), b'"%s":%d' % (name.encode(), number))
    assert b"%d" % number in raw
    assert check_agreement(raw, Campaign) == (-(2**63) <= number < 2**63)


def str_of(value: object) -> bytes:
    return str(value).encode() if isinstance(value, int) and not isinstance(value, bool) else orjson.dumps(value)


@BOTH
@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b'{"items":null}',
        b'{"items":{}}',
        b'{"items":[null]}',
        b'{"items":[{}]}',
        b'{"items":[{"id":"\\ud800"}]}',
        b'{"items":[{"id":"\xff"}]}',
        b'{"items":[{"id":"a"}],}',
        pytest.param(
            b'{"items":[{"id":"a"}],"x":' + b"[" * 1_100 + b"]" * 1_100 + b"}",
            marks=pytest.mark.skipif(
                sys.version_info >= (3, 12), reason="Python reads it: it counts the depth of C calls in another way"
            ),
        ),
        b'{"items":[{"id":"a"}]} x',
        b'{"items":[{"id":"a","id":7}]}',
        b"\xef\xbb\xbf" + body({"id": "a"}),
        b"[" + body({"id": "a"}) + b"]",
        b'{"items":' * 100_000,
    ],
    ids=lambda raw: repr(raw[:40]),
)
def test_an_undocumented_page_is_left_to_the_converters(raw: bytes, cls: type) -> None:
    assert pages.read_page(raw, cls) is None


def test_the_depth_of_a_page_is_bounded_at_any_recursion_limit() -> None:
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(1_000_000)
    try:
        for name in (b"x", b"id", b"items", b"totalPages"):
            deep = b'{"items":[{"id":"a"}],"%s":' % name + b"[" * 900_000 + b"]" * 900_000 + b"}"
            for raw in (deep, b'{"items":[{"id":"a","%s":' % name + b'{"a":' * 900_000):
                assert pages.read_page(raw, Contact) is None
                with pytest.raises(DecodeError):
                    read_contacts(Response(200, {}, raw))
                assert read_problem(raw) is None
        shallow = (
            b'{"items":[{"id":"[[\\"[["}],"x":' + b"[" * 900 + b"]" * 900 + b',"y":' + b"[" * 900 + b"]" * 900 + b"}"
        )
        assert pages.read_page(shallow, Contact) is not None
    finally:
        sys.setrecursionlimit(limit)


@BOTH
def test_the_last_of_duplicate_keys_counts(cls: type) -> None:
    assert check_agreement(b'{"items":[{"id":"a","id":"b"}],"items":[{"id":"c","id":"d"}]}', cls)


@BOTH
def test_both_readers_agree_after_any_changed_byte(cls: type) -> None:
    whole = body(WIRE[cls])
    read = 0
    for place in range(len(whole)):
        for byte in b'\x00"\\{}[],:09-.enu \x80\xff':
            read += check_agreement(whole[:place] + bytes([byte]) + whole[place + 1 :], cls)
    assert read > len(whole), "nothing was read, so nothing was compared"


@BOTH
@given(rows=st.lists(odd_rows, max_size=3))
@example(rows=[])
def test_any_page_is_read_as_by_the_converters_or_left_to_them(cls: type, rows: list[object]) -> None:
    try:
        raw = body(*rows)
    except TypeError:  # a lone surrogate
        return
    check_agreement(raw, cls)


@pytest.mark.parametrize(("wire", "cls"), [(FULL, Campaign), (PERSON, Contact)])
def test_a_row_of_a_page_is_frozen_and_equal_to_a_constructed_one(wire: dict[str, Any], cls: type) -> None:
    page: Any = pages.read_page(body(wire), cls)
    (row,) = page.items
    made = cls(*attrs.astuple(codec.read_model(wire, cls), recurse=False))
    assert type(row) is cls
    assert (row, hash(row), repr(row)) == (made, hash(made), repr(made))
    for again in (pickle.loads(pickle.dumps(row)), copy.copy(row), copy.deepcopy(row), attrs.evolve(row)):
        assert (type(again), again) == (cls, made)
    for change in (lambda: setattr(row, "id", "b"), lambda: delattr(row, "id"), lambda: setattr(row, "other", 1)):
        with pytest.raises(AttributeError):
            change()


good_rows = st.fixed_dictionaries(
    {"id": st.text()},
    optional={
        "startDateTime": st.none() | st.datetimes().map(lambda moment: moment.isoformat() + "Z"),
        "sender": st.none() | st.text(),
        "recipientCount": st.none() | st.integers(0, 2**63 - 1),
        "message": st.none() | st.text(),
        "status": st.none() | st.integers(-5, 2**31),
        "optOutLinkId": st.none() | st.integers(-(2**63), 2**63 - 1),
        "trackLinkUrl": st.none() | st.text(),
        "other": st.recursive(st.none() | st.text(), st.lists, max_leaves=3),
    },
)


@given(st.lists(good_rows))
def test_documented_pages_never_use_the_converters(rows: list[Any]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(response, "_read_envelope", None)
        found = read_campaigns(Response(200, {}, body(*rows)))
    assert [row.id for row in found.items] == [row["id"] for row in rows]


def test_only_an_undocumented_page_uses_the_converters(monkeypatch: pytest.MonkeyPatch) -> None:
    slow: list[object] = []
    read = response._read_envelope

    def count_envelopes(envelope: object, cls: type) -> Page[Any]:
        slow.append(envelope)
        return read(envelope, cls)

    monkeypatch.setattr(response, "_read_envelope", count_envelopes)
    for rows in ([PERSON], [PERSON, {"id": 5}], [PERSON]):
        assert len(read_contacts(Response(200, {}, body(*rows))).items) == len(rows)
    assert len(slow) == 1
