"""Exports campaigns and contacts to files and streams."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import aclosing
from pathlib import Path

from attrs import define, evolve, field

from campaigns_async._checks import check_int
from campaigns_async._http.request import check_campaign_id
from campaigns_async.client import CampaignsClient
from campaigns_async.errors import InvalidArgumentError
from campaigns_async.export._encoders import Encoder, make_encoder
from campaigns_async.export._options import (
    CAMPAIGN_COLUMNS,
    CONTACT_COLUMNS,
    ExportOptions,
    ExportProgress,
    ExportSummary,
    Format,
    OnProgress,
    Out,
    Unfinished,
    identity_of_list,
    rereadable,
)
from campaigns_async.export._part_file import PartFile
from campaigns_async.export._stream import StreamTarget
from campaigns_async.export._walk import ContactsWalk, Position, Step, walk_campaigns
from campaigns_async.models import Campaign, Contact
from campaigns_async.paging import digest
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
    """Write the account's campaigns, a row each.

    Args:
        client: A client of the account.
        out: A file, which appears under its name once it is complete; or a binary stream, which is left open.
        format: None for the format of the name's suffix, `.csv`, `.ndjson`, `.jsonl` or `.parquet`; `.gz` may follow
            for the text formats. A stream needs a format.
        fields: The columns, by the API's names, in this order; None for all.
        filters: As for `campaigns.list`.
        sorts: As for `campaigns.list`. Without an order, a list that changes leaves no place to resume from.
        page_size: Rows a page, from 1 to 1,000,000. An export that is resumed keeps the page size that it has.
        prefetch: Pages requested at the same time as the next one, from 0 to 1,000.
        unfinished: What to do about an unfinished export of the same file: "refuse", "resume" or "restart".
        excel: CSV for spreadsheets: a byte order mark first, and an apostrophe before text that would run as a formula.
        on_progress: Called after each write with an `ExportProgress`; an exception that it raises ends the export.

    Returns:
        How the export ended. An export that is not complete raises.

    Raises:
        InvalidArgumentError: An argument is wrong. No request was sent, and no file was created.
        QueryError: The filters or sorts are wrong. Likewise.
        ExportError: The file cannot be written, or the unfinished export cannot be resumed.
        CampaignsError: A page could not be read. What was written can be resumed.
    """
    options = ExportOptions.of(
        CAMPAIGN_COLUMNS,
        out=out,
        format=format,
        fields=fields,
        excel=excel,
        filters=filters,
        sorts=sorts,
        page_size=page_size,
        prefetch=prefetch,
        unfinished=unfinished,
        on_progress=on_progress,
    )
    identity = options.identity(Campaign, client.base_url)
    return await _run(options, identity, lambda position: walk_campaigns(client, options, position))


async def export_contacts(
    client: CampaignsClient,
    out: Out,
    campaign_ids: Iterable[str] | None = None,
    *,
    all_campaigns: bool = False,
    campaign_filters: Filters = None,
    campaign_sorts: Sorts = "id",
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
    """Write the contacts of campaigns, a row each, with the id of its campaign, campaign by campaign.

    Args:
        client: A client of the account.
        out: As for `export_campaigns`.
        campaign_ids: The campaigns, in this order; one that does not exist ends the export.
        all_campaigns: True for all campaigns of the account. One that is deleted meanwhile is counted as gone.
        campaign_filters: Which campaigns, with `all_campaigns`; as for `campaigns.list`.
        campaign_sorts: Their order, with `all_campaigns`.
        parallel: Campaigns read at once, from 1 to 1,000. Each holds `2 * prefetch + 2` pages at most.
        format: As for `export_campaigns`.
        fields: As for `export_campaigns`.
        filters: Which contacts; as for `campaigns.contacts`.
        sorts: Their order within a campaign.
        page_size: As for `export_campaigns`.
        prefetch: For each campaign; as for `export_campaigns`.
        unfinished: As for `export_campaigns`.
        excel: As for `export_campaigns`.
        on_progress: As for `export_campaigns`.

    Returns:
        How the export ended. An export that is not complete raises.

    Raises:
        InvalidArgumentError: An argument is wrong. No request was sent, and no file was created.
        QueryError: The filters or sorts are wrong. Likewise.
        NotFoundError: A campaign of `campaign_ids` does not exist.
        ExportError: The file cannot be written, or the unfinished export cannot be resumed.
        CampaignsError: A page could not be read. What was written can be resumed.
    """
    if bool(all_campaigns) == (campaign_ids is not None):
        raise InvalidArgumentError("pass either campaign_ids or all_campaigns=True")
    if campaign_ids is not None and campaign_filters is not None:
        raise InvalidArgumentError("campaign_filters has no meaning without all_campaigns=True")
    if campaign_ids is not None and not (campaign_sorts is None or campaign_sorts == "id"):
        raise InvalidArgumentError("campaign_sorts has no meaning without all_campaigns=True")
    ids = None if campaign_ids is None else _check_ids(campaign_ids)
    campaign_sorts = rereadable(campaign_sorts)
    campaigns_at_once = check_int("parallel", parallel, ge=1, le=1000, error=InvalidArgumentError)
    options = ExportOptions.of(
        CONTACT_COLUMNS,
        out=out,
        format=format,
        fields=fields,
        excel=excel,
        filters=filters,
        sorts=sorts,
        page_size=page_size,
        prefetch=prefetch,
        unfinished=unfinished,
        on_progress=on_progress,
    )
    identity = {
        **options.identity(Contact, client.base_url),
        **identity_of_list(Campaign, campaign_filters, campaign_sorts, prefix="campaign_"),
        "campaign_ids": "" if ids is None else f"{len(ids)} {digest(*ids)}",
        "all_campaigns": str(ids is None),
    }

    def walk(position: Position | None) -> AsyncGenerator[Step, None]:
        return ContactsWalk(
            client,
            options,
            ids,
            campaign_filters=campaign_filters,
            campaign_sorts=campaign_sorts,
            parallel=campaigns_at_once,
            position=position,
        ).steps()

    return await _run(options, identity, walk)


def _check_ids(campaign_ids: Iterable[str]) -> tuple[str, ...]:
    """Return the ids.

    Raises:
        InvalidArgumentError: There is none, or one is wrong or given twice; the message has its number.
    """
    if isinstance(campaign_ids, (str, bytes)) or not isinstance(campaign_ids, Iterable):
        raise InvalidArgumentError(f"campaign_ids must be an iterable of ids, not {type(campaign_ids).__name__}")
    first: dict[str, int] = {}
    for number, campaign_id in enumerate(campaign_ids, 1):
        try:
            check_campaign_id(campaign_id)
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


async def _run(
    options: ExportOptions,
    identity: dict[str, str],
    walk: Callable[[Position | None], AsyncGenerator[Step, None]],
) -> ExportSummary:
    """Write all that a walk yields, from where the unfinished export ended."""
    began = time.monotonic()
    encoder = make_encoder(options.format, options.columns, excel=options.excel)
    target: PartFile | StreamTarget | None
    if isinstance(options.out, Path):
        target = await PartFile.open(
            options.out,
            identity=identity,
            resumable=options.is_resumable,
            unfinished=options.unfinished,
            gzip=options.gzip,
        )
    else:
        target = StreamTarget(options.out)
    run = _Run(target, encoder, options.on_progress)
    if target is not None:
        try:
            await run.write_all(walk(run.start))
        finally:
            await target.aclose()
    return ExportSummary(
        path=options.out if isinstance(options.out, Path) else None,
        rows=run.rows,
        resumed=run.resumed,
        campaigns=run.last.campaigns,
        deleted_campaigns=run.last.position.deleted_campaigns,
        bytes_written=run.bytes_written,
        restarted=isinstance(target, PartFile) and target.restarted,
        already_complete=target is None,
        elapsed=time.monotonic() - began,
    )


@define
class _Run:
    """One run of an export: its figures, and where it writes to."""

    target: PartFile | StreamTarget | None
    """None if there is nothing to do."""
    encoder: Encoder
    on_progress: OnProgress | None
    start: Position | None = field(init=False, default=None)
    """None for the first row."""
    resumed: int = field(init=False, default=0)
    rows: int = field(init=False, default=0)
    bytes_written: int = field(init=False, default=0)
    last: Step = field(init=False, factory=lambda: Step((), Position()))
    """The step that was written last, without its rows."""

    def __attrs_post_init__(self) -> None:
        if isinstance(self.target, PartFile) and self.target.resumed is not None:
            self.start = self.target.resumed.position
            self.rows = self.resumed = self.target.resumed.rows

    async def write_all(self, walked: AsyncGenerator[Step, None]) -> None:
        """Write all steps, and let the file appear."""
        assert self.target is not None
        async with aclosing(walked) as steps:
            async for step in steps:
                await self._write(self.target, step)
                del step  # frees its rows before those of the next step come
        end = (b"" if self.rows else self.encoder.begin()) + self.encoder.end()
        if end:
            await self.target.write(end)
            self.bytes_written += len(end)
        await self.target.finish()

    async def _write(self, target: PartFile | StreamTarget, step: Step) -> None:
        rows = self.rows + sum(len(batch.rows) for batch in step.batches)
        # The header comes with the first rows: a run that resumes some rows knows then that the header is there.
        begin = self.encoder.begin() if rows and not self.rows else b""
        data = b"".join([begin, *map(self.encoder.encode, step.batches)])
        await target.write(data, rows, step.position)
        self.rows, self.bytes_written, self.last = rows, self.bytes_written + len(data), evolve(step, batches=())
        if self.on_progress is not None:
            self.on_progress(
                ExportProgress(
                    rows=rows,
                    resumed=self.resumed,
                    total=step.total,
                    campaigns=step.campaigns,
                    campaigns_total=step.campaigns_total,
                    bytes_written=self.bytes_written,
                )
            )
