"""Conditions as they are meant: written, read back, and turned into their contrary."""

from __future__ import annotations

from typing import Final

from attrs import field, frozen

from campaigns_async.errors import QueryError
from campaigns_async.query import sieve
from campaigns_async.query.columns import Column

_OPPOSITE: Final = {"==": "!=", "==*": "!=*", "<": ">=", ">": "<="} | {
    operator: f"!{operator}" for operator in ("@=", "@=*", "_=", "_=*", "_-=", "_-=*")
}
OPPOSITES: Final = _OPPOSITE | {negated: operator for operator, negated in _OPPOSITE.items()}
NEGATED: Final = frozenset(operator for operator in OPPOSITES if operator.startswith("!"))


@frozen
class Term:
    """One condition: it holds where any of the columns stands in the relation to any of the values."""

    columns: tuple[Column, ...]
    operator: str
    values: tuple[str | None, ...] = field(repr=False)
    """None: no value."""

    @property
    def label(self) -> str:
        """Its names and its operator, for messages: values may be numbers or names of people."""
        return f"{'|'.join(column.wire for column in self.columns)} {self.operator}"


def term_text(term: Term) -> str:
    """What is sent for one condition.

    Raises:
        QueryError: The server would read something else than is meant.
    """
    text = sieve.written((column.wire for column in term.columns), term.operator, term.values)
    if sieve.read(text) != (_reading(term),):
        raise QueryError(f"{term.label}: the server's language cannot say this value: {_reason(term)}")
    return text


def terms_text(terms: tuple[Term, ...]) -> str:
    """What is sent for conditions that must all hold.

    Raises:
        QueryError: The server would read something else than is meant.
    """
    text = ",".join(map(term_text, terms))
    if sieve.read(text) != tuple(map(_reading, terms)):
        raise QueryError("the server's language cannot say these conditions together: query one by one")
    return text


def negated(terms: tuple[Term, ...]) -> tuple[Term, ...]:
    """The conditions that hold where those given do not. Rows without a value are in neither.

    Raises:
        QueryError: It would take an OR between conditions, which the server does not have.
    """
    if len(terms) == 1:
        (term,) = terms
        opposite = OPPOSITES[term.operator]
        return tuple(Term((column,), opposite, (value,)) for column in term.columns for value in term.values)
    # The reverse of the line above, so that a double negation comes back to where it began.
    operators = {term.operator for term in terms}
    columns = tuple(dict.fromkeys(column for term in terms for column in term.columns))
    values = tuple(dict.fromkeys(value for term in terms for value in term.values))
    alternatives = {(column, value) for term in terms for column in term.columns for value in term.values}
    single = all(len(term.columns) == len(term.values) == 1 for term in terms)
    if single and len(operators) == 1 and len(alternatives) == len(columns) * len(values):
        return (Term(columns, OPPOSITES[operators.pop()], values),)
    raise QueryError(
        "~ of several conditions would need an OR between them, which the server does not have: "
        "negate them one by one, or query one by one"
    )


def _reading(term: Term) -> sieve.Reading:
    return sieve.Reading(tuple(column.wire for column in term.columns), term.operator, term.values)


def _reason(term: Term) -> str:
    texts = [value for value in term.values if value is not None]
    if any(value[:1] == "\\" and sieve.is_null(value[1:]) for value in texts):
        return "a backslash and then null is always read as the text null"
    ends = [value for value in (term.values[0], term.values[-1]) if value is not None]
    if any(value != value.strip(sieve.BLANKS) for value in ends):
        return "the blanks at its beginning or end are cut off there"
    return "a backslash before an operator is lost there, where that operator occurs several times"
