"""The fast reader of pages, by msgspec: typed rows without a dict for each.

It reads pages whose fields have the documented types. All other pages are left to the converters of `codec`. A page
that both can read has the same value by both.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Annotated, Any, TypeAlias, TypeVar

import msgspec

from campaigns_async._http.codec import is_too_deep, read_date, read_status
from campaigns_async.models import Campaign, CampaignStatus, Contact, Page

M = TypeVar("M")

# A number beyond 64 bits is left to the converters, which refuse it.
_Int: TypeAlias = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
_Count: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
_STATUSES: dict[int | None, CampaignStatus] = {int(status): status for status in CampaignStatus}


class _Contact(msgspec.Struct, rename="camel", gc=False):
    id: str
    phone_number: str | None = None
    name: str | None = None
    custom1: str | None = None
    custom2: str | None = None


class _Campaign(msgspec.Struct, rename="camel", gc=False):
    id: str
    start_date_time: str | None = None  # text, since msgspec rounds a seventh fractional digit
    sender: str | None = None
    recipient_count: _Int | None = None
    message: str | None = None
    status: _Int | None = None
    opt_out_link_id: _Int | None = None
    track_link_url: str | None = None


class _Envelope(msgspec.Struct, rename="camel", kw_only=True):
    page_index: _Count | None = None
    total_pages: _Count | None = None
    total_records: _Count | None = None


class _Contacts(_Envelope):
    items: list[_Contact]


class _Campaigns(_Envelope):
    items: list[_Campaign]


def read_page(body: bytes, cls: type[M]) -> Page[M] | None:
    """Return the page of a body; None if a field does not have the documented type."""
    decode, convert = _READERS[cls]
    with suppress(Exception):  # the error could quote a value
        if not is_too_deep(body):
            page = decode(body)
            return Page(page.page_index, page.total_pages, page.total_records, tuple(convert(page.items)))
    return None


def _make_mutable(cls: type) -> Any:
    """Return a subclass of a frozen attrs class whose instances are made without arguments and can be changed.

    A frozen attrs class sets each field with a function call, which costs more than the rest of reading a row. To make
    a row, set every field of an instance, then set its `__class__` to the frozen class.
    """
    plain = {name: getattr(object, name) for name in ("__init__", "__setattr__", "__delattr__")}
    return type(f"Mutable{cls.__name__}", (cls,), {"__slots__": (), **plain})


_MutableContact, _MutableCampaign = _make_mutable(Contact), _make_mutable(Campaign)


def _convert_contacts(values: Iterable[_Contact]) -> list[Contact]:
    rows: list[Contact] = []
    for value in values:
        row = _MutableContact()
        row.id = value.id
        row.phone_number = value.phone_number
        row.name = value.name
        row.custom1 = value.custom1
        row.custom2 = value.custom2
        row.__class__ = Contact
        rows.append(row)
    return rows


def _convert_campaigns(
    values: Iterable[_Campaign], parse: Callable[[str], datetime] = datetime.fromisoformat
) -> list[Campaign]:
    rows: list[Campaign] = []
    find_status = _STATUSES.get
    for value in values:
        row = _MutableCampaign()
        row.id = value.id
        start = value.start_date_time
        if start is None:
            row.start_date_time = None
        else:
            moment = parse(start)
            row.start_date_time = moment if moment.tzinfo is UTC else read_date(start)
        row.sender = value.sender
        row.recipient_count = value.recipient_count
        row.message = value.message
        row.status = known = find_status(value.status)
        if known is None:
            row.status = read_status(value.status)
        row.opt_out_link_id = value.opt_out_link_id
        row.track_link_url = value.track_link_url
        row.__class__ = Campaign
        rows.append(row)
    return rows


_READERS: dict[type, tuple[Callable[[bytes], Any], Callable[[Iterable[Any]], list[Any]]]] = {
    Contact: (msgspec.json.Decoder(_Contacts).decode, _convert_contacts),
    Campaign: (msgspec.json.Decoder(_Campaigns).decode, _convert_campaigns),
}
