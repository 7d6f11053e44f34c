r"""Encoders of rows: CSV and its quoting, NDJSON, and Parquet.

All formats have dates in UTC, and a status as a number.

- CSV (RFC 4180): text is quoted; numbers, dates and nulls are not. A program that splits at another separator, as Excel
  does in much of Europe when a file is double-clicked, must be set to split at commas.
- NDJSON: each line has all columns, with `null` for null, and ends with `\n`. A reader that also splits at U+2028 or
  U+0085, as Python's `str.splitlines` does, cuts texts in two.
- Parquet (pyarrow): `timestamp[us, UTC]`, `int64` and `string`, compressed with zstd. A row group is written once it is
  full, so that memory holds one row group.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from contextlib import suppress
from importlib import import_module
from itertools import starmap
from operator import attrgetter
from typing import Any, Final, cast

import msgspec
from attrs import field, frozen

from campaigns_async._checks import LONE_SURROGATE, is_utf8
from campaigns_async.export._options import CONTACT_COLUMNS, Column, Format
from campaigns_async.export.export_errors import UnwritableValueError
from campaigns_async.models import Campaign, Contact
from campaigns_async.query._columns import Kind

_FORMULA: Final = re.compile(
    r"[\t\r\n]"
    r"|[\s\x00-\x1f\x7f\u200b-\u200f\u2060\ufeff]*"  # some programs drop invisible characters
    r"(?:[=@\uff1d\uff0b\uff0d\uff20]"  # full-width = + - @
    # A number is no formula, nor is a phone number with brackets, dots, dashes, slashes or an extension.
    r"|[+-](?! *\Z|[ .,(]*[0-9][0-9 \xa0().,/%\-\u2010-\u2015]*(?:(?:[eE][+-]?|x|ext\.? ?)[0-9]+)?\Z))"
)
_ONLY_COLUMN: Final = (
    "has no value, and is the only column: its line would be empty, and most readers skip empty lines. "
    "Add a second column (fields), or write ndjson"
)
_TOO_LARGE: Final = "is an integer of more than 64 bits, which {}: write csv"
GROUP_ROWS: Final = 20_000
"""The minimum number of rows in a Parquet row group, and half of the maximum. The last one may have fewer."""
GROUP_BYTES: Final = 32 * 1024 * 1024
"""The number of bytes from which on a Parquet row group is written, even if it has fewer rows."""


@frozen
class Batch:
    """Rows that are encoded together: contacts of a campaign, or campaigns, for which `campaign_id` is None."""

    rows: Sequence[Campaign] | Sequence[Contact] = field(repr=lambda rows: f"<{len(rows)}>")
    campaign_id: str | None = None


class Encoder(ABC):
    """An encoder of rows to the bytes of a format. A text format has complete lines."""

    def __init__(self, columns: Sequence[Column]) -> None:
        self._columns = tuple(columns)

    def begin(self) -> bytes:
        """Return the bytes before the first row."""
        return b""

    @abstractmethod
    def encode(self, batch: Batch) -> bytes:
        """Return rows as bytes. A format with row groups may return them later.

        Raises:
            UnwritableValueError: If the format cannot hold a value.
        """

    def end(self) -> bytes:
        """Return the bytes after the last row."""
        return b""


def make_encoder(format: Format, columns: Sequence[Column], *, excel: bool = False) -> Encoder:
    """Return the encoder of a format.

    Raises:
        ModuleNotFoundError: If pyarrow is not installed, which Parquet needs. The message says how to install it.
    """
    if format is Format.CSV:
        return CsvEncoder(columns, excel=excel)
    return NdjsonEncoder(columns) if format is Format.NDJSON else ParquetEncoder(columns)


class _Absent(str):
    """An empty text that the csv module does not quote, because it treats a value with `__float__` as a number."""

    __slots__ = ()

    def __float__(self) -> float:
        raise TypeError  # never called


_ABSENT: Final = _Absent()


class CsvEncoder(Encoder):
    """The encoder of CSV, by Python's csv module, which quotes all text.

    With `excel`, it begins with a byte order mark, by which Excel detects UTF-8, and puts an apostrophe before text that
    a spreadsheet would run as a formula.
    """

    def __init__(self, columns: Sequence[Column], *, excel: bool) -> None:
        super().__init__(columns)
        self._excel = excel

    def begin(self) -> bytes:
        line = _csv_lines([[column.name for column in self._columns]]).encode()
        return codecs.BOM_UTF8 + line if self._excel else line

    def encode(self, batch: Batch) -> bytes:
        lines = _csv_lines(zip(*[self._cells(column, batch) for column in self._columns], strict=True))
        with suppress(UnicodeEncodeError):
            return lines.encode()
        raise _surrogate_error(self._columns, batch)  # outside of the block: the suppressed error refers to the rows

    def _cells(self, column: Column, batch: Batch) -> list[Any]:
        cells = _values(column, batch)
        if column.kind is Kind.DATE:
            cells = msgspec.json.decode(msgspec.json.encode(cells))  # the same text as in NDJSON
        elif column.kind is Kind.TEXT and self._excel:
            is_formula = _FORMULA.match
            cells = [f"'{text}" if text is not None and is_formula(text) else text for text in cells]
        if None in cells:
            if len(self._columns) == 1:
                raise _unwritable(batch.rows[cells.index(None)], column, _ONLY_COLUMN)
            cells = [_ABSENT if cell is None else cell for cell in cells]
        return cells


def _csv_lines(rows: Iterable[Iterable[object]]) -> str:
    lines = io.StringIO(newline="")
    csv.writer(lines, quoting=csv.QUOTE_NONNUMERIC).writerows(rows)
    return lines.getvalue()


class NdjsonEncoder(Encoder):
    """The encoder of NDJSON."""

    def __init__(self, columns: Sequence[Column]) -> None:
        super().__init__(columns)
        # A struct is encoded in half the time of a dict.
        self._line: Any = msgspec.defstruct("Line", [column.name for column in columns], gc=False)
        self._encode = msgspec.json.Encoder().encode_lines

    def encode(self, batch: Batch) -> bytes:
        with suppress(UnicodeEncodeError):
            return self._encode(self._lines(batch))
        raise _surrogate_error(self._columns, batch)  # outside of the block: the suppressed error refers to the rows

    def _lines(self, batch: Batch) -> list[Any]:
        if self._columns == CONTACT_COLUMNS:  # a faster path for the default columns: half of the time
            line, campaign_id, rows = self._line, batch.campaign_id, cast("Sequence[Contact]", batch.rows)
            return [line(campaign_id, r.id, r.phone_number, r.name, r.custom1, r.custom2) for r in rows]
        cells = [_values_within(column, batch, 2**64, "readers of JSON would change") for column in self._columns]
        return list(starmap(self._line, zip(*cells, strict=True)))


class ParquetEncoder(Encoder):
    """The encoder of Parquet, which has row groups."""

    def __init__(self, columns: Sequence[Column]) -> None:
        super().__init__(columns)
        # Imported by name: pyarrow has no types, and its objects do not leave this class.
        try:
            self._arrow: Any = import_module("pyarrow")
            parquet: Any = import_module("pyarrow.parquet")
        except ModuleNotFoundError as error:
            raise ModuleNotFoundError(
                'writing Parquet needs pyarrow: install it with: pip install "campaigns-async[parquet]"',
                name=error.name,
            ) from None
        types = {Kind.TEXT: self._arrow.string(), Kind.DATE: self._arrow.timestamp("us", tz="UTC")}
        self._schema = self._arrow.schema(
            [(column.name, types.get(column.kind, self._arrow.int64())) for column in self._columns]
        )
        self._sink = _Sink()
        self._writer = parquet.ParquetWriter(self._sink, self._schema, compression="zstd")
        self._waiting: list[Any] = []
        self._rows = 0
        self._bytes = 0
        self._has_groups = False

    def begin(self) -> bytes:
        return self._sink.drain()

    def encode(self, batch: Batch) -> bytes:
        table = self._table(batch)
        self._waiting.append(table)
        self._rows += table.num_rows
        self._bytes += table.nbytes
        if self._rows >= GROUP_ROWS or self._bytes >= GROUP_BYTES:
            self._write()
        return self._sink.drain()

    def end(self) -> bytes:
        if self._rows or not self._has_groups:  # pyarrow 18 and other readers refuse a file without row groups
            self._write()
        self._writer.close()
        return self._sink.drain()

    def _table(self, batch: Batch) -> Any:
        cells = [_values_within(column, batch, 2**63, "int64 cannot hold") for column in self._columns]
        with suppress(ValueError):  # UnicodeEncodeError, and pyarrow's ArrowInvalid
            arrays = [self._arrow.array(*pair) for pair in zip(cells, self._schema.types, strict=True)]
            return self._arrow.record_batch(arrays, schema=self._schema)
        raise _surrogate_error(self._columns, batch)  # outside of the block: the suppressed error refers to the rows

    def _write(self) -> None:
        table = self._arrow.Table.from_batches(self._waiting, schema=self._schema)
        groups = max(1, self._rows // GROUP_ROWS, self._bytes // GROUP_BYTES)
        size = max(1, -(-self._rows // groups))
        self._waiting, self._rows, self._bytes, self._has_groups = [], 0, 0, True
        self._writer.write_table(table, row_group_size=size)


class _Sink(io.BytesIO):
    """A file in memory that the Parquet writer writes to. `drain` empties it."""

    _start = 0

    def tell(self) -> int:
        return self._start + super().tell()

    def drain(self) -> bytes:
        """Return the bytes that were written since the last call."""
        data = self.getvalue()
        self._start += len(data)
        self.seek(0)
        self.truncate()
        return data


def _values(column: Column, batch: Batch) -> list[Any]:
    if column.attribute is None:
        return [batch.campaign_id] * len(batch.rows)
    return list(map(attrgetter(column.attribute), batch.rows))


def _values_within(column: Column, batch: Batch, end: int, reason: str) -> list[Any]:
    """Return the values of a column. Raise an error for a number from `end` on, or below the smallest of 64 bits."""
    values = _values(column, batch)
    if column.kind not in (Kind.TEXT, Kind.DATE):
        for index, value in enumerate(values):
            if value is not None and not -(2**63) <= value < end:
                raise _unwritable(batch.rows[index], column, _TOO_LARGE.format(reason))
    return values


def _surrogate_error(columns: Sequence[Column], batch: Batch) -> UnwritableValueError:
    """Return the error for rows that UTF-8 cannot encode. It names the first such cell."""
    for column in columns:
        for index, value in enumerate(_values(column, batch)):
            if not is_utf8(str(value)):
                return _unwritable(batch.rows[index], column, f"{LONE_SURROGATE}: leave the column out (fields)")
    return UnwritableValueError("a row cannot be written")  # UTF-8 can encode each of its texts


def _unwritable(row: Campaign | Contact, column: Column, reason: str) -> UnwritableValueError:
    """Return the error for a cell. It names the row and the column, not the value."""
    kind = "contact" if isinstance(row, Contact) else "campaign"
    return UnwritableValueError(f"{kind} {row.id!r}: {column.name} {reason}")
