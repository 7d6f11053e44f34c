"""What was given to `export`, checked before anything is asked for."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO, Final

import click
from attrs import frozen

from campaigns_async import InvalidArgumentError
from campaigns_async.cli._wording import as_options
from campaigns_async.cli.console import UsageFailure, binary_output, is_terminal
from campaigns_async.cli.query_options import check_ids, columns_of
from campaigns_async.export.columns import Column
from campaigns_async.export.formats import encoder, format_of
from campaigns_async.export.options import CsvOptions, Format, Unfinished

_SWITCHES: Final = {"bom": "--excel-bom", "escape_formulas": "--escape-formulas", "null": "--null"}


@frozen
class Destination:
    """Where an export goes, and in which form."""

    path: Path | None
    """None: standard output."""
    form: Format
    columns: tuple[Column, ...]
    csv: CsvOptions
    unfinished: Unfinished

    @classmethod
    def of(
        cls,
        out: str,
        form: str | None,
        fields: str | None,
        known: Sequence[Column],
        *,
        excel_bom: bool,
        escape_formulas: bool,
        null: str,
        resume: bool,
        restart: bool,
    ) -> Destination:
        """Look at the options.

        Raises:
            click.UsageError: One cannot be, or they do not go together.
        """
        if resume and restart:
            raise click.UsageError("say --resume or --restart, not both")
        if not out:
            raise click.UsageError("--out is empty: name a file, or - for standard output")
        path = None if out == "-" else Path(out)
        if path is None and (resume or restart):
            raise click.UsageError(f"{'--resume' if resume else '--restart'} needs a file: name one with --out")
        columns = columns_of(fields, known)
        made = cls(
            path,
            _form(path, None if form is None else Format(form)),
            columns,
            CsvOptions(bom=excel_bom, escape_formulas=escape_formulas, null=null),
            "resume" if resume else "restart" if restart else "refuse",
        )
        made.check()
        return made

    @property
    def is_resumable(self) -> bool:
        """Whether it can go on once it was cut off."""
        return self.path is not None and self.form is not Format.PARQUET

    def check(self) -> None:
        """See that it can be written so.

        Raises:
            click.ClickException: It cannot.
        """
        if self.form is not Format.CSV:
            for name, option in _SWITCHES.items():
                if getattr(self.csv, name) != getattr(CsvOptions(), name):
                    raise click.UsageError(f"{option} is for CSV, and this is {self.form}")
        if self.path is None and self.form is not Format.NDJSON and is_terminal():
            raise click.UsageError(f"{self.form} is not for a terminal: pipe it on, or name a file with --out")
        try:
            encoder(self.form, self.columns, self.csv)
        except InvalidArgumentError as error:
            raise click.UsageError(as_options(f"--{error.message}")) from error
        except ModuleNotFoundError as error:
            raise UsageFailure(str(error)) from error

    def out(self) -> Path | BinaryIO:
        """What the export takes.

        Raises:
            click.ClickException: Standard output is closed.
        """
        return binary_output() if self.path is None else self.path


def _form(path: Path | None, given: Format | None) -> Format:
    if path is None:
        if given is None:
            raise click.UsageError("--out - needs a --format: csv, ndjson or parquet")
        return given
    try:
        return format_of(path, given)[0]
    except InvalidArgumentError as error:
        raise click.UsageError(f"--out: {error.message.replace('give a format:', 'say --format')}") from error


def ids_of(given: Sequence[str], file: Path | None, *, all_campaigns: bool) -> list[str] | None:
    """Whose contacts; None: of all campaigns.

    Raises:
        click.UsageError: Nobody's, or in two ways at once; or the file cannot be read.
    """
    ways = [bool(given), file is not None, all_campaigns]
    if sum(ways) != 1:
        raise click.UsageError("say whose contacts in one way: CAMPAIGN_ID, --ids-file or --all-campaigns")
    if all_campaigns:
        return None
    ids = list(given) if file is None else _ids_in(file)
    what = "CAMPAIGN_ID" if file is None else "--ids-file: id"
    check_ids(ids, what)
    first: dict[str, int] = {}
    for number, campaign_id in enumerate(ids, 1):
        if first.setdefault(campaign_id, number) != number:
            raise click.UsageError(f"{what} {number} is the same as {first[campaign_id]}: leave one out")
    return ids


def _ids_in(file: Path) -> list[str]:
    try:
        content = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise click.UsageError("--ids-file is no text in UTF-8") from None
    except (OSError, ValueError, AttributeError) as error:  # the last: standard input is closed
        why = error.strerror if isinstance(error, OSError) else None
        raise click.UsageError(f"--ids-file cannot be read: {why or type(error).__name__}") from error
    ids = [line.strip() for line in text.split("\n") if line.strip()]
    if not ids:
        raise click.UsageError("--ids-file holds no id")
    if ids[0].startswith(("{", "[", '"')):
        raise click.UsageError("--ids-file is JSON: one bare id a line is wanted, such as `jq -r .id` makes of it")
    return ids
