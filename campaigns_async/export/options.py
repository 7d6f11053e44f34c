"""What an export is to be like."""

from __future__ import annotations

from enum import StrEnum
from typing import Final, Literal, TypeAlias

from attrs import frozen

Unfinished: TypeAlias = Literal["refuse", "resume", "restart"]
"""What to do with a cut-off export of the same file."""
UNFINISHED: Final[tuple[Unfinished, ...]] = ("refuse", "resume", "restart")


class Format(StrEnum):
    """A file format."""

    CSV = "csv"
    """RFC 4180, UTF-8, a header line. All text is quoted, no value is not."""
    NDJSON = "ndjson"
    """A JSON object a line."""
    PARQUET = "parquet"
    """Apache Parquet, by pyarrow (the extra `parquet`)."""


@frozen
class CsvOptions:
    """Switches of CSV."""

    bom: bool = False
    """Whether it begins with a byte order mark, by which Excel knows UTF-8."""
    escape_formulas: bool = False
    """Whether text that a spreadsheet would run as a formula gets an apostrophe before it."""
    null: str = ""
    """What stands, unquoted, for no value. Empty text is always `""`, which tells it from no value to readers that see
    quotes; to the others, any word that no value is, such as `\\N`."""
