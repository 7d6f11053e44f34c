"""What an export is of: told apart by the names and values of its options, which a cut-off one must share to go on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeVar

from campaigns_async.errors import InvalidArgumentError, QueryError
from campaigns_async.export.columns import Column
from campaigns_async.export.options import CsvOptions, Format
from campaigns_async.models import Campaign, Contact
from campaigns_async.paging.checkpoint import digest
from campaigns_async.query.prepare import prepared, prepared_sorts
from campaigns_async.resources.listing import Filters, Sorts
from campaigns_async.wire import requests

M = TypeVar("M", Campaign, Contact)


def of_file(
    kind: str, server: str, form: Format, columns: Sequence[Column], csv: CsvOptions, *, gzip: bool
) -> dict[str, str]:
    """What any export has: its file's form, and where the rows come from."""
    switches = f"bom={csv.bom} escape_formulas={csv.escape_formulas} null={csv.null!r}"
    return {
        "kind": kind,
        "server": server,
        "format": form.value,
        "gzip": str(gzip),
        "fields": ",".join(column.name for column in columns),
        "csv": switches if form is Format.CSV else "",
    }


def of_list(model: type[M], filters: Filters, sorts: Sorts, *, prefix: str = "") -> dict[str, str]:
    """What is listed. Filters are digested, since phone numbers and names can stand in them.

    Raises:
        QueryError: The server would not understand the filters or sorts; names the parameter.
    """
    try:
        where, order = prepared(filters, model).text, prepared_sorts(sorts, model)
    except QueryError as error:
        message = f"{prefix}{error.message}"
    else:
        return {f"{prefix}filters": digest(where), f"{prefix}sorts": order or ""}
    raise QueryError(message)


def of_campaigns(ids: tuple[str, ...] | None, *, ordered: bool) -> dict[str, str]:
    """Whose contacts they are."""
    return {
        "campaign_ids": "" if ids is None else f"{len(ids)} {digest(*ids)}",
        "all_campaigns": str(ids is None),
        "ordered": str(ordered),
    }


def checked_ids(campaign_ids: Iterable[str]) -> tuple[str, ...]:
    """The campaigns that were named.

    Raises:
        InvalidArgumentError: There is none, one is none that can be, or one is there twice; says which by its number.
    """
    if isinstance(campaign_ids, (str, bytes)) or not isinstance(campaign_ids, Iterable):
        raise InvalidArgumentError(f"campaign_ids must be an iterable of ids, not {type(campaign_ids).__name__}")
    first: dict[str, int] = {}
    for number, campaign_id in enumerate(campaign_ids, 1):
        try:
            requests.check_campaign_id(campaign_id)
        except InvalidArgumentError as error:
            wrong = error.message
        else:
            if first.setdefault(campaign_id, number) == number:
                continue
            wrong = f"is {campaign_id}, as is item {first[campaign_id]}: leave one out"
        raise InvalidArgumentError(f"campaign_ids: item {number}: {wrong}")
    if not first:
        raise InvalidArgumentError("campaign_ids is empty: name a campaign, or pass all_campaigns=True")
    return tuple(first)
