"""Models to JSON bodies, strictly (a cattrs converter). No error quotes a value.

What is sent by the million, a campaign whose values are exactly of the declared types, is written by hand: that costs
a fifth. Tests hold it to what the converter writes.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from functools import cache, lru_cache
from typing import Any
from uuid import UUID

import attrs
import orjson
from attrs import AttrsInstance
from cattrs import Converter
from cattrs.gen import make_dict_unstructure_fn, override

from campaigns_async.errors import InvalidArgumentError
from campaigns_async.models import CampaignUpdate, NewCampaign, NewContact
from campaigns_async.wire.naming import camel

_MODELS = (NewContact, NewCampaign, CampaignUpdate)
_LEAST, _MOST = -(2**63), 2**63 - 1


def write(value: NewCampaign | CampaignUpdate) -> bytes:
    """A model as a JSON body.

    Raises:
        InvalidArgumentError: A field cannot be sent; says which and why.
    """
    try:
        plain = _by_hand(value) if type(value) is NewCampaign else None
        body = orjson.dumps(_converter().unstructure(value) if plain is None else plain)
    except Exception:  # a caller's own tzinfo may raise anything
        body = None
    if body is None:  # raised out here, where nothing is chained that could quote a value
        raise _first_fault(value, NewCampaign if isinstance(value, NewCampaign) else CampaignUpdate, "")
    return body


def write_date(value: object) -> str:
    """A moment as the API wants it: UTC, milliseconds, `Z`.

    Raises:
        InvalidArgumentError: It is no datetime, has no time zone, or lies outside of years 1 to 9999 in UTC.
    """
    if type(value) is datetime and value.tzinfo is UTC:
        return _in_text(value)
    if not isinstance(value, datetime):
        raise InvalidArgumentError(f"must be a datetime, not {type(value).__name__}")
    if value.tzinfo is not UTC:
        if value.utcoffset() is None:
            raise InvalidArgumentError(
                "has no time zone, so it could mean any hour: pass tzinfo=, for example zoneinfo.ZoneInfo('Europe/London')"
            )
        moment = _in_utc(value)
        if moment is None:
            raise InvalidArgumentError("is out of range in UTC")
        value = moment
    return value.replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"


@lru_cache(maxsize=256)
def _in_text(moment: datetime) -> str:
    """A moment in UTC. Kept, since campaigns of a job often begin together, and formatting it costs as much as the rest."""
    return moment.replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"


def _in_utc(value: datetime) -> datetime | None:
    try:
        return value.astimezone(UTC)
    except OverflowError:
        return None


def _text(value: object) -> str:
    if isinstance(value, str):
        return value
    raise InvalidArgumentError(f"must be text (str), not {type(value).__name__}")


def _int(value: object) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        if _LEAST <= value <= _MOST:  # a range would count its way to an int of a subclass
            return int(value)
        raise InvalidArgumentError("does not fit in 64 bits")
    raise InvalidArgumentError(f"must be a whole number (int), not {type(value).__name__}")


def _uuid(value: object) -> str:
    if isinstance(value, UUID):
        return str(value)
    raise InvalidArgumentError(f"must be a uuid.UUID, not {type(value).__name__}")


def _by_hand(new: NewCampaign) -> dict[str, object] | None:
    """What the converter makes of a campaign; None where a value may need it: one of a subclass, or of a wrong type."""
    sender, message, link = new.sender, new.message, new.track_link_url
    if type(sender) is not str or type(message) is not str or (link is not None and type(link) is not str):
        return None
    contacts = _contacts_by_hand(new.contacts)
    if contacts is None:
        return None
    written: dict[str, object] = {
        "startDateTime": write_date(new.start_date_time),
        "sender": sender,
        "message": message,
        "contacts": contacts,
    }
    if new.opt_out_link_id is not None:
        written["optOutLinkId"] = _int(new.opt_out_link_id)
    if link is not None:
        written["trackLinkUrl"] = link
    return written


def _contacts_by_hand(contacts: Iterable[NewContact]) -> list[dict[str, str]] | None:
    written: list[dict[str, str]] = []
    for contact in contacts:
        if type(contact) is not NewContact or type(contact.phone_number) is not str:
            return None
        fields = {"phoneNumber": contact.phone_number}
        if (name := contact.name) is not None:
            if type(name) is not str:
                return None
            fields["name"] = name
        if (custom1 := contact.custom1) is not None:
            if type(custom1) is not str:
                return None
            fields["custom1"] = custom1
        if (custom2 := contact.custom2) is not None:
            if type(custom2) is not str:
                return None
            fields["custom2"] = custom2
        if (group := contact.contact_group_id) is not None:
            fields["contactGroupId"] = _uuid(group)
        written.append(fields)
    return written


@cache
def _converter() -> Converter:
    converter = Converter()
    converter.register_unstructure_hook(str, _text)
    converter.register_unstructure_hook(int, _int)
    converter.register_unstructure_hook(UUID, _uuid)
    converter.register_unstructure_hook(datetime, write_date)
    for cls in _MODELS:
        # None is left out, whatever an API may make of null.
        renames = {
            name: override(rename=camel(name), omit_if_default=attribute.default is None)
            for name, attribute in attrs.fields_dict(cls).items()
        }
        hook = make_dict_unstructure_fn(cls, converter, **renames)  # type: ignore[arg-type]  # overrides are its keywords
        converter.register_unstructure_hook(cls, hook)
    return converter


def _first_fault(value: object, cls: type[AttrsInstance], path: str) -> InvalidArgumentError:
    """Which field cannot be sent, found by trying them one by one."""
    _converter()  # resolves the types of the fields, which are text before
    for attribute in attrs.fields(cls):
        name = path + attribute.name
        item: Any = getattr(value, attribute.name)
        if item is None and attribute.default is None:
            continue
        if attribute.name == "contacts":
            if (fault := _faulty_contact(item, name)) is not None:
                return fault
        elif (problem := _problem(item, attribute.type)) is not None:
            return InvalidArgumentError(f"{name} {problem}")
    return InvalidArgumentError(f"{path or cls.__name__} cannot be written")  # it could be, field by field


def _faulty_contact(contacts: Any, name: str) -> InvalidArgumentError | None:
    for index, contact in enumerate(contacts):
        if not isinstance(contact, NewContact):
            return InvalidArgumentError(f"{name}[{index}] must be a NewContact, not {type(contact).__name__}")
        if _problem(contact, NewContact) is not None:
            return _first_fault(contact, NewContact, f"{name}[{index}].")
    return None


def _problem(value: object, kind: Any) -> str | None:
    """Why it cannot be sent; None if it can."""
    try:
        orjson.dumps(_converter().get_unstructure_hook(kind)(value))
    except InvalidArgumentError as error:
        return error.message
    except orjson.JSONEncodeError:
        return "holds half of a surrogate pair, which UTF-8 cannot carry"
    except Exception:  # a caller's own tzinfo may raise anything
        return "cannot be written"
    return None
