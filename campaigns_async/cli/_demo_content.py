"""What a campaign says and to whom, brought to one form, so that a plan and a server can be compared. Pure.

The id is no part of it, nor how a phone number was written.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Protocol

from attrs import field, frozen

from campaigns_async.models import NewCampaign


@frozen(order=True)
class Person:
    """Someone who is texted."""

    digits: str = field(repr=False)
    """Of the phone number, in international form."""
    name: str = field(repr=False)
    custom1: str = field(repr=False)
    custom2: str = field(repr=False)


@frozen
class Outline:
    """All of a campaign but its people: what a listing shows."""

    start: datetime | None
    """In UTC."""
    sender: str | None = field(repr=False)
    message: str | None = field(repr=False)
    opt_out_link_id: int | None
    track_link_url: str | None = field(repr=False)


@frozen
class Content:
    """A whole campaign."""

    outline: Outline
    people: tuple[Person, ...] = field(repr=False)
    """In an order of its own, not that in which they came."""


class _Campaign(Protocol):
    @property
    def start_date_time(self) -> datetime | None: ...
    @property
    def sender(self) -> str | None: ...
    @property
    def message(self) -> str | None: ...
    @property
    def opt_out_link_id(self) -> int | None: ...
    @property
    def track_link_url(self) -> str | None: ...


class _Contact(Protocol):
    @property
    def phone_number(self) -> str | None: ...
    @property
    def name(self) -> str | None: ...
    @property
    def custom1(self) -> str | None: ...
    @property
    def custom2(self) -> str | None: ...


def digits(number: str) -> str:
    """The digits of a phone number in international form, whichever way it is written: 447700900123."""
    text = re.sub(r"[\s().-]", "", number)
    if text.startswith("+"):
        return text[1:]
    if text.startswith("00"):
        return text[2:]
    return f"44{text[1:]}" if text.startswith("07") else text


def outline_of(campaign: _Campaign) -> Outline:
    """The outline of a campaign of either side."""
    start = campaign.start_date_time
    return Outline(
        start=None if start is None else start.astimezone(UTC),
        sender=campaign.sender,
        message=campaign.message,
        opt_out_link_id=campaign.opt_out_link_id,
        track_link_url=campaign.track_link_url,
    )


def people_of(contacts: Iterable[_Contact]) -> tuple[Person, ...]:
    """The people of a campaign of either side; no value and an empty one are the same."""
    return tuple(
        sorted(
            Person(digits(one.phone_number or ""), one.name or "", one.custom1 or "", one.custom2 or "")
            for one in contacts
        )
    )


def content_of_new(campaign: NewCampaign) -> Content:
    """The content of a campaign that is to be created."""
    return Content(outline_of(campaign), people_of(campaign.contacts))


def content_of_wire(campaign: Mapping[str, Any], contacts: Iterable[Mapping[str, Any]]) -> Content:
    """The content of a campaign as the server holds it, read here and not by the client that is put to the test."""
    outline = Outline(
        start=datetime.fromisoformat(campaign["startDateTime"]).astimezone(UTC),
        sender=campaign["sender"],
        message=campaign["message"],
        opt_out_link_id=campaign["optOutLinkId"],
        track_link_url=campaign["trackLinkUrl"],
    )
    people = sorted(
        Person(digits(one["phoneNumber"]), one["name"] or "", one["custom1"] or "", one["custom2"] or "")
        for one in contacts
    )
    return Content(outline, tuple(people))
