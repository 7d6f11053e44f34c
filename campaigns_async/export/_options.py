"""The options of an export, checked once: where it goes, in which format and columns, and of which rows."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from difflib import get_close_matches
from enum import StrEnum
from io import TextIOBase
from pathlib import Path
from typing import BinaryIO, Final, Literal, TypeAlias, TypeVar

from attrs import frozen

from campaigns_async._checks import check_choice, check_instance, check_int
from campaigns_async.errors import InvalidArgumentError
from campaigns_async.models import Campaign, Contact
from campaigns_async.paging import digest
from campaigns_async.query._columns import Kind
from campaigns_async.query._fields import columns_of
from campaigns_async.query._parse import Filters, Sorts, compile_filter, compile_sorts

M = TypeVar("M", Campaign, Contact)

Out: TypeAlias = str | os.PathLike[str] | BinaryIO
Unfinished: TypeAlias = Literal["refuse", "resume", "restart"]
"""What to do with an unfinished export of the same file."""
_UNFINISHED: Final[tuple[Unfinished, ...]] = ("refuse", "resume", "restart")


class Format(StrEnum):
    """A file format."""

    CSV = "csv"
    """RFC 4180, UTF-8, with a header line. All text is quoted, so that an empty text differs from no value."""
    NDJSON = "ndjson"
    """A JSON object a line."""
    PARQUET = "parquet"
    """Apache Parquet, by pyarrow (the extra `parquet`)."""


_SUFFIXES: Final = {
    ".csv": Format.CSV,
    ".ndjson": Format.NDJSON,
    ".jsonl": Format.NDJSON,
    ".parquet": Format.PARQUET,
}
_GZIP: Final = ".gz"


@frozen
class ExportProgress:
    """The state of an export after a write."""

    rows: int
    """Rows in the file, those of the run that was resumed included."""
    resumed: int
    """Rows that were in the file when this run began."""
    total: int | None
    """Rows in all, if the server tells."""
    campaigns: int | None
    """Contacts of several campaigns: campaigns that are complete."""
    campaigns_total: int | None
    """Contacts of several campaigns: campaigns in all, if known."""
    bytes_written: int
    """Bytes that this run wrote, before compression."""


@frozen
class ExportSummary:
    """The end of an export: complete, since anything else raises."""

    path: Path | None
    """The file; None for a stream."""
    rows: int
    """Rows in the file."""
    resumed: int
    """Rows of the file that an earlier run had written."""
    campaigns: int | None
    """Contacts of several campaigns: their number."""
    deleted_campaigns: int
    """Contacts of several campaigns: campaigns that were deleted before all their contacts were read."""
    bytes_written: int
    """Bytes that this run wrote, before compression."""
    restarted: bool
    """True if the export was to be resumed but had to restart: it is Parquet, or its state is missing."""
    already_complete: bool
    """True if the export was to be resumed but is complete: nothing was done."""
    elapsed: float
    """Seconds of this run."""


OnProgress: TypeAlias = Callable[[ExportProgress], object]


@frozen
class Column:
    """A column of an export."""

    name: str
    """The API's name: `startDateTime`."""
    attribute: str | None
    """The model's name: `start_date_time`; None for the campaign's id beside a contact."""
    kind: Kind


def _columns(model: type[Campaign | Contact]) -> tuple[Column, ...]:
    return tuple(Column(known.wire, known.name, known.kind) for known in columns_of(model).values())


CAMPAIGN_COLUMNS: Final = _columns(Campaign)
CONTACT_COLUMNS: Final = (Column("campaignId", None, Kind.TEXT), *_columns(Contact))


@frozen(kw_only=True)
class ExportOptions:
    """What an export was asked for. Get one by `of`, which checks all of it."""

    out: Path | BinaryIO
    format: Format
    gzip: bool
    columns: tuple[Column, ...]
    excel: bool
    filters: Filters
    sorts: Sorts
    page_size: int
    prefetch: int
    unfinished: Unfinished
    on_progress: OnProgress | None

    @classmethod
    def of(
        cls,
        known: Sequence[Column],
        *,
        out: Out,
        format: Format | None,
        fields: Iterable[str] | None,
        excel: bool,
        filters: Filters,
        sorts: Sorts,
        page_size: int,
        prefetch: int,
        unfinished: Unfinished,
        on_progress: OnProgress | None,
    ) -> ExportOptions:
        """Check the arguments of `export_campaigns`; `known` are the columns to choose from.

        Raises:
            InvalidArgumentError: An argument is wrong, or two do not go together.
        """
        check_instance("excel", excel, bool, error=InvalidArgumentError)
        columns = choose_columns(fields, known)
        unfinished = check_choice("unfinished", unfinished, _UNFINISHED, error=InvalidArgumentError)
        place, chosen, gzip = _destination(out, format, unfinished)
        if excel and chosen is not Format.CSV:
            raise InvalidArgumentError(f"excel is for csv, and this is {chosen}")
        check_int("page_size", page_size, ge=1, le=1_000_000, error=InvalidArgumentError)
        check_int("prefetch", prefetch, ge=0, le=1000, error=InvalidArgumentError)
        if on_progress is not None and not callable(on_progress):
            raise InvalidArgumentError(f"on_progress must be callable, not {type(on_progress).__name__}")
        return cls(
            out=place,
            format=chosen,
            gzip=gzip,
            columns=columns,
            excel=excel,
            filters=filters,
            sorts=rereadable(sorts),
            page_size=page_size,
            prefetch=prefetch,
            unfinished=unfinished,
            on_progress=on_progress,
        )

    @property
    def is_resumable(self) -> bool:
        """True if an unfinished export in this format can be resumed."""
        return self.format is not Format.PARQUET

    def identity(self, model: type[M], server: str) -> dict[str, str]:
        """Return what a resumed export must have in common with the unfinished one, by the names of the options.

        Raises:
            QueryError: The filters or sorts are wrong.
        """
        return {
            "kind": f"{model.__name__.lower()}s",
            "server": server,
            "format": self.format.value,
            "gzip": str(self.gzip),
            "fields": ",".join(column.name for column in self.columns),
            "excel": str(self.excel),
            **identity_of_list(model, self.filters, self.sorts),
        }


def identity_of_list(model: type[M], filters: Filters, sorts: Sorts, *, prefix: str = "") -> dict[str, str]:
    """Return what is listed. Filters are digested, since they can hold phone numbers and names.

    Raises:
        QueryError: The filters or sorts are wrong; the message begins with the parameter's name.
    """
    where = compile_filter(filters, model, f"{prefix}filters").text
    order = compile_sorts(sorts, model, f"{prefix}sorts")
    return {f"{prefix}filters": digest(where), f"{prefix}sorts": order or ""}


def find_format(path: Path, given: Format | None) -> tuple[Format, bool]:
    """Return the format of a file, and whether gzip compresses it.

    Args:
        path: Ends with `.csv`, `.ndjson`, `.jsonl` or `.parquet`, in any case, unless `given` says the format; `.gz`
            may follow for the text formats.
        given: Wins over the suffix.

    Raises:
        InvalidArgumentError: The suffix is unknown and no format given, or Parquet is to be compressed by gzip.
    """
    name = path.name.lower()
    gzip = name.endswith(_GZIP)
    chosen = None if given is None else _check_format(given)
    if chosen is None:
        bare = name.removesuffix(_GZIP)
        chosen = next((known for suffix, known in _SUFFIXES.items() if bare.endswith(suffix)), None)
    if chosen is None:
        raise InvalidArgumentError(
            "the name of the file does not tell its format: end it with .csv, .ndjson, .jsonl or .parquet "
            f"(.csv.gz, .ndjson.gz, .jsonl.gz to compress it), or give the format (--format): {', '.join(Format)}"
        )
    if gzip and chosen is Format.PARQUET:
        raise InvalidArgumentError(
            "Parquet is compressed already, and nobody reads it in a .gz: leave .gz out of the name"
        )
    return chosen, gzip


def choose_columns(fields: Iterable[str] | None, known: Sequence[Column]) -> tuple[Column, ...]:
    """Return the columns that `fields` names, in its order; all of them for None.

    Raises:
        InvalidArgumentError: A name is wrong or given twice, or there is none; the message lists the right ones.
    """
    if fields is None:
        return tuple(known)
    there_are = f"There are {', '.join(column.name for column in known)}"
    if isinstance(fields, str) or not isinstance(fields, Iterable):
        raise InvalidArgumentError(f"fields must be a list of names, not {type(fields).__name__}. {there_are}")
    by_name = {column.name: column for column in known}
    chosen: dict[str, int] = {}
    for number, name in enumerate(fields, start=1):
        if not isinstance(name, str) or name not in by_name:
            raise InvalidArgumentError(f"fields: name {number} {_describe_wrong_name(name, by_name)}. {there_are}")
        if name in chosen:
            raise InvalidArgumentError(f"fields: name {number} is {name} again, which is name {chosen[name]} already")
        chosen[name] = number
    if not chosen:
        raise InvalidArgumentError(f"fields names no column. {there_are}")
    return tuple(by_name[name] for name in chosen)


def rereadable(sorts: Sorts) -> Sorts:
    """Return `sorts` so that it can be read more than once."""
    return tuple(sorts) if isinstance(sorts, Iterator) else sorts


def _check_format(given: object) -> Format:
    return check_choice("format", given, tuple(Format), error=InvalidArgumentError)


def _destination(out: Out, given: Format | None, unfinished: Unfinished) -> tuple[Path | BinaryIO, Format, bool]:
    if isinstance(out, (str, os.PathLike)):
        path = Path(out)
        return (path, *find_format(path, given))
    if isinstance(out, TextIOBase) or not callable(getattr(out, "write", None)):
        raise InvalidArgumentError(f"out must be a path or a binary stream, not {type(out).__name__}")
    if given is None:
        raise InvalidArgumentError("a stream has no suffix to tell the format by: pass format=")
    if unfinished != "refuse":
        raise InvalidArgumentError(f'a stream cannot be resumed: unfinished="{unfinished}" needs a file')
    return out, _check_format(given), False


def _describe_wrong_name(name: object, known: Iterable[str]) -> str:
    """Return why it names no column, without the name itself, which may be anything."""
    if not isinstance(name, str):
        return f"must be text, not {type(name).__name__}"
    bare = {_bare(right): right for right in known}
    close = get_close_matches(_bare(name), bare, n=1, cutoff=0.8)
    if close:
        return f"is no column: {bare[close[0]]} may be meant"
    return "is no column" if name.strip() else "is empty"


def _bare(name: str) -> str:
    return re.sub(r"[\W_]", "", name).lower()
