"""The arguments of a sandbox, validated."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, tzinfo
from typing import Any, Literal, get_args

from attrs import field, frozen
from attrs.validators import and_, ge, gt, le, lt, optional

from . import _validators as valid
from ._clock import Lifecycle
from ._dotnet import DateStyle
from ._mobile_numbers import PhoneStyle
from ._routing import Auth, DeleteMethod, UpdateMethod
from ._rows import Wire
from .faults import Fault

WireRow = Mapping[str, Any]


@frozen(kw_only=True)
class Quirks:
    """The form of the provider's answers, where its documentation leaves the form open.

    Attributes:
        bare_id: Answer a create with the id as bare ``text/plain``, not as a JSON string.
        list_in_array: Wrap the list of campaigns in an array of one element.
        dates: The form of start times: ``2024-01-10T09:00:00.000Z`` (milliseconds),
            without a zone (bare), with seven digits, or shifted to ``+01:00`` (offset).
            None for the form in which they are stored.
        phones: The notation in which numbers of created contacts are stored: ``+447…``
            (plus), ``447…`` (digits) or ``07…`` (national). None to store them unchanged.
        drops_custom: Store no `custom1` and `custom2` of contacts.
        message_text: A function that is applied to each message before it is stored, such as ``str.rstrip``.
        default_page_size: Rows per page if the request has no page size, from 1.
        max_page_size: The maximum number of rows on a page. It does not change the number of rows that earlier pages
            skip, so rows between pages are lost. None for no limit.
        max_total: The maximum `totalRecords` of a page; `totalPages` follows it. None for no limit.
        refused_sort: A field that the server does not sort by, such as `id`; None if it sorts by all of them.
        zone: The server's time zone, to which filter dates with ``Z`` or an offset are converted before they
            are compared.
        strict_filters: Answer 400 to filters and sorts that the provider's server silently ignores.
    """

    bare_id: bool = field(default=False, validator=valid.flag)
    list_in_array: bool = field(default=False, validator=valid.flag)
    dates: DateStyle | None = field(default=None, validator=optional(valid.one_of(get_args(DateStyle))))
    phones: PhoneStyle | None = field(default=None, validator=optional(valid.one_of(get_args(PhoneStyle))))
    drops_custom: bool = field(default=False, validator=valid.flag)
    message_text: Callable[[str], str] | None = None
    default_page_size: int = field(default=10, validator=valid.count)
    max_page_size: int | None = field(default=None, validator=optional(valid.count))
    max_total: int | None = field(default=None, validator=optional(valid.count))
    refused_sort: str | None = field(default=None, validator=optional(valid.of_type("the name of a field", str)))
    zone: tzinfo = UTC
    strict_filters: bool = field(default=False, validator=valid.flag)


@frozen
class RateLimit:
    """A limit on requests per second, and the answer to the requests above it.

    Attributes:
        requests_per_second: The rate, above 0. It may be a fraction.
        burst: The number of requests that are served at once after a pause, from 1; None for the requests of one second.
        status: The status of the answer to requests above the limit: 429, or 503 as ASP.NET's limiter answers by default.
        retry_after: True if that answer has a `Retry-After` header, in whole seconds.
    """

    requests_per_second: float = field(
        validator=and_(valid.of_type("a number of requests per second", int, float), gt(0), lt(float("inf")))
    )
    burst: int | None = field(default=None, validator=optional(valid.count))
    status: Literal[429, 503] = field(default=429, validator=valid.one_of((429, 503)))
    retry_after: bool = field(default=True, validator=valid.flag)


def to_rate_limit(limit: RateLimit | float | None) -> RateLimit | None:
    if limit is None or isinstance(limit, RateLimit):
        return limit
    if isinstance(limit, bool) or not isinstance(limit, (int, float)):
        raise valid.wrong_type("rate_limit", "a RateLimit, a number of requests per second or None", limit)
    return RateLimit(limit)


def _read_campaigns(campaigns: Iterable[WireRow]) -> Sequence[Wire]:
    rows: list[Wire] = []
    for index, campaign in enumerate(campaigns):
        if not isinstance(campaign, Mapping):
            raise valid.wrong_type(f"campaigns[{index}]", "a mapping, in wire form", campaign)
        if campaign.get("id") in (None, ""):
            raise ValueError(f"campaigns[{index}] must have an id")
        rows.append(dict(campaign))
    return rows


def _read_contacts(contacts: Mapping[str, Iterable[WireRow]] | None) -> Mapping[str, Sequence[WireRow]]:
    return {campaign_id: list(rows) for campaign_id, rows in (contacts or {}).items()}


def _read_key(key: str | None) -> str:
    return secrets.token_hex(16) if key is None else valid.check_api_key(key)


def _strip_slash(path: str) -> str:
    return path.rstrip("/") if isinstance(path, str) else path


def _make_tuple(faults: Iterable[Fault]) -> Sequence[Fault]:
    return tuple(faults)


@frozen(eq=False, repr=False)
class Settings:
    """The arguments of a `Sandbox`, which documents them."""

    campaigns: Sequence[Wire] = field(default=(), converter=_read_campaigns)
    contacts: Mapping[str, Sequence[WireRow]] = field(default=None, converter=_read_contacts)
    api_key: str = field(kw_only=True, default=None, converter=_read_key)
    host: str = field(kw_only=True, default="127.0.0.1", validator=valid.of_type("text, such as 127.0.0.1", str))
    port: int = field(kw_only=True, default=0, validator=and_(valid.whole, ge(0), le(65_535)))
    prefix: str = field(kw_only=True, default="", converter=_strip_slash, validator=valid.url_path)
    update_method: UpdateMethod = field(kw_only=True, default="PUT", validator=valid.one_of(get_args(UpdateMethod)))
    delete_method: DeleteMethod = field(kw_only=True, default="DELETE", validator=valid.one_of(get_args(DeleteMethod)))
    auth: Auth = field(kw_only=True, default="any", validator=valid.one_of(get_args(Auth)))
    rate_limit: RateLimit | None = field(kw_only=True, default=None, converter=to_rate_limit)
    magic_recipients: bool = field(kw_only=True, default=False)
    lifecycle: Lifecycle | None = field(
        kw_only=True, default=None, validator=optional(valid.of_type("a Lifecycle or None", Lifecycle))
    )
    now: datetime | None = field(kw_only=True, default=None)
    max_body: int = field(kw_only=True, default=30_000_000, validator=valid.count)
    keep_bodies: bool = field(kw_only=True, default=True)
    seed: int | None = field(kw_only=True, default=None)
    quirks: Quirks | None = field(
        kw_only=True, default=None, validator=optional(valid.of_type("a Quirks or None", Quirks))
    )
    faults: Sequence[Fault] = field(kw_only=True, default=(), converter=_make_tuple)
