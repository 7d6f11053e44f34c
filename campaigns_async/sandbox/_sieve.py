"""Filters and sorts of rows as the .NET library Sieve 2.5.5 reads them, including what it silently ignores."""

from __future__ import annotations

import enum
import operator
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, tzinfo
from typing import Any, Final, Literal

from attrs import define, field, frozen

from ._dotnet import BLANKS, iso_ticks, simple_upper, to_enum, to_int32, to_ticks

Wire = dict[str, Any]

STATUSES: Final[Mapping[str, int]] = {
    "pending": 0,
    "sending": 1,
    "submitted": 2,
    "paused": 3,
    "cancelled": 4,
    "completed": 5,
}


def _ticks_of_wire(wire: Wire) -> int | None:
    text = wire.get("startDateTime")
    return iso_ticks(text) if isinstance(text, str) else None


@define(eq=False)
class Row:
    """A campaign or a contact in wire form.

    Attributes:
        wire: The fields.
        ticks: The start time, read once.
        hidden: Returns True while lists leave the row out.
        deleted: True once the row was deleted.
    """

    wire: Wire = field(repr=False)
    ticks: int | None = field(default=None, repr=False)
    hidden: Callable[[], bool] | None = field(default=None, repr=False)
    deleted: bool = False

    @classmethod
    def of_campaign(cls, wire: Wire) -> Row:
        """Make a row of a campaign."""
        return cls(wire, _ticks_of_wire(wire))

    def replace(self, wire: Wire) -> None:
        """Replace the fields; the previous dict is not changed."""
        self.wire = wire
        self.ticks = _ticks_of_wire(wire)


class Kind(enum.Enum):
    """The type of a column, which decides the operators it has."""

    TEXT = enum.auto()
    INT = enum.auto()
    OPTIONAL_INT = enum.auto()
    STATUS = enum.auto()
    DATE = enum.auto()


@frozen
class Column:
    """A property that can be filtered and sorted by."""

    kind: Kind
    get: Callable[[Row], Any]


# Seeds are not validated: a value of another type counts as no value.


def _text(name: str) -> Column:
    def get(row: Row) -> str | None:
        value = row.wire.get(name)
        return value if isinstance(value, str) else None

    return Column(Kind.TEXT, get)


def _int(name: str, kind: Kind) -> Column:
    def get(row: Row) -> int | None:
        value = row.wire.get(name)
        return value if isinstance(value, int) and not isinstance(value, bool) else None

    return Column(kind, get)


Columns = Mapping[str, Column]

# Names are found in any case, hence in lower case here.
CAMPAIGN_COLUMNS: Final[Columns] = {
    "id": _text("id"),
    "startdatetime": Column(Kind.DATE, lambda row: row.ticks),
    "sender": _text("sender"),
    "recipientcount": _int("recipientCount", Kind.INT),
    "message": _text("message"),
    "status": _int("status", Kind.STATUS),
    "optoutlinkid": _int("optOutLinkId", Kind.OPTIONAL_INT),
    "tracklinkurl": _text("trackLinkUrl"),
}
CONTACT_COLUMNS: Final[Columns] = {
    "id": _text("id"),
    "phonenumber": _text("phoneNumber"),
    "name": _text("name"),
    "custom1": _text("custom1"),
    "custom2": _text("custom2"),
}

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
    """An error that makes Sieve skip the rest of its work."""


@frozen
class Term:
    """A condition as it was read; `values` is None where there is no operator."""

    names: tuple[str, ...]
    operator: str
    values: tuple[str, ...] | None


@frozen
class Found:
    """The rows that match, in order.

    Attributes:
        rows: The rows.
        failed: The parameter with the error that made Sieve skip the rest; empty if there was none.
        why: The error.
    """

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

    After an error in the filters all rows are returned; after one in the sorts, the
    filtered rows. Either way the page is not cut out of them.
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
    """Read a filter into terms, without checking names and values."""
    return [parse_term(_without_brackets(term)) for term in _split_at_commas(filters) if term.strip(BLANKS)]


def parse_term(text: str) -> Term:
    """Read one term: ``{names}{operator}{values}``; a second operator cuts the values."""
    parts = [part.strip(BLANKS) for part in _LIVE_OPERATOR.split(text)]
    names = tuple(name.strip(BLANKS) for name in _split_unescaped(parts[0], "|"))
    if len(parts) == 1:
        return Term(names, "", None)
    return Term(names, parts[1], tuple(map(_unescape, _split_unescaped(_free_operators(parts[2]), "|"))))


def _split_unescaped(text: str, separator: str) -> list[str]:
    """Split at separators that follow an even number of backslashes."""
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
        raise SieveError("nothing follows a group")
    # If the text after the group occurs within the group too, Sieve removes it there as well.
    return text.replace(tail, "").replace("(", "").replace(")", "") + tail


def _free_operators(value: str) -> str:
    for match in _ESCAPED_OPERATOR.findall(value):
        value = value.replace("\\" + match, match)
    return value


def _unescape(value: str) -> str:
    return value.replace("\\|", "|").replace("\\\\", "\\")


def compile_filters(filters: str, columns: Columns, zone: tzinfo = UTC) -> list[Predicate]:
    """Return the tests of a filter, which must all hold.

    Raises:
        SieveError: If a name is unknown, or an operator or a value does not fit its column.
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
        # One lookup in place of hundreds of comparisons with ids.
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
        wanted = simple_upper(value)
        return lambda row: (have := get(row)) is not None and test(simple_upper(have), wanted) is not negated
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
            return to_ticks(value, zone)
        if kind is Kind.STATUS:
            return to_enum(value, STATUSES)
        return to_int32(value)
    except (ValueError, OverflowError) as error:
        raise SieveError("a value that does not fit") from error


def sort(rows: Sequence[Row], sorts: str, columns: Columns) -> Sequence[Row]:
    """Sort stably by several properties; rows without a value come first, or last when descending.

    Raises:
        SieveError: If a name is unknown, as it is with a blank before or after it.
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
    # From the last key to the first: each pass is stable, so later keys decide ties.
    for column, descending in reversed(keys.values()):
        rows = sorted(rows, key=_sort_key(column), reverse=descending)
    return rows


def _sort_key(column: Column) -> Callable[[Row], tuple[Any, ...]]:
    get = column.get
    if column.kind is Kind.TEXT:
        # .NET's cultures ignore case first, then sort lower before upper.
        return lambda row: (False,) if (have := get(row)) is None else (True, simple_upper(have), have.swapcase())
    return lambda row: (False,) if (have := get(row)) is None else (True, have)
