"""Exports campaigns and contacts to files and streams."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from io import TextIOBase
from pathlib import Path
from typing import BinaryIO, TypeAlias, TypeVar

from attrs import frozen

from campaigns_async import checks
from campaigns_async.client import CampaignsClient
from campaigns_async.errors import ConfigurationError, InvalidArgumentError
from campaigns_async.export import identity
from campaigns_async.export.campaigns_source import Listed, Named
from campaigns_async.export.campaigns_walk import CampaignsWalk
from campaigns_async.export.columns import CAMPAIGN_COLUMNS, CONTACT_COLUMNS, Column, checked_columns
from campaigns_async.export.contacts_walk import ContactsWalk
from campaigns_async.export.formats import encoder, format_of
from campaigns_async.export.options import UNFINISHED, CsvOptions, Format, Unfinished
from campaigns_async.export.ports import Encoder, Json, Walk
from campaigns_async.export.summary import ExportProgress, ExportSummary
from campaigns_async.export.writing import written
from campaigns_async.models import Campaign, Contact
from campaigns_async.resources.listing import Filters, Sorts

T = TypeVar("T")

Out: TypeAlias = str | os.PathLike[str] | BinaryIO
OnProgress: TypeAlias = Callable[[ExportProgress], object]

_CSV = CsvOptions()


async def export_campaigns(
    client: CampaignsClient,
    out: Out,
    *,
    format: Format | None = None,
    fields: Iterable[str] | None = None,
    filters: Filters = None,
    sorts: Sorts = "id",
    page_size: int = 1000,
    prefetch: int = 3,
    unfinished: Unfinished = "refuse",
    csv: CsvOptions = _CSV,
    on_progress: OnProgress | None = None,
) -> ExportSummary:
    """Write the account's campaigns, a row each.

    Args:
        client: Whose account it is.
        out: A file, which appears under its name when it is whole; or a binary stream, which is left open.
        format: None: by the name's suffix, `.csv`, `.ndjson`, `.jsonl` or `.parquet`, text with `.gz` too. A stream
            needs one.
        fields: Columns, by the API's names, in this order; None: all.
        filters: As for `campaigns.list`.
        sorts: As for `campaigns.list`. Without an order, rows that come and go leave no place to go on from.
        page_size: Rows a page, from 1 to 1,000,000. An export that is resumed goes on with the pages it has.
        prefetch: Pages asked for at the same time as the next one, from 0 to 1,000.
        unfinished: What to do with a cut-off export of the same file: "refuse", "resume" or "restart".
        csv: Switches of CSV.
        on_progress: Is told how far it has come after each write; what it raises ends the export.

    Returns:
        How it ended. An export that is not whole raises.

    Raises:
        InvalidArgumentError: An argument cannot be right. Nothing was asked for, and no file was made.
        QueryError: The server would not understand the filters or sorts. As above.
        ExportError: The file cannot be written, or the cut-off export cannot be resumed.
        CampaignsError: A page could not be had. What was written can be resumed.
    """
    plan = _planned(out, format, fields, CAMPAIGN_COLUMNS, csv, unfinished)
    sorts = _kept(sorts)
    size, ahead = _whole("page_size", page_size, 1, 1_000_000), _whole("prefetch", prefetch, 0, 1000)

    def walk(position: Mapping[str, Json] | None) -> Walk:
        return CampaignsWalk(client, filters=filters, sorts=sorts, page_size=size, prefetch=ahead, position=position)

    whole = {**plan.identity("campaigns", client.base_url, csv), **identity.of_list(Campaign, filters, sorts)}
    return await written(
        plan.out,
        walk=walk,
        encoder=plan.encoder,
        resumable=plan.resumable,
        gzip=plan.gzip,
        identity=whole,
        unfinished=unfinished,
        on_progress=_callback(on_progress),
    )


async def export_contacts(
    client: CampaignsClient,
    out: Out,
    campaign_ids: Iterable[str] | None = None,
    *,
    all_campaigns: bool = False,
    campaign_filters: Filters = None,
    campaign_sorts: Sorts = "id",
    ordered: bool = True,
    parallel: int = 8,
    format: Format | None = None,
    fields: Iterable[str] | None = None,
    filters: Filters = None,
    sorts: Sorts = "id",
    page_size: int = 1000,
    prefetch: int = 3,
    unfinished: Unfinished = "refuse",
    csv: CsvOptions = _CSV,
    on_progress: OnProgress | None = None,
) -> ExportSummary:
    """Write the contacts of campaigns, a row each, with its campaign's id.

    Args:
        client: Whose account it is.
        out: As for `export_campaigns`.
        campaign_ids: Whose contacts, in this order; one that is not there ends the export.
        all_campaigns: The contacts of all campaigns of the account. One that is deleted meanwhile is counted as gone.
        campaign_filters: Of which campaigns, with `all_campaigns`; as for `campaigns.list`.
        campaign_sorts: In which order, with `all_campaigns`.
        ordered: Whether the rows come in the order of the campaigns; otherwise page by page as they come.
        parallel: Campaigns read at once, from 1 to 1,000. Each holds `2 * prefetch + 2` pages at most.
        format: As for `export_campaigns`.
        fields: As for `export_campaigns`.
        filters: Of which contacts; as for `campaigns.contacts`.
        sorts: Their order within a campaign.
        page_size: As for `export_campaigns`.
        prefetch: Of each campaign; as for `export_campaigns`.
        unfinished: As for `export_campaigns`.
        csv: As for `export_campaigns`.
        on_progress: As for `export_campaigns`.

    Returns:
        How it ended. An export that is not whole raises.

    Raises:
        InvalidArgumentError: An argument cannot be right. Nothing was asked for, and no file was made.
        QueryError: The server would not understand the filters or sorts. As above.
        NotFoundError: A campaign that was named is not there.
        ExportError: The file cannot be written, or the cut-off export cannot be resumed.
        CampaignsError: A page could not be had. What was written can be resumed.
    """
    if bool(all_campaigns) == (campaign_ids is not None):
        raise InvalidArgumentError("pass either campaign_ids or all_campaigns=True")
    if campaign_ids is not None and campaign_filters is not None:
        raise InvalidArgumentError("campaign_filters has no meaning without all_campaigns=True")
    if campaign_ids is not None and not (campaign_sorts is None or campaign_sorts == "id"):
        raise InvalidArgumentError("campaign_sorts has no meaning without all_campaigns=True")
    _checked(lambda: checks.check_instance("ordered", ordered, bool))
    ids = None if campaign_ids is None else identity.checked_ids(campaign_ids)
    plan = _planned(out, format, fields, CONTACT_COLUMNS, csv, unfinished)
    sorts, campaign_sorts = _kept(sorts), _kept(campaign_sorts)
    size, ahead = _whole("page_size", page_size, 1, 1_000_000), _whole("prefetch", prefetch, 0, 1000)
    at_once = _whole("parallel", parallel, 1, 1000)
    whole = {
        **plan.identity("contacts", client.base_url, csv),
        **identity.of_list(Contact, filters, sorts),
        **identity.of_list(Campaign, campaign_filters, campaign_sorts, prefix="campaign_"),
        **identity.of_campaigns(ids, ordered=bool(ordered)),
    }

    def walk(position: Mapping[str, Json] | None) -> Walk:
        source = (
            Listed(client, filters=campaign_filters, sorts=campaign_sorts, page_size=size)
            if ids is None
            else Named(ids)
        )
        return ContactsWalk(
            client,
            source,
            ordered=bool(ordered),
            parallel=at_once,
            filters=filters,
            sorts=sorts,
            page_size=size,
            prefetch=ahead,
            position=position,
        )

    return await written(
        plan.out,
        walk=walk,
        encoder=plan.encoder,
        resumable=plan.resumable,
        gzip=plan.gzip,
        identity=whole,
        unfinished=unfinished,
        on_progress=_callback(on_progress),
    )


@frozen
class _Plan:
    """The file and its form, once they are checked."""

    out: Path | BinaryIO
    form: Format
    gzip: bool
    columns: tuple[Column, ...]
    encoder: Encoder

    @property
    def resumable(self) -> bool:
        return self.form is not Format.PARQUET

    def identity(self, kind: str, server: str, csv: CsvOptions) -> dict[str, str]:
        return identity.of_file(kind, server, self.form, self.columns, csv, gzip=self.gzip)


def _planned(
    out: Out,
    given: Format | None,
    fields: Iterable[str] | None,
    known: tuple[Column, ...],
    csv: CsvOptions,
    unfinished: str,
) -> _Plan:
    if given is not None:
        given = _checked(lambda: checks.check_choice("format", given, tuple(Format)))
    _checked(lambda: checks.check_choice("unfinished", unfinished, UNFINISHED))
    columns = checked_columns(fields, known)
    place: Path | BinaryIO
    if isinstance(out, (str, os.PathLike)):
        place = Path(out)
        form, gzip = format_of(place, given)
    elif isinstance(out, TextIOBase) or not callable(getattr(out, "write", None)):
        raise InvalidArgumentError(f"out must be a path or a binary stream, not {type(out).__name__}")
    elif given is None:
        raise InvalidArgumentError("a stream has no suffix to tell the format by: pass format=")
    elif unfinished != "refuse":
        raise InvalidArgumentError(f'a stream cannot be gone on with: unfinished="{unfinished}" needs a file')
    else:
        place, form, gzip = out, given, False
    return _Plan(place, form, gzip, columns, encoder(form, columns, csv))


def _kept(sorts: Sorts) -> Sorts:
    """The same, to be read more than once."""
    return tuple(sorts) if isinstance(sorts, Iterator) else sorts


def _callback(on_progress: OnProgress | None) -> OnProgress | None:
    if on_progress is not None and not callable(on_progress):
        raise InvalidArgumentError(f"on_progress must be callable, not {type(on_progress).__name__}")
    return on_progress


def _whole(name: str, value: object, least: int, most: int) -> int:
    return _checked(lambda: checks.check_int(name, value, ge=least, le=most))


def _checked(check: Callable[[], T]) -> T:
    try:
        return check()
    except ConfigurationError as error:
        message = error.message
    raise InvalidArgumentError(message)
