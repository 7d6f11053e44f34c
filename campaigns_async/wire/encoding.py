"""Models to JSON bodies, strictly (a cattrs converter). No error quotes a value.

What is sent by the million, a campaign whose values are exactly of the declared types, is written by hand: that costs
a fifth. Tests hold it to what the converter writes.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from functools import cache
from uuid import UUID

import attrs
import orjson
from cattrs import Converter
from cattrs.gen import make_dict_unstructure_fn, override

from campaigns_async.errors import InvalidArgumentError
from campaigns_async.models import CampaignUpdate, NewCampaign, NewContact
from campaigns_async.wire.campaign_rules import check_start, find_faults, format_start
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
        raise _first_fault(value)
    return body


def _first_fault(value: NewCampaign | CampaignUpdate) -> InvalidArgumentError:
    faults = find_faults(value)
    if not faults:  # what refused it accepts it now, as a tzinfo of the caller's might
        return InvalidArgumentError(f"{type(value).__name__} cannot be encoded")
    return InvalidArgumentError(f"{faults[0].parameter} {faults[0].text}")


def write_date(value: object) -> str:
    """Return a moment as the API wants it: UTC, milliseconds, `Z`.

    Raises:
        InvalidArgumentError: If it is not a datetime, has no time zone, or lies outside of years 1 to 9999 in UTC.
    """
    if type(value) is datetime and value.tzinfo is UTC:
        return format_start(value)
    if (fault := check_start(value)) is not None:
        raise InvalidArgumentError(fault.text)
    assert isinstance(value, datetime)
    moment = value.astimezone(UTC)
    # Without the cache, which would take one moment for another where a subclass says so.
    return moment.replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"


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
