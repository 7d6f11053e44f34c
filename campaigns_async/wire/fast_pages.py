"""Pages by msgspec, the `[fast]` extra: typed rows without a dict for each, at three quarters of the cost.

It reads pages that hold what is documented and no more, and leaves all others to `decoding`, whose rows are the same:
what msgspec passes over, it looks at less closely than orjson, and its depth has no bound of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Annotated, Any, TypeAlias

import msgspec

from campaigns_async.models import Campaign, Contact
from campaigns_async.values import Page
from campaigns_async.wire import decoding

_moment = datetime.fromisoformat
# Beyond 64 bits msgspec makes an int, and orjson a float, which is no whole number.
_Int: TypeAlias = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
_Count: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]


class _Contact(msgspec.Struct, rename="camel", forbid_unknown_fields=True, gc=False):
    id: str
    phone_number: str | None = None
    name: str | None = None
    custom1: str | None = None
    custom2: str | None = None


class _Campaign(msgspec.Struct, rename="camel", forbid_unknown_fields=True, gc=False):
    id: str
    start_date_time: str | None = None
    """As text: msgspec rounds a seventh fractional digit."""
    sender: str | None = None
    recipient_count: _Int | None = None
    message: str | None = None
    status: _Int | None = None
    opt_out_link_id: _Int | None = None
    track_link_url: str | None = None


class _Envelope(msgspec.Struct, rename="camel", forbid_unknown_fields=True, kw_only=True):
    page_index: _Count | None = None
    total_pages: _Count | None = None
    total_records: _Count | None = None


class _Contacts(_Envelope):
    items: list[_Contact]


class _Campaigns(_Envelope):
    items: list[_Campaign]


def read(body: bytes, cls: type) -> Page[Any] | None:
    """A page; None where anything about it needs a closer look."""
    decode, rows = _READERS[cls]
    with suppress(Exception):  # not told: it could quote a value
        page = decode(body)
        return Page(page.page_index, page.total_pages, page.total_records, tuple(rows(page.items)))
    return None


def _contacts(values: Iterable[_Contact]) -> list[Contact]:
    rows: list[Contact] = []
    for value in values:
        row = decoding.OpenContact()
        row.id = value.id
        row.phone_number = value.phone_number
        row.name = value.name
        row.custom1 = value.custom1
        row.custom2 = value.custom2
        row.__class__ = Contact
        rows.append(row)
    return rows


def _campaigns(values: Iterable[_Campaign]) -> list[Campaign]:
    rows: list[Campaign] = []
    for value in values:
        row = decoding.OpenCampaign()
        row.id = value.id
        start = value.start_date_time
        row.start_date_time = moment = None if start is None else _moment(start)
        if moment is not None and moment.tzinfo is not UTC:
            row.start_date_time = decoding.read_date(start)
        row.sender = value.sender
        row.recipient_count = value.recipient_count
        row.message = value.message
        row.status = known = decoding.STATUS_BY_NUMBER.get(value.status)
        if known is None:
            row.status = decoding.read_status(value.status)
        row.opt_out_link_id = value.opt_out_link_id
        row.track_link_url = value.track_link_url
        row.__class__ = Campaign
        rows.append(row)
    return rows


_READERS: dict[type, tuple[Callable[[bytes], Any], Callable[[Iterable[Any]], list[Any]]]] = {
    Contact: (msgspec.json.Decoder(_Contacts).decode, _contacts),
    Campaign: (msgspec.json.Decoder(_Campaigns).decode, _campaigns),
}
