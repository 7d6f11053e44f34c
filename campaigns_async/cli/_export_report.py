"""How an export ended: what is where, and the command to go on with."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import unquote

import click
from attrs import asdict, define, field, frozen

from campaigns_async import CampaignsError, FilterIgnoredError, NotFoundError
from campaigns_async.cli._again import again
from campaigns_async.cli._export_options import Destination
from campaigns_async.cli._wording import as_options
from campaigns_async.cli.bars import format_rate
from campaigns_async.cli.console import (
    RunFailed,
    count_of,
    output_closed_message,
    print_line,
    printable,
    unexpected_message,
)
from campaigns_async.cli.error_messages import to_click_error
from campaigns_async.cli.signals import Interrupted
from campaigns_async.export.errors import (
    ExportError,
    ExportInUseError,
    ExportWriteError,
    ResumeError,
    UnfinishedExportError,
    UnwritableValueError,
)
from campaigns_async.export.summary import ExportProgress, ExportSummary

_WRONG_PLACE: Final = frozenset(
    {
        errno.ENOENT,
        errno.EISDIR,
        errno.ENOTDIR,
        errno.EACCES,
        errno.EINVAL,
        errno.ENAMETOOLONG,
        errno.EROFS,
        errno.ELOOP,
    }
)
_NOBODY_READS = 141


@frozen
class Step:
    """What can be done next."""

    why: str
    command: str


@define
class Report:
    """Tells how an export ended."""

    _context: click.Context
    _to: Destination
    _latest: ExportProgress | None
    _as_json: bool = field(alias="as_json", kw_only=True)

    def whole(self, summary: ExportSummary) -> None:
        """It is whole."""
        if self._as_json:
            plain = asdict(summary)
            print_line(json.dumps({"ok": True, **plain, "path": None if summary.path is None else str(summary.path)}))
            return
        for line in self._told(summary):
            print_line(line)

    def _told(self, summary: ExportSummary) -> Iterator[str]:
        if summary.already_whole:
            yield f"{self._name} is whole already, nothing was done, whatever it is of: leave --resume out to export it anew"
            return
        if summary.started_over:
            why = "how far it had come is not known" if self._to.is_resumable else "Parquet cannot be resumed"
            yield f"{why}: it was begun anew"
        here = "went to standard output" if self._to.path is None else f"in {self._name}"
        now = summary.rows - summary.resumed
        speed = f" ({format_rate(now / summary.elapsed)})" if now and summary.elapsed > 0 else ""
        before = f", {summary.resumed:,} of them from before" if summary.resumed else ""
        of = "" if summary.campaigns is None else f" of {count_of(summary.campaigns, 'campaign')}"
        yield f"{count_of(summary.rows, 'row')}{of} {here}{before}, in {summary.elapsed:,.1f} s{speed}"
        if summary.gone:
            gone = count_of(summary.gone, "campaign was", "campaigns were")
            yield f"{gone} deleted meanwhile: of their contacts, those that had come are there"

    def interrupted(self, error: Interrupted) -> RunFailed:
        """A signal ended it."""
        return self._ended("interrupted", error.exit_code, list(self._to_go_on()))

    def failed(self, error: CampaignsError) -> RunFailed:
        """An error that the package knows ended it."""
        if isinstance(error, ExportWriteError) and error.errno == errno.EPIPE and self._to.path is None:
            return self._ended(
                output_closed_message(0 if self._latest is None else self._latest.rows, "row"), _NOBODY_READS, []
            )
        if not isinstance(error, ExportError):
            shell = to_click_error(error)
            # With the first two, the same again would end the same.
            if isinstance(error, NotFoundError):
                steps = self._to_leave_out(error)
            elif isinstance(error, FilterIgnoredError):
                steps = self._to_begin_anew()
            else:
                steps = self._to_go_on()
            return self._ended(shell.message, shell.exit_code, list(steps))
        line = as_options(str(error))
        if isinstance(error, UnfinishedExportError):
            to_go_on = [Step("to go on", self._again("--resume"))] if self._is_kept else []
            anew = Step("to begin anew", self._again("--restart"))
            return self._ended(line, 2, [anew, *to_go_on])  # who takes the last one loses nothing
        if isinstance(error, ResumeError):
            return self._ended(line, 2, list(self._to_begin_anew()))
        if isinstance(error, ExportWriteError):
            # Where it cannot be, the same again would end the same.
            is_misplaced = error.errno in _WRONG_PLACE and not self._is_kept
            return self._ended(line, 1, [] if is_misplaced else list(self._to_go_on()))
        if isinstance(error, UnwritableValueError):
            return self._ended(line, 1, [])
        return self._ended(line, 2 if isinstance(error, ExportInUseError) else 1, [])

    def broken(self, error: Exception) -> RunFailed:
        """An error that nobody expected ended it."""
        return self._ended(unexpected_message(error), 1, list(self._to_go_on()))

    @property
    def _name(self) -> str:
        return printable(str(self._to.path))

    @property
    def _rows(self) -> str:
        return count_of(0 if self._latest is None else self._latest.rows, "row")

    @property
    def _is_kept(self) -> bool:
        """Whether it can be gone on with."""
        path = self._to.path
        # Not `Path.exists`, which raises where the name is too long.
        return path is not None and self._to.is_resumable and os.path.exists(f"{os.path.realpath(path)}.part.progress")  # noqa: PTH110  # see above

    def _ended(self, line: str, exit_code: int, steps: list[Step]) -> RunFailed:
        lines = [f"{step.why}:\n  {step.command}" for step in steps]
        if self._as_json:
            next_ = [{"why": step.why, "command": step.command} for step in steps]
            lines.append(json.dumps({"ok": False, **self._so_far(), "error": line, "next": next_}))
        return RunFailed(line, exit_code, lines)

    def _so_far(self) -> dict[str, Any]:
        path = None if self._to.path is None else str(self._to.path)
        return {"path": path, "rows": None if self._latest is None else self._latest.rows}

    def _to_go_on(self) -> Iterator[Step]:
        if self._to.path is None:
            yield Step(f"{self._rows} went to standard output; to begin anew", self._again())
        elif self._is_kept:
            kept = "what was written" if self._latest is None else self._rows
            yield Step(f"{kept} kept in {self._name}.part; to go on", self._again("--resume"))
        else:
            why = "Parquet cannot be resumed, and nothing is kept" if not self._to.is_resumable else "nothing is kept"
            yield Step(f"{why}; to begin anew", self._again())

    def _to_begin_anew(self) -> Iterator[Step]:
        yield Step("to begin anew", self._again(*self._restart()))

    def _to_leave_out(self, error: NotFoundError) -> Iterator[Step]:
        """The export without a campaign that is not there; what is kept is of another one."""
        campaign_id = unquote((error.path or "").removesuffix("/Contacts").rpartition("/")[2])
        ids = self._context.params.get("campaign_ids") or ()
        if {*ids} - {campaign_id} and campaign_id in ids:
            yield Step("to begin anew without it", self._again(*self._restart(), dropping=campaign_id))

    def _restart(self) -> list[str]:
        return ["--restart"] if self._is_kept else []

    def _again(self, *also: str, dropping: str | None = None) -> str:
        # What a filter asks for can be somebody's number, and what is told here may end up in a log.
        veiled = {"filters", "campaign_filter"}
        return again(self._context, *also, without={"resume", "restart"}, dropping=dropping, veiled=veiled)
