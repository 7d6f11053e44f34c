"""A plan's bad lines are told, all of them, by number, field and reason."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import pytest

from campaigns_async.cli._demo_plan import BadLine, PlanError, parse_plan

from .conftest import Command, line, ndjson

ONE: dict[str, Any] = {"phoneNumber": "07700900100"}


def test_a_line_becomes_a_campaign() -> None:
    zoe = {"phoneNumber": "+44 7700 900100", "name": "Zoë", "custom1": "a", "custom2": "b"}
    people = [zoe, {"phoneNumber": "07700900101"}]
    [row] = parse_plan(ndjson(line(1, trackLinkUrl="https://golf.example/a", optOutLinkId=7, contacts=people)))
    assert (row.line, row.key) == (1, "golf-1")
    campaign = row.campaign
    assert campaign.start_date_time == dt.datetime(2031, 5, 2, 9, 30, tzinfo=dt.UTC)
    assert (campaign.sender, campaign.message) == ("Golf", "Tee time 1, “20% off”")
    assert (campaign.track_link_url, campaign.opt_out_link_id) == ("https://golf.example/a", 7)
    assert [one.phone_number for one in campaign.contacts] == ["+44 7700 900100", "07700900101"]
    assert [one.name for one in campaign.contacts] == ["Zoë", None]
    assert (campaign.contacts[0].custom1, campaign.contacts[0].custom2) == ("a", "b")


def test_blank_lines_count_but_say_nothing() -> None:
    rows = parse_plan(b"\xef\xbb\xbf\n" + ndjson(line(1)) + b"  \r\n" + ndjson(line(2)))
    assert [row.line for row in rows] == [2, 4]


def test_a_line_ends_at_a_newline_only() -> None:
    [row] = parse_plan(ndjson(line(1, message="one\u2028two\x85three")))
    assert row.campaign.message == "one\u2028two\x85three"


BAD: dict[str, tuple[dict[str, Any], str, str]] = {
    "no key": ({"key": None}, "key", "is missing"),
    "a blank key": ({"key": " "}, "key", "not blank"),
    "no sender": ({"sender": None}, "sender", "is missing"),
    "a number for a sender": ({"sender": 7}, "sender", "must be text"),
    "no message": ({"message": ""}, "message", "not blank"),
    "no start": ({"startDateTime": None}, "startDateTime", "is missing"),
    "a start without a zone": ({"startDateTime": "2031-05-01T09:30:00"}, "startDateTime", "with a zone"),
    "a day for a start": ({"startDateTime": "2031-05-01"}, "startDateTime", "with a zone"),
    "a 31 April": ({"startDateTime": "2031-04-31T09:30:00Z"}, "startDateTime", "with a zone"),
    "no contacts": ({"contacts": None}, "contacts", "is missing"),
    "an empty list of contacts": ({"contacts": []}, "contacts", "at least one"),
    "an object for contacts": ({"contacts": {}}, "contacts", "must be an array"),
    "text for a contact": ({"contacts": [ONE, "x"]}, "contacts[1]", "must be a JSON object"),
    "a contact without a number": ({"contacts": [ONE, {"name": "A"}]}, "contacts[1].phoneNumber", "is missing"),
    "letters for a number": ({"contacts": [{"phoneNumber": "none"}]}, "contacts[0].phoneNumber", "is no phone number"),
    "one number twice": (
        {"contacts": [ONE, {"phoneNumber": "+447700900100"}]},
        "contacts[1].phoneNumber",
        "contacts[0]",
    ),
    "a number for a name": ({"contacts": [ONE | {"name": 1}]}, "contacts[0].name", "must be text"),
    "a contact's unknown field": ({"contacts": [ONE | {"nmae": "A"}]}, "contacts[0]", "none of custom1"),
    "an unknown field": ({"msg": "x"}, "", "none of contacts"),
    "a link that is none": ({"trackLinkUrl": "golf.example"}, "trackLinkUrl", "begins with https://"),
    "a number for a link": ({"trackLinkUrl": 1}, "trackLinkUrl", "begins with https://"),
    "text for an opt-out": ({"optOutLinkId": "1"}, "optOutLinkId", "whole number"),
    "true for an opt-out": ({"optOutLinkId": True}, "optOutLinkId", "whole number"),
    "the key of another line": ({"key": "golf-1"}, "key", "line 1"),
}


@pytest.mark.parametrize(("fields", "where", "reason"), BAD.values(), ids=BAD)
def test_a_bad_line_is_told(fields: dict[str, Any], where: str, reason: str) -> None:
    with pytest.raises(PlanError) as caught:
        parse_plan(ndjson(line(1)) + b"\n" + ndjson(line(2, **fields)))
    [bad] = caught.value.lines
    assert (bad.number, bad.field) == (3, where)
    assert reason in bad.reason


RAW = {"no JSON": b"{", "no object": b"[]", "no UTF-8": b'{"key":"\xff"}', "half a surrogate": b'{"key":"\\ud800"}'}


@pytest.mark.parametrize("content", RAW.values(), ids=RAW)
def test_what_is_no_json_object_is_told(content: bytes) -> None:
    with pytest.raises(PlanError) as caught:
        parse_plan(content)
    assert [(bad.number, bad.field) for bad in caught.value.lines] == [(1, "")]


def test_the_same_campaign_twice_is_told_however_its_numbers_are_written() -> None:
    again = line(1, key="other", contacts=[{"phoneNumber": "+447700900100"}])
    with pytest.raises(PlanError) as caught:
        parse_plan(ndjson(line(1, contacts=[ONE]), again))
    [bad] = caught.value.lines
    assert str(bad).startswith("line 2: is the same campaign as line 1")


@pytest.mark.parametrize("content", [b"", b"\n \n"])
def test_an_empty_plan_is_told(content: bytes) -> None:
    with pytest.raises(PlanError, match="1 bad lines") as caught:
        parse_plan(content)
    assert "empty" in caught.value.lines[0].reason


def test_all_bad_lines_are_told_and_nothing_of_them_is_quoted(tmp_path: Path, command: Command) -> None:
    path = tmp_path / "plan"
    path.write_bytes(ndjson(line(1, sender=None), line(2), line(3, contacts=[{"phoneNumber": "hush-hush"}])))
    ended = command("demo", "--plan", path)
    assert ended.code == 2
    assert ended.err.splitlines()[:2] == [
        "--plan: line 1: sender: is missing",
        "--plan: line 3: contacts[0].phoneNumber: is no phone number, such as 07700900123 or +447700900123",
    ]
    assert "2 bad lines; nothing was sent" in ended.err.splitlines()[2]
    assert "hush" not in ended.err


def test_of_very_many_bad_lines_the_first_are_shown(tmp_path: Path, command: Command) -> None:
    path = tmp_path / "plan"
    path.write_bytes(b"{}\n" * 30)
    ended = command("demo", "--plan", path)
    assert len(ended.err.splitlines()) == 21
    assert "30 bad lines, of which the first 20 are told above" in ended.err


def test_reprs_show_nothing_of_a_row() -> None:
    [row] = parse_plan(ndjson(line(1)))
    shown = repr(row) + repr(row.content) + repr(row.content.people)
    assert not any(word in shown for word in ("Golf", "golf-1", "Tee", "Siân", "900"))


def test_a_bad_line_reads_well() -> None:
    assert str(BadLine(3, "key", "is missing")) == "line 3: key: is missing"
    assert str(BadLine(3, "", "is no JSON")) == "line 3: is no JSON"
