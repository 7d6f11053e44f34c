"""Compile filters and sorts into the text to send, and a predicate for rows that contradict the filter.

The server ignores all filters if it does not understand one, and returns every row. So this module refuses a text that
the server would not understand, or would certainly read in another way than the user meant it. An error quotes field
names and operators. It never quotes values, and a name only if it looks like a field's: the text of a term may be the
rest of a value with a comma in it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final, Generic, TypeAlias, TypeVar

from attrs import field, frozen

from campaigns_async._checks import LONE_SURROGATE, is_utf8
from campaigns_async._similar_names import suggest
from campaigns_async.errors import QueryError
from campaigns_async.models import Campaign, Contact
from campaigns_async.query import _syntax
from campaigns_async.query._columns import Column, Kind, read_value
from campaigns_async.query._conditions import NEGATED, Condition, Expression, Raw, Sort
from campaigns_async.query._contradiction import compile_contradiction
from campaigns_async.query._fields import ColumnsByName, Comparable, columns_of

M = TypeVar("M", Campaign, Contact)

Filters: TypeAlias = Expression | Raw | str | None
Sorts: TypeAlias = Sort | Raw | str | Iterable[Sort | str] | None

_ORDERING: Final = frozenset({"<", "<=", ">", ">="})
_EXPECTED: Final = {
    Kind.INT: "a whole number of 32 bits",
    Kind.OPTIONAL_INT: "a whole number of 32 bits, or null after == and !=",
    Kind.STATUS: "a status: its number, or a name such as Completed",
    Kind.DATE: "a date with the year first, such as 2024-01-31 or 2024-01-31T09:00:00",
}
_WORD: Final = re.compile(r"[A-Za-z_]\w{0,39}", re.ASCII)
_WRONG_OPERATOR: Final = re.compile(r"\(?[A-Za-z_][\w|]*\)?\s*([=<>!@~:]+)", re.ASCII)
_CORRECTIONS: Final = {"=": "==", ":": "==", "=>": ">=", "=<": "<=", "=!": "!=", "~": "@=", "~=": "@=", "=~": "@="}
"""The server's operator for each operator of another language."""
_OPERATORS: Final = "== != > < >= <= @= _= _-="


@frozen
class CompiledFilter(Generic[M]):
    """A filter that is ready to be sent.

    Attributes:
        text: The text to send, None for no filter.
        contradicts: Returns True if a row certainly contradicts the filter. None if the filter's meaning is unknown.
    """

    text: str | None = field(repr=False)
    contradicts: Callable[[M], bool] | None = field(repr=False)


def compile_filter(filters: Filters, model: type[M], parameter: str = "filters") -> CompiledFilter[M]:
    """Compile a filter for lists of a model. A QueryError names the caller's argument, `parameter`."""
    with _name_in_errors(parameter):
        if filters is None:
            return CompiledFilter(None, None)
        if isinstance(filters, Raw):
            return CompiledFilter(_or_none(filters.text), None)
        if isinstance(filters, Expression):
            if filters.model is not model:
                raise QueryError(f"a filter on {filters.model.__name__} for a list of {model.__name__}")
            return CompiledFilter(str(filters), compile_contradiction(filters.conditions))
        if isinstance(filters, str):
            text = str.__str__(filters)
            conditions = parse_filters(text, model)
            return CompiledFilter(text, compile_contradiction(conditions)) if conditions else CompiledFilter(None, None)
        raise QueryError(_explain_misuse(filters))


def compile_sorts(sorts: Sorts, model: type[M], parameter: str = "sorts") -> str | None:
    """Compile a sort order for lists of a model to the text to send, None for no order. A QueryError names `parameter`."""
    with _name_in_errors(parameter):
        if sorts is None:
            return None
        if isinstance(sorts, Raw):
            return _or_none(sorts.text)
        if isinstance(sorts, (Sort, str)):
            sorts = (sorts,)
        elif isinstance(sorts, (Comparable, Expression)) or not isinstance(sorts, Iterable):
            raise QueryError(f"must be a field's asc() or desc(), text, or a list of them, not {type(sorts).__name__}")
        text = ",".join(_sort_to_text(number, sort, model) for number, sort in enumerate(sorts, 1))
        check_sorts(text, model)
        return _or_none(text)


@contextmanager
def _name_in_errors(parameter: str) -> Generator[None, None, None]:
    """Name the caller's argument in errors of the block."""
    try:
        yield
    except QueryError as error:
        raise QueryError(f"{parameter}: {error.message}", parameter=parameter) from None


def _sort_to_text(number: int, sort: object, model: type[M]) -> str:
    if isinstance(sort, str):
        return str.__str__(sort)
    if not isinstance(sort, Sort):
        raise QueryError(f"item {number} must be a field's asc() or desc(), or text, not {type(sort).__name__}")
    if sort.column.model is not model:
        raise QueryError(f"item {number} is a field of {sort.column.model.__name__} for a list of {model.__name__}")
    return str(sort)


def _or_none(text: str) -> str | None:
    return text if text.strip(f"{_syntax.BLANKS},") else None


def _explain_misuse(filters: object) -> str:
    if isinstance(filters, bool):
        return "a comparison returned a bool: compare fields of query.campaign or query.contact"
    if isinstance(filters, Comparable):
        return "a field alone is not a filter: compare it, as in query.campaign.sender == 'Golf'"
    if isinstance(filters, Sort):
        return "a sort order belongs in sorts="
    if isinstance(filters, (list, tuple, set, frozenset)):
        return "several conditions are combined with &"
    return f"must be an expression on fields, text (str) or query.raw(…), not {type(filters).__name__}"


def parse_filters(text: str, model: type[Campaign | Contact]) -> tuple[Condition, ...]:
    """Return the conditions that the server reads in a text. A QueryError names the number, from 1, of a wrong term."""
    _check_utf8(text)
    columns = columns_of(model)
    conditions: list[Condition] = []
    for number, term in enumerate(_syntax.parse(text), start=1):
        conditions.append(_check_term(number, term, columns, conditions[-1:]))
    return tuple(conditions)


def check_sorts(text: str, model: type[Campaign | Contact]) -> None:
    """Refuse a sort order that the server would not understand. A QueryError names the number, from 1, of a wrong name."""
    _check_utf8(text)
    columns = columns_of(model)
    for number, piece in enumerate(_syntax.split_terms(text), start=1):
        if _find_column(piece.removeprefix("-"), columns) is None:
            raise QueryError(f"name {number}: {_explain_sort(piece, columns)}")


def _explain_sort(piece: str, known: ColumnsByName) -> str:
    word = _WORD.search(piece)
    column = None if word is None else _find_column(word[0], known)
    if column is not None:
        return f"write {column.wire} or -{column.wire}, without blanks or anything else"
    names = [column.wire for column in known.values()]
    return describe_unknown_field(piece.strip(_syntax.BLANKS).removeprefix("-"), names, "this")


def _check_utf8(text: str) -> None:
    if not is_utf8(text):
        raise QueryError(LONE_SURROGATE)


def _check_term(
    number: int, term: _syntax.ParsedTerm, known: ColumnsByName, previous: Sequence[Condition]
) -> Condition:
    where = f"term {number}"
    if term.trouble is not None:
        raise QueryError(f"{where} {term.trouble}")
    # An unescaped comma in a text makes it look like two terms.
    may_be_value = any(column.kind is Kind.TEXT for condition in previous for column in condition.columns)
    advice = ". If it belongs to the value before, put a backslash before the comma" if may_be_value else ""
    operator = term.operator
    if (wrong := _WRONG_OPERATOR.match("|".join(term.names))) is not None:
        is_whole = wrong.end() == len(wrong.string)
        name = wrong[1] + (operator or "") if is_whole else wrong[1]
        remedy = f"did you mean '{_CORRECTIONS[name]}'?" if name in _CORRECTIONS else f"write one of {_OPERATORS}"
        raise QueryError(f"{where}: unknown operator '{name}'; {remedy}{advice}")
    if operator is None:
        raise QueryError(f"{where} has no operator: write a condition such as sender==Golf{advice}")
    columns = tuple(_find_columns(where, term, known, advice))
    if operator in NEGATED and len(term.values) > 1:
        raise QueryError(
            f"{where} has several values after {operator}, so it matches every row that differs from one of them: "
            "repeat the term for each value to match none of them"
        )
    for column in columns:
        _check_operator(where, column, operator)
        for value in term.values:
            _check_value(where, column, operator, value)
    return Condition(columns, operator, term.values)


def _find_columns(where: str, term: _syntax.ParsedTerm, known: ColumnsByName, advice: str) -> Iterator[Column]:
    for name in term.names:
        column = _find_column(name, known)
        if column is None:
            names = [column.wire for column in known.values()]
            reason = describe_unknown_field(name, names, f"the text before {term.operator}")
            raise QueryError(f"{where}: {reason}{advice}")
        yield column


def _find_column(name: str, known: ColumnsByName) -> Column | None:
    return known.get(name.lower()) if name.isascii() else None


def describe_unknown_field(name: str, fields: Sequence[str], description: str) -> str:
    """Describe a name that no field has. The name is quoted only if it looks like the name of a field."""
    fault = f"unknown field '{name}'" if _WORD.fullmatch(name) else f"{description} is not a field"
    return f"{fault}{suggest(name, fields, 'fields')}"


def _check_operator(where: str, column: Column, operator: str) -> None:
    if column.kind is Kind.TEXT:
        fits = operator not in _ORDERING
    else:
        fits = operator in ("==", "!=") or (column.kind.is_ordered and operator in _ORDERING)
    if not fits:
        allowed = "==, !=, @=, _= and _-=, their negations, and each with *" if column.kind is Kind.TEXT else "==, !="
        if column.kind.is_ordered:
            allowed += ", <, <=, > and >="
        raise QueryError(
            f"{where}: {column.wire} does not take {operator}; it is {column.kind.value} and takes {allowed}"
        )


def _check_value(where: str, column: Column, operator: str, value: str | None) -> None:
    if column.kind is Kind.TEXT:
        return
    if value is None:
        if not column.kind.is_nullable:
            raise QueryError(f"{where}: {column.wire} is never null, and the server ignores all filters at null")
    elif read_value(column.kind, value) is None:
        raise QueryError(f"{where}: {column.wire} {operator} needs {_EXPECTED[column.kind]}")
