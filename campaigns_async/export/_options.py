"""The options of an export, validated: the rows to read, and the output to write them to."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from enum import StrEnum
from io import TextIOBase
from pathlib import Path
from typing import Any, BinaryIO, Final, Literal, TypeAlias, TypeVar

from attrs import field, frozen

from campaigns_async._checks import check_choice, check_instance, check_int
from campaigns_async.errors import InvalidArgumentError
from campaigns_async.models import Campaign, Contact
from campaigns_async.paging import digest
from campaigns_async.query._columns import Kind
from campaigns_async.query._fields import columns_of
from campaigns_async.query._parse import Filters, Sorts, compile_filter, compile_sorts, describe_unknown_field
from campaigns_async.values import Checkpoint

M = TypeVar("M", Campaign, Contact)

Out: TypeAlias = str | os.PathLike[str] | BinaryIO
Unfinished: TypeAlias = Literal["refuse", "resume", "restart"]
_UNFINISHED: Final[tuple[Unfinished, ...]] = ("refuse", "resume", "restart")
_MAX_PREFETCH: Final = 1000


class Format(StrEnum):
    """A file format.

    Attributes:
        CSV: RFC 4180 in UTF-8, with a header line. All text is quoted, so that an empty text differs from null.
        NDJSON: One JSON object per line.
        PARQUET: Apache Parquet. Needs pyarrow, which the extra `parquet` installs.
    """

    CSV = "csv"
    NDJSON = "ndjson"
    PARQUET = "parquet"


_SUFFIXES: Final = {".csv": Format.CSV, ".ndjson": Format.NDJSON, ".jsonl": Format.NDJSON, ".parquet": Format.PARQUET}
_GZIP: Final = ".gz"


@frozen
class ExportProgress:
    """The state of an export after a write.

    Attributes:
        rows: Rows in the file, including those of earlier runs.
        resumed: Rows that were in the file when this run started.
        total: All rows of the listing, by the server's count; None if the server does not count.
        campaigns: Campaigns whose contacts are complete; None unless contacts of several campaigns are exported.
        campaigns_total: The number of campaigns; None if it is not yet known, or unless contacts of several campaigns
            are exported.
        bytes_written: Bytes that this run wrote, before compression.
    """

    rows: int
    resumed: int
    total: int | None
    campaigns: int | None
    campaigns_total: int | None
    bytes_written: int


@frozen
class ExportSummary:
    """The result of an export that ended. An export that did not raises instead.

    Attributes:
        path: The file; None for a stream.
        rows: Rows in the file.
        resumed: Rows in the file that earlier runs wrote.
        campaigns: Campaigns whose contacts were exported; None unless contacts of several campaigns are exported.
        deleted_campaigns: Campaigns that were deleted before all their contacts were read, or do not exist.
        order_can_change: True if rows were not sorted by id: rows that moved during the export may be missing, and such
            an export is not called complete.
        bytes_written: Bytes that this run wrote, before compression.
        restarted: True if the export could not be resumed, and was restarted: it is Parquet, or its state file is missing.
        already_complete: True if the export that should be resumed was already complete, so that nothing was done.
        elapsed: The length of this run, in seconds.
    """

    path: Path | None
    rows: int
    resumed: int
    campaigns: int | None
    deleted_campaigns: int
    order_can_change: bool
    bytes_written: int
    restarted: bool
    already_complete: bool
    elapsed: float


OnProgress: TypeAlias = Callable[[ExportProgress], object]


@frozen
class Column:
    """A column of an export, by the API's name and by the model's; without that, it has the id of a contact's campaign."""

    name: str
    attribute: str | None
    kind: Kind


def _columns(model: type[Campaign | Contact]) -> tuple[Column, ...]:
    return tuple(Column(known.wire, known.name, known.kind) for known in columns_of(model).values())


CAMPAIGN_COLUMNS: Final = _columns(Campaign)
CONTACT_COLUMNS: Final = (Column("campaignId", None, Kind.TEXT), *_columns(Contact))


def _make_rereadable(sorts: Sorts) -> Sorts:
    return tuple(sorts) if isinstance(sorts, Iterator) else sorts


@frozen
class ListOptions:
    """The rows to read of a listing: a filter, an order, and the pages to read them by."""

    filters: Filters
    sorts: Sorts = field(converter=_make_rereadable)
    page_size: int
    prefetch: int

    def __attrs_post_init__(self) -> None:
        check_int("page_size", self.page_size, ge=1, le=1_000_000, error=InvalidArgumentError)
        check_int("prefetch", self.prefetch, ge=0, le=_MAX_PREFETCH, error=InvalidArgumentError)

    def build_identity(self, model: type[M], prefix: str = "") -> dict[str, str]:
        """Return the options that identify the rows, by name. Filters are digested, as they may contain phone numbers.

        Raises:
            QueryError: If the filters or sorts are wrong. The message begins with the option's name.
        """
        where = compile_filter(self.filters, model, f"{prefix}filters").text
        order = compile_sorts(self.sorts, model, f"{prefix}sorts")
        return {f"{prefix}filters": digest(where), f"{prefix}sorts": order or ""}

    def build_list_arguments(self, checkpoint: Checkpoint | None) -> dict[str, Any]:
        """Return the arguments of a paginator that starts at a checkpoint, or at the first row.

        A checkpoint keeps its own page size.
        """
        return {
            "filters": self.filters,
            "sorts": self.sorts,
            "page_size": self.page_size if checkpoint is None else None,
            "prefetch": min(self.prefetch + 1, _MAX_PREFETCH),  # the next page, and `prefetch` more
            "resume_from": checkpoint,
        }


@frozen
class Output:
    """The output of an export, to a path or to a stream. Get one from `check_output`."""

    path: Path | None
    stream: BinaryIO | None
    format: Format
    gzip: bool
    columns: tuple[Column, ...]
    excel: bool
    unfinished: Unfinished

    @property
    def is_resumable(self) -> bool:
        """True if an unfinished export in this format can be resumed."""
        return self.format is not Format.PARQUET

    def build_identity(self) -> dict[str, str]:
        """Return the options that must be equal when an export is resumed, by name."""
        return {
            "format": self.format.value,
            "gzip": str(self.gzip),
            "fields": ",".join(column.name for column in self.columns),
            "excel": str(self.excel),
        }


def check_output(
    known: Sequence[Column],
    out: Out,
    format: Format | None,
    fields: Iterable[str] | None,
    unfinished: Unfinished,
    *,
    excel: bool,
) -> Output:
    """Return the output that the arguments of `export_campaigns` name. `known` are the columns to choose from."""
    check_instance("excel", excel, bool, error=InvalidArgumentError)
    columns = choose_columns(fields, known)
    unfinished = check_choice("unfinished", unfinished, _UNFINISHED, error=InvalidArgumentError)
    path, stream, gzip = None, None, False
    if isinstance(out, (str, os.PathLike)):
        path = Path(out)
        chosen, gzip = find_format(path, format)
    elif isinstance(out, TextIOBase) or not callable(getattr(out, "write", None)):
        raise InvalidArgumentError(f"out must be a path or a binary stream, not {type(out).__name__}")
    elif format is None:
        raise InvalidArgumentError("a stream has no suffix that names its format: pass format=")
    elif unfinished != "refuse":
        raise InvalidArgumentError(f'a stream cannot be resumed: unfinished="{unfinished}" needs a file')
    else:
        stream, chosen = out, _check_format(format)
    if excel and chosen is not Format.CSV:
        raise InvalidArgumentError(f"excel is for csv, and the format is {chosen}")
    return Output(path, stream, chosen, gzip, columns, excel, unfinished)


def find_format(path: Path, format: Format | None) -> tuple[Format, bool]:
    """Return the given format of a file or the format of its suffix, and True if gzip compresses it."""
    name = path.name.lower()
    gzip = name.endswith(_GZIP)
    bare = name.removesuffix(_GZIP)
    suffixes = (known for suffix, known in _SUFFIXES.items() if bare.endswith(suffix))
    chosen = next(suffixes, None) if format is None else _check_format(format)
    if chosen is None:
        raise InvalidArgumentError(
            "the file's suffix names no format: end the name with .csv, .ndjson, .jsonl or .parquet "
            f"(.csv.gz, .ndjson.gz, .jsonl.gz to compress it), or give the format (--format): {', '.join(Format)}"
        )
    if gzip and chosen is Format.PARQUET:
        raise InvalidArgumentError(
            "Parquet is compressed already, and no program reads it from a .gz: remove .gz from the name"
        )
    return chosen, gzip


def choose_columns(fields: Iterable[str] | None, known: Sequence[Column]) -> tuple[Column, ...]:
    """Return the columns that `fields` names, in its order; all columns if `fields` is None."""
    if fields is None:
        return tuple(known)
    if isinstance(fields, str) or not isinstance(fields, Iterable):
        raise InvalidArgumentError(f"fields must be a list of names, not {type(fields).__name__}")
    by_name = {column.name: column for column in known}
    numbers: dict[str, int] = {}
    for number, name in enumerate(fields, start=1):
        if not isinstance(name, str):
            raise InvalidArgumentError(f"fields: name {number} must be text, not {type(name).__name__}")
        if name not in by_name:
            raise InvalidArgumentError(f"fields: {describe_unknown_field(name, tuple(by_name), f'name {number}')}")
        if name in numbers:
            raise InvalidArgumentError(f"fields: name {number} is {name} again, which is name {numbers[name]} already")
        numbers[name] = number
    if not numbers:
        raise InvalidArgumentError(f"fields is empty: the fields are {', '.join(by_name)}")
    return tuple(by_name[name] for name in numbers)


def _check_format(format: object) -> Format:
    return check_choice("format", format, tuple(Format), error=InvalidArgumentError)
