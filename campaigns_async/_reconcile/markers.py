"""Tokens in the contacts of a create, by which a search recognises its campaign whatever the server altered. No I/O."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2b
from typing import Any, Final

from attrs import evolve, frozen

from campaigns_async.errors import InvalidArgumentError
from campaigns_async.models import Contact, NewCampaign
from campaigns_async.settings import MarkerField

_PLACEHOLDER: Final = "{custom"


def find_placeholder(message: str) -> str | None:
    """Return why a message cannot go with a marker."""
    if _PLACEHOLDER not in message.lower():
        return None
    return "has a placeholder for a custom field, so a marker would be texted to the recipients: do without the marker"


def describe_use(field: str) -> str:
    """Return why a contact that has a text in the marker's field cannot be sent."""
    return f"has {field}, which the marker needs: take the other field for the marker, or do without it"


def mark(new: NewCampaign, field: MarkerField, token: str) -> NewCampaign:
    """Return a campaign with a token in a field of each contact.

    Raises:
        InvalidArgumentError: If the field is in use.
    """
    if (reason := find_placeholder(new.message)) is not None:
        raise InvalidArgumentError(f"message {reason}", parameter="message")
    for index, contact in enumerate(new.contacts):
        if getattr(contact, field) is not None:
            raise InvalidArgumentError(f"contacts[{index}] {describe_use(field)}", parameter="contacts")
    marked: dict[str, Any] = {field: token}
    return evolve(new, contacts=[evolve(contact, **marked) for contact in new.contacts])


def find_tokens(contacts: Iterable[Contact], field: MarkerField) -> frozenset[str]:
    """Return the texts that contacts have in a field."""
    return frozenset(text.strip().lower() for contact in contacts if (text := getattr(contact, field)))


@frozen
class RowMarker:
    """The marker of the rows of a journal.

    Attributes:
        field: The field of each contact that has the token; None without a marker.
        journal: The journal's identity. It is in the journal before the first row is sent, so each row's token is too.
    """

    field: MarkerField | None
    journal: bytes

    def token(self, row_id: int) -> str | None:
        """Return the token of a row. All tokens of a journal have one beginning."""
        if self.field is None:
            return None
        return self.journal.hex()[:8] + blake2b(b"%d" % row_id, digest_size=6, key=self.journal).hexdigest()

    def mark(self, new: NewCampaign, row_id: int) -> NewCampaign:
        """Return the campaign of a row with its token."""
        token = self.token(row_id)
        return new if self.field is None or token is None else mark(new, self.field, token)
