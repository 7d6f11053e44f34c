"""What is kept of the server's own words for a refused row."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given, strategies as st
from support.made import client_of

from campaigns_async import NewCampaign, NewContact
from campaigns_async.errors import APIError, Problem, ValidationFailedError
from campaigns_async.jobs import open_journal, send
from campaigns_async.jobs._server_reason import describe_refusal
from campaigns_async.sandbox import Sandbox

START = datetime(2031, 6, 27, 9, 30, tzinfo=UTC)
GROUP = UUID("8b6f2f2e-7a0f-4d49-9c1e-1f2e3d4c5b6a")
CONTACTS = [
    NewContact("07700 900123", "Siân O'Brien", "Gold tier", "a", GROUP),
    NewContact("+44 (0)7700 900-124", "Bo"),
]
NEW = NewCampaign(START, "Golf", "See you on the tee at nine, and bring the gloves.", CONTACTS)


def said(text: str, new: NewCampaign = NEW) -> str | None:
    error = APIError("400", status=400)
    error.body_text = text
    return describe_refusal(error, new)


def listed(errors: dict[str, tuple[str, ...]], **more: str) -> str | None:
    return describe_refusal(ValidationFailedError("400", status=400, problem=Problem(errors=errors, **more)), NEW)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("447700900123 is no mobile", "<hidden> is no mobile"),
        ("+44 7700 900 199 is no mobile", "<hidden> is no mobile"),
        ("(07700) 900-199: no", "(<hidden>: no"),
        ("07\u200b700900199 and ０７７００９００１９９", "<hidden> and <hidden>"),
        ("code 12345, code 1234", "code <hidden>, code 1234"),
        ("SIÂN O&#39;BRIEN: no", "<hidden>: no"),
        ("Sia\u0302n is barred", "<hidden> is barred"),
        ("Dear Brien, no", "Dear <hidden>, no"),
        ("Bo, not Bob", "<hidden>, not Bob"),
        ("gold tier and golf", "<hidden> and <hidden>"),
        ("a golfer's tie", "a golfer's tie"),
        ("'See you on the tee at…' is too long", "'<hidden>...' is too long"),
        (str(GROUP), "<hidden>"),
        ("start after 2031-06-27T09:30:00Z", "start after 2031-06-27T09:30:00Z"),
        ("red\x1b[31m\r\n\u202eline\ttwo\0", "red[31m line two"),
        ("half \ud83c.", "half ."),
        ("", None),
        ("  \r\n", None),
    ],
)
def test_the_row_s_own_values_and_all_long_numbers_are_hidden(text: str, shown: str | None) -> None:
    assert said(text) == shown


def test_messages_are_named_by_known_fields_and_told_once() -> None:
    assert listed({f"Contacts[{index}].PhoneNumber": ("Not a number.",) for index in range(5000)}) == (
        "phoneNumber: Not a number."
    )
    assert listed({"$.sender": ("Unknown.", "Too long."), "Siân": ("No.",)}) == (
        "sender: Unknown.; sender: Too long.; No."
    )
    assert listed({"Sender": ()}) == "sender"
    assert listed({}, title="Bad", detail="Out of credit.") == "Out of credit."
    assert listed({"": ()}, title="Bad") == "Bad"
    assert listed({}) is None


def test_it_is_short_whatever_the_server_says() -> None:
    assert said("no " * 100_000) == "no " * 100 + "…"
    shown = listed({"Sender": tuple(f"reason {number}" for number in range(100))})
    assert shown is not None
    assert shown.count("reason") == 5
    assert shown.endswith("…")


def test_no_half_of_a_number_is_left_where_a_long_text_is_cut() -> None:
    for at in range(1_960, 2_010):
        shown = said("1" * at + " 07700900123 Siân")
        assert set((shown or "").split()) <= {"<hidden>"}, at


@given(
    st.lists(st.text(min_size=1, max_size=20), min_size=1, max_size=4),
    st.text(max_size=30),
    st.text(max_size=30),
)
def test_no_value_of_the_row_is_shown_as_a_word(values: list[str], before: str, after: str) -> None:
    contacts = [NewContact("07700900123", name=value) for value in values]
    new = NewCampaign(START, "Golf", "See you.", contacts)
    shown = said(f"{before} {values[0]} {after}", new)
    assert shown is None or shown.isprintable()
    word = "".join(values[0].split())
    if word.isascii() and word.isalpha() and len(word) > 1 and word.lower() not in "hidden":
        assert shown is not None
        assert word.lower() not in (each.lower() for each in shown.replace("<", " ").replace(">", " ").split())


REPLIES = {
    "a problem": (json.dumps({"errors": {"Sender": ["'Golf' is not yours."]}}), "sender: '<hidden>' is not yours."),
    "messages by field": (json.dumps({"Contacts[0].PhoneNumber": ["No mobile."]}), "phoneNumber: No mobile."),
    "a detail": (json.dumps({"title": "Bad", "detail": "No credit."}), "No credit."),
    "text": ("No credit for 07700900123.", "No credit for <hidden>."),
    "text in JSON": ('"No credit."', "No credit."),
    "nothing": ("", None),
}


@pytest.mark.parametrize(("body", "shown"), REPLIES.values(), ids=REPLIES)
async def test_the_journal_and_the_summary_say_why(
    body: str, shown: str | None, sandbox: Sandbox, tmp_path: Path
) -> None:
    sandbox.fault(operation="create", status=400, body=body)
    async with client_of(sandbox) as client:
        summary = await send(client, [("a", NEW)], tmp_path / "journal")
    assert summary.failures[0].server_reason == shown
    assert "900123" not in repr(summary)
    with open_journal(tmp_path / "journal") as journal:
        assert [row.server_reason for row in journal.rows()] == [shown]
