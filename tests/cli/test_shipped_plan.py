"""The plan that is shipped: what the demo's figures rest on."""

from __future__ import annotations

import json
import re
import unicodedata
from collections import Counter
from datetime import UTC, datetime
from importlib.resources import files
from typing import Any

import pytest

from campaigns_async.cli._demo_content import digits
from campaigns_async.cli._demo_plan import SHIPPED, read_plan

Row = dict[str, Any]
FICTIONAL = re.compile(r"(0|44|\+44)7700900([1-9]\d\d)")
"""Ofcom's mobile numbers for drama: nobody has them."""


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    text = files("campaigns_async.cli").joinpath("demo_plan.ndjson").read_text("utf-8")
    return [json.loads(line) for line in text.splitlines()]


def test_its_own_reader_finds_nothing_wrong_with_it() -> None:
    assert len(read_plan(SHIPPED)) == 500


def test_it_has_500_campaigns_of_20_contacts(rows: list[Row]) -> None:
    assert len(rows) == 500
    assert {len(row["contacts"]) for row in rows} == {20}


def test_keys_are_unique_and_readable(rows: list[Row]) -> None:
    assert len({row["key"] for row in rows}) == 500
    assert all(re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", row["key"]) for row in rows)


def test_no_two_campaigns_say_the_same(rows: list[Row]) -> None:
    assert len({row["message"] for row in rows}) == 500


def test_a_sender_has_no_two_campaigns_at_once(rows: list[Row]) -> None:
    assert len({(row["sender"], row["startDateTime"]) for row in rows}) == 500


def test_every_number_is_fictional(rows: list[Row]) -> None:
    numbers = [contact["phoneNumber"] for row in rows for contact in row["contacts"]]
    assert all(FICTIONAL.fullmatch(number) for number in numbers)


def test_numbers_are_written_in_three_ways(rows: list[Row]) -> None:
    numbers = [contact["phoneNumber"] for row in rows for contact in row["contacts"]]
    ways = {match[1] for number in numbers if (match := FICTIONAL.fullmatch(number))}
    assert ways == {"0", "44", "+44"}


def test_nobody_is_texted_twice_by_one_campaign(rows: list[Row]) -> None:
    for row in rows:
        assert len({digits(contact["phoneNumber"]) for contact in row["contacts"]}) == 20


def test_texts_hold_no_phone_numbers(rows: list[Row]) -> None:
    assert not any(re.search(r"\d[\d ]{8,}\d", row["message"]) for row in rows)


def test_start_times_are_in_utc_with_milliseconds_and_far_off(rows: list[Row]) -> None:
    for row in rows:
        assert re.fullmatch(r"2031-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", row["startDateTime"])
        assert datetime.fromisoformat(row["startDateTime"]) >= datetime(2031, 1, 1, tzinfo=UTC)


def test_they_are_spread_over_the_year(rows: list[Row]) -> None:
    assert len({row["startDateTime"][:7] for row in rows}) == 12


def test_senders_fit_and_several_send_often(rows: list[Row]) -> None:
    senders = Counter(row["sender"] for row in rows)
    assert all(len(sender) <= 11 and sender.replace(" ", "").isalnum() for sender in senders)
    assert sum(count >= 10 for count in senders.values()) >= 10
    assert any(" " in sender for sender in senders)


def test_links_go_nowhere(rows: list[Row]) -> None:
    links = [row["trackLinkUrl"] for row in rows if "trackLinkUrl" in row]
    assert len(links) > 100
    assert all(re.match(r"https://[a-z0-9]+\.example/", link) for link in links)
    texts = " ".join(row["message"] for row in rows)
    assert not re.search(r"\.(com|co|org|net|uk|pl|fr|de|es|ro|ua)\b", texts)


def test_nothing_is_left_to_fill_in(rows: list[Row]) -> None:
    assert not any(re.search(r"[{}<>\[\]]|%s|lorem", row["message"], re.IGNORECASE) for row in rows)


@pytest.mark.parametrize("script", ["LATIN", "ARABIC", "GURMUKHI", "CYRILLIC", "CJK", "BENGALI"])
def test_texts_are_in_many_scripts(rows: list[Row], script: str) -> None:
    assert any(in_script(row["message"], script) for row in rows)


@pytest.mark.parametrize("script", ["LATIN", "ARABIC", "GURMUKHI", "CYRILLIC", "CJK", "BENGALI"])
def test_names_are_from_many_cultures(rows: list[Row], script: str) -> None:
    assert any(in_script(contact.get("name", ""), script) for row in rows for contact in row["contacts"])


def in_script(text: str, script: str) -> bool:
    return any(unicodedata.name(character, "").startswith(script) for character in text)


@pytest.mark.parametrize(
    "words",
    [
        "Diolch",
        "Świeża",
        "Réservez",
        "¡Noche",
        "Mărțișoare",
        "Cuối tuần",
        "Frische",
        "Buona sera",
        "ızgara",
        "São|Venha",
    ],
)
def test_texts_are_in_many_languages(rows: list[Row], words: str) -> None:
    assert any(re.search(words, row["message"]) for row in rows)


@pytest.mark.parametrize(
    ("what", "least"),
    [("£", 100), ("“", 20), ("’", 100), ('"', 5), (",", 200), ("\n", 5), ("💪", 1), ("\U0001f3f4\U000e0067", 1)],
)
def test_texts_hold_what_a_client_may_stumble_over(rows: list[Row], what: str, least: int) -> None:
    assert sum(what in row["message"] for row in rows) >= least


def test_some_texts_are_long_and_many_tell_how_to_opt_out(rows: list[Row]) -> None:
    assert sum(len(row["message"]) > 160 for row in rows) >= 30
    assert sum(bool(re.search(r"STOP|/stop", row["message"])) for row in rows) >= 100


def test_the_file_is_utf_8_as_it_stands() -> None:
    content = SHIPPED.read_bytes()
    assert b"\\u" not in content
    assert content.endswith(b"}\n")
    assert b"\r" not in content


def test_some_contacts_have_no_name_and_some_have_custom_fields(rows: list[Row]) -> None:
    fields = Counter(field for row in rows for contact in row["contacts"] for field in contact)
    assert 8_000 < fields["name"] < 10_000
    assert fields["custom1"] > fields["custom2"] > 100
    assert set(fields) == {"phoneNumber", "name", "custom1", "custom2"}
