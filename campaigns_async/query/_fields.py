"""The fields of campaigns and contacts. Each has the operators that its type takes on the server.

Comparing a field builds an `Expression`, as with SQLAlchemy's columns.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, ClassVar, Final, Generic, NoReturn, Self, TypeAlias, TypeVar

from attrs import frozen

from campaigns_async._field_rules import camel
from campaigns_async.errors import QueryError
from campaigns_async.models import Campaign, CampaignStatus, Contact
from campaigns_async.query._columns import Column, Kind, format_value
from campaigns_async.query._conditions import Condition, Expression, Sort

V = TypeVar("V")
W = TypeVar("W")

_METHODS: Final = frozenset({"equals", "contains", "startswith", "endswith", "is_null", "asc", "desc"})


class _NoSuchOperatorError(QueryError, AttributeError):
    """A QueryError for which `hasattr` returns False."""


@frozen(eq=False, repr=False)
class Comparable(Generic[V]):
    """One field, or any of several fields, that can be compared.

    Every method raises a `QueryError` for a value that the field's type does not take, or that the server's filter
    language cannot express.

    Attributes:
        columns: The column of each field.
    """

    columns: tuple[Column, ...]

    def __eq__(self, other: V) -> Expression:  # type: ignore[override]  # returns a filter, not a bool
        return self._condition("==", other)

    def __ne__(self, other: V) -> Expression:  # type: ignore[override]  # likewise
        """Return a filter for rows whose value differs. Rows without a value are left out."""
        return self._condition("!=", other)

    def __hash__(self) -> int:
        return hash(self.columns)

    def in_(self, *values: V) -> Expression:
        """Return a filter for rows whose value equals any of these values."""
        if not values:
            raise QueryError(f"{self._label} in_: pass at least one value: an empty filter would match every row")
        return self._condition("==", *values)

    def __and__(self, other: object) -> NoReturn:
        raise QueryError(
            f"{self._label}: & and | bind closer than ==: put brackets around each comparison, (a == b) & (c == d)"
        )

    __rand__ = __and__
    __or__ = __and__
    __ror__ = __and__

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._label}>"

    @property
    def _label(self) -> str:
        return "|".join(column.wire for column in self.columns)

    def _condition(self, operator: str, *values: object) -> Expression:
        texts = tuple(self._format(operator, value) for value in values)
        return Expression((Condition(self.columns, operator, texts),))

    def _format(self, operator: str, value: object) -> str | None:
        kind = self.columns[0].kind
        if value is None and operator in ("==", "!="):
            if kind.is_nullable:
                return None
            raise QueryError(
                f"{self._label} {operator}: this field is never null, and the server ignores all filters at null"
            )
        if isinstance(value, Comparable):
            raise QueryError(f"{self._label} {operator}: pass a value: the server cannot compare two fields")
        try:
            return format_value(kind, value)
        except QueryError as error:
            raise QueryError(f"{self._label} {operator}: the value {error.message}") from None

    if not TYPE_CHECKING:  # type checkers must report a method that the type does not have

        def __getattr__(self, name: str) -> NoReturn:
            if name in _METHODS:
                raise _NoSuchOperatorError(
                    f"{self._label} has no {name}: the field is {self.columns[0].kind.value}, and the server ignores "
                    "all filters at an operator that does not fit the type"
                )
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")


class Sortable(Comparable[V]):
    """A single field, by which lists can be sorted."""

    __slots__ = ()
    _kind: ClassVar[Kind]

    @classmethod
    def of(cls, model: type[Campaign | Contact], name: str) -> Self:
        """Return the field of a model's attribute."""
        return cls((Column(model, name, camel(name), cls._kind),))

    def asc(self) -> Sort:
        """Sort in ascending order. Most servers put rows without a value first."""
        return Sort(self.columns[0])

    def desc(self) -> Sort:
        """Sort in descending order."""
        return Sort(self.columns[0], descending=True)


class Unordered(Comparable[V]):
    """A field to which the server does not apply `<` and `>`."""

    __slots__ = ()

    def __lt__(self, other: object) -> NoReturn:
        raise QueryError(
            f"{self._label}: {self.columns[0].kind.value} has no < and >, at which the server ignores all filters: "
            "use == or in_"
        )

    __le__ = __lt__
    __gt__ = __lt__
    __ge__ = __lt__


class Ordered(Comparable[V], Generic[V, W]):
    """A field to which the server applies `<` and `>`. Rows without a value are left out."""

    __slots__ = ()

    def __lt__(self, other: W) -> Expression:
        return self._condition("<", other)

    def __le__(self, other: W) -> Expression:
        return self._condition("<=", other)

    def __gt__(self, other: W) -> Expression:
        return self._condition(">", other)

    def __ge__(self, other: W) -> Expression:
        return self._condition(">=", other)


class TextConditions(Unordered[str | None]):
    """One text field, or any of several text fields.

    Without `ignore_case` the server's database decides if case counts.
    """

    __slots__ = ()

    def equals(self, text: str, *, ignore_case: bool = False) -> Expression:
        """Return a filter for rows whose text equals `text`: `==` with the option `ignore_case`."""
        return self._text("==", text, ignore_case)

    def contains(self, text: str, *, ignore_case: bool = False) -> Expression:
        """Return a filter for rows whose text contains `text`."""
        return self._text("@=", text, ignore_case)

    def startswith(self, text: str, *, ignore_case: bool = False) -> Expression:
        """Return a filter for rows whose text starts with `text`."""
        return self._text("_=", text, ignore_case)

    def endswith(self, text: str, *, ignore_case: bool = False) -> Expression:
        """Return a filter for rows whose text ends with `text`."""
        return self._text("_-=", text, ignore_case)

    def is_null(self) -> Expression:
        """Return a filter for rows without a value. An empty text is a value. `~` selects the rows with a value."""
        return self._condition("==", None)

    def _text(self, operator: str, text: object, ignore_case: object) -> Expression:
        if not isinstance(ignore_case, bool):
            raise QueryError(f"{self._label} {operator}: ignore_case must be a bool, not {type(ignore_case).__name__}")
        if text is None:
            raise QueryError(
                f"{self._label} {operator}: the value must be text (str); use is_null() for rows without a value"
            )
        return self._condition(f"{operator}*" if ignore_case else operator, text)


class TextField(TextConditions, Sortable[str | None]):
    """A field that holds text."""

    __slots__ = ()
    _kind = Kind.TEXT


class IntField(Ordered[int, int], Sortable[int]):
    """A field that holds a 32-bit integer and is never null."""

    __slots__ = ()
    _kind = Kind.INT


class OptionalIntField(Ordered[int | None, int], Sortable[int | None]):
    """A field that holds a 32-bit integer or null."""

    __slots__ = ()
    _kind = Kind.OPTIONAL_INT

    def is_null(self) -> Expression:
        """Return a filter for rows without a value. 0 is a value. `~` selects the rows with a value."""
        return self._condition("==", None)


class StatusField(Unordered[CampaignStatus | int], Sortable[CampaignStatus | int]):
    """A field that holds a status."""

    __slots__ = ()
    _kind = Kind.STATUS


class DateField(Ordered[datetime, datetime], Sortable[datetime]):
    """A field that holds a time. Values need a time zone; they are sent in UTC.

    Prefer `<` and `>` to `==`: a server may read values as its local time, and stores more digits than a `datetime` has.
    """

    __slots__ = ()
    _kind = Kind.DATE


def any_of(*fields: TextField) -> TextConditions:
    """Combine text fields, so that a condition holds for rows in which any of the fields satisfies it.

    `any_of(contact.name, contact.custom1) == "Ann"` selects the rows in which either field is Ann.
    `any_of(…) != x` selects rows in which one of the fields differs from x. For rows in which none of the fields is x,
    use `~(any_of(…) == x)`.

    Raises:
        QueryError: If there are no fields, or fields of both models.
    """
    if not fields or not all(isinstance(field, TextField) for field in fields):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise QueryError("any_of takes one or more text fields")
    columns = tuple(dict.fromkeys(field.columns[0] for field in fields))
    if len({column.model for column in columns}) > 1:
        raise QueryError("any_of takes fields of campaigns or of contacts, not of both")
    return TextConditions(columns)


class CampaignFields:
    """The fields of campaigns.

    Attributes:
        id: The id.
        start_date_time: The time at which sending starts.
        sender: The sender ID.
        recipient_count: The number of recipients.
        message: The text.
        status: The status.
        opt_out_link_id: The id of the opt-out link, or null.
        track_link_url: The URL of the tracked link, or null.
    """

    __slots__ = ()

    def __repr__(self) -> str:
        return "<CampaignFields>"

    id: Final = TextField.of(Campaign, "id")
    start_date_time: Final = DateField.of(Campaign, "start_date_time")
    sender: Final = TextField.of(Campaign, "sender")
    recipient_count: Final = IntField.of(Campaign, "recipient_count")
    message: Final = TextField.of(Campaign, "message")
    status: Final = StatusField.of(Campaign, "status")
    opt_out_link_id: Final = OptionalIntField.of(Campaign, "opt_out_link_id")
    track_link_url: Final = TextField.of(Campaign, "track_link_url")


class ContactFields:
    """The fields of contacts.

    Attributes:
        id: The id.
        phone_number: The phone number, as the server stores it.
        name: The name, or null.
        custom1: The first custom text, or null.
        custom2: The second custom text, or null.
    """

    __slots__ = ()

    def __repr__(self) -> str:
        return "<ContactFields>"

    id: Final = TextField.of(Contact, "id")
    phone_number: Final = TextField.of(Contact, "phone_number")
    name: Final = TextField.of(Contact, "name")
    custom1: Final = TextField.of(Contact, "custom1")
    custom2: Final = TextField.of(Contact, "custom2")


ColumnsByName: TypeAlias = Mapping[str, Column]
"""Columns by the server's name in lower case: the server ignores the case of names."""


_COLUMNS: Final[Mapping[type, ColumnsByName]] = {
    model: {
        each.columns[0].wire.lower(): each.columns[0] for each in vars(fields).values() if isinstance(each, Comparable)
    }
    for model, fields in ((Campaign, CampaignFields), (Contact, ContactFields))
}


def columns_of(model: type[Campaign | Contact]) -> ColumnsByName:
    return _COLUMNS[model]
