"""Filters and sorts in plain text, checked as the server would read them.

It drops all filters when it does not understand one, and then answers with everything: what it would not
understand, or would surely understand otherwise than it looks, is refused here. No message quotes the text, where a
name may be part of a value that was cut off.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from campaigns_async.errors import QueryError
from campaigns_async.query import sieve
from campaigns_async.query.columns import Column, Kind, Names
from campaigns_async.query.literals import READERS, is_whole
from campaigns_async.query.terms import NEGATED, Term

_ORDERING: Final = frozenset({"<", "<=", ">", ">="})
_NEEDED: Final = {
    Kind.INT: "a whole number of 32 bits",
    Kind.OPTIONAL_INT: "a whole number of 32 bits, or null behind == and !=",
    Kind.STATUS: "a status: its number, or a name such as Completed",
    Kind.DATE: "a date with the year first, such as 2024-01-31 or 2024-01-31T09:00:00",
}


def checked_filters(text: str, names: Names) -> str:
    """The text itself, when the server would understand it.

    Raises:
        QueryError: It would not; says at which term, counted from 1, and what would be right.
    """
    parsed_filters(text, names)
    return text


def parsed_filters(text: str, names: Names) -> tuple[Term, ...]:
    """The conditions that the server would read.

    Raises:
        QueryError: As for `checked_filters`.
    """
    _check_sendable("filters", text)
    return tuple(_term(number, reading, names) for number, reading in enumerate(sieve.read(text), start=1))


def checked_sorts(text: str, names: Names) -> str:
    """The text itself, when the server would understand it: `-startDateTime,id`, names in any case.

    Raises:
        QueryError: It would not; says at which name, counted from 1, and what would be right.
    """
    _check_sendable("sorts", text)
    for number, piece in enumerate(sieve.pieces(text), start=1):
        if _found(piece.removeprefix("-"), names) is None:
            blank = _found(piece.strip(sieve.BLANKS + "-"), names) is not None
            hint = "a blank before its - or behind it" if blank else "write a name alone, or a - and a name"
            meant = _found(piece.strip(sieve.BLANKS + "-()").replace("_", ""), names) is not None
            raise _unknown(f"sorts: name {number}", piece, names, hint if blank or not meant else None)
    return text


def _check_sendable(which: str, text: str) -> None:
    if not is_whole(text):
        raise QueryError(f"{which}: holds half of a surrogate pair, which UTF-8 cannot carry")


def _term(number: int, reading: sieve.Reading, names: Names) -> Term:
    where = f"filters: term {number}"
    if reading.trouble is not None:
        raise QueryError(f"{where} {reading.trouble}")
    columns = tuple(_known(where, reading.names, names))
    operator = reading.operator
    if operator is None:
        raise QueryError(f"{where} has no operator: the server would take all of it for a name, and set no condition")
    if operator in NEGATED and len(reading.values) > 1:
        raise QueryError(
            f"{where} has several values behind {operator}, and so holds for any row that differs from one of them: "
            "repeat the term for each value to have none of them"
        )
    for column in columns:
        _check_operator(where, column, operator)
        for value in reading.values:
            _check_value(where, column, operator, value)
    return Term(columns, operator, reading.values)


def _known(where: str, said: tuple[str, ...], names: Names) -> Iterator[Column]:
    for name in said:
        column = _found(name, names)
        if column is None:
            raise _unknown(where, name, names)
        yield column


def _found(name: str, names: Names) -> Column | None:
    return names.get(name.lower()) if name.isascii() else None


def _unknown(where: str, name: str, names: Names, hint: str | None = None) -> QueryError:
    meant = _found(name.strip(sieve.BLANKS + "-()").replace("_", ""), names)
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
    elif READERS[column.kind](value) is None:
        raise QueryError(f"{where}: {column.wire} {operator} needs {_NEEDED[column.kind]}")
