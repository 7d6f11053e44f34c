"""A preview counts what a plan comes to, and names places without quoting what is there."""

from __future__ import annotations

import builtins
import datetime as dt
from pathlib import Path
from typing import Any

import orjson
import phonenumbers
import pytest
from hypothesis import given, strategies as st
from support.plans import lines_of

from campaigns_async import InvalidArgumentError, NewCampaign, NewContact
from campaigns_async.jobs import Plan, contacts_plan, rows_plan
from campaigns_async.jobs._preview import Preview, make_number_test

NOW = dt.datetime(2031, 6, 27, 9, 30, tzinfo=dt.UTC)
FINE = NewContact("07700900001")


def make_preview(plan: Plan) -> Preview:
    """Return the preview of a plan."""
    preview = Preview(NOW)
    for each in lines_of(plan):
        preview.add(each.line, each.row)
    return preview


def campaign(message: str = "Hello", contacts: int | list[NewContact] = 1, **fields: Any) -> NewCampaign:
    people = contacts if isinstance(contacts, list) else [NewContact(f"077009{n:05}") for n in range(contacts)]
    given: dict[str, Any] = {"start_date_time": NOW, "sender": "Golf", "message": message, "contacts": people}
    return NewCampaign(**given | fields)


def test_campaigns_contacts_and_parts_are_counted() -> None:
    preview = make_preview(rows_plan([campaign("a" * 161, 3), campaign("ç" * 71, 5), campaign("a", 7)]))
    assert (preview.campaigns, preview.contacts, preview.parts) == (3, 15, 3 * 2 + 5 * 2 + 7)
    assert (preview.gsm_7, preview.ucs_2, preview.lengthened, preview.dropped) == (2, 1, 0, 0)
    assert [noted.count for noted in (preview.invalid_numbers, preview.long_senders, preview.passed_starts)] == [
        0,
        0,
        0,
    ]


def test_links_that_lengthen_a_text_are_counted() -> None:
    rows = [campaign(opt_out_link_id=0), campaign(track_link_url="https://golf.example"), campaign()]
    assert make_preview(rows_plan(rows)).lengthened == 2


def test_invalid_numbers_long_senders_and_passed_starts_are_named_by_their_place() -> None:
    rows = [
        campaign(sender="x" * 11, start_date_time=NOW),
        campaign(sender="x" * 12, start_date_time=NOW - dt.timedelta(milliseconds=1)),
        campaign(contacts=[FINE, NewContact("1234"), NewContact("0770090000")]),
    ]
    preview = make_preview(rows_plan(rows))
    assert preview.long_senders.places == ["line 2: sender"]
    assert preview.passed_starts.places == ["line 2: startDateTime"]
    assert preview.invalid_numbers.places == ["line 3: contacts[1].phoneNumber", "line 3: contacts[2].phoneNumber"]
    assert preview.as_dict() | {"parts": 0} == {
        "campaigns": 3,
        "contacts": 5,
        "dropped": 0,
        "parts": 0,
        "gsm_7": 3,
        "ucs_2": 0,
        "lengthened": 0,
        "left_out": {"count": 0, "places": []},
        "invalid_numbers": {"count": 2, "places": preview.invalid_numbers.places},
        "long_senders": {"count": 1, "places": ["line 2: sender"]},
        "passed_starts": {"count": 1, "places": ["line 2: startDateTime"]},
    }
    assert orjson.dumps(preview.as_dict())
    assert "1234" not in repr(preview) + str(preview.as_dict())


def test_the_first_20_places_are_kept_and_all_are_counted() -> None:
    noted = make_preview(rows_plan([campaign(sender="x" * 12)] * 30)).long_senders
    assert (noted.count, len(noted.places), noted.places[-1]) == (30, 20, "line 20: sender")


def test_a_place_is_the_contact_s_line_in_the_file(tmp_path: Path) -> None:
    file = tmp_path / "people.csv"
    file.write_text("phoneNumber,name\n07700900001,\n+44 7700 900001,\n07700900002,\n1234,\n")
    plan = contacts_plan(file, message="Hello", sender="Golf", start=NOW, split=2, duplicates="drop")
    preview = make_preview(plan)
    assert preview.invalid_numbers.places == ["line 5: phoneNumber"]
    assert (preview.campaigns, preview.contacts, preview.dropped) == (2, 3, 1)
    people = [FINE, FINE, NewContact("1234")]
    preview = make_preview(rows_plan([campaign(contacts=people)], duplicates="drop"))
    assert preview.invalid_numbers.places == ["line 1: contacts[2].phoneNumber"]
    assert (preview.contacts, preview.dropped, preview.parts) == (2, 1, 2)


def test_now_must_have_a_time_zone() -> None:
    with pytest.raises(InvalidArgumentError, match="now must have a time zone"):
        Preview(dt.datetime(2031, 6, 27))


def test_a_missing_package_is_named_with_the_command_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    imported = builtins.__import__

    def absent(name: str, *arguments: Any, **options: Any) -> Any:
        if name == "phonenumbers":
            raise ModuleNotFoundError("No module named 'phonenumbers'", name=name)
        return imported(name, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", absent)
    with pytest.raises(ModuleNotFoundError) as caught:
        Preview(NOW)
    assert str(caught.value) == (
        'finding invalid numbers needs phonenumbers: install it with: pip install "campaigns-async[cli]"'
    )
    assert caught.value.name == "phonenumbers"


def judge(number: str) -> bool:
    """Return the verdict of phonenumbers."""
    try:
        parsed = phonenumbers.parse(number, "GB")
    except phonenumbers.NumberParseException:
        return False
    return phonenumbers.is_possible_number_for_type(parsed, phonenumbers.PhoneNumberType.MOBILE)


@given(
    st.sampled_from(
        ["07", "447", "4407", "4470", "+447", "00447", "+44 7", "+44(0)7", "020", "+1", "+33 6", "7", "0", ""]
    ),
    st.text("0123456789", min_size=0, max_size=11),
)
def test_the_short_cut_says_what_the_library_says(before: str, rest: str) -> None:
    assert make_number_test()(before + rest) == judge(before + rest)


@given(st.integers(0, 10**9 - 1), st.sampled_from(["07", "447", "+447", "00447"]))
def test_every_british_mobile_number_is_possible(rest: int, before: str) -> None:
    number = f"{before}{rest:09}"
    assert make_number_test()(number)
    assert judge(number)


def test_a_number_of_no_end_is_none() -> None:
    assert not make_number_test()("0" * 10_000)
