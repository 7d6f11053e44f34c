"""The run of `export`: it checks the options, shows the progress, and reports how the export ended."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, BinaryIO, Final, TypeAlias

import click
from attrs import asdict, define, field

from campaigns_async import CampaignsError, FilterIgnoredError, InvalidArgumentError, NotFoundError, PageShiftedError
from campaigns_async.cli.arguments import M, check_filter, check_ids, check_sort, find_columns, read_text
from campaigns_async.cli.bars import format_rate, show_progress
from campaigns_async.cli.connection import ClientFactory, connect, to_click_error
from campaigns_async.cli.console import (
    OutputClosed,
    RunFailed,
    UsageFailure,
    advise_same_command,
    describe_unexpected,
    format_count,
    is_terminal,
    open_output,
    print_line,
    print_note,
    printable,
    to_output_error,
)
from campaigns_async.cli.options import ConnectionOptions
from campaigns_async.cli.run_figures import ExportFigures
from campaigns_async.cli.signals import Interrupted, run as run_loop
from campaigns_async.export import (
    ExportError,
    ExportInUseError,
    ExportSummary,
    ExportWriteError,
    Format,
    ResumeError,
    UnfinishedExportError,
    export_campaigns,
    export_contacts,
)
from campaigns_async.export._options import CAMPAIGN_COLUMNS, CONTACT_COLUMNS, Column, find_format
from campaigns_async.models import Campaign, Contact

Export: TypeAlias = Callable[..., Awaitable[ExportSummary]]
"""An export function; it takes a client and the output first."""

_WRONG_PLACE: Final = frozenset({
    errno.ENOENT, errno.EISDIR, errno.ENOTDIR, errno.EACCES, errno.EINVAL, errno.ENAMETOOLONG, errno.EROFS, errno.ELOOP,
})  # fmt: skip
"""Errors that the same command would meet again."""
_WRONG_USE: Final = (UnfinishedExportError, ResumeError, ExportInUseError)


def run_campaigns(connection: ConnectionOptions, *, as_json: bool, **given: Any) -> int:
    """Export campaigns, and return the exit code."""
    path, options = _check_options(CAMPAIGN_COLUMNS, Campaign, **given)
    return ExportCommand(connect(connection), path, export_campaigns, options, as_json).run()


def run_contacts(
    connection: ConnectionOptions,
    campaign_ids: Sequence[str],
    *,
    as_json: bool,
    ids_file: Path | None,
    all_campaigns: bool,
    campaign_filter: str | None,
    campaign_sort: str | None,
    missing: str,
    **given: Any,
) -> int:
    """Export contacts, and return the exit code."""
    path, options = _check_options(CONTACT_COLUMNS, Contact, **given)
    if not all_campaigns and (campaign_filter, campaign_sort) != (None, None):
        option = "--campaign-sort" if campaign_filter is None else "--campaign-filter"
        raise click.UsageError(f"{option} goes with --all-campaigns")
    campaign_sorts = "id" if campaign_sort is None else campaign_sort
    check_filter("--campaign-filter", campaign_filter, Campaign)
    check_sort("--campaign-sort", campaign_sorts, Campaign)
    make_client = connect(connection)
    options |= {
        "campaign_ids": _find_ids(campaign_ids, ids_file, all_campaigns=all_campaigns),
        "all_campaigns": all_campaigns,
        "missing": missing,
        "campaign_filters": campaign_filter,
        "campaign_sorts": campaign_sorts,
    }
    return ExportCommand(make_client, path, export_contacts, options, as_json).run()


def _check_options(
    known: Sequence[Column],
    model: type[M],
    *,
    out: str,
    form: str | None,
    fields: str | None,
    resume: bool,
    restart: bool,
    **options: Any,
) -> tuple[Path | None, dict[str, Any]]:
    """Return the path, None for standard output, and the options of an export function."""
    if resume and restart:
        raise click.UsageError("give --resume or --restart, not both")
    if not out:
        raise click.UsageError("--out is empty: name a file, or - for standard output")
    path = None if out == "-" else Path(out)
    columns = find_columns(fields, known)
    chosen = None if form is None else Format(form)
    if path is not None:
        try:
            chosen, _ = find_format(path, chosen)
        except InvalidArgumentError as error:
            raise click.UsageError(f"--out: {error.message}") from error
    elif resume or restart:
        raise click.UsageError(f"{'--resume' if resume else '--restart'} needs a file: name one with --out")
    elif chosen is None:
        raise click.UsageError("--out - needs a --format: csv, ndjson or parquet")
    elif chosen is not Format.NDJSON and is_terminal():
        raise click.UsageError(f"{chosen} is not for a terminal: use a pipe, or name a file with --out")
    if options["excel"] and chosen is not Format.CSV:
        raise click.UsageError(f"--excel is for csv, and the format is {chosen}")
    check_filter("--filter", options["filters"], model)
    check_sort("--sort", options["sorts"], model)
    unfinished = "resume" if resume else "restart" if restart else "refuse"
    return path, {
        "format": chosen, "fields": [column.name for column in columns], "unfinished": unfinished, **options
    }  # fmt: skip


def _find_ids(given: Sequence[str], file: Path | None, *, all_campaigns: bool) -> list[str] | None:
    """Return the ids of the campaigns; None for all campaigns."""
    if sum([bool(given), file is not None, all_campaigns]) != 1:
        raise click.UsageError("give the campaigns in one way: CAMPAIGN_ID, --ids-file or --all-campaigns")
    if all_campaigns:
        return None
    ids = list(given) if file is None else _read_ids(file)
    what = "CAMPAIGN_ID" if file is None else "--ids-file: id"
    check_ids(ids, what)
    first: dict[str, int] = {}
    for number, campaign_id in enumerate(ids, 1):
        if first.setdefault(campaign_id, number) != number:
            raise click.UsageError(f"{what} {number} is the same as {first[campaign_id]}: remove one")
    return ids


def _read_ids(file: Path) -> list[str]:
    text = read_text("--ids-file", file, allow_dash=True)
    ids = [line.strip() for line in text.split("\n") if line.strip()]
    if not ids:
        raise click.UsageError("--ids-file holds no id")
    if ids[0].startswith(("{", "[", '"')):
        raise click.UsageError("--ids-file is JSON: write one bare id a line, such as `jq -r .id` makes of it")
    return ids


@define
class ExportCommand:
    """An export from its first signal to its exit code."""

    _make_client: ClientFactory
    _path: Path | None
    _export: Export
    _options: dict[str, Any]
    _as_json: bool
    _figures: ExportFigures | None = field(default=None, init=False)

    def run(self) -> int:
        """Run the export, report how it ended, and return the exit code."""
        try:
            summary = run_loop(self._work)
        except Interrupted as error:
            raise self._make_failure("interrupted", error.exit_code, self._advise_continuing()) from error
        except CampaignsError as error:
            raise self._to_failure(error) from error
        except ModuleNotFoundError as error:
            raise UsageFailure(str(error)) from error
        except click.ClickException:
            raise
        except Exception as error:  # of any kind: what was written is kept
            raise self._make_failure(describe_unexpected(error), 1, self._advise_continuing()) from error
        if self._as_json:
            print_line(json.dumps({"ok": True, **asdict(summary), "path": summary.path and str(summary.path)}))
        else:
            self._report(summary)
        return 0

    async def _work(self) -> ExportSummary:
        out: Path | BinaryIO = open_output() if self._path is None else self._path
        bar = self._path is not None or not is_terminal()
        async with self._make_client() as client:
            self._figures = figures = ExportFigures(client.stats)
            async with show_progress(figures.now, bar=bar):
                return await self._export(client, out, **self._options, on_progress=figures.update)

    def _report(self, summary: ExportSummary) -> None:
        if summary.already_complete:
            print_note(f"{self._name} is complete already, whatever it holds: omit --resume to export it again")
            return
        if summary.restarted:
            why = "its state is missing" if self._is_resumable else "Parquet cannot be resumed"
            print_note(f"{why}: the export was restarted")
        place = "went to standard output" if self._path is None else f"in {self._name}"
        now = summary.rows - summary.resumed
        speed = f" ({format_rate(now / summary.elapsed)})" if now and summary.elapsed > 0 else ""
        resumed = f", {summary.resumed:,} of them from before" if summary.resumed else ""
        of = "" if summary.campaigns is None else f" of {format_count(summary.campaigns, 'campaign')}"
        print_note(f"{format_count(summary.rows, 'row')}{of} {place}{resumed}, in {summary.elapsed:,.1f} s{speed}")
        if summary.order_can_change:
            print_note(
                "it may not be complete: rows that moved in this order during the export can be missing; sort by id"
            )
        if summary.deleted_campaigns and not self._options.get("all_campaigns", True):
            gone = format_count(summary.deleted_campaigns, "campaign does", "campaigns do")
            print_note(f"{gone} not exist (any more): --missing error refuses that")
        elif summary.deleted_campaigns:
            deleted = format_count(summary.deleted_campaigns, "campaign was", "campaigns were")
            print_note(f"{deleted} deleted during the export: only the contacts that were read before are included")

    def _to_failure(self, error: CampaignsError) -> click.ClickException:
        if isinstance(error, ExportWriteError) and self._path is None:
            shown = to_output_error(error.errno)
            so_far = f"; {format_count(self._rows, 'row')} went out before" if self._rows else ""
            return shown if isinstance(shown, OutputClosed) else self._make_failure(f"{shown.message}{so_far}", 1, None)
        shown = click.ClickException(error.message) if isinstance(error, ExportError) else to_click_error(error)
        code = 2 if isinstance(error, _WRONG_USE) else shown.exit_code
        place = "--out: " if isinstance(error, ExportWriteError) and error.errno in _WRONG_PLACE else ""
        return self._make_failure(f"{place}{shown.message}", code, self._advise_next_step(error))

    def _make_failure(self, line: str, exit_code: int, step: str | None) -> RunFailed:
        lines = [] if step is None else [step]
        if self._as_json:
            path = self._path and str(self._path)
            lines.append(json.dumps({"ok": False, "path": path, "rows": self._rows, "error": line, "next": step}))
        return RunFailed(line, exit_code, lines)

    def _advise_next_step(self, error: CampaignsError) -> str | None:
        """Return the advice after an error; None if the same command would fail again."""
        restart = self._advise_option("--restart") if self._is_kept else advise_same_command()
        match error:
            case UnfinishedExportError():
                return advise_same_command("--resume, or with --restart" if self._is_kept else "--restart")
            case ResumeError():
                return self._advise_option("--restart")
            case NotFoundError():
                return f"{restart} without it"
            case FilterIgnoredError():
                return restart
            case PageShiftedError() if error.checkpoint.has_moved:
                return restart
            case ExportError() if not isinstance(error, ExportWriteError):
                return None
            case ExportWriteError() if not self._is_kept and error.errno in _WRONG_PLACE:
                return None
            case _:
                return self._advise_continuing()

    def _advise_continuing(self) -> str:
        if self._path is None:
            return (
                f"{format_count(self._rows or 0, 'row')} went to standard output; to restart, {advise_same_command()}"
            )
        if self._is_kept:
            return f"what was written is kept in {self._name}.part; to continue, {self._advise_option('--resume')}"
        why = "nothing is kept" if self._is_resumable else "Parquet cannot be resumed, and nothing is kept"
        return f"{why}; to restart, {advise_same_command()}"

    def _advise_option(self, option: str) -> str:
        given = f"--{self._options['unfinished']}"
        in_place = f" in place of {given}" if given not in {option, "--refuse"} else ""
        return f"{advise_same_command(option)}{in_place}"

    @property
    def _name(self) -> str:
        return printable(str(self._path))

    @property
    def _rows(self) -> int | None:
        latest = None if self._figures is None else self._figures.latest
        return None if latest is None else latest.rows

    @property
    def _is_resumable(self) -> bool:
        return self._options["format"] is not Format.PARQUET

    @property
    def _is_kept(self) -> bool:
        # Path.exists raises if the name is too long.
        return self._path is not None and os.path.exists(f"{os.path.realpath(self._path)}.part.progress")  # noqa: PTH110
