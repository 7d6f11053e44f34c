"""What the control is sent, read and checked. A ValueError says what is wrong, and what may stand there."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final, cast

from attrs import field, frozen

from ..limiter import RateLimit
from ..schema import Wire
from .json_values import flag, members, number, rows, whole, wrong

_MOMENT: Final = "a date and time with a zone, such as 2031-06-27T09:30:00Z"


@frozen
class Seeds:
    """Campaigns in wire form, each with an id of its own, and the contacts of some of them."""

    campaigns: Sequence[Wire] = field(repr=False)
    contacts: Mapping[str, Sequence[Wire]] = field(repr=False)


@frozen
class ClockChange:
    """What is to become of the clock, in this order; None: nothing."""

    now: datetime | None
    move: timedelta | None
    running: bool | None


def read_seeds(value: object) -> Seeds:
    """Read ``{"campaigns": [{"id": ...}, ...], "contacts": {"id": [{...}, ...]}}``; either may be missing.

    Raises:
        ValueError: It has another form, an id stands there twice, or contacts belong to none of them.
    """
    given = members("the seed", value, ("campaigns", "contacts"))
    campaigns = rows("campaigns", given.get("campaigns", []))
    ids: set[str] = set()
    for index, campaign in enumerate(campaigns):
        key = campaign.get("id")
        if not isinstance(key, str) or not key:
            raise ValueError(f"campaigns[{index}].id must be text, and not empty")
        if key in ids:
            raise ValueError(f"campaigns[{index}].id is that of a campaign before it; each needs one of its own")
        ids.add(key)
    contacts: dict[str, Sequence[Wire]] = {}
    for key, people in members("contacts", given.get("contacts", {})).items():
        if key not in ids:
            raise ValueError(f"contacts[{key!r}] belongs to none of the campaigns that come with it")
        contacts[key] = rows(f"contacts[{key!r}]", people)
    return Seeds(campaigns, contacts)


def read_clock_change(value: object) -> ClockChange:
    """Read ``{"now": "..."}`` or ``{"move": seconds}``, either with or without ``"running"``, or that alone.

    Raises:
        ValueError: It is none of these.
    """
    given = members("the clock", value, ("now", "move", "running"))
    if not given:
        raise ValueError("one of now, move and running must be there")
    if "now" in given and "move" in given:
        raise ValueError("now and move do not go together")
    return ClockChange(
        now=read_moment("now", given["now"]) if "now" in given else None,
        move=_span("move", given["move"]) if "move" in given else None,
        running=flag("running", given["running"]) if "running" in given else None,
    )


def read_moment(name: str, value: object) -> datetime:
    """Read an ISO 8601 time with a zone.

    Raises:
        ValueError: It is none; says so of `name`.
    """
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else None
        if moment is not None and moment.tzinfo is not None:
            return moment.astimezone(UTC)
    except (ValueError, OverflowError):  # the year 0, once it is brought to UTC
        pass
    raise ValueError(f"{name} must be {_MOMENT}")


def read_rate_limit(value: object) -> RateLimit | None:
    """Read null (no limit), a number of requests a second, or an object of the fields of `RateLimit`.

    Raises:
        ValueError: It is none of these, or out of range.
    """
    if value is None:
        return None
    if not isinstance(value, dict):
        return RateLimit(number("the rate limit", value))
    given = members("the rate limit", cast("object", value), tuple(_LIMITS))
    if "requests_per_second" not in given:
        raise ValueError("requests_per_second is missing")
    return RateLimit(**{name: _LIMITS[name](name, one) for name, one in given.items()})


def _span(name: str, value: object) -> timedelta:
    try:
        return timedelta(seconds=number(name, value))
    except OverflowError:
        raise ValueError(f"{name} must be a number of seconds that leads to the years 1 to 9999") from None


def _burst(name: str, value: object) -> int | None:
    return None if value is None else whole(name, value)


def _status(name: str, value: object) -> int:
    if value not in (429, 503):
        raise wrong(name, "429 or 503", value)
    return whole(name, value)


_LIMITS: Final[Mapping[str, Callable[[str, object], Any]]] = {
    "requests_per_second": number,
    "burst": _burst,
    "status": _status,
    "retry_after": flag,
}
