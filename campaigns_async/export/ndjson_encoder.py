r"""NDJSON: a JSON object a line, in UTF-8, closed by `\n`.

Each has all columns, `null` where there is no value. Dates are text, `"2031-06-27T09:30:00Z"`, with six digits of a
second's fraction where there is one; a status is its number. Lines end at `\n` alone, which no text holds unescaped:
a reader that takes U+2028 or U+0085 for the end of a line, as Python's `str.splitlines` does, cuts texts in two.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from io import BytesIO
from typing import Final

import orjson

from campaigns_async.export.columns import Column, no_text, unwritable, value_of
from campaigns_async.export.errors import UnwritableValueError
from campaigns_async.export.ports import Batch

_OPTIONS: Final = orjson.OPT_UTC_Z | orjson.OPT_APPEND_NEWLINE
_TOO_LARGE: Final = "is a whole number of more than 64 bits, which readers of JSON would change: write CSV"


class NdjsonEncoder:
    """Makes whole lines of rows."""

    def __init__(self, columns: Sequence[Column]) -> None:
        self._columns = tuple(columns)
        self._names = [column.name for column in self._columns]
        self._read = [(column.name, column.attribute) for column in self._columns if column.attribute is not None]

    def begin(self) -> bytes:
        """Nothing."""
        return b""

    def rows(self, batch: Batch) -> bytes:
        """A line a row.

        Raises:
            UnwritableValueError: A text is no UTF-8, or a number does not fit in 64 bits.
        """
        with suppress(orjson.JSONEncodeError):
            return self._lines(batch)
        raise self._fault(batch)  # out here, where nothing is chained that holds the rows

    def end(self) -> bytes:
        """Nothing."""
        return b""

    def _lines(self, batch: Batch) -> bytes:
        # One dict serves all rows, and each line is copied at once: half the time of a dict and a bytes object a row,
        # since orjson gives each a kilobyte.
        line: dict[str, object] = dict.fromkeys(self._names, batch.campaign_id)
        lines = BytesIO()
        write, dumps, read = lines.write, orjson.dumps, self._read
        for row in batch.rows:
            for name, attribute in read:
                line[name] = getattr(row, attribute)
            write(dumps(line, None, _OPTIONS))
        return lines.getvalue()

    def _fault(self, batch: Batch) -> UnwritableValueError:
        for row in batch.rows:
            for column in self._columns:
                value = value_of(column, batch, row)
                if isinstance(value, int) and not -(2**63) <= value < 2**64:
                    return unwritable(row, column, _TOO_LARGE)
        return no_text(self._columns, batch)
