"""Filters and sorts of rows as the .NET library Sieve 2.5.5 applies them, including what it silently ignores."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, tzinfo
from typing import Any, Final, Literal

from attrs import frozen

from ._dotnet import BLANKS, parse_enum, parse_int32, parse_ticks, to_upper
from ._rows import STATUSES, Column, Columns, Kind, Row

Predicate = Callable[[Row], bool]

# The first operator that matches at a position wins, so the order counts.
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
    """An error after which Sieve skips the rest of its work."""


@frozen
class Term:
    """A parsed condition. `values` is None without an operator."""

    names: tuple[str, ...]
    operator: str
    values: tuple[str, ...] | None


@frozen
class FindResult:
    """The rows that match, in order, and the parameter with the error after which Sieve skipped the rest, if any."""

    rows: Sequence[Row]
    failed: Literal["", "filters", "sorts"] = ""
    reason: str = ""


def find(
    rows: Sequence[Row],
    filters: str | None,
    sorts: str | None,
    columns: Columns,
    zone: tzinfo = UTC,
    refused_sort: str | None = None,
) -> FindResult:
    """Apply filters, then sorts, which may not name `refused_sort`.

    After an error in the filters all rows are returned; after an error in the sorts, the filtered rows. In both
    cases the caller must return all of them, not a page.
    """
    parameter: Literal["filters", "sorts"] = "filters"
    try:
        for test in compile_filters(filters or "", columns, zone):
            rows = list(filter(test, rows))
        parameter = "sorts"
        sortable = {name: column for name, column in columns.items() if name != (refused_sort or "").lower()}
        rows = sort(rows, sorts or "", sortable)
    except SieveError as error:
        return FindResult(rows, parameter, str(error))
    return FindResult(rows)


def parse_filters(filters: str) -> list[Term]:
    """Parse a filter into terms, without checking names and values."""
    return [parse_term(_strip_brackets(term)) for term in _split_at_commas(filters) if term.strip(BLANKS)]


def parse_term(text: str) -> Term:
    """Parse one term, ``{names}{operator}{values}``. A second operator ends the values."""
    parts = [part.strip(BLANKS) for part in _LIVE_OPERATOR.split(text)]
    names = tuple(name.strip(BLANKS) for name in _split_unescaped(parts[0], "|"))
    if len(parts) == 1:
        return Term(names, "", None)
    values = (
        each.replace("\\|", "|").replace("\\\\", "\\") for each in _split_unescaped(_unescape_operators(parts[2]), "|")
    )
    return Term(names, parts[1], tuple(values))


def _split_unescaped(text: str, separator: str) -> list[str]:
    """Split at separators that follow an even number of backslashes."""
    ends = [match.end() for match in re.finditer(rf"(?<!\\)(?:\\\\)*{re.escape(separator)}", text)]
    return [text[start : end - 1] for start, end in zip([0, *ends], [*ends, len(text) + 1], strict=True)]


def _split_at_commas(text: str) -> list[str]:
    first, *others = _split_unescaped(text, ",")
    return [first, *(piece.lstrip(BLANKS) for piece in others)]


def _strip_brackets(term: str) -> str:
    text = term.replace("\\,", ",")
    if not term.startswith("("):
        return text
    tail = text[text.rfind(")") + 1 :]
    if not tail:
        raise SieveError("nothing follows a group")
    # If the text after the group occurs within the group too, Sieve removes it there as well.
    return text.replace(tail, "").replace("(", "").replace(")", "") + tail


def _unescape_operators(value: str) -> str:
    for match in _ESCAPED_OPERATOR.findall(value):
        value = value.replace("\\" + match, match)
    return value


def compile_filters(filters: str, columns: Columns, zone: tzinfo = UTC) -> list[Predicate]:
    """Return the tests of a filter, which must all hold."""
    tests: list[Predicate] = []
    for term in parse_filters(filters):
        alternatives = [
            test
            for name in term.names
            for test in _compile_values(_find_column(name, columns), term.operator, term.values or (), zone)
        ]
        if alternatives:
            tests.append(_combine_tests(alternatives))
    return tests


def _compile_values(column: Column, operator_: str, values: Sequence[str], zone: tzinfo) -> Iterable[Predicate]:
    if operator_ == "==" and column.kind is Kind.TEXT and len(values) > 2:
        plain = frozenset(value for value in values if value.lower() not in {"null", "\\null"})
        get = column.get
        # One lookup in place of hundreds of comparisons with ids.
        yield lambda row: get(row) in plain
        values = [value for value in values if value not in plain]
    for value in values:
        yield _compile(column, operator_, value, zone)


def _find_column(name: str, columns: Columns) -> Column:
    column = columns.get(name.lower())
    if column is None:
        raise SieveError("unknown name")
    return column


def _combine_tests(tests: list[Predicate]) -> Predicate:
    if len(tests) == 1:
        return tests[0]
    if len(tests) == 2:
        # The usual case; a generator per row costs twice as much.
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
        raise SieveError("null on a column that always has a value")
    if operator_ not in _COMPARISONS:
        raise SieveError("a text operator on a number")
    get = column.get
    if operator_ == "==":
        return lambda row: get(row) is None
    if operator_ == "!=":
        return lambda row: get(row) is not None
    # No comparison with null holds.
    return lambda _row: False


def _compile_text(column: Column, operator_: str, value: str, *, any_case: bool) -> Predicate:
    get = column.get
    negated = operator_ != "!=" and operator_.startswith("!")
    kind = operator_[1:] if negated else operator_
    test = _TEXT_TESTS.get(kind) or (_COMPARISONS[kind] if kind in {"==", "!="} else None)
    if test is None:
        raise SieveError("text has no order")
    if any_case:
        wanted = to_upper(value)
        return lambda row: (have := get(row)) is not None and test(to_upper(have), wanted) is not negated
    return lambda row: (have := get(row)) is not None and test(have, value) is not negated


def _compile_comparison(column: Column, operator_: str, wanted: int) -> Predicate:
    compare = _COMPARISONS.get(operator_)
    if compare is None:
        raise SieveError("a text operator on a column that is not text")
    if column.kind is Kind.STATUS and operator_ not in {"==", "!="}:
        raise SieveError("an enum has no order")
    get = column.get
    return lambda row: (have := get(row)) is not None and compare(have, wanted)


def _convert(kind: Kind, value: str, zone: tzinfo) -> int:
    try:
        if kind is Kind.DATE:
            return parse_ticks(value, zone)
        if kind is Kind.STATUS:
            return parse_enum(value, STATUSES)
        return parse_int32(value)
    except (ValueError, OverflowError) as error:
        raise SieveError("a value that does not fit") from error


def sort(rows: Sequence[Row], sorts: str, columns: Columns) -> Sequence[Row]:
    """Sort stably by several properties. Rows without a value come first, or last in descending order.

    A name with a blank before or after it is unknown.
    """
    keys: dict[str, tuple[Column, bool]] = {}
    for term in _split_at_commas(sorts):
        if not term.strip(BLANKS):
            continue
        descending = term.startswith("-")
        name = term[1:] if descending else term
        keys.setdefault(name, (_find_column(name, columns), descending))
    # From the last key to the first: each pass is stable, so later keys decide ties.
    for column, descending in reversed(keys.values()):
        rows = sorted(rows, key=_make_sort_key(column), reverse=descending)
    return rows


def _make_sort_key(column: Column) -> Callable[[Row], tuple[Any, ...]]:
    get = column.get
    if column.kind is Kind.TEXT:
        # .NET's cultures ignore case first, then sort lower before upper.
        return lambda row: (False,) if (have := get(row)) is None else (True, to_upper(have), have.swapcase())
    return lambda row: (False,) if (have := get(row)) is None else (True, have)
