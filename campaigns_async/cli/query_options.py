"""Checks of the options that choose what is read: filters, sorts, fields and ids."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, TypeVar

import click

from campaigns_async._http.request import check_campaign_id
from campaigns_async.cli.connection import check_setting
from campaigns_async.models import Campaign, Contact
from campaigns_async.query._parse import compile_filter, compile_sorts

if TYPE_CHECKING:
    from campaigns_async.export._options import Column

M = TypeVar("M", Campaign, Contact)


def check_filter(option: str, text: str | None, model: type[M]) -> None:
    """Raise a UsageError if the server would not understand a filter, or if it sets no condition."""
    if text is not None and check_setting(lambda: compile_filter(text, model), option, "filters").text is None:
        raise click.UsageError(f"{option} sets no condition: leave it out to have all")


def check_sort(option: str, text: str, model: type[M]) -> None:
    """Raise a UsageError if the server would not understand a sort, or if it names no field."""
    if check_setting(lambda: compile_sorts(text, model), option, "sorts") is None:
        raise click.UsageError(f"{option} names no field: write one such as id, or -id for the greatest first")


def columns_of(text: str | None, columns: Sequence[Column]) -> tuple[Column, ...]:
    """Return the columns that `--fields a,b` names, all if `text` is None.

    Raises:
        click.UsageError: If a name is unknown or given twice.
    """
    from campaigns_async.export._options import choose_columns

    names = None if text is None else [name.strip() for name in text.split(",")]
    return check_setting(lambda: choose_columns(names, columns), "--fields", "fields")


def check_ids(campaign_ids: Sequence[str], what: str) -> None:
    """Raise a UsageError if one cannot be an id; it names the id by its number, and calls it `what`."""
    for number, campaign_id in enumerate(campaign_ids, 1):
        check_setting(partial(check_campaign_id, campaign_id), f"{what} {number}", "campaign_id")
