"""The arguments of a sandbox, validated."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, tzinfo
from typing import Any, Final, Literal, get_args

from attrs import Attribute, define, field, frozen
from attrs.validators import and_, ge, gt, le, lt, optional

from . import _validators as valid
from ._clock import Lifecycle
from ._dotnet import DateStyle
from ._routing import Auth, DeleteMethod, UpdateMethod
from ._sieve import Wire
from .faults import Fault

PhoneStyle = Literal["plus", "digits", "national"]
WireRow = Mapping[str, Any]

_PREFIX: Final = re.compile(r"(?:/(?:[A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2})*)*")


@frozen(kw_only=True)
class Quirks:
    """The form of the provider's answers, where its documentation leaves it open.

    Attributes:
        bare_id: Answer a create with the id as bare ``text/plain``, not as a JSON string.
        list_in_array: Wrap the list of campaigns in an array of one element.
        dates: The form of start times: ``2024-01-10T09:00:00.000Z`` (milliseconds),
            without a zone (bare), with seven digits, or shifted to ``+01:00`` (offset).
            None for the form in which they are stored.
        phones: The notation in which numbers of created contacts are stored: ``+447…``
            (plus), ``447…`` (digits) or ``07…`` (national). None for the notation in which they came.
        message_text: Applied to each message before it is stored, such as ``str.rstrip``.
        default_page_size: Rows on a page when the request names no size, from 1.
        max_page_size: Caps the rows on a page, but not those skipped: rows between pages vanish.
            None for no cap.
        zone: The server's own time zone, to which filter dates with ``Z`` or an offset are
            converted before they are compared.
        strict_filters: Answer 400 to filters and sorts that the provider's server silently ignores.
    """

    bare_id: bool = field(default=False, validator=valid.flag)
    list_in_array: bool = field(default=False, validator=valid.flag)
    dates: DateStyle | None = field(default=None, validator=optional(valid.one_of(get_args(DateStyle))))
    phones: PhoneStyle | None = field(default=None, validator=optional(valid.one_of(get_args(PhoneStyle))))
    message_text: Callable[[str], str] | None = None
    default_page_size: int = field(default=10, validator=valid.count)
    max_page_size: int | None = field(default=None, validator=optional(valid.count))
    zone: tzinfo = UTC
    strict_filters: bool = field(default=False, validator=valid.flag)


@frozen
class RateLimit:
    """A limit on requests a second, and the answer to the requests above it.

    Attributes:
        requests_per_second: The rate, above 0; a fraction is slower than one a second.
        burst: How many may come at once after a pause, from 1; None for one second's worth.
        status: The status of the answer to the others: 429, or 503 as ASP.NET's limiter answers by default.
        retry_after: True if that answer says, in whole seconds, when to come again.
    """

    requests_per_second: float = field(
        validator=and_(valid.of_type("a number of requests a second", int, float), gt(0), lt(float("inf")))
    )
    burst: int | None = field(default=None, validator=optional(valid.count))
    status: Literal[429, 503] = field(default=429, validator=valid.one_of((429, 503)))
    retry_after: bool = field(default=True, validator=valid.flag)


def as_rate_limit(limit: RateLimit | float | None) -> RateLimit | None:
    """Return a rate limit; a bare number is a rate.

    Raises:
        ValueError: If `limit` is out of range, or of another type.
    """
    if limit is None or isinstance(limit, RateLimit):
        return limit
    if isinstance(limit, bool) or not isinstance(limit, (int, float)):
        raise valid.wrong_type("rate_limit", "a RateLimit, a number of requests a second or None", limit)
    return RateLimit(limit)


def _key(_: object, attribute: Attribute[Any], value: str) -> None:
    valid.text(_, attribute, value)
    # The text is not shown, even where it is not a key.
    if not value or not value.isprintable() or value != value.strip():
        raise ValueError("api_key must be printable text, not empty and without blanks around it")


def _path(_: object, attribute: Attribute[Any], value: object) -> None:
    if not isinstance(value, str) or not _PREFIX.fullmatch(value):
        raise ValueError(f"{attribute.name} must be a path that begins with a slash, such as /tenant, not {value!r}")


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
    return {key: list(rows) for key, rows in (contacts or {}).items()}


def _without_slash(path: str) -> str:
    return path.rstrip("/") if isinstance(path, str) else path


@define(eq=False, repr=False, kw_only=True)
class Settings:
    """The arguments of a `Sandbox`, which documents them. The port, the key and the rate limit may change.

    Raises:
        ValueError: If an argument is out of range or of another type.
    """

    campaigns: Sequence[Wire] = field(converter=_read_campaigns)
    contacts: Mapping[str, Sequence[WireRow]] = field(converter=_read_contacts)
    api_key: str = field(validator=_key)
    host: str = field(validator=valid.of_type("text, such as 127.0.0.1", str))
    port: int = field(validator=and_(valid.whole, ge(0), le(65_535)))
    prefix: str = field(converter=_without_slash, validator=_path)
    update_method: UpdateMethod = field(validator=valid.one_of(get_args(UpdateMethod)))
    delete_method: DeleteMethod = field(validator=valid.one_of(get_args(DeleteMethod)))
    auth: Auth = field(validator=valid.one_of(get_args(Auth)))
    rate_limit: RateLimit | None = field(converter=as_rate_limit)
    magic_recipients: bool
    lifecycle: Lifecycle = field(validator=valid.of_type("a Lifecycle or None", Lifecycle))
    now: datetime | None
    max_body: int = field(validator=valid.count)
    keep_bodies: bool
    seed: int | None
    quirks: Quirks = field(validator=valid.of_type("a Quirks or None", Quirks))
    faults: Sequence[Fault] = field(converter=tuple[Fault, ...])

    @property
    def url(self) -> str:
        """The URL where the sandbox listens, with the prefix and without a slash at the end."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}{self.prefix}"
