"""Values for tests."""

from __future__ import annotations

import datetime as dt
from typing import Any

from campaigns_async import CampaignsClient, NewCampaign, NewContact, RetryPolicy, Timeouts
from campaigns_async.sandbox import Sandbox

START = dt.datetime(2031, 5, 1, 9, 30, tzinfo=dt.UTC)
QUICK = RetryPolicy(base=0.001, cap=0.002)
"""A backoff so short that no test waits."""


def client_of(sandbox: Sandbox, **settings: Any) -> CampaignsClient:
    """Build a client of a sandbox; its retries hardly wait."""
    settings.setdefault("retry", QUICK)
    settings.setdefault("timeouts", Timeouts(connect=5, read=5, deadline=20, grace=5))
    return CampaignsClient(sandbox.url, sandbox.api_key, **settings)


def new_campaign(number: int = 0, *, size: int = 2, **fields: Any) -> NewCampaign:
    """Build a campaign to `size` people, which differs from others by its number."""
    people = [NewContact(f"07700 900{100 + index % 900}", name=f"Player {index}") for index in range(size)]
    given = {
        "start_date_time": START,
        "sender": "Golf",
        "message": f"Tee time {number}, 20% off",
        "contacts": people,
    }
    return NewCampaign(**{**given, **fields})


def rows(count: int, **fields: Any) -> list[dict[str, Any]]:
    """Build campaigns in wire form, with the ids c000, c001, …"""
    return [
        {
            "id": f"c{index:03}",
            "startDateTime": "2031-05-01T09:30:00.000Z",
            "sender": "Golf",
            "recipientCount": index,
            "message": f"Message {index}",
            "status": 0,
            "optOutLinkId": None,
            "trackLinkUrl": None,
            **fields,
        }
        for index in range(count)
    ]


def people(count: int) -> list[dict[str, Any]]:
    """Build contacts in wire form, with the ids p000, p001, …"""
    return [{"id": f"p{index:03}", "phoneNumber": f"07700900{100 + index % 900}"} for index in range(count)]
