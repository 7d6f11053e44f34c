"""The columns of an export, by the wire's names."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from operator import attrgetter
from typing import Any, Final

from attrs import frozen

from campaigns_async.errors import InvalidArgumentError
from campaigns_async.export.errors import UnwritableValueError
from campaigns_async.export.ports import Batch
from campaigns_async.models import Campaign, Contact
from campaigns_async.query.columns import Kind, names_of

_NEVER: Final = "holds half of a surrogate pair, which UTF-8 cannot carry: leave the column out (fields)"


@frozen
class Column:
    """One column."""

    name: str
    """The wire's: `startDateTime`."""
    attribute: str | None
    """The model's: `start_date_time`; None: the batch's `campaign_id`."""
    kind: Kind


def _columns(model: type[Campaign | Contact]) -> tuple[Column, ...]:
    return tuple(Column(known.wire, known.name, known.kind) for known in names_of(model).values())


CAMPAIGN_COLUMNS: Final = _columns(Campaign)
CONTACT_COLUMNS: Final = (Column("campaignId", None, Kind.TEXT), *_columns(Contact))


def checked_columns(fields: Iterable[str] | None, columns: Sequence[Column]) -> tuple[Column, ...]:
    """The columns named, in the order given; all of them for None.

    Raises:
        InvalidArgumentError: A name is wrong or stands there twice, or there is none; lists the right ones.
    """
    if fields is None:
        return tuple(columns)
    if isinstance(fields, str) or not isinstance(fields, Iterable):
        raise InvalidArgumentError(f"fields must be a list of names, not {type(fields).__name__}. {_all(columns)}")
    known = {column.name: column for column in columns}
    chosen: dict[str, int] = {}
    for number, name in enumerate(fields, start=1):
        if not isinstance(name, str) or name not in known:
            raise InvalidArgumentError(f"fields: name {number} {_wrong(name, known)}. {_all(columns)}")
        if name in chosen:
            raise InvalidArgumentError(f"fields: name {number} is {name} again, which is name {chosen[name]} already")
        chosen[name] = number
    if not chosen:
        raise InvalidArgumentError(f"fields names no column. {_all(columns)}")
    return tuple(known[name] for name in chosen)


def values_of(column: Column, batch: Batch) -> list[Any]:
    """What the rows have in a column."""
    if column.attribute is None:
        return [batch.campaign_id] * len(batch.rows)
    return list(map(attrgetter(column.attribute), batch.rows))


def value_of(column: Column, batch: Batch, row: Campaign | Contact) -> object:
    """What a row has in a column."""
    return batch.campaign_id if column.attribute is None else getattr(row, column.attribute)


def unwritable(row: Campaign | Contact, column: Column, reason: str) -> UnwritableValueError:
    """The error for a value, by its place; the value is not told."""
    kind = "contact" if isinstance(row, Contact) else "campaign"
    return UnwritableValueError(f"{kind} {row.id!r}: {column.name} {reason}")


def no_text(columns: Sequence[Column], batch: Batch) -> UnwritableValueError:
    """The error for rows of which one is no UTF-8."""
    for row in batch.rows:
        for column in columns:
            value = value_of(column, batch, row)
            if isinstance(value, str) and not is_utf8(value):
                return unwritable(row, column, _NEVER)
    return UnwritableValueError("a row cannot be written")  # each of its texts could be


def is_utf8(text: str) -> bool:
    """Whether UTF-8 can carry it: a lone surrogate it cannot."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _all(columns: Sequence[Column]) -> str:
    return f"There are {', '.join(column.name for column in columns)}"


def _wrong(name: object, known: Iterable[str]) -> str:
    """What is said of a name that is no column's; the name itself may be anything, and is not told."""
    if not isinstance(name, str):
        return f"must be text, not {type(name).__name__}"
    bare = {_bare(right): right for right in known}
    alike = get_close_matches(_bare(name), bare, n=1, cutoff=0.8)
    if alike:
        return f"is no column: {bare[alike[0]]} may be meant"
    return "is no column" if name.strip() else "is empty"


def _bare(name: str) -> str:
    return re.sub(r"[\W_]", "", name).lower()
