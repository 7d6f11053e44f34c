"""Find rows that contradict a filter: a server that returns one has silently ignored the filter.

A row contradicts a filter only if no server would return it, for any treatment of case, blanks, punctuation, time
zones and null that its database may have. So only ids, numbers, dates and ASCII text are compared: whether other letters are
equal depends on the database's collation.
"""

from __future__ import annotations

import operator as op
import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final, TypeAlias

from campaigns_async.models import Campaign, Contact
from campaigns_async.query._columns import Column, Kind, read_value
from campaigns_async.query._conditions import NEGATED, OPPOSITES, Condition
from campaigns_async.query._syntax import is_null

ZONES: Final = timedelta(hours=15)
"""The largest error of a server that reads times as its local time, with or without summer time."""

Predicate: TypeAlias = Callable[[object], bool]
"""True if a field's value, which is never None, certainly does not satisfy a condition."""

_IGNORABLE: Final = re.compile(r"[^0-9a-z]+")
_EQUAL_LETTERS: Final = str.maketrans("wy", "vi")  # w equals v in Swedish, y equals i in Lithuanian
_UPPER: Final = str.maketrans({letter: letter.upper() for letter in "abcdefghjklmnopqrstuvwxyz"})  # Turkish i is not I
_DIGRAPHS: Final = (
    "aa ae cc ch cs dd dh dj dz ff gg gj gy ie ij lj ll ly ng nj nn ny oe ph rh rr rz sh ss sz th tt ty uo xh zh zs zz"
)
_ONE_LETTER: Final = frozenset(_DIGRAPHS.split())
"""Pairs that are one letter in some language: there, a search for half of the pair does not find the pair."""
_COMPARISONS: Final = {"==": op.eq, "!=": op.ne, "<": op.lt, "<=": op.le, ">": op.gt, ">=": op.ge}
_RELATIONS: Final[dict[str, Callable[[str, str], bool]]] = {
    "==": op.eq,
    "@=": op.contains,
    "_=": str.startswith,
    "_-=": str.endswith,
}


def compile_contradiction(conditions: Sequence[Condition]) -> Callable[[Campaign | Contact], bool]:
    """Compile a filter into a predicate. It is True for a row that no server returns if it applies the filter."""
    tests = [
        [
            (column.name, _compile_predicate(column, each.operator, value))
            for column in each.columns
            for value in each.values
        ]
        for each in conditions
    ]

    def contradicts(row: Campaign | Contact) -> bool:
        for alternatives in tests:  # no any() and all(): a generator for each row costs more than most tests
            for name, test in alternatives:
                have: object = getattr(row, name)
                if have is None or not test(have):  # a server may leave a field out of its response
                    break
            else:
                return True
        return False

    return contradicts


def _compile_predicate(column: Column, operator: str, value: str | None) -> Predicate:
    if value is None:
        return _is_certainly_a_value if operator.startswith("==") else _never
    if column.kind is Kind.TEXT:
        return _compile_text(operator, value)
    wanted = read_value(column.kind, value)
    if wanted is None:
        return _never
    return _compile_date(operator, wanted) if isinstance(wanted, datetime) else _compile_int(operator, wanted)


def _never(_: object) -> bool:
    return False


def _is_certainly_a_value(have: object) -> bool:
    # Some databases store an empty text as null, and older servers read `null` as a text.
    return not (isinstance(have, str) and (not have or is_null(have)))


def _compile_text(operator: str, value: str) -> Predicate:
    if not value.isascii():
        return _never
    relation = OPPOSITES[operator].removesuffix("*") if operator in NEGATED else operator.removesuffix("*")
    if operator not in NEGATED:
        holds, wanted = _RELATIONS[relation], _simplify(value)
        return lambda have: isinstance(have, str) and have.isascii() and not holds(_simplify(have), wanted)
    any_case = operator.endswith("*")
    exact = value.translate(_UPPER) if any_case else value

    def contradicts(have: object) -> bool:
        if not isinstance(have, str) or not have.isascii():
            return False
        return _certainly_holds(relation, have.translate(_UPPER) if any_case else have, exact)

    return contradicts


def _simplify(text: str) -> str:
    """Return the characters of an ASCII text that are significant in every collation."""
    return _IGNORABLE.sub("", text.lower()).translate(_EQUAL_LETTERS)


def _certainly_holds(relation: str, have: str, value: str) -> bool:
    """Return True if the relation holds in every collation, including those in which two letters count as one."""
    if relation == "==" or not value:
        return bool(value) and have == value
    places = {"_=": range(1), "_-=": range(len(have) - len(value), len(have))}.get(relation, range(len(have)))
    return any(
        have.startswith(value, at) and _is_boundary(have, at) and _is_boundary(have, at + len(value))
        for at in places
        if at >= 0
    )


def _is_boundary(text: str, at: int) -> bool:
    return at == 0 or text[at - 1 : at + 1].lower() not in _ONE_LETTER


def _compile_int(operator: str, wanted: int) -> Predicate:
    holds = _COMPARISONS[operator]
    return lambda have: isinstance(have, int) and not holds(have, wanted)


def _compile_date(operator: str, wanted: datetime) -> Predicate:
    def contradicts(have: object) -> bool:
        if not isinstance(have, datetime):
            return False
        ahead = (have if have.utcoffset() is not None else have.replace(tzinfo=UTC)) - wanted
        if operator in ("<", "<="):
            return ahead > ZONES
        if operator in (">", ">="):
            return ahead < -ZONES
        return operator == "==" and abs(ahead) > ZONES

    return contradicts
