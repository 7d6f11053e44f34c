"""Which format a file has, and what writes it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from attrs import fields

from campaigns_async.errors import InvalidArgumentError
from campaigns_async.export.columns import Column
from campaigns_async.export.csv_encoder import CsvEncoder, checked_options
from campaigns_async.export.ndjson_encoder import NdjsonEncoder
from campaigns_async.export.options import CsvOptions, Format
from campaigns_async.export.parquet_encoder import ParquetEncoder
from campaigns_async.export.ports import Encoder

_SUFFIXES: Final = {
    ".csv": Format.CSV,
    ".ndjson": Format.NDJSON,
    ".jsonl": Format.NDJSON,
    ".parquet": Format.PARQUET,
}
_GZIP: Final = ".gz"
_CHOICES: Final = ", ".join(Format)


def format_of(path: Path, given: Format | None) -> tuple[Format, bool]:
    """The format of a file, and whether gzip packs it. The format given counts more than the name's suffix.

    Args:
        path: Ends with `.csv`, `.ndjson`, `.jsonl` or `.parquet`, in any case, unless a format is given; the text
            ones may have `.gz` behind it.
        given: The format, whatever the suffix.

    Raises:
        InvalidArgumentError: The suffix is unknown and no format given, or Parquet is to be packed.
    """
    name = path.name.lower()
    packed = name.endswith(_GZIP)
    chosen = _named(name.removesuffix(_GZIP)) if given is None else _checked(given)
    if chosen is None:
        raise InvalidArgumentError(
            "the name of the file does not tell its format: end it with .csv, .ndjson, .jsonl or .parquet "
            f"(.csv.gz, .ndjson.gz, .jsonl.gz to pack it), or give a format: {_CHOICES}"
        )
    if packed and chosen is Format.PARQUET:
        raise InvalidArgumentError("Parquet is packed within, and nobody reads it in a .gz: leave .gz out of the name")
    return chosen, packed


def encoder(format: Format, columns: Sequence[Column], csv: CsvOptions) -> Encoder:
    """What writes a format.

    Args:
        format: The format.
        columns: What each row has, in this order.
        csv: Switches, for CSV alone.

    Raises:
        InvalidArgumentError: The switches cannot be so, or are given for another format.
        ModuleNotFoundError: pyarrow, which Parquet takes, is not installed; says how to install it.
    """
    chosen = _checked(format)
    options = checked_options(csv)
    if chosen is Format.CSV:
        return CsvEncoder(columns, options)
    changed = [known.name for known in fields(CsvOptions) if getattr(options, known.name) != known.default]
    if changed:
        raise InvalidArgumentError(f"{chosen} knows no {' and no '.join(changed)}: these are switches of csv")
    return NdjsonEncoder(columns) if chosen is Format.NDJSON else ParquetEncoder(columns)


def _named(name: str) -> Format | None:
    return next((chosen for suffix, chosen in _SUFFIXES.items() if name.endswith(suffix)), None)


def _checked(given: object) -> Format:
    for choice in Format:
        if given == choice:
            return choice
    raise InvalidArgumentError(f"format must be one of {_CHOICES}")
