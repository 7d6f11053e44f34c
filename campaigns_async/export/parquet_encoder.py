"""Apache Parquet by pyarrow: `timestamp[us, UTC]`, `int64` and `string`, packed with zstd.

No value is null, in every column, and told from empty text by every reader. Row groups are written as their rows come,
so that what is held in memory is one of them.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module
from typing import Any, Final

from campaigns_async.export.columns import Column, no_text, unwritable, values_of
from campaigns_async.export.errors import UnwritableValueError
from campaigns_async.export.ports import Batch
from campaigns_async.query.columns import Kind

GROUP_ROWS: Final = 20_000
"""A row group has so many rows or more, but fewer than twice as many; the last may have less."""
GROUP_BYTES: Final = 32 * 1024 * 1024
"""Nor are more bytes than some so many kept for one, where texts are long."""
_TOO_LARGE: Final = "is a whole number of more than 64 bits with its sign, which Parquet's int64 cannot hold: write CSV"


class ParquetEncoder:
    """Makes row groups. What it holds is given out by `end` at the latest.

    Raises:
        ModuleNotFoundError: pyarrow is not installed; says how to install it.
    """

    def __init__(self, columns: Sequence[Column]) -> None:
        # By name, for type checkers: it has no types, and everything that comes of it stays within this class.
        self._arrow: Any = _imported("pyarrow")
        parquet: Any = _imported("pyarrow.parquet")
        self._columns = tuple(columns)
        self._schema = self._arrow.schema([(column.name, self._type(column.kind)) for column in self._columns])
        self._sink = _Sink()
        self._writer = parquet.ParquetWriter(self._sink, self._schema, compression="zstd")
        self._waiting: list[Any] = []
        self._rows = 0
        self._bytes = 0
        self._written = False

    def begin(self) -> bytes:
        """The magic number."""
        return self._sink.drained()

    def rows(self, batch: Batch) -> bytes:
        """Row groups, once enough rows are there for one; else nothing.

        Raises:
            UnwritableValueError: A text is no UTF-8, or a number does not fit in 64 bits.
        """
        taken = self._taken(batch)
        self._waiting.append(taken)
        self._rows += taken.num_rows
        self._bytes += taken.nbytes
        if self._rows >= GROUP_ROWS or self._bytes >= GROUP_BYTES:
            self._write()
        return self._sink.drained()

    def end(self) -> bytes:
        """The last row group, and the footer."""
        if self._rows or not self._written:  # some readers, pyarrow 18 among them, fail over a file without any group
            self._write()
        self._writer.close()
        return self._sink.drained()

    def _type(self, kind: Kind) -> Any:
        if kind is Kind.TEXT:
            return self._arrow.string()
        return self._arrow.timestamp("us", tz="UTC") if kind is Kind.DATE else self._arrow.int64()

    def _taken(self, batch: Batch) -> Any:
        # ArrowInvalid is a ValueError, as UnicodeEncodeError is.
        with suppress(ValueError, OverflowError):
            arrays = [
                self._arrow.array(values_of(column, batch), type=kind)
                for column, kind in zip(self._columns, self._schema.types, strict=True)
            ]
            return self._arrow.record_batch(arrays, schema=self._schema)
        raise self._fault(batch)  # out here, where nothing is chained that holds the rows

    def _write(self) -> None:
        table = self._arrow.Table.from_batches(self._waiting, schema=self._schema)
        groups = max(1, self._rows // GROUP_ROWS, self._bytes // GROUP_BYTES)
        self._waiting = []
        size = max(1, -(-self._rows // groups))
        self._rows = self._bytes = 0
        self._written = True
        self._writer.write_table(table, row_group_size=size)

    def _fault(self, batch: Batch) -> UnwritableValueError:
        for column in self._columns:
            for index, value in enumerate(values_of(column, batch)):
                if isinstance(value, int) and not -(2**63) <= value < 2**63:
                    return unwritable(batch.rows[index], column, _TOO_LARGE)
        return no_text(self._columns, batch)


class _Sink(io.RawIOBase):
    """Keeps what is written until it is asked for."""

    def __init__(self) -> None:
        super().__init__()
        self._pieces: list[bytes] = []
        self._at = 0

    def writable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def write(self, piece: Any, /) -> int:
        kept = bytes(piece)
        self._pieces.append(kept)
        self._at += len(kept)
        return len(kept)

    def drained(self) -> bytes:
        """All that was written since the last time."""
        pieces, self._pieces = self._pieces, []
        return b"".join(pieces)


def _imported(name: str) -> Any:
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            'writing Parquet needs pyarrow: install it with: pip install "campaigns-async[parquet]"', name=error.name
        ) from None
