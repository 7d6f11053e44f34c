r"""NDJSON: a JSON object a line, in UTF-8, closed by `\n`.

Each has all columns, `null` where there is no value. Dates are text, `"2031-06-27T09:30:00Z"`, with six digits of a
second's fraction where there is one; a status is its number. Lines end at `\n` alone, which no text holds unescaped:
a reader that takes U+2028 or U+0085 for the end of a line, as Python's `str.splitlines` does, cuts texts in two.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from io import BytesIO
from typing import Any, Final, TypeAlias

import orjson

from campaigns_async.export.columns import CAMPAIGN_COLUMNS, CONTACT_COLUMNS, Column, no_text, unwritable, value_of
from campaigns_async.export.errors import UnwritableValueError
from campaigns_async.export.ports import Batch

_Line: TypeAlias = dict[str, object]

_OPTIONS: Final = orjson.OPT_UTC_Z | orjson.OPT_APPEND_NEWLINE
_TOO_LARGE: Final = "is a whole number of more than 64 bits, which readers of JSON would change: write CSV"


class NdjsonEncoder:
    """Makes whole lines of rows."""

    def __init__(self, columns: Sequence[Column]) -> None:
        self._columns = tuple(columns)
        self._names = [column.name for column in self._columns]
        self._read = [(column.name, column.attribute) for column in self._columns if column.attribute is not None]
        self._write_all = _WHOLE.get(_fields(self._columns))

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
        line: _Line = dict.fromkeys(self._names, batch.campaign_id)
        lines = BytesIO()
        if self._write_all is not None:
            self._write_all(line, batch.rows, lines.write)
            return lines.getvalue()
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


def _write_contacts(line: _Line, rows: Sequence[Any], write: Callable[[bytes], object]) -> None:
    # Whole rows, which is what most exports are of, each field by its name: two thirds of what `getattr` takes.
    dumps = orjson.dumps
    for row in rows:
        line["id"] = row.id
        line["phoneNumber"] = row.phone_number
        line["name"] = row.name
        line["custom1"] = row.custom1
        line["custom2"] = row.custom2
        write(dumps(line, None, _OPTIONS))


def _write_campaigns(line: _Line, rows: Sequence[Any], write: Callable[[bytes], object]) -> None:
    dumps = orjson.dumps
    for row in rows:
        line["id"] = row.id
        line["startDateTime"] = row.start_date_time
        line["sender"] = row.sender
        line["recipientCount"] = row.recipient_count
        line["message"] = row.message
        line["status"] = row.status
        line["optOutLinkId"] = row.opt_out_link_id
        line["trackLinkUrl"] = row.track_link_url
        write(dumps(line, None, _OPTIONS))


def _fields(columns: Sequence[Column]) -> frozenset[tuple[str, str]]:
    return frozenset((column.name, column.attribute) for column in columns if column.attribute is not None)


_WHOLE: Final = {_fields(CONTACT_COLUMNS): _write_contacts, _fields(CAMPAIGN_COLUMNS): _write_campaigns}
"""What writes rows of which all fields are wanted, in whatever order."""
