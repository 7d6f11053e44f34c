r"""CSV as RFC 4180 has it: UTF-8, commas, CRLF, a line of names first, all text in quotes.

Dates are text too, `"2031-06-27T09:30:00Z"`, with six digits of a second's fraction where there is one; numbers stand
without quotes, a status as its number. No value is what `CsvOptions.null` says, without quotes; empty text is `""`.

- With `null=""`, readers that see quotes tell no value from empty text: polars, DuckDB (`nullstr=''` with
  `allow_quoted_nulls=false`), pyarrow (`strings_can_be_null` without `quoted_strings_can_be_null`). Python's csv
  module, Excel and pandas read both alike.
- With a word such as `\N`, every reader tells them apart once it knows the word (csv: compare; polars: `null_values`;
  DuckDB: `nullstr`). A text that is that very word is refused, as few readers could tell it.

Python's csv module reads cells of up to 131,072 characters unless `csv.field_size_limit` says more.

The apostrophe of `escape_formulas` stays in the text, for whoever reads it: leave the switch off for programs. It keeps
a spreadsheet that takes the comma for its separator from running a text; one that takes another, as Excel does in much
of Europe when a file is double-clicked, cuts texts in the middle: import the file there, and name the comma.
"""

from __future__ import annotations

import codecs
import csv
import re
from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import datetime
from io import StringIO
from typing import Any, Final

import orjson

from campaigns_async.errors import InvalidArgumentError
from campaigns_async.export.columns import Column, is_utf8, no_text, unwritable, values_of
from campaigns_async.export.options import CsvOptions
from campaigns_async.export.ports import Batch
from campaigns_async.query.columns import Kind

_FORMULA: Final = re.compile(
    r"[\t\r\n]"
    r"|[\s\x00-\x1f\x7f\u200b-\u200f\u2060\ufeff]*"  # some programs drop what does not show
    r"(?:[=@\uff1d\uff0b\uff0d\uff20]|[+-](?![0-9 ]*\Z))"  # full-width = + - @; a phone number is none
)
_NUMBER: Final = re.compile(r"[+-]?\.?[0-9]")
_LONE: Final = (
    "has no value, and is the only column: its line would be empty, and so no row to most readers. Choose a word that "
    "stands for no value (null), such as \\N, or a second column (fields)"
)
_MARKER: Final = "is the very word that is to stand for no value: choose another (null)"


class _NoValue(str):
    """A text that the csv module leaves without quotes: what can be asked for a float is a number to it."""

    __slots__ = ()

    def __float__(self) -> float:
        raise TypeError("no value")  # nobody asks


class CsvEncoder:
    """Makes whole lines of rows."""

    def __init__(self, columns: Sequence[Column], options: CsvOptions) -> None:
        self._columns = tuple(columns)
        self._options = options
        self._null = _NoValue(options.null)

    def begin(self) -> bytes:
        """The line of names."""
        line = _lines([[column.name for column in self._columns]]).encode()
        return codecs.BOM_UTF8 + line if self._options.bom else line

    def rows(self, batch: Batch) -> bytes:
        """A line a row.

        Raises:
            UnwritableValueError: A text is no UTF-8, or the word that stands for no value; or a line would be empty.
        """
        lines = _lines(zip(*[self._cells(column, batch) for column in self._columns], strict=True))
        with suppress(UnicodeEncodeError):
            return lines.encode()
        raise no_text(self._columns, batch)  # out here, where nothing is chained that holds the rows

    def end(self) -> bytes:
        """Nothing."""
        return b""

    def _cells(self, column: Column, batch: Batch) -> list[Any]:
        cells = values_of(column, batch)
        if column.kind is Kind.TEXT:
            if self._options.escape_formulas:
                cells = _escaped(cells)
            if self._options.null and self._options.null in cells:
                raise unwritable(batch.rows[cells.index(self._options.null)], column, _MARKER)
        elif column.kind is Kind.DATE:
            cells = _dates(cells)
        if None in cells:
            if len(self._columns) == 1 and not self._options.null:
                raise unwritable(batch.rows[cells.index(None)], column, _LONE)
            null = self._null
            cells = [null if cell is None else cell for cell in cells]
        return cells


def _lines(rows: Iterable[Iterable[object]]) -> str:
    lines = StringIO(newline="")
    csv.writer(lines, quoting=csv.QUOTE_NONNUMERIC).writerows(rows)
    return lines.getvalue()


def _dates(moments: list[datetime | None]) -> list[str | None]:
    # In one go, and in the notation of NDJSON.
    texts: list[str | None] = orjson.loads(orjson.dumps(moments, None, orjson.OPT_UTC_Z))
    return texts


def _escaped(texts: Iterable[str | None]) -> list[str | None]:
    runs = _FORMULA.match
    return ["'" + text if text is not None and runs(text) else text for text in texts]


def checked_options(options: object) -> CsvOptions:
    """The switches, when CSV can be so.

    Raises:
        InvalidArgumentError: It cannot; says what would be right.
    """
    if not isinstance(options, CsvOptions):
        raise InvalidArgumentError(f"csv must be a CsvOptions, not {type(options).__name__}")
    for name in ("bom", "escape_formulas"):
        if not isinstance(getattr(options, name), bool):
            raise InvalidArgumentError(f"{name} must be True or False")
    reason = _wrong_marker(options.null, escape=options.escape_formulas)
    if reason is not None:
        raise InvalidArgumentError(f"null {reason}: write nothing, or a word that no value is, such as \\N")
    return options


def _wrong_marker(marker: object, *, escape: bool) -> str | None:
    """Why it cannot stand for no value; None if it can."""
    if not isinstance(marker, str):
        return "must be text"
    if any(sign in marker for sign in '",;') or not marker.isprintable() or not is_utf8(marker):
        return "must not hold quotes, separators, line ends, or what does not show"
    if marker != marker.strip():
        return "must not begin or end with a blank"
    if _NUMBER.match(marker):
        return "must not look like a number or a date"
    if escape and _FORMULA.match(marker):
        return "must not look like a formula where escape_formulas is on"
    return None
