"""The plan that the options of `send` name."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

import click
from attrs import field, frozen

from campaigns_async.cli.error_messages import name_option, option_name
from campaigns_async.cli.options import DEFAULT_SPLIT

if TYPE_CHECKING:
    from campaigns_async.jobs.plan_lines import Plan

_ONLY_WITH_CONTACTS: Final = (
    "message", "message_file", "sender", "start", "split", "opt_out_link_id", "track_link_url",
)  # fmt: skip


@frozen
class PlanOptions:
    """The values of the options that name a plan."""

    plan: str | None
    contacts: Path | None
    message: str | None = field(repr=False)
    message_file: Path | None
    sender: str | None = field(repr=False)
    start: str | None
    split: int | None
    opt_out_link_id: int | None
    track_link_url: str | None = field(repr=False)
    duplicates: Literal["refuse", "keep", "drop"]
    allow_braces: bool

    def check(self) -> None:
        """Raise a UsageError if the options do not go together."""
        if self.plan is not None and self.contacts is not None:
            raise click.UsageError("give PLAN or --contacts, not both")
        if self.contacts is None:
            if self.plan is None:
                raise click.UsageError("name a PLAN, or a CSV with --contacts")
            for name in _ONLY_WITH_CONTACTS:
                if getattr(self, name) is not None:
                    raise click.UsageError(f"{option_name(name)} goes with --contacts: each line of a PLAN has its own")
        elif (self.message is None) == (self.message_file is None):
            raise click.UsageError("--contacts needs a text: pass --message or --message-file, and not both")
        elif self.sender is None or self.start is None:
            raise click.UsageError(f"--contacts needs {'--sender' if self.sender is None else '--start'}")
        if "-" in {self.plan, str(self.contacts)}:
            raise click.UsageError("a plan cannot be read from standard input: save it to a file, and name that")

    def open(self) -> Plan:
        """Return the plan; only the head of its file is read.

        Raises:
            click.UsageError: If an option cannot be.
            PlanError: If the file cannot be read, or is plainly no plan.
        """
        from campaigns_async import InvalidArgumentError
        from campaigns_async.jobs.plans import contacts_plan, ndjson_plan
        from campaigns_async.wire.campaign_rules import Fault, parse_start

        if self.contacts is None:
            return ndjson_plan(self.plan or "", duplicates=self.duplicates, allow_braces=self.allow_braces)
        start = parse_start(self.start)
        if isinstance(start, Fault):
            raise click.UsageError(f"--start {start.text}")
        try:
            return contacts_plan(
                self.contacts,
                message=_read_text(self.message_file) if self.message is None else self.message,
                sender=self.sender or "",
                start=start,
                split=DEFAULT_SPLIT if self.split is None else self.split,
                opt_out_link_id=self.opt_out_link_id,
                track_link_url=self.track_link_url,
                duplicates=self.duplicates,
                allow_braces=self.allow_braces,
            )
        except InvalidArgumentError as error:
            parameter = error.parameter
            if parameter is None:
                raise click.UsageError(error.message) from None
            option = "--message-file" if parameter == "message" and self.message is None else option_name(parameter)
            raise click.UsageError(name_option(option, parameter, error.message)) from None


def _read_text(path: Path | None) -> str:
    """Return a file's text word for word, without a byte order mark and one line end at its end."""
    assert path is not None
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError:
        raise click.UsageError("--message-file is no text in UTF-8") from None
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else None
        raise click.UsageError(f"--message-file cannot be read: {why or type(error).__name__}") from None
    return text.removesuffix("\n").removesuffix("\r") if text.endswith("\n") else text
