"""Export campaigns and contacts to files and streams."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import aclosing
from functools import partial
from typing import Literal

from attrs import evolve

from campaigns_async._checks import check_choice, check_int
from campaigns_async._http.request import check_campaign_id
from campaigns_async.client import CampaignsClient
from campaigns_async.errors import InvalidArgumentError
from campaigns_async.export._encoders import Encoder, make_encoder
from campaigns_async.export._options import (
    CAMPAIGN_COLUMNS,
    CONTACT_COLUMNS,
    ExportProgress,
    ExportSummary,
    Format,
    ListOptions,
    OnProgress,
    Out,
    Output,
    Unfinished,
    check_output,
)
from campaigns_async.export._part_file import PartFile
from campaigns_async.export._stream import StreamTarget
from campaigns_async.export._walk import ONLY_CAMPAIGNS, Position, Step, Walk
from campaigns_async.models import Campaign, Contact
from campaigns_async.paging import digest, is_by_id
from campaigns_async.query._parse import Filters, Sorts


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
    excel: bool = False,
    on_progress: OnProgress | None = None,
) -> ExportSummary:
    """Export the account's campaigns, one per row.

    Args:
        client: A client of the account.
        out: A path, where the file appears once it is complete; or a binary stream, which is not closed.
        format: The file format; None for the format of the path's suffix: `.csv`, `.ndjson`, `.jsonl` or `.parquet`.
            `.gz` may follow for the text formats. A stream needs a format.
        fields: The columns in order, by the API's names; None for all.
        filters: As for `campaigns.list`.
        sorts: As for `campaigns.list`. In any order but that of the id, rows that move during the export may be missing or
            repeated, above all if it is resumed: `ExportSummary.order_can_change` says so.
        page_size: Rows per page, from 1 to 1,000,000. A resumed export keeps the page size that it began with.
        prefetch: Pages to request in addition to the next one, from 0 to 1,000.
        unfinished: What to do about an unfinished export of the same file: "refuse", "resume" or "restart".
        excel: True for CSV that spreadsheets open safely: the file begins with a byte order mark, and an apostrophe is
            put before text that a spreadsheet would run as a formula.
        on_progress: A function to call with an `ExportProgress` after each write. An exception that it raises ends the
            export.

    Returns:
        The result of the complete export.

    Raises:
        InvalidArgumentError: If an argument is wrong. No request was sent, and no file was created.
        QueryError: If the filters or sorts are wrong. No request was sent, and no file was created.
        ExportError: If the file cannot be written, or the unfinished export cannot be resumed.
        CampaignsError: If a page cannot be read. The rows that were written can be resumed.
        ModuleNotFoundError: If the format is Parquet, and pyarrow is not installed.
    """
    output = check_output(CAMPAIGN_COLUMNS, out, format, fields, unfinished, excel=excel)
    campaigns = ListOptions(filters, sorts, page_size, prefetch)
    identity = {
        "kind": "campaigns",
        "server": client.base_url,
        **output.build_identity(),
        **campaigns.build_identity(Campaign),
    }
    return await _run(output, identity, on_progress, partial(Walk, client, campaigns, ONLY_CAMPAIGNS, 1))


async def export_contacts(
    client: CampaignsClient,
    out: Out,
    campaign_ids: Iterable[str] | None = None,
    *,
    all_campaigns: bool = False,
    campaign_filters: Filters = None,
    campaign_sorts: Sorts = "id",
    missing: Literal["skip", "error"] = "skip",
    parallel: int = 8,
    format: Format | None = None,
    fields: Iterable[str] | None = None,
    filters: Filters = None,
    sorts: Sorts = "id",
    page_size: int = 1000,
    prefetch: int = 3,
    unfinished: Unfinished = "refuse",
    excel: bool = False,
    on_progress: OnProgress | None = None,
) -> ExportSummary:
    """Export the contacts of campaigns, one per row, campaign by campaign. Each row has the id of its campaign.

    Args:
        client: A client of the account.
        out: As for `export_campaigns`.
        campaign_ids: The ids of the campaigns, in the order of the export.
        all_campaigns: True for all campaigns of the account. A campaign that is deleted during the export is counted in
            `deleted_campaigns`.
        campaign_filters: A filter on the campaigns, with `all_campaigns`; as for `campaigns.list`.
        campaign_sorts: The order of the campaigns, with `all_campaigns`; as `sorts` of `export_campaigns`.
        missing: With "skip", a campaign of `campaign_ids` that does not exist is counted in `deleted_campaigns`. With
            "error", it ends the export.
        parallel: Campaigns to read concurrently, from 1 to 1,000. Each takes the memory of at most `2 * prefetch + 2`
            pages.
        format: As for `export_campaigns`.
        fields: As for `export_campaigns`.
        filters: A filter on the contacts; as for `campaigns.contacts`.
        sorts: The order of the contacts within a campaign; as for `export_campaigns`.
        page_size: As for `export_campaigns`.
        prefetch: As for `export_campaigns`, for each campaign.
        unfinished: As for `export_campaigns`.
        excel: As for `export_campaigns`.
        on_progress: As for `export_campaigns`.

    Returns:
        The result of the complete export.

    Raises:
        CampaignsError: As for `export_campaigns`.
        NotFoundError: If a campaign of `campaign_ids` does not exist, with `missing="error"`.
    """
    if bool(all_campaigns) == (campaign_ids is not None):
        raise InvalidArgumentError("pass either campaign_ids or all_campaigns=True")
    if campaign_ids is not None and campaign_filters is not None:
        raise InvalidArgumentError("campaign_filters has no meaning without all_campaigns=True")
    if campaign_ids is not None and not (campaign_sorts is None or campaign_sorts == "id"):
        raise InvalidArgumentError("campaign_sorts has no meaning without all_campaigns=True")
    ids = None if campaign_ids is None else _check_ids(campaign_ids)
    check_int("parallel", parallel, ge=1, le=1000, error=InvalidArgumentError)
    skips_missing = check_choice("missing", missing, ("skip", "error"), error=InvalidArgumentError) == "skip"
    output = check_output(CONTACT_COLUMNS, out, format, fields, unfinished, excel=excel)
    contacts = ListOptions(filters, sorts, page_size, prefetch)
    # Only their ids are needed.
    campaigns = ListOptions(campaign_filters, campaign_sorts, min(page_size, 1000), prefetch=0)
    identity = {
        "kind": "contacts",
        "server": client.base_url,
        **output.build_identity(),
        **contacts.build_identity(Contact),
        **({} if ids is not None else campaigns.build_identity(Campaign, prefix="campaign_")),
        "campaign_ids": "" if ids is None else f"{len(ids)} {digest(*ids)}",
        "all_campaigns": str(ids is None),
    }
    walk = partial(Walk, client, contacts, campaigns if ids is None else ids, parallel, skips_missing=skips_missing)
    return await _run(output, identity, on_progress, walk)


def _check_ids(campaign_ids: Iterable[str]) -> tuple[str, ...]:
    if isinstance(campaign_ids, (str, bytes)) or not isinstance(campaign_ids, Iterable):
        raise InvalidArgumentError(f"campaign_ids must be an iterable of ids, not {type(campaign_ids).__name__}")
    first: dict[str, int] = {}
    for number, campaign_id in enumerate(campaign_ids, 1):
        try:
            check_campaign_id(campaign_id)
        except InvalidArgumentError as error:
            fault = error.message
        else:
            if first.setdefault(campaign_id, number) == number:
                continue
            fault = f"is {campaign_id}, as is item {first[campaign_id]}: leave one out"
        raise InvalidArgumentError(f"campaign_ids: item {number}: {fault}")
    if not first:
        raise InvalidArgumentError("campaign_ids is empty: name a campaign, or pass all_campaigns=True")
    return tuple(first)


async def _run(
    output: Output, identity: dict[str, str], on_progress: OnProgress | None, walk: Callable[[Position | None], Walk]
) -> ExportSummary:
    """Write all rows of a walk, which starts at the position where the unfinished export ended."""
    if on_progress is not None and not callable(on_progress):
        raise InvalidArgumentError(f"on_progress must be callable, not {type(on_progress).__name__}")
    started = time.monotonic()
    encoder = make_encoder(output.format, output.columns, excel=output.excel)
    target = PartFile(output, identity) if output.stream is None else StreamTarget(output.stream)
    progress, position = ExportProgress(0, 0, None, None, None, 0), Position()
    try:
        is_open = await target.open()
        if is_open:
            start = None
            if target.resumed is not None:
                start, resumed = target.resumed.position, target.resumed.rows
                progress = evolve(progress, rows=resumed, resumed=resumed)
            progress, position = await _write_all(target, encoder, walk(start).steps(), progress, on_progress)
    finally:
        await target.aclose()
    return ExportSummary(
        path=output.path,
        rows=progress.rows,
        resumed=progress.resumed,
        campaigns=progress.campaigns,
        deleted_campaigns=position.deleted_campaigns,
        order_can_change=not all(is_by_id(order) for name, order in identity.items() if name.endswith("sorts")),
        bytes_written=progress.bytes_written,
        restarted=target.restarted,
        already_complete=not is_open,
        elapsed=time.monotonic() - started,
    )


async def _write_all(
    target: PartFile | StreamTarget,
    encoder: Encoder,
    walk: AsyncGenerator[Step, None],
    progress: ExportProgress,
    on_progress: OnProgress | None,
) -> tuple[ExportProgress, Position]:
    """Write all steps of a walk and complete the output. Return the figures and the position at the end."""
    position = Position()
    async with aclosing(walk) as steps:
        async for step in steps:
            rows = progress.rows + sum(len(batch.rows) for batch in step.batches)
            # The header is written together with the first rows: a run that resumes after any row need not write it.
            begin = encoder.begin() if rows and not progress.rows else b""
            data = b"".join([begin, *map(encoder.encode, step.batches)])
            position = step.position
            await target.write(data, rows, position)
            progress = ExportProgress(
                rows=rows,
                resumed=progress.resumed,
                total=step.total,
                campaigns=step.campaigns,
                campaigns_total=step.campaigns_total,
                bytes_written=progress.bytes_written + len(data),
            )
            del step, data  # frees their memory before the next step is read
            if on_progress is not None:
                on_progress(progress)
    end = (b"" if progress.rows else encoder.begin()) + encoder.end()
    await target.write(end)
    await target.finish()
    return evolve(progress, bytes_written=progress.bytes_written + len(end)), position
