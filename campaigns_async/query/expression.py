"""What the fields make: conditions, sorts, and text that is passed through."""

from __future__ import annotations

from typing import NoReturn

from attrs import field, frozen

from campaigns_async.errors import QueryError
from campaigns_async.models import Campaign, Contact
from campaigns_async.query.columns import Column
from campaigns_async.query.terms import Term, negated, term_text, terms_text


def _shown(terms: tuple[Term, ...]) -> str:
    return ", ".join(term.label for term in terms)


@frozen(repr=False)
class Expression:
    """A filter: conditions that must all hold. `str` gives the text that is sent.

    Combine with `&`, negate with `~`. There is no `|`, since the server has none between conditions: see
    `in_` and `query.any_of` for what it has.
    """

    terms: tuple[Term, ...]

    def __attrs_post_init__(self) -> None:
        if not self.terms:
            raise QueryError("a filter needs a condition")
        for term in self.terms:
            term_text(term)  # what cannot be said is refused where it is made

    @property
    def model(self) -> type[Campaign | Contact]:
        """What it filters."""
        return self.terms[0].columns[0].model

    def __and__(self, other: Expression) -> Expression:
        if not isinstance(other, Expression):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise _unfit("&", other)
        if other.model is not self.model:
            raise QueryError(
                f"& between a condition on {self.model.__name__} and one on {other.model.__name__}: "
                "a list is of one of them"
            )
        return Expression(self.terms + other.terms)

    def __rand__(self, other: object) -> NoReturn:
        raise _unfit("&", other)

    def __or__(self, other: object) -> NoReturn:
        raise QueryError(
            "there is no | between conditions, since the server has none: use field.in_(a, b) for several values of a "
            "field, query.any_of(field, field) for several fields of a value, else query one by one"
        )

    __ror__ = __or__

    def __invert__(self) -> Expression:
        return Expression(negated(self.terms))

    def __bool__(self) -> NoReturn:
        raise QueryError(
            "a condition is neither true nor false before the server sees it: write & rather than `and`, ~ rather than "
            "`not`, (a < field) & (field < b) rather than a chained comparison, and no `if` or `in`"
        )

    def __str__(self) -> str:
        return terms_text(self.terms)

    def __repr__(self) -> str:
        return f"<Expression on {self.model.__name__}: {_shown(self.terms)}>"


def _unfit(operator: str, other: object) -> QueryError:
    if isinstance(other, bool):
        return QueryError(
            f"{operator} between a condition and a bool: put brackets around each comparison, (a == b) & (c == d)"
        )
    return QueryError(f"{operator} between a condition and {type(other).__name__}: both must be conditions on fields")


@frozen
class Sort:
    """An order by one field. `str` gives the text that is sent."""

    column: Column = field(repr=lambda column: column.wire)
    descending: bool = False

    def __str__(self) -> str:
        return f"-{self.column.wire}" if self.descending else self.column.wire


@frozen
class Raw:
    """Text in the server's language that is sent as it is. `repr` hides it."""

    text: str = field(repr=False)

    def __str__(self) -> str:
        return self.text


def raw(text: str) -> Raw:
    """A filter or sort that is sent unchecked, and whose rows are not held against it.

    The server drops all filters when it does not understand one, and then answers with all that there is.

    Args:
        text: In the server's language: `sender==Golf,recipientCount>=100`.

    Raises:
        QueryError: It is no text.
    """
    if not isinstance(text, str):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise QueryError(f"query.raw takes text (str), not {type(text).__name__}")
    return Raw(text)
