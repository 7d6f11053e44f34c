"""The demo's plan: what is wrong with its lines is told, all of it, by number, field and reason."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import pytest

from campaigns_async.jobs.errors import PlanError

from .conftest import Command, line, ndjson, planned

ONE: dict[str, Any] = {"phoneNumber": "07700900100"}


def test_a_line_becomes_a_campaign() -> None:
    zoe = {"phoneNumber": "+44 7700 900100", "name": "Zoë", "custom1": "a", "custom2": "b"}
    people = [zoe, {"phoneNumber": "07700900101"}]
    [row] = planned(ndjson(line(1, trackLinkUrl="https://golf.example/a", optOutLinkId=7, contacts=people)))
    assert (row.line, row.key) == (1, "golf-1")
    campaign = row.campaign
    assert campaign.start_date_time == dt.datetime(2031, 5, 2, 9, 30, tzinfo=dt.UTC)
    assert (campaign.sender, campaign.message) == ("Golf", "Tee time 1, “20% off”")
    assert (campaign.track_link_url, campaign.opt_out_link_id) == ("https://golf.example/a", 7)
    assert [one.phone_number for one in campaign.contacts] == ["+44 7700 900100", "07700900101"]
    assert [one.name for one in campaign.contacts] == ["Zoë", None]
    assert (campaign.contacts[0].custom1, campaign.contacts[0].custom2) == ("a", "b")


def test_blank_lines_count_but_say_nothing() -> None:
    rows = planned(b"\xef\xbb\xbf\n" + ndjson(line(1)) + b"  \r\n" + ndjson(line(2)))
    assert [row.line for row in rows] == [2, 4]


def test_a_line_ends_at_a_newline_only() -> None:
    [row] = planned(ndjson(line(1, message="one\u2028two\x85three")))
    assert row.campaign.message == "one\u2028two\x85three"


BAD: dict[str, tuple[dict[str, Any], str, str]] = {
    "no sender": ({"sender": None}, "sender", "is missing"),
    "no key": ({"key": None}, "key", "is missing"),
    "letters for a number": ({"contacts": [{"phoneNumber": "none"}]}, "contacts[0].phoneNumber", "is no phone number"),
    "one number twice": (
        {"contacts": [ONE, {"phoneNumber": "+447700900100"}]},
        "contacts[1].phoneNumber",
        "contacts[0]",
    ),
    "a group": (
        {"contacts": [ONE | {"contactGroupId": "3fa85f64-5717-4562-b3fc-2c963f66afa6"}]},
        "contacts[0].contactGroupId",
        "leave it out",
    ),
    "the key of another line": ({"key": "golf-1"}, "key", "line 1"),
}


@pytest.mark.parametrize(("fields", "where", "reason"), BAD.values(), ids=BAD)
def test_a_bad_line_is_told(fields: dict[str, Any], where: str, reason: str) -> None:
    with pytest.raises(PlanError, match="the plan has 1 fault") as caught:
        planned(ndjson(line(1)) + b"\n" + ndjson(line(2, **fields)))
    [bad] = caught.value.lines
    assert (bad.number, bad.field) == (3, where)
    assert reason in bad.reason


def test_braces_are_what_they_are() -> None:
    [row] = planned(ndjson(line(1, message="{name}")))
    assert row.campaign.message == "{name}"


def test_the_same_campaign_twice_is_told_however_its_numbers_are_written() -> None:
    again = line(1, key="other", contacts=[{"phoneNumber": "+447700900100"}])
    with pytest.raises(PlanError) as caught:
        planned(ndjson(line(1, contacts=[ONE]), again))
    [bad] = caught.value.lines
    assert str(bad).startswith("line 2: is the same campaign as line 1")


@pytest.mark.parametrize("content", [b"", b"\n \n"])
def test_an_empty_plan_is_told(content: bytes, tmp_path: Path, command: Command) -> None:
    path = tmp_path / "plan"
    path.write_bytes(content)
    ended = command("demo", "--plan", path)
    assert ended.code == 2
    assert "--plan: the plan 'plan' " in ended.err
    assert ended.err.count("\n") == 1


def test_all_bad_lines_are_told_and_nothing_of_them_is_quoted(tmp_path: Path, command: Command) -> None:
    path = tmp_path / "plan"
    path.write_bytes(ndjson(line(1, sender=None), line(2), line(3, contacts=[{"phoneNumber": "hush-hush"}])))
    ended = command("demo", "--plan", path)
    assert ended.code == 2
    assert ended.err.splitlines()[:2] == [
        "--plan: line 1: sender: is missing",
        "--plan: line 3: contacts[0].phoneNumber: is no phone number, such as 07700900123 or +447700900123",
    ]
    assert "--plan: the plan has 2 faults; nothing was sent" in ended.err.splitlines()[2]
    assert "hush" not in ended.err


def test_of_very_many_bad_lines_the_first_are_shown(tmp_path: Path, command: Command) -> None:
    path = tmp_path / "plan"
    path.write_bytes(b"{}\n" * 30)
    ended = command("demo", "--plan", path)
    assert len(ended.err.splitlines()) == 21
    assert "the plan has 30 faults, of which the first 20 are told above" in ended.err


def test_no_option_is_named_that_is_not_there(tmp_path: Path, command: Command) -> None:
    path = tmp_path / "plan"
    path.write_bytes(ndjson(line(1, contacts=[ONE, ONE])))
    ended = command("demo", "--plan", path)
    assert ended.err.splitlines()[0].endswith("who would be texted twice: take one out")
    assert "duplicates" not in ended.err


def test_reprs_show_nothing_of_a_row() -> None:
    [row] = planned(ndjson(line(1)))
    shown = repr(row) + repr(row.content) + repr(row.content.people)
    assert not any(word in shown for word in ("Golf", "golf-1", "Tee", "Siân", "900"))
