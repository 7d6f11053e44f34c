"""The server's filter language: parse a text as the server does, and escape values so that they survive parsing.

The server parses filters with the .NET library Sieve, which does not report syntax errors. The parser here follows
Sieve step by step. Every text that is written is parsed again before it is sent.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final

from attrs import field, frozen

OPERATORS: Final = (
    *("!@=*", "!_=*", "!_-=*", "!=*", "!@=", "!_=", "!_-="),
    *("==*", "@=*", "_=*", "_-=*", "==", "!=", ">=", "<=", ">", "<", "@=", "_=", "_-="),
)
"""Operators, in the order in which the server tries them at one position."""

BLANKS: Final = "".join(map(chr, (*range(0x09, 0x0E), 0x20, 0x85, 0xA0, 0x1680, *range(0x2000, 0x200B)))) + (
    "\u2028\u2029\u202f\u205f\u3000"
)
"""The characters that .NET trims. Python's own `strip` also removes U+001C to U+001F."""

BRACKETS_IN_GROUP: Final = (
    "has brackets in its value after a group in brackets, and the server removes both: write the names without brackets"
)
BRACKET_AT_THE_END: Final = (
    "begins and ends with a bracket, and the server reads all of it as names: write the names without brackets"
)

_OPERATOR: Final = f"({'|'.join(map(re.escape, OPERATORS))})"
_ANY: Final = re.compile(_OPERATOR)
_LIVE: Final = re.compile(rf"(?<!\\){_OPERATOR}")
_ESCAPED: Final = re.compile(rf"(?<=\\){_OPERATOR}")
_SEPARATORS: Final = {separator: re.compile(rf"(?<!\\)\\*{re.escape(separator)}") for separator in ",|"}
_LONGEST: Final = max(map(len, OPERATORS))


@frozen
class ParsedTerm:
    """One term of a filter, as the server parses it.

    Attributes:
        operator: The operator. None if the server reads the whole term as a name, and so ignores it.
        values: The values. None is null, which only `==` and `!=` compare with.
        trouble: The reason why the server certainly reads the term in another way than a person does, or None.
    """

    names: tuple[str, ...] = field(repr=False)
    operator: str | None
    values: tuple[str | None, ...] = field(repr=False)
    trouble: str | None = None


def split_terms(text: str) -> list[str]:
    """Split a filter or a sort into its terms, without empty ones. Blanks after a comma are removed, and others kept."""
    first, *others = _split(text, ",")
    return [piece for piece in (first, *(other.lstrip(BLANKS) for other in others)) if piece.strip(BLANKS)]


def parse(text: str) -> tuple[ParsedTerm, ...]:
    return tuple(map(_parse_term, split_terms(text)))


def is_equality(operator: str) -> bool:
    """Return True if the operator compares whole values, and so accepts `null`."""
    return operator.rstrip("*") in ("==", "!=")


def _parse_term(piece: str) -> ParsedTerm:
    text = piece.replace("\\,", ",")
    trouble = None
    if piece.startswith("("):
        rest = text[text.rfind(")") + 1 :]
        if not rest:
            return ParsedTerm((), None, (), BRACKET_AT_THE_END)
        group = text[: len(text) - len(rest)]
        if _LIVE.search(group):
            trouble = BRACKETS_IN_GROUP
        # As in Sieve: the text after the group is also removed from within the group.
        text = text.replace(rest, "").translate({ord("("): None, ord(")"): None}) + rest
    parts = [part.strip(BLANKS) for part in _LIVE.split(text)]
    names = tuple(name.strip(BLANKS) for name in _split(parts[0], "|"))
    if len(parts) == 1:
        return ParsedTerm(names, None, (), trouble)
    if len(parts) > 3:
        trouble = trouble or (
            f"has a second operator, {parts[3]}, at which the server cuts the value off: "
            "put a comma between two conditions; if it belongs to the value, put a backslash before it (in a negated "
            "operator, after the !)"
        )
    operator = parts[1]
    values = (_parse_value(value, operator) for value in _split(_unescape_operators(parts[2]), "|"))
    return ParsedTerm(names, operator, tuple(values), trouble)


def _split(text: str, separator: str) -> list[str]:
    """Split at each separator after an even number of backslashes."""
    pieces: list[str] = []
    start = 0
    for run in _SEPARATORS[separator].finditer(text):
        if len(run[0]) % 2:
            pieces.append(text[start : run.end() - 1])
            start = run.end()
    return [*pieces, text[start:]]


def _unescape_operators(values: str) -> str:
    """Remove the backslashes before operators, as Sieve does: one pass over the whole text for each one found."""
    for operator in _ESCAPED.findall(values):
        values = values.replace("\\" + operator, operator)
    return values


def _parse_value(value: str, operator: str) -> str | None:
    value = value.replace("\\|", "|").replace("\\\\", "\\")
    if is_null(value) and is_equality(operator):
        return None
    return value[1:] if value.startswith("\\") and is_null(value[1:]) else value


def is_null(value: str) -> bool:
    """Return True if the server may read the text as null."""
    return value.lower() == "null"


def format_term(names: Iterable[str], operator: str, values: Sequence[str | None]) -> str:
    """Format one term. Names have no brackets around them: the server would remove brackets from the values too."""
    escaped = "|".join(_escape(value, operator) for value in values)
    # Without the blank, a star at the beginning of the value would become part of the operator.
    return f"{'|'.join(names)}{operator}{' ' if escaped.startswith('*') else ''}{escaped}"


def _escape(value: str | None, operator: str) -> str:
    if value is None:
        return "null"
    if is_null(value) and is_equality(operator):
        return "\\" + value
    escaped: list[str] = []
    following = ""
    # From the end, because a backslash before one operator may break up another that begins further left.
    for character in reversed(value):
        special = character in "\\,|" or _ANY.match(character + following)
        escaped.append(f"\\{character}" if special else character)
        following = (escaped[-1] + following)[:_LONGEST]
    return "".join(reversed(escaped))
