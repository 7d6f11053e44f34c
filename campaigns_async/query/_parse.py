"""Filters and sorts, compiled: the text to send, checked as the server would read it, and a test for rows.

The server drops all filters when it does not understand one, and then answers with everything: what it would not
understand, or would certainly understand otherwise than it looks, is refused here. No message quotes the text, where a
name may be part of a value that was cut off.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Final, Generic, TypeVar

from attrs import field, frozen

from campaigns_async._checks import LONE_SURROGATE, is_utf8
from campaigns_async.errors import QueryError
from campaigns_async.models import Campaign, Contact
from campaigns_async.query import _syntax
from campaigns_async.query._columns import Column, ColumnsByName, Kind, columns_of, read_value
from campaigns_async.query._conditions import NEGATED, Condition, Expression, Raw, Sort
from campaigns_async.query._contradiction import contradiction
from campaigns_async.query._fields import Comparable

M = TypeVar("M", Campaign, Contact)

_ORDERING: Final = frozenset({"<", "<=", ">", ">="})
_NEEDED: Final = {
    Kind.INT: "a whole number of 32 bits",
    Kind.OPTIONAL_INT: "a whole number of 32 bits, or null behind == and !=",
    Kind.STATUS: "a status: its number, or a name such as Completed",
    Kind.DATE: "a date with the year first, such as 2024-01-31 or 2024-01-31T09:00:00",
}


@frozen
class CompiledFilter(Generic[M]):
    """A filter that is ready to be sent."""

    text: str | None = field(repr=False)
    """None: no filter is sent."""
    contradicts: Callable[[M], bool] | None = field(repr=False)
    """Tests whether a row certainly contradicts the filter; None where nothing is known of what the filter means."""


def compile_filter(filters: Expression | Raw | str | None, model: type[M]) -> CompiledFilter[M]:
    """Return a filter for lists of a model, checked.

    Args:
        filters: An expression on the model's fields, text in the server's language, or `query.raw(…)`.
        model: `Campaign` or `Contact`.

    Raises:
        QueryError: If the server would not understand it, or it is a filter on the other model.
    """
    try:
        return _compile_filter(filters, model)
    except QueryError as error:
        error.parameter = "filters"
        raise


def _compile_filter(filters: Expression | Raw | str | None, model: type[M]) -> CompiledFilter[M]:
    if filters is None:
        return CompiledFilter(None, None)
    if isinstance(filters, Raw):
        return CompiledFilter(_or_none(filters.text), None)
    if isinstance(filters, Expression):
        if filters.model is not model:
            raise QueryError(f"filters: a filter on {filters.model.__name__} for a list of {model.__name__}")
        return _compile(str(filters), filters.conditions)
    if isinstance(filters, str):
        text = str.__str__(filters)
        return _compile(text, parse_filters(text, model))
    raise QueryError(f"filters: {_explain_misuse(filters)}")


def compile_sorts(sorts: Sort | Raw | str | Iterable[Sort | str] | None, model: type[M]) -> str | None:
    """Return the text to send for an order of lists of a model, checked; None for none.

    Args:
        sorts: A field's `asc()` or `desc()`, the server's name of a field with a `-` before it for descending,
            several of either, or `query.raw(…)`.
        model: `Campaign` or `Contact`.

    Raises:
        QueryError: If the server would not understand it, or it sorts by a field of the other model.
    """
    try:
        return _compile_sorts(sorts, model)
    except QueryError as error:
        error.parameter = "sorts"
        raise


def _compile_sorts(sorts: Sort | Raw | str | Iterable[Sort | str] | None, model: type[M]) -> str | None:
    if sorts is None:
        return None
    if isinstance(sorts, Raw):
        return _or_none(sorts.text)
    if isinstance(sorts, (Sort, str)):
        sorts = (sorts,)
    elif isinstance(sorts, (Comparable, Expression)) or not isinstance(sorts, Iterable):
        raise QueryError(
            f"sorts: must be a field's asc() or desc(), text, or a list of them, not {type(sorts).__name__}"
        )
    text = ",".join(_sort_to_text(number, sort, model) for number, sort in enumerate(sorts, 1))
    check_sorts(text, model)
    return _or_none(text)


def _sort_to_text(number: int, sort: object, model: type[M]) -> str:
    if isinstance(sort, str):
        return str.__str__(sort)
    if not isinstance(sort, Sort):
        raise QueryError(f"sorts: item {number} must be a field's asc() or desc(), or text, not {type(sort).__name__}")
    if sort.column.model is not model:
        raise QueryError(
            f"sorts: item {number} is a field of {sort.column.model.__name__} for a list of {model.__name__}"
        )
    return str(sort)


def _compile(text: str, conditions: tuple[Condition, ...]) -> CompiledFilter[M]:
    return CompiledFilter(_or_none(text), contradiction(conditions)) if conditions else CompiledFilter(None, None)


def _or_none(text: str) -> str | None:
    return text if text.strip(f"{_syntax.BLANKS},") else None


def _explain_misuse(filters: object) -> str:
    if isinstance(filters, bool):
        return "a comparison gave a bool: compare fields of query.campaign or query.contact"
    if isinstance(filters, Comparable):
        return "a field alone is no filter: compare it, as in query.campaign.sender == 'Golf'"
    if isinstance(filters, Sort):
        return "an order goes to sorts="
    if isinstance(filters, (list, tuple, set, frozenset)):
        return "several conditions are combined with &"
    return f"must be an expression on fields, text (str) or query.raw(…), not {type(filters).__name__}"


def parse_filters(text: str, model: type[Campaign | Contact]) -> tuple[Condition, ...]:
    """Return the conditions that the server would read in a text.

    Raises:
        QueryError: If it would not understand one. Says which, counted from 1, and what would be right.
    """
    _check_utf8("filters", text)
    names = columns_of(model)
    return tuple(_check_term(number, term, names) for number, term in enumerate(_syntax.parse(text), start=1))


def check_sorts(text: str, model: type[Campaign | Contact]) -> None:
    """Refuse an order that the server would not understand: `-startDateTime,id`, names in any case.

    Raises:
        QueryError: If it would not. Says at which name, counted from 1, and what would be right.
    """
    _check_utf8("sorts", text)
    names = columns_of(model)
    for number, piece in enumerate(_syntax.split_terms(text), start=1):
        if _find_column(piece.removeprefix("-"), names) is None:
            blank = _find_column(piece.strip(_syntax.BLANKS + "-"), names) is not None
            hint = "a blank before its - or behind it" if blank else "write a name alone, or a - and a name"
            meant = _find_column(piece.strip(_syntax.BLANKS + "-()").replace("_", ""), names) is not None
            raise _unknown_name(f"sorts: name {number}", piece, names, hint if blank or not meant else None)


def _check_utf8(which: str, text: str) -> None:
    if not is_utf8(text):
        raise QueryError(f"{which}: {LONE_SURROGATE}")


def _check_term(number: int, term: _syntax.ParsedTerm, names: ColumnsByName) -> Condition:
    where = f"filters: term {number}"
    if term.trouble is not None:
        raise QueryError(f"{where} {term.trouble}")
    columns = tuple(_find_columns(where, term.names, names))
    operator = term.operator
    if operator is None:
        raise QueryError(f"{where} has no operator: the server would take all of it for a name, and set no condition")
    if operator in NEGATED and len(term.values) > 1:
        raise QueryError(
            f"{where} has several values behind {operator}, and so holds for any row that differs from one of them: "
            "repeat the term for each value to have none of them"
        )
    for column in columns:
        _check_operator(where, column, operator)
        for value in term.values:
            _check_value(where, column, operator, value)
    return Condition(columns, operator, term.values)


def _find_columns(where: str, given: tuple[str, ...], names: ColumnsByName) -> Iterator[Column]:
    for name in given:
        column = _find_column(name, names)
        if column is None:
            raise _unknown_name(where, name, names)
        yield column


def _find_column(name: str, names: ColumnsByName) -> Column | None:
    return names.get(name.lower()) if name.isascii() else None


def _unknown_name(where: str, name: str, names: ColumnsByName, hint: str | None = None) -> QueryError:
    meant = _find_column(name.strip(_syntax.BLANKS + "-()").replace("_", ""), names)
    if hint is not None:
        reason = hint
    elif meant is not None:
        reason = f"the server spells it {meant.wire}"
    elif any(sign in name for sign in "=<>!@~"):
        reason = "there is no such operator: write == != > < >= <= @= _= _-= or another of the server's"
    else:
        reason = "a comma within a value needs a backslash before it"
    known = ", ".join(column.wire for column in names.values())
    return QueryError(f"{where} names no field of the server's ({reason}). It has {known}")


def _check_operator(where: str, column: Column, operator: str) -> None:
    if column.kind is Kind.TEXT:
        fits = operator not in _ORDERING
    else:
        fits = operator in ("==", "!=") or (column.kind.ordered and operator in _ORDERING)
    if not fits:
        allowed = "==, !=, @=, _= and _-=, their contraries, and each with *" if column.kind is Kind.TEXT else "==, !="
        if column.kind.ordered:
            allowed += ", <, <=, > and >="
        raise QueryError(
            f"{where}: {column.wire} does not take {operator}; it is {column.kind.value} and takes {allowed}"
        )


def _check_value(where: str, column: Column, operator: str, value: str | None) -> None:
    if column.kind is Kind.TEXT:
        return
    if value is None:
        if not column.kind.nullable:
            raise QueryError(f"{where}: {column.wire} always has a value, and the server drops all filters at null")
    elif read_value(column.kind, value) is None:
        raise QueryError(f"{where}: {column.wire} {operator} needs {_NEEDED[column.kind]}")
