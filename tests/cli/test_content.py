"""Two campaigns are the same whatever notation their numbers and dates are in, and in no other case."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from campaigns_async import Campaign, Contact, NewCampaign, NewContact
from campaigns_async.cli._demo_content import Content, content_of_new, content_of_wire, digits, outline_of, people_of

START = dt.datetime(2031, 5, 1, 9, 30, tzinfo=dt.UTC)
WIRE: dict[str, Any] = {
    "startDateTime": "2031-05-01T09:30:00.000Z",
    "sender": "Golf",
    "message": "Fore!",
    "optOutLinkId": None,
    "trackLinkUrl": None,
}
ANN: dict[str, Any] = {"phoneNumber": "447700900100", "name": "Ann", "custom1": None, "custom2": None}


@pytest.mark.parametrize(
    "number",
    ["07700900123", "447700900123", "+447700900123", "00447700900123", "07700 900 123", "+44 (7700) 900-123"],
)
def test_one_number_has_one_form(number: str) -> None:
    assert digits(number) == "447700900123"


def test_a_foreign_number_keeps_its_country() -> None:
    assert digits("+48 601 000 001") == "48601000001"


def new(**fields: Any) -> Content:
    given = {
        "start_date_time": START,
        "sender": "Golf",
        "message": "Fore!",
        "contacts": [NewContact("07700900100", "Ann")],
    }
    return content_of_new(NewCampaign(**{**given, **fields}))


def test_plan_server_and_client_see_the_same_campaign() -> None:
    campaign = Campaign("x", start_date_time=START, sender="Golf", message="Fore!")
    listed = Content(
        outline_of(campaign), people_of([Contact("p", phone_number="+447700900100", name="Ann", custom1="")])
    )
    assert new() == content_of_wire(WIRE, [ANN]) == listed


def test_the_zone_of_the_start_does_not_matter() -> None:
    summer = dt.timezone(dt.timedelta(hours=1))
    assert new(start_date_time=START.astimezone(summer)) == new()


def test_the_order_of_the_people_does_not_matter() -> None:
    ann, ben = NewContact("07700900100"), NewContact("07700900101")
    assert new(contacts=[ann, ben]) == new(contacts=[ben, ann])


@pytest.mark.parametrize(
    "fields",
    [
        {"start_date_time": START + dt.timedelta(milliseconds=1)},
        {"sender": "golf"},
        {"message": "Fore! "},
        {"opt_out_link_id": 1},
        {"track_link_url": "https://golf.example"},
        {"contacts": [NewContact("07700900101", "Ann")]},
        {"contacts": [NewContact("07700900100", "Anne")]},
        {"contacts": [NewContact("07700900100", "Ann", "x")]},
        {"contacts": [NewContact("07700900100", "Ann", None, "x")]},
        {"contacts": [NewContact("07700900100", "Ann")] * 2},
        {"contacts": []},
    ],
)
def test_everything_else_does(fields: dict[str, Any]) -> None:
    assert new(**fields) != new()


def test_a_campaign_without_a_start_is_like_no_row() -> None:
    assert outline_of(Campaign("x")).start is None
