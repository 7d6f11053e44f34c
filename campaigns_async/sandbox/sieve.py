"""Filters and sorts as the .NET library Sieve 2.5.5 reads them, its silences included."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, tzinfo
from typing import Any, Final, Literal

from attrs import frozen

from .schema import STATUSES, Column, Columns, Kind, Row
from .values import BLANKS, simple_upper, to_enum, to_int32, to_ticks

Predicate = Callable[[Row], bool]

# At one position the first that fits wins, so the order counts.
_OPERATORS: Final = (
    "!@=*", "!_=*", "!_-=*", "!=*", "!@=", "!_=", "!_-=", "==*", "@=*", "_=*", "_-=*",
    "==", "!=", ">=", "<=", ">", "<", "@=", "_=", "_-=",
)  # fmt: skip
_ANY_OPERATOR: Final = "(" + "|".join(map(re.escape, _OPERATORS)) + ")"
_LIVE_OPERATOR: Final = re.compile(r"(?<!\\)" + _ANY_OPERATOR)
_ESCAPED_OPERATOR: Final = re.compile(r"(?<=\\)" + _ANY_OPERATOR)

_COMPARISONS: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "==": operator.eq,
    "!=": operator.ne,
    ">": operator.gt,
    "<": operator.lt,
    ">=": operator.ge,
    "<=": operator.le,
}
_TEXT_TESTS: Final[dict[str, Callable[[str, str], bool]]] = {
    "@=": operator.contains,
    "_=": str.startswith,
    "_-=": str.endswith,
}


class SieveError(ValueError):
    """What makes Sieve drop the work still to come."""


@frozen
class Term:
    """One condition as it was read; `values` is None where there is no operator."""

    names: tuple[str, ...]
    operator: str
    values: tuple[str, ...] | None


@frozen
class Found:
    """The rows that hold, in order; `failed` names the parameter whose error, `why`, dropped the rest of the work."""

    rows: Sequence[Row]
    failed: Literal["", "filters", "sorts"]
    why: str = ""


def find(
    rows: Sequence[Row],
    filters: str | None,
    sorts: str | None,
    columns: Columns,
    zone: tzinfo = UTC,
) -> Found:
    """Apply filters, then sorts.

    A fault in the filters gives back all rows as they were; one in the sorts keeps the
    filters. Either means that paging is dropped too.
    """
    reading: Literal["filters", "sorts"] = "filters"
    try:
        if filters is not None:
            tests = compile_filters(filters, columns, zone)
            for test in tests:
                rows = list(filter(test, rows))
        reading = "sorts"
        if sorts is not None:
            rows = sort(rows, sorts, columns)
    except SieveError as error:
        return Found(rows, reading, str(error))
    return Found(rows, "")


def parse_filters(filters: str) -> list[Term]:
    """Read a filter into its terms, without looking at what they mean."""
    return [parse_term(_without_brackets(term)) for term in _split_at_commas(filters) if term.strip(BLANKS)]


def parse_term(text: str) -> Term:
    """Read one term: ``{names}{operator}{values}``; a second operator cuts the values."""
    parts = [part.strip(BLANKS) for part in _LIVE_OPERATOR.split(text)]
    names = tuple(name.strip(BLANKS) for name in _split_unescaped(parts[0], "|"))
    if len(parts) == 1:
        return Term(names, "", None)
    return Term(names, parts[1], tuple(map(_unescape, _split_unescaped(_free_operators(parts[2]), "|"))))


def _split_unescaped(text: str, separator: str) -> list[str]:
    """Split at separators in front of which stands an even number of backslashes."""
    pieces: list[str] = []
    start = 0
    at = text.find(separator)
    while at >= 0:
        before = text[:at]
        if (at - len(before.rstrip("\\"))) % 2 == 0:
            pieces.append(text[start:at])
            start = at + 1
        at = text.find(separator, at + 1)
    pieces.append(text[start:])
    return pieces


def _split_at_commas(text: str) -> list[str]:
    first, *others = _split_unescaped(text, ",")
    return [first, *(piece.lstrip(BLANKS) for piece in others)]


def _without_brackets(term: str) -> str:
    text = term.replace("\\,", ",")
    if not term.startswith("("):
        return text
    tail = text[text.rfind(")") + 1 :]
    if not tail:
        raise SieveError("a group that nothing follows")
    # Where the text behind the group occurs within it too, it vanishes there as well.
    return text.replace(tail, "").replace("(", "").replace(")", "") + tail


def _free_operators(value: str) -> str:
    for match in _ESCAPED_OPERATOR.findall(value):
        value = value.replace("\\" + match, match)
    return value


def _unescape(value: str) -> str:
    return value.replace("\\|", "|").replace("\\\\", "\\")


def compile_filters(filters: str, columns: Columns, zone: tzinfo = UTC) -> list[Predicate]:
    """Turn a filter into tests that must all hold.

    Raises:
        SieveError: A name is unknown, or an operator or value does not fit its column.
    """
    tests: list[Predicate] = []
    for term in parse_filters(filters):
        alternatives = [
            test
            for name in _known(term.names, columns)
            for test in _tests(columns[name.lower()], term.operator, term.values or (), zone)
        ]
        if alternatives:
            tests.append(_any_of(alternatives))
    return tests


def _tests(column: Column, operator_: str, values: Sequence[str], zone: tzinfo) -> Iterable[Predicate]:
    if operator_ == "==" and column.kind is Kind.TEXT and len(values) > 2:
        plain = frozenset(value for value in values if value.lower() not in {"null", "\\null"})
        get = column.get
        # Hundreds of ids are looked up at once, not compared one by one.
        yield lambda row: get(row) in plain
        values = [value for value in values if value not in plain]
    for value in values:
        yield _compile(column, operator_, value, zone)


def _known(names: Iterable[str], columns: Columns) -> Iterable[str]:
    for name in names:
        if name.lower() not in columns:
            raise SieveError("unknown name")
        yield name


def _any_of(tests: list[Predicate]) -> Predicate:
    if len(tests) == 1:
        return tests[0]
    if len(tests) == 2:
        # The usual case; a generator for each row costs twice as much.
        first, second = tests
        return lambda row: first(row) or second(row)
    return lambda row: any(test(row) for test in tests)


def _compile(column: Column, operator_: str, value: str, zone: tzinfo) -> Predicate:
    any_case = operator_.endswith("*")
    plain = operator_.removesuffix("*")
    if value.lower() == "null" and (column.kind is not Kind.TEXT or plain in {"==", "!="}):
        return _compile_null(column, plain)
    if value.lower() == "\\null":
        value = value[1:]
    if column.kind is Kind.TEXT:
        return _compile_text(column, plain, value, any_case=any_case)
    if any_case:
        raise SieveError("only text has a case")
    return _compile_comparison(column, plain, _convert(column.kind, value, zone))


def _compile_null(column: Column, operator_: str) -> Predicate:
    if column.kind in {Kind.INT, Kind.STATUS, Kind.DATE}:
        raise SieveError("null for what always has a value")
    if operator_ not in _COMPARISONS:
        raise SieveError("a text operator on a number")
    get = column.get
    if operator_ == "==":
        return lambda row: get(row) is None
    if operator_ == "!=":
        return lambda row: get(row) is not None
    # Nothing is more or less than no value.
    return lambda _row: False


def _compile_text(column: Column, operator_: str, value: str, *, any_case: bool) -> Predicate:
    get = column.get
    negated = operator_ != "!=" and operator_.startswith("!")
    kind = operator_[1:] if negated else operator_
    test = _TEXT_TESTS.get(kind) or (_COMPARISONS[kind] if kind in {"==", "!="} else None)
    if test is None:
        raise SieveError("text knows no order")
    if any_case:
        wanted = simple_upper(value)
        return lambda row: (have := get(row)) is not None and test(simple_upper(have), wanted) is not negated
    return lambda row: (have := get(row)) is not None and test(have, value) is not negated


def _compile_comparison(column: Column, operator_: str, wanted: int) -> Predicate:
    compare = _COMPARISONS.get(operator_)
    if compare is None:
        raise SieveError("a text operator on what is no text")
    if column.kind is Kind.STATUS and operator_ not in {"==", "!="}:
        raise SieveError("an enum knows no order")
    get = column.get
    return lambda row: (have := get(row)) is not None and compare(have, wanted)


def _convert(kind: Kind, value: str, zone: tzinfo) -> int:
    try:
        if kind is Kind.DATE:
            return to_ticks(value, zone)
        if kind is Kind.STATUS:
            return to_enum(value, STATUSES)
        return to_int32(value)
    except (ValueError, OverflowError) as error:
        raise SieveError("a value that does not fit") from error


def sort(rows: Sequence[Row], sorts: str, columns: Columns) -> Sequence[Row]:
    """Sort stably by several properties; rows without a value come first, or last when descending.

    Raises:
        SieveError: A name is unknown; a blank before or behind it makes it so.
    """
    keys: dict[str, tuple[Column, bool]] = {}
    for term in _split_at_commas(sorts):
        if not term.strip(BLANKS):
            continue
        descending = term.startswith("-")
        name = term[1:] if descending else term
        column = columns.get(name.lower())
        if column is None:
            raise SieveError("unknown name")
        keys.setdefault(name, (column, descending))
    # From the least key to the first: each pass is stable, so the earlier ones decide ties.
    for column, descending in reversed(keys.values()):
        rows = sorted(rows, key=_sort_key(column), reverse=descending)
    return rows


def _sort_key(column: Column) -> Callable[[Row], tuple[Any, ...]]:
    get = column.get
    if column.kind is Kind.TEXT:
        # Cultures sort without regard to case first, then lower before upper.
        return lambda row: (False,) if (have := get(row)) is None else (True, simple_upper(have), have.swapcase())
    return lambda row: (False,) if (have := get(row)) is None else (True, have)
