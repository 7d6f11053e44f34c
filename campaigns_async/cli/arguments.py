"""Checks of the values of options. Each raises a UsageError that names the option."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from campaigns_async._checks import check_seconds, find_text_fault
from campaigns_async._http.api_key import check_api_key
from campaigns_async.cli.console import get_invocation
from campaigns_async.cli.options import KEY_VARIABLE

if TYPE_CHECKING:
    from campaigns_async.export._options import Column
    from campaigns_async.models import Campaign, Contact

T = TypeVar("T")
M = TypeVar("M", "Campaign", "Contact")


def check_setting(check: Callable[[], T], option: str = "", parameter: str = "") -> T:
    """Return what the check of a value returns, and convert its ValueError to a UsageError.

    The error names the option, in place of the parameter's name at its beginning; without `option`, it does so already.
    """
    try:
        return check()
    except ValueError as error:
        raise click.UsageError(name_option(option, parameter, str(error)) if option else str(error)) from None


def name_option(option: str, parameter: str, message: str) -> str:
    """Return a message with the option in place of the parameter's name at its beginning."""
    rest = message.removeprefix(parameter)
    return f"{option}: {message}" if rest == message else f"{option}{rest}"


def check_rate(rate: float | None) -> None:
    """Check `--rate`."""
    if rate is not None:
        check_setting(lambda: check_seconds("--rate", rate, ge=0.001))


def read_key(path: Path | None) -> str:
    """Return the API key from a file, or from the environment if `path` is None.

    Neither the key nor the path is quoted in an error: someone may have pasted the key itself as the path.
    """
    if path is None:
        name, key = KEY_VARIABLE, os.environ.get(KEY_VARIABLE)
        if key is None:
            raise click.UsageError(f"a key is needed: set {KEY_VARIABLE}, or name a file with --api-key-file")
    else:
        name, key = "the key in --api-key-file", read_text("--api-key-file", path).strip()
    key = check_setting(lambda: check_api_key(name, key))
    get_invocation().secrets.add(key)
    return key


def read_bytes(option: str, path: Path, *, allow_dash: bool = False) -> bytes:
    """Return the content of the file that an option names. The path is not quoted in an error."""
    try:
        return sys.stdin.buffer.read() if allow_dash and str(path) == "-" else path.read_bytes()
    except (OSError, ValueError, AttributeError) as error:  # AttributeError: standard input is closed
        why = error.strerror if isinstance(error, OSError) else None
        raise click.UsageError(f"{option} cannot be read: {why or type(error).__name__}") from None


def read_text(option: str, path: Path, *, allow_dash: bool = False) -> str:
    """Return the text of a file in UTF-8, without a byte order mark."""
    content = read_bytes(option, path, allow_dash=allow_dash)
    if (fault := find_text_fault(content)) is not None:
        raise click.UsageError(f"{option} {fault}")
    return content.decode("utf-8-sig")


def check_filter(option: str, text: str | None, model: type[M]) -> None:
    """Check that the server would understand a filter, and that it sets a condition."""
    from campaigns_async.query._parse import compile_filter

    if text is not None and check_setting(lambda: compile_filter(text, model), option, "filters").text is None:
        raise click.UsageError(f"{option} sets no condition: omit it to get all")


def check_sort(option: str, text: str, model: type[M]) -> None:
    """Check that the server would understand a sort, and that it names a field."""
    from campaigns_async.query._parse import compile_sorts

    if check_setting(lambda: compile_sorts(text, model), option, "sorts") is None:
        raise click.UsageError(f"{option} names no field: write one such as id, or -id for the greatest first")


def find_columns(text: str | None, columns: Sequence[Column]) -> tuple[Column, ...]:
    """Return the columns that `--fields a,b` names; all columns if `text` is None."""
    from campaigns_async.export._options import choose_columns

    names = None if text is None else [name.strip() for name in text.split(",")]
    return check_setting(lambda: choose_columns(names, columns), "--fields", "fields")


def check_ids(campaign_ids: Sequence[str], what: str) -> None:
    """Check ids of campaigns. An error calls an id `what` and its number, such as `ID 2`."""
    from campaigns_async._http.request import check_campaign_id

    for number, campaign_id in enumerate(campaign_ids, 1):
        check_setting(partial(check_campaign_id, campaign_id), f"{what} {number}", "campaign_id")
