"""Filters held against rows, to find out that a server dropped them in silence.

A row contradicts a filter only where that is plain, whatever the server's database makes of case, accents,
blanks, time zones and missing values.
"""

from __future__ import annotations

import operator as op
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from campaigns_async.models import Campaign, Contact
from campaigns_async.query.columns import Column, Kind
from campaigns_async.query.expression import Expression
from campaigns_async.query.likeness import differs, is_alike
from campaigns_async.query.literals import READERS
from campaigns_async.query.sieve import is_null
from campaigns_async.query.terms import NEGATED, OPPOSITES, Term

ZONES: Final = timedelta(hours=15)
"""How far a server that takes times for its own local time, and either for summer time, may be off."""

Judge = Callable[[object], bool]
"""Whether a field's value, which is never None, surely does not satisfy a condition."""

_COMPARISONS: Final[dict[str, Callable[[int, int], bool]]] = {
    "==": op.eq,
    "!=": op.ne,
    "<": op.lt,
    "<=": op.le,
    ">": op.gt,
    ">=": op.ge,
}


def contradicts(filters: Expression | Sequence[Term], row: Campaign | Contact) -> bool:
    """Whether a server that understood the filter can surely not have answered with the row."""
    return contradiction(filters)(row)


def contradiction(filters: Expression | Sequence[Term]) -> Callable[[Campaign | Contact], bool]:
    """The same as a function of rows, for many of them."""
    terms = filters.terms if isinstance(filters, Expression) else filters
    judged = [
        [(column.name, _judge(column, term.operator, value)) for column in term.columns for value in term.values]
        for term in terms
    ]

    def judge(row: Campaign | Contact) -> bool:
        for alternatives in judged:  # loops, not any() and all(): a generator a row costs more than most tests
            for name, test in alternatives:
                have: object = getattr(row, name)
                if have is None or not test(have):  # what a server leaves out need not be missing there
                    break
            else:
                return True
        return False

    return judge


def _judge(column: Column, operator: str, value: str | None) -> Judge:
    if value is None:
        return _is_surely_some if operator.startswith("==") else _never
    if column.kind is Kind.TEXT:
        return _text(operator, value)
    wanted = READERS[column.kind](value)
    if wanted is None:
        return _never
    return _date(operator, wanted) if isinstance(wanted, datetime) else _number(operator, wanted)


def _never(_: object) -> bool:
    return False


def _is_surely_some(have: object) -> bool:
    # Some databases keep an empty text as no value, and older servers take `null` for the text.
    return not (isinstance(have, str) and (not have or is_null(have)))


def _text(operator: str, value: str) -> Judge:
    plain = operator.removesuffix("*")
    if operator in NEGATED:
        judge = is_alike(OPPOSITES[plain], value, any_case=operator != plain)
    else:
        judge = differs(plain, value)
    return lambda have: isinstance(have, str) and judge(have)


def _number(operator: str, wanted: int) -> Judge:
    holds = _COMPARISONS[operator]
    return lambda have: isinstance(have, int) and not holds(have, wanted)


def _date(operator: str, wanted: datetime) -> Judge:
    def judge(have: object) -> bool:
        if not isinstance(have, datetime):
            return False
        ahead = (have if have.utcoffset() is not None else have.replace(tzinfo=UTC)) - wanted
        if operator in ("<", "<="):
            return ahead > ZONES
        if operator in (">", ">="):
            return ahead < -ZONES
        return operator == "==" and abs(ahead) > ZONES

    return judge
