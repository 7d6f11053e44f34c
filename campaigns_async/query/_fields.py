"""The typed fields: each has the operators that the server's type takes, and no others.

A field is no value: comparing it makes an `Expression`, in the manner of SQLAlchemy's columns.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Final, Generic, NoReturn, TypeVar

from attrs import frozen

from campaigns_async.errors import QueryError
from campaigns_async.models import Campaign, CampaignStatus, Contact
from campaigns_async.query._columns import Column, columns_of, format_value
from campaigns_async.query._conditions import Condition, Expression, Sort

V = TypeVar("V")
W = TypeVar("W")

_METHODS: Final = frozenset({"equals", "contains", "startswith", "endswith", "is_null", "asc", "desc"})


class _NoSuchOperatorError(QueryError, AttributeError):
    """A QueryError that `hasattr` takes for the absence of the method."""


@frozen(eq=False, repr=False)
class Comparable(Generic[V]):
    """A field, or any of several, that can be compared.

    Every method raises a `QueryError` for a value that the server's type does not take, or that its language
    cannot say.
    """

    columns: tuple[Column, ...]

    def __eq__(self, other: V) -> Expression:  # type: ignore[override]  # makes a filter, not a bool
        return self._condition("==", other)

    def __ne__(self, other: V) -> Expression:  # type: ignore[override]  # likewise
        """Differ; rows without a value are left out."""
        return self._condition("!=", other)

    def __hash__(self) -> int:
        return hash(self.columns)

    def in_(self, *values: V) -> Expression:
        """Equal any of the values."""
        if not values:
            raise QueryError(
                f"{self._label} in_: needs a value: no filter finds nothing, and an empty one would find all"
            )
        return self._condition("==", *values)

    def _refuse_to_combine(self) -> NoReturn:
        raise QueryError(
            f"{self._label}: & and | bind closer than ==: put brackets around each comparison, (a == b) & (c == d)"
        )

    def __and__(self, other: object) -> NoReturn:
        self._refuse_to_combine()

    def __rand__(self, other: object) -> NoReturn:
        self._refuse_to_combine()

    def __or__(self, other: object) -> NoReturn:
        self._refuse_to_combine()

    def __ror__(self, other: object) -> NoReturn:
        self._refuse_to_combine()

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
            if kind.nullable:
                return None
            raise QueryError(
                f"{self._label} {operator}: there is always a value, and the server drops all filters at null"
            )
        if isinstance(value, Comparable):
            raise QueryError(f"{self._label} {operator}: compares with a value; the server cannot compare two fields")
        try:
            return format_value(kind, value)
        except QueryError as error:
            reason = error.message
        raise QueryError(f"{self._label} {operator}: the value {reason}")

    if not TYPE_CHECKING:  # type checkers are to see that there is no such method

        def __getattr__(self, name: str) -> NoReturn:
            if name in _METHODS:
                raise _NoSuchOperatorError(
                    f"{self._label} has no {name}: the server drops all filters at an operator that does not fit "
                    f"the field's type, {self.columns[0].kind.value}"
                )
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")


class Sortable(Comparable[V]):
    """A single field, which lists can be sorted by."""

    __slots__ = ()

    def asc(self) -> Sort:
        """Sort the least first. Rows without a value come first on most servers."""
        return Sort(self.columns[0])

    def desc(self) -> Sort:
        """Sort the greatest first."""
        return Sort(self.columns[0], descending=True)


class Unordered(Comparable[V]):
    """A field without `<` and `>` on the server."""

    __slots__ = ()

    def _refuse_to_order(self) -> NoReturn:
        raise QueryError(
            f"{self._label}: {self.columns[0].kind.value} has no < and >: the server drops all filters at them. "
            "== and in_ are there"
        )

    def __lt__(self, other: object) -> NoReturn:
        self._refuse_to_order()

    def __le__(self, other: object) -> NoReturn:
        self._refuse_to_order()

    def __gt__(self, other: object) -> NoReturn:
        self._refuse_to_order()

    def __ge__(self, other: object) -> NoReturn:
        self._refuse_to_order()


class Ordered(Comparable[V], Generic[V, W]):
    """A field with `<` and `>` on the server. Rows without a value are left out."""

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
    """One text field, or any of several. Whether case counts without `ignore_case` is up to the server's database."""

    __slots__ = ()

    def equals(self, text: str, *, ignore_case: bool = False) -> Expression:
        """Equal the text; as `==`, but for `ignore_case`."""
        return self._text("==", text, ignore_case)

    def contains(self, text: str, *, ignore_case: bool = False) -> Expression:
        """Contain the text."""
        return self._text("@=", text, ignore_case)

    def startswith(self, text: str, *, ignore_case: bool = False) -> Expression:
        """Begin with the text."""
        return self._text("_=", text, ignore_case)

    def endswith(self, text: str, *, ignore_case: bool = False) -> Expression:
        """End with the text."""
        return self._text("_-=", text, ignore_case)

    def is_null(self) -> Expression:
        """Have no value, which is not the same as an empty text. `~` asks for rows that have one."""
        return self._condition("==", None)

    def _text(self, operator: str, text: object, ignore_case: object) -> Expression:
        if not isinstance(ignore_case, bool):
            raise QueryError(f"{self._label} {operator}: ignore_case must be a bool, not {type(ignore_case).__name__}")
        if text is None:
            raise QueryError(f"{self._label} {operator}: the value must be text (str); is_null() asks for no value")
        return self._condition(f"{operator}*" if ignore_case else operator, text)


class TextField(TextConditions, Sortable[str | None]):
    """A field that holds text."""

    __slots__ = ()


class IntField(Ordered[int, int], Sortable[int]):
    """A field that holds a 32-bit whole number, always."""

    __slots__ = ()


class OptionalIntField(Ordered[int | None, int], Sortable[int | None]):
    """A field that holds a 32-bit whole number, or nothing."""

    __slots__ = ()

    def is_null(self) -> Expression:
        """Have no value, which is not the same as 0. `~` asks for rows that have one."""
        return self._condition("==", None)


class StatusField(Unordered[CampaignStatus | int], Sortable[CampaignStatus | int]):
    """A field that holds a status."""

    __slots__ = ()


class DateField(Ordered[datetime, datetime], Sortable[datetime]):
    """A field that holds a moment. Values must know their time zone; they are sent as UTC.

    A server may take them for its local time, and keeps more digits than a `datetime`: prefer `<` and `>` to `==`.
    """

    __slots__ = ()


def any_of(*fields: TextField) -> TextConditions:
    """Return the fields as one, whose conditions hold where they hold for any of them: `any_of(contact.name, contact.custom1) == "Ann"`.

    `any_of(…) != x` is "one of them differs"; "none of them is x" is `~(any_of(…) == x)`.

    Raises:
        QueryError: If there are no fields, or fields of both models.
    """
    if not fields or not all(isinstance(field, TextField) for field in fields):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise QueryError("any_of takes one or more text fields")
    columns = tuple(dict.fromkeys(field.columns[0] for field in fields))
    if len({column.model for column in columns}) > 1:
        raise QueryError("any_of takes fields of campaigns or of contacts, not of both")
    return TextConditions(columns)


_CAMPAIGN: Final = {column.name: column for column in columns_of(Campaign).values()}
_CONTACT: Final = {column.name: column for column in columns_of(Contact).values()}


class CampaignFields:
    """The fields of campaigns."""

    __slots__ = ()

    id: Final = TextField((_CAMPAIGN["id"],))
    start_date_time: Final = DateField((_CAMPAIGN["start_date_time"],))
    sender: Final = TextField((_CAMPAIGN["sender"],))
    recipient_count: Final = IntField((_CAMPAIGN["recipient_count"],))
    message: Final = TextField((_CAMPAIGN["message"],))
    status: Final = StatusField((_CAMPAIGN["status"],))
    opt_out_link_id: Final = OptionalIntField((_CAMPAIGN["opt_out_link_id"],))
    track_link_url: Final = TextField((_CAMPAIGN["track_link_url"],))


class ContactFields:
    """The fields of contacts."""

    __slots__ = ()

    id: Final = TextField((_CONTACT["id"],))
    phone_number: Final = TextField((_CONTACT["phone_number"],))
    name: Final = TextField((_CONTACT["name"],))
    custom1: Final = TextField((_CONTACT["custom1"],))
    custom2: Final = TextField((_CONTACT["custom2"],))
