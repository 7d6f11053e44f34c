"""The server's filter language: how a text is read, and how a value is written so that it is read back.

The server reads filters with the .NET library Sieve. It never says that it did not understand, so the
order of reading is kept here step by step, and what is written is read back before it is sent.
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
"""In the order in which the server tries them at one place."""

BLANKS: Final = "".join(map(chr, (*range(0x09, 0x0E), 0x20, 0x85, 0xA0, 0x1680, *range(0x2000, 0x200B)))) + (
    "\u2028\u2029\u202f\u205f\u3000"
)
"""What .NET trims. Python's own `strip` also takes U+001C to U+001F."""

SECOND_OPERATOR: Final = (
    "holds a second operator, and the server cuts the value there: put a backslash before it, "
    "and before a negated one behind its !"
)
BRACKETS_IN_GROUP: Final = (
    "is a group in brackets with brackets in its value, which the server removes there too: write A|B without brackets"
)
BRACKET_AT_THE_END: Final = "begins with a bracket and ends with one: in a value write it behind A|B without brackets"

_OPERATOR: Final = f"({'|'.join(map(re.escape, OPERATORS))})"
_ANY: Final = re.compile(_OPERATOR)
_LIVE: Final = re.compile(rf"(?<!\\){_OPERATOR}")
_ESCAPED: Final = re.compile(rf"(?<=\\){_OPERATOR}")
_SEPARATORS: Final = {separator: re.compile(rf"(?<!\\)\\*{re.escape(separator)}") for separator in ",|"}
_LONGEST: Final = max(map(len, OPERATORS))


@frozen
class ParsedTerm:
    """One term as the server reads it."""

    names: tuple[str, ...] = field(repr=False)
    operator: str | None
    """None: the server takes all of the term for a name, and sets no condition."""
    values: tuple[str | None, ...] = field(repr=False)
    """None: no value, which only `==` and `!=` ask for."""
    trouble: str | None = None
    """Why it surely means something else than it seems to."""


def split_terms(text: str) -> list[str]:
    """The terms of a filter or of a sort, empty ones left out. Blanks behind a comma are eaten, others stay."""
    first, *others = _split(text, ",")
    return [piece for piece in (first, *(other.lstrip(BLANKS) for other in others)) if piece.strip(BLANKS)]


def parse(text: str) -> tuple[ParsedTerm, ...]:
    """All terms of a filter, in the server's order of reading."""
    return tuple(map(_parse_term, split_terms(text)))


def is_equality(operator: str) -> bool:
    """Whether the operator asks for a whole value, and so knows `null`."""
    return operator.rstrip("*") in ("==", "!=")


def _parse_term(piece: str) -> ParsedTerm:
    text = piece.replace("\\,", ",")
    trouble = None
    if piece.startswith("("):
        behind = text[text.rfind(")") + 1 :]
        if not behind:
            return ParsedTerm((), None, (), BRACKET_AT_THE_END)
        group = text[: len(text) - len(behind)]
        if _LIVE.search(group):
            trouble = BRACKETS_IN_GROUP
        # As the server does it: what stands behind the group vanishes in it too, should it occur there.
        text = text.replace(behind, "").translate({ord("("): None, ord(")"): None}) + behind
    parts = [part.strip(BLANKS) for part in _LIVE.split(text)]
    names = tuple(name.strip(BLANKS) for name in _split(parts[0], "|"))
    if len(parts) == 1:
        return ParsedTerm(names, None, (), trouble)
    if len(parts) > 3:
        trouble = trouble or SECOND_OPERATOR
    operator = parts[1]
    values = (_parse_value(value, operator) for value in _split(_unescape_operators(parts[2]), "|"))
    return ParsedTerm(names, operator, tuple(values), trouble)


def _split(text: str, separator: str) -> list[str]:
    """Split where an even number of backslashes stands in front of the separator."""
    found: list[str] = []
    start = 0
    for run in _SEPARATORS[separator].finditer(text):
        if len(run[0]) % 2:
            found.append(text[start : run.end() - 1])
            start = run.end()
    return [*found, text[start:]]


def _unescape_operators(values: str) -> str:
    """Take the backslashes before operators away: one pass over all for each that is found."""
    for operator in _ESCAPED.findall(values):
        values = values.replace("\\" + operator, operator)
    return values


def _parse_value(value: str, operator: str) -> str | None:
    value = value.replace("\\|", "|").replace("\\\\", "\\")
    if is_null(value) and is_equality(operator):
        return None
    return value[1:] if value.startswith("\\") and is_null(value[1:]) else value


def is_null(value: str) -> bool:
    """Whether the server may take it for no value."""
    return value.lower() == "null"


def format_term(names: Iterable[str], operator: str, values: Sequence[str | None]) -> str:
    """One term. Names stand without brackets, which would take brackets out of the values."""
    said = "|".join(_escape(value, operator) for value in values)
    # A blank keeps a leading star from making the operator one that ignores case.
    return f"{'|'.join(names)}{operator}{' ' if said.startswith('*') else ''}{said}"


def _escape(value: str | None, operator: str) -> str:
    if value is None:
        return "null"
    if is_null(value) and is_equality(operator):
        return "\\" + value
    said: list[str] = []
    behind = ""
    # From the end, since a backslash before one operator may break another that begins further left.
    for character in reversed(value):
        special = character in "\\,|" or _ANY.match(character + behind)
        said.append(f"\\{character}" if special else character)
        behind = (said[-1] + behind)[:_LONGEST]
    return "".join(reversed(said))
