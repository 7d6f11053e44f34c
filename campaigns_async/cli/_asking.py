"""What the commands that read from the server share: filters and fields checked before, errors told after."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeVar

import click

from campaigns_async import (
    CampaignsError,
    ConfigurationError,
    ConnectionFailedError,
    InvalidArgumentError,
    QueryError,
)
from campaigns_async.cli._telling import WrongUse
from campaigns_async.cli._wording import as_options
from campaigns_async.models import Campaign, Contact
from campaigns_async.query.prepare import prepared, prepared_sorts
from campaigns_async.wire import requests

if TYPE_CHECKING:
    from campaigns_async.export.columns import Column

T = TypeVar("T")
M = TypeVar("M", Campaign, Contact)


def check_filter(option: str, text: str | None, model: type[M]) -> None:
    """See that the server would understand a filter.

    Raises:
        click.UsageError: It would not, or it sets no condition.
    """
    if text is None:
        return
    if _checked(option, lambda: prepared(text, model)).text is None:
        raise click.UsageError(f"{option} sets no condition: leave it out to have all")


def check_sort(option: str, text: str, model: type[M]) -> None:
    """See that the server would understand an order.

    Raises:
        click.UsageError: It would not, or it is none.
    """
    if _checked(option, lambda: prepared_sorts(text, model)) is None:
        raise click.UsageError(f"{option} names no field: write one such as id, or -id for the greatest first")


def fields_of(text: str | None) -> list[str] | None:
    """The names in `a,b`; None for all."""
    return None if text is None else [name.strip() for name in text.split(",")]


def columns_of(text: str | None, columns: Sequence[Column]) -> tuple[Column, ...]:
    """The columns that `--fields` names; all where it is not given.

    Raises:
        click.UsageError: A name is wrong, or stands there twice.
    """
    from campaigns_async.export.columns import checked_columns

    return _checked("--fields", lambda: checked_columns(fields_of(text), columns))


def check_ids(campaign_ids: Sequence[str], what: str) -> None:
    """See that they can be ids.

    Args:
        campaign_ids: The ids.
        what: What one is called.

    Raises:
        click.UsageError: One cannot; says which by its number.
    """
    for number, campaign_id in enumerate(campaign_ids, 1):
        try:
            requests.get(campaign_id)
        except InvalidArgumentError as error:
            raise click.UsageError(f"{what} {number} {error.message.removeprefix('campaign_id ')}") from error


def _checked(option: str, check: Callable[[], T]) -> T:
    try:
        return check()
    except (QueryError, InvalidArgumentError) as error:
        # What the package says begins with its own word for it: `filters: term 1 ...`.
        raise click.UsageError(f"{option}: {error.message.partition(':')[2].strip() or error.message}") from error


def told(error: CampaignsError) -> click.ClickException:
    """The line for an error, and its exit code: 2 for wrong use, else 1."""
    message = as_options(str(error))
    if isinstance(error, ConnectionFailedError) and "--base-url" not in message:
        message += ": is the server there? Look at CAMPAIGNS_BASE_URL or --base-url"
    is_wrong_use = isinstance(error, (ConfigurationError, InvalidArgumentError, QueryError))
    return (WrongUse if is_wrong_use else click.ClickException)(message)
