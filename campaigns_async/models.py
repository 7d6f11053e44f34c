"""Campaigns and contacts (provider's documentation, Campaigns).

Fields have the wire's names in snake_case. A `repr` shows no phone number, name, message or sender (which may be a
phone number too).
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from enum import IntEnum
from functools import cache
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast
from uuid import UUID

import attrs
from attrs import field, frozen

from campaigns_async import _field_rules as rules
from campaigns_async._checks import is_utf8
from campaigns_async.errors import InvalidArgumentError

if TYPE_CHECKING:
    from collections.abc import Callable

    from pydantic_core import CoreSchema

T = TypeVar("T")
_WIRE = "wire"


def _hide(value: object) -> str:
    return "None" if value is None else "<hidden>"


def _hide_text(value: object) -> str:
    """Return the repr of a value whose field may have been given a text by mistake, as it is shown while it is refused."""
    return repr(value) if value is None or isinstance(value, (int, datetime, UUID)) else "<hidden>"


def _count(values: tuple[object, ...]) -> str:
    return f"<{len(values)}>"


class CampaignStatus(IntEnum):
    """The state of a campaign (provider's documentation, Value types). A number without a name here is kept as well."""

    PENDING = 0
    SENDING = 1
    SUBMITTED = 2
    PAUSED = 3
    CANCELLED = 4
    COMPLETED = 5

    @classmethod
    def _missing_(cls, value: object) -> CampaignStatus | None:
        if not isinstance(value, int) or isinstance(value, bool):
            return None
        member = int.__new__(cls, value)
        member._name_ = f"UNKNOWN_{value}"
        member._value_ = value
        return member


class _WireModel:
    """The base of all models."""

    __slots__ = ()

    def to_dict(self) -> dict[str, object]:
        """Return the model as a dict that `json.dumps` accepts, with the API's names: `startDateTime`.

        Dates are ISO 8601 texts in UTC, such as `2031-06-27T09:30:00.000Z`; a UUID is text; a status is a number.
        A field without a value is None.
        """
        names = _names_by_wire(type(self))  # type: ignore[arg-type]  # to mypy, a class with a __hash__ is not Hashable
        return {wire: _to_json(getattr(self, name)) for wire, name in names.items()}

    @classmethod
    def __get_pydantic_core_schema__(cls, source: object, handler: Callable[[object], CoreSchema]) -> CoreSchema:
        from campaigns_async._pydantic_models import build_schema  # noqa: PLC0415  # pydantic is no dependency

        return build_schema(cls, _names_by_wire(cls), source, handler)  # type: ignore[arg-type]  # as in `to_dict`


@cache
def _names_by_wire(cls: type[Any]) -> dict[str, str]:
    """Return the names of a model's fields, by the wire's names."""
    return {each.metadata.get(_WIRE, rules.camel(each.name)): each.name for each in attrs.fields(cls)}


def _to_json(value: object) -> object:
    if isinstance(value, _WireModel):
        return value.to_dict()
    if isinstance(value, tuple):
        return [_to_json(each) for each in cast("tuple[object, ...]", value)]
    if isinstance(value, datetime):
        return rules.format_start(value)
    if isinstance(value, UUID):
        return str(value)
    return int(value) if isinstance(value, IntEnum) else value


def _store_plain(model: object, *names: str) -> None:
    """Replace instances of subclasses of str and int, such as members of a StrEnum, by plain ones.

    The JSON encoder accepts no subclasses.
    """
    for name in names:
        value: object = getattr(model, name)
        if isinstance(value, str):
            if type(value) is not str:
                object.__setattr__(model, name, str.__str__(value))
        elif isinstance(value, int) and type(value) is not int:
            object.__setattr__(model, name, int(value))


@frozen
class CampaignUpdate(_WireModel):
    """New values for all fields of a campaign. A field that is None becomes empty.

    Start from `Campaign.to_update()` and `attrs.evolve` to change one field.

    Attributes:
        start_date_time: The time at which sending starts, with a time zone. Sent in UTC, cut to milliseconds.
        sender: The sender ID: a name or a number.
        message: The text.
        opt_out_link_id: The id of an opt-out link, of up to 64 bits.
        track_link_url: The link whose clicks are counted.

    Raises:
        InvalidArgumentError: If a field is of the wrong type or cannot be sent. Names the field in `parameter`.
    """

    start_date_time: datetime = field(repr=_hide_text)
    sender: str = field(repr=_hide)
    message: str = field(repr=_hide)
    opt_out_link_id: int | None = field(default=None, repr=_hide_text)
    track_link_url: str | None = field(default=None, repr=_hide)

    def __attrs_post_init__(self) -> None:
        rules.raise_first(
            start_date_time=rules.check_start(self.start_date_time),
            # A server may accept blank texts, and an update that changes nothing must be possible for any campaign.
            sender=rules.check_text(self.sender, allow_blank=True),
            message=rules.check_text(self.message, allow_blank=True),
            opt_out_link_id=rules.check_link_id(self.opt_out_link_id),
            track_link_url=rules.check_optional_text(self.track_link_url),
        )
        _store_plain(self, "sender", "message", "opt_out_link_id", "track_link_url")


@frozen
class Campaign(_WireModel):
    """A campaign as the server returns it. A field other than `id` is None if the server left it out.

    Attributes:
        id: The campaign's id.
        start_date_time: The time at which sending starts, in UTC.
        sender: The sender ID: a name or a number.
        recipient_count: The number of contacts that the server accepted.
        message: The text.
        status: The state of the campaign.
        opt_out_link_id: The id of the opt-out link.
        track_link_url: The link whose clicks are counted.
    """

    id: str
    start_date_time: datetime | None = None
    sender: str | None = field(default=None, repr=_hide)
    recipient_count: int | None = None
    message: str | None = field(default=None, repr=_hide)
    status: CampaignStatus | None = None
    opt_out_link_id: int | None = None
    track_link_url: str | None = field(default=None, repr=_hide)

    def to_update(self) -> CampaignUpdate:
        """Return the update that changes nothing.

        Raises:
            InvalidArgumentError: If the server left out a field that an update must have.
        """
        if self.start_date_time is None or self.sender is None or self.message is None:
            needed = ("start_date_time", "sender", "message")
            missing = ", ".join(name for name in needed if getattr(self, name) is None)
            raise InvalidArgumentError(
                f"an update replaces the whole campaign, and the server did not return its {missing}"
            )
        return CampaignUpdate(
            start_date_time=self.start_date_time,
            sender=self.sender,
            message=self.message,
            opt_out_link_id=self.opt_out_link_id,
            track_link_url=self.track_link_url,
        )


@frozen
class NewContact(_WireModel):
    """A recipient of a new campaign.

    Attributes:
        phone_number: The number, as text in any notation that the server accepts: `447700900123`.
        name: The recipient's name.
        custom1: Text of your own, kept with the contact.
        custom2: Text of your own, kept with the contact.
        contact_group_id: The id of the contact group that the contact is added to.

    Raises:
        InvalidArgumentError: If a field is of the wrong type or cannot be sent. Names the field in `parameter`.
    """

    phone_number: str = field(repr=_hide)
    name: str | None = field(default=None, repr=_hide)
    custom1: str | None = field(default=None, repr=_hide)
    custom2: str | None = field(default=None, repr=_hide)
    contact_group_id: UUID | None = field(default=None, repr=_hide_text)

    def __attrs_post_init__(self) -> None:
        number, name, custom1, custom2 = self.phone_number, self.name, self.custom1, self.custom2
        if (  # millions of contacts are created: a common one must pass without a function call for each field
            type(number) is str
            and number.isascii()
            and number
            and not number.isspace()
            and (name is None or (type(name) is str and is_utf8(name)))
            and (custom1 is None or (type(custom1) is str and is_utf8(custom1)))
            and (custom2 is None or (type(custom2) is str and is_utf8(custom2)))
            and self.contact_group_id is None
        ):
            return
        del number, name, custom1, custom2  # tools such as Sentry show the variables of a traceback
        rules.raise_first(
            phone_number=rules.check_phone_number(self.phone_number),
            name=rules.check_optional_text(self.name),
            custom1=rules.check_optional_text(self.custom1),
            custom2=rules.check_optional_text(self.custom2),
            contact_group_id=rules.check_group(self.contact_group_id),
        )
        _store_plain(self, "phone_number", "name", "custom1", "custom2")


def _to_contacts(value: Iterable[NewContact]) -> tuple[NewContact, ...]:
    is_iterable = hasattr(value, "__iter__") and not isinstance(value, (str, bytes, bytearray))
    contacts, name = tuple(value) if is_iterable else (), "contacts"
    if {*map(type, contacts)} == {NewContact}:  # faster than isinstance for each of them
        return contacts
    if not is_iterable:
        fault = f"must be an iterable of NewContact, not {type(value).__name__}"
    elif not contacts:
        fault = rules.NO_CONTACTS
    else:
        index = next((at for at, contact in enumerate(contacts) if not isinstance(contact, NewContact)), None)
        if index is None:
            return contacts
        name, fault = f"contacts[{index}]", f"must be a NewContact, not {type(contacts[index]).__name__}"
    del value, contacts  # see `NewContact`
    raise InvalidArgumentError(f"{name} {fault}", parameter=name)


@frozen
class NewCampaign(_WireModel):
    """A campaign to create: one text to many recipients, at a start time.

    Attributes:
        start_date_time: The time at which sending starts, with a time zone. Sent in UTC, cut to milliseconds.
        sender: The sender ID: a name or a number. Must not be blank.
        message: The text. Must not be blank.
        contacts: The recipients: an iterable with at least one `NewContact`, stored as a tuple.
        opt_out_link_id: The id of an opt-out link, of up to 64 bits.
        track_link_url: The link whose clicks are counted. Must begin with `http://` or `https://`.

    Raises:
        InvalidArgumentError: If a field is of the wrong type or cannot be sent. Names the field in `parameter`.
    """

    start_date_time: datetime = field(repr=_hide_text)
    sender: str = field(repr=_hide)
    message: str = field(repr=_hide)
    contacts: tuple[NewContact, ...] = field(converter=_to_contacts, repr=_count)
    opt_out_link_id: int | None = field(default=None, repr=_hide_text)
    track_link_url: str | None = field(default=None, repr=_hide)

    def __attrs_post_init__(self) -> None:
        rules.raise_first(
            start_date_time=rules.check_start(self.start_date_time),
            sender=rules.check_text(self.sender),
            message=rules.check_text(self.message),
            opt_out_link_id=rules.check_link_id(self.opt_out_link_id),
            track_link_url=rules.check_link(self.track_link_url),
        )
        _store_plain(self, "sender", "message", "opt_out_link_id", "track_link_url")


@frozen
class Contact(_WireModel):
    """A recipient of a campaign as the server returns it. A field other than `id` may be None.

    Attributes:
        id: The contact's id.
        phone_number: The number, in the server's notation.
        name: The recipient's name.
        custom1: Text of your own, kept with the contact.
        custom2: Text of your own, kept with the contact.
    """

    id: str
    phone_number: str | None = field(default=None, repr=_hide)
    name: str | None = field(default=None, repr=_hide)
    custom1: str | None = field(default=None, repr=_hide)
    custom2: str | None = field(default=None, repr=_hide)


@frozen
class Page(_WireModel, Generic[T]):
    """One page of a listing, as the server sent it.

    Attributes:
        index: The page's number, from 1; None if the server left it out.
        total_pages: The number of pages; None if the server left it out.
        total_records: The number of rows on all pages; None if the server left it out.
        items: The rows.
    """

    index: int | None = field(metadata={_WIRE: "pageIndex"})
    total_pages: int | None
    total_records: int | None
    items: tuple[T, ...] = field(repr=_count)
