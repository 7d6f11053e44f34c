"""Code as users write it, for type checkers to read; never run.

Each public call once, with the type that a user must get from it.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import ssl
import sys
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any, Literal, Never, assert_type
from uuid import UUID

import aiohttp
import attrs

from campaigns_async import (
    Action,
    APIError,
    AttemptFinished,
    AttemptStarted,
    Auth,
    CallFinished,
    CallStarted,
    Campaign,
    Campaigns,
    CampaignsClient,
    CampaignsError,
    CampaignStatus,
    CampaignUpdate,
    Checkpoint,
    Contact,
    DecodeError,
    DuplicateId,
    Effect,
    Event,
    FanOut,
    FilterIgnoredError,
    HeaderObserver,
    NewCampaign,
    NewContact,
    Observer,
    Operation,
    Outcome,
    OutcomeUnknownError,
    Page,
    PageShiftedError,
    Paginator,
    PagingError,
    PoolSaturatedError,
    Problem,
    QueryError,
    Reconciled,
    ReconcilePolicy,
    Response,
    RetryPolicy,
    Stats,
    ThrottledError,
    Timeouts,
    ValidationFailedError,
    Waiting,
    effect_of,
    query,
)
from campaigns_async.export import (
    ExportProgress,
    ExportSummary,
    ExportWriteError,
    Format,
    export_campaigns,
    export_contacts,
)
from campaigns_async.sandbox import Fault, Quirks, RecordedRequest, Rule, Sandbox

START = dt.datetime(2031, 6, 27, 9, 30, tzinfo=dt.UTC)


def models() -> None:
    one = NewContact("07700 900123", name="Ann", custom1=None, contact_group_id=UUID(int=1))
    new = NewCampaign(START, "Golf", "See you.", [one], opt_out_link_id=1, track_link_url=None)
    NewCampaign(start_date_time=START, sender="Golf", message="See you.", contacts=(person for person in (one,)))
    assert_type(new.contacts, tuple[NewContact, ...])
    assert_type(new.start_date_time, dt.datetime)
    assert_type(one.phone_number, str)
    assert_type(one.contact_group_id, UUID | None)

    campaign = Campaign("abc")
    assert_type(campaign.id, str)
    assert_type(campaign.start_date_time, dt.datetime | None)
    assert_type(campaign.recipient_count, int | None)
    assert_type(campaign.status, CampaignStatus | None)
    assert_type(campaign.to_update(), CampaignUpdate)
    assert_type(campaign.to_dict(), dict[str, object])
    assert_type(new.to_dict(), dict[str, object])
    assert_type(attrs.evolve(campaign.to_update(), message="Later."), CampaignUpdate)
    CampaignUpdate(START, "Golf", "See you.")

    new.sender = "Tennis"  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]


class Tracing:
    """An observer that adds headers, by its shape too."""

    def on_event(self, event: Event, /) -> None:
        assert_type(event.id, int)

    def headers(self, event: AttemptStarted, /) -> dict[str, str]:
        return {"traceparent": f"00-{event.call_id}-{event.attempt}"}


tracing: HeaderObserver = Tracing()
CampaignsClient(observer=tracing)


class Metrics:
    """An observer by its shape: it inherits nothing."""

    def on_event(self, event: Event, /) -> None:
        match event:
            case CallStarted():
                assert_type(event.id, int)
                assert_type(event.call_id, int)
            case AttemptStarted():
                assert_type(event.attempt, int)
            case AttemptFinished():
                assert_type(event.operation, Operation)
                assert_type(event.operation.resource, str)
                assert_type(event.operation.action, Action)
                assert_type(event.request_id, str | None)
                assert_type(event.attempt, int)
                assert_type(event.status, int | None)
                assert_type(event.failure, str | None)
            case Waiting():
                assert_type(event.reason, str)
                assert_type(event.seconds, float)
            case CallFinished():
                assert_type(event.effect, Effect)
                assert_type(event.elapsed, float)
                assert_type(event.error_type, str | None)
            case Reconciled():
                assert_type(event.verdict, str)
                assert_type(event.looks, int)
                assert_type(event.elapsed, float)
            case DuplicateId():
                assert_type(event.campaign_id, str)
                assert_type(event.earlier_effect, Effect)


async def surface(client: CampaignsClient, error: CampaignsError) -> None:
    assert_type(CampaignsClient.campaigns, type[Campaigns])
    assert_type(client.campaigns, Campaigns)
    assert_type(await client.campaigns.create(NewCampaign(START, "Golf", "Hi", [NewContact("1")])), str)
    assert_type(await client.campaigns.list().first(), Campaign | None)
    assert_type(await client.campaigns.contacts("abc").first(), Contact | None)
    assert_type(error.http_status, int | None)
    assert_type(error.retry_after, float | None)
    assert_type(error.request_id, str | None)


class KeyFile:
    """A key source with a state of its own."""

    async def read(self) -> str:
        return "key"


async def rotating_key() -> str:
    return "key"


async def clients(session: aiohttp.ClientSession) -> None:
    observer: Observer = Metrics()
    client = CampaignsClient(
        "https://host/prefix",
        "key",
        auth=Auth.QUERY,
        max_concurrency=8,
        rate_limit=20,
        timeouts=Timeouts(connect=5, read=10.5, deadline=None, grace=0),
        retry=RetryPolicy(attempts=3, base=0.1, cap=5, quota=100, max_retry_after=30, rejected_statuses=[503]),
        reconcile=ReconcilePolicy(settle=10, timeout=120.5, margin=3600, pause=2),
        page_size=50,
        update_method="POST",
        delete_method="POST",
        overload="raise",
        max_waiting=100,
        observer=observer,
        session=session,
    )
    CampaignsClient(
        trust_env=True, proxy="http://proxy:3128", ssl=ssl.create_default_context(), headers={"X-Team": "golf"}
    )
    CampaignsClient(ssl=aiohttp.Fingerprint(b"0" * 32), headers=dict[str, str]())
    CampaignsClient(ssl=False)
    CampaignsClient()
    CampaignsClient(api_key=rotating_key, observer=Metrics())
    CampaignsClient(api_key=KeyFile().read)
    CampaignsClient(api_key=lambda: "key")  # type: ignore[arg-type, return-value]  # pyright: ignore[reportArgumentType]
    CampaignsClient(observer=print)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    CampaignsClient("https://host", "key", Auth.BEARER)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]

    async with client as entered:
        assert_type(entered, CampaignsClient)
    assert_type(client.with_options(timeouts=Timeouts(deadline=5)), CampaignsClient)
    assert_type(client.with_options(retry=RetryPolicy(attempts=1)), CampaignsClient)
    assert_type(RetryPolicy().rejected_statuses, tuple[int, ...])
    assert_type(Timeouts().deadline, float | None)
    assert_type(client.timeouts, Timeouts)
    assert_type(client.retry, RetryPolicy)
    client.with_options(reconcile=ReconcilePolicy(settle=1))
    client.with_options(timeouts=attrs.evolve(client.timeouts, deadline=5))
    assert_type(ReconcilePolicy().settle, float | None)
    CampaignsClient(rate_limit=2.5)
    CampaignsClient(rate_limit="2")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    CampaignsClient(reconcile=5)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    assert_type(await client.aclose(), None)


def stats(client: CampaignsClient) -> None:
    now = client.stats()
    assert_type(now, Stats)
    assert_type(now.max_concurrency, int)
    assert_type(now.in_flight, int)
    assert_type(now.waiting, int)
    assert_type(now.held_for, float)
    assert_type(now.rate_limit, float | None)
    assert_type(now.sent_last_second, int | None)
    assert_type(now.calls, int)
    assert_type(now.attempts, int)
    assert_type(now.retries, int)
    assert_type(now.throttled, int)
    assert_type(now.retry_quota, int)


async def operations(client: CampaignsClient, new: NewCampaign) -> None:
    campaign_id = await client.campaigns.create(new)
    assert_type(campaign_id, str)
    assert_type(await client.campaigns.create(new, ignore_invalid_phone_numbers=True), str)
    assert_type(await client.campaigns.create(new, on_unknown="reconcile"), str)
    way: Literal["raise", "reconcile"] = "raise"
    await client.campaigns.create(new, on_unknown=way)
    await client.campaigns.create(new, on_unknown="guess")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    campaign = await client.campaigns.get(campaign_id)
    assert_type(campaign, Campaign)
    assert_type(await client.campaigns.update(campaign_id, campaign.to_update()), None)
    assert_type(await client.campaigns.delete(campaign_id), None)
    await client.campaigns.update(campaign_id, campaign)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


async def listings(client: CampaignsClient, checkpoint: Checkpoint) -> None:
    listing = client.campaigns.list(
        filters="sender==Golf", sorts=["sender", "-startDateTime"], page_size=10, prefetch=0, resume_from=checkpoint
    )
    assert_type(listing, Paginator[Campaign])
    async for campaign in listing:
        assert_type(campaign, Campaign)
    async for page in listing.pages():
        assert_type(page, Page[Campaign])
        assert_type(page.items, tuple[Campaign, ...])
        assert_type(page.index, int | None)
        assert_type(page.total_pages, int | None)
        assert_type(page.total_records, int | None)
    assert_type(await listing.collect(), list[Campaign])
    assert_type(await listing.collect(limit=10), list[Campaign])
    assert_type(await listing.count(), int)
    assert_type(listing.checkpoint, Checkpoint)
    assert_type(listing.checkpoint.rows, int)
    assert_type([campaign.id async for campaign in listing], list[str])

    people = client.campaigns.contacts("abc", sorts="name", prefetch=2, check_filters=False)
    assert_type(people, Paginator[Contact])
    async for contact in people:
        assert_type(contact.phone_number, str | None)
    async for some in people.pages():
        assert_type(some, Page[Contact])


def filters_and_sorts(client: CampaignsClient) -> None:
    golf = (query.campaign.sender == "Golf") & ~query.campaign.message.contains("20%", ignore_case=True)
    assert_type(golf, query.Expression)
    assert_type(str(golf), str)
    assert_type(query.campaign.sender.in_("Golf", "Tennis"), query.Expression)
    assert_type(query.campaign.start_date_time >= START, query.Expression)
    assert_type(query.campaign.status == CampaignStatus.PENDING, query.Expression)
    assert_type(query.campaign.opt_out_link_id.is_null(), query.Expression)
    assert_type(query.any_of(query.contact.name, query.contact.custom1).startswith("A"), query.Expression)
    newest = query.campaign.start_date_time.desc()
    assert_type(newest, query.Sort)
    assert_type(client.campaigns.list(filters=golf, sorts=newest), Paginator[Campaign])
    assert_type(
        client.campaigns.list(filters=golf, sorts=[newest, query.campaign.id.asc(), "sender"]), Paginator[Campaign]
    )
    assert_type(client.campaigns.list(filters=query.raw("sender==Golf"), sorts=query.raw("id")), Paginator[Campaign])
    assert_type(client.campaigns.contacts("abc", filters=query.contact.name == "Ann"), Paginator[Contact])
    client.campaigns.list(filters=5)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    client.campaigns.list(filters=[golf])  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    query.campaign.recipient_count > "5"  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue]
    query.campaign.bogus  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]


def no_order_of_texts() -> None:
    assert_type(query.campaign.sender < "Golf", Never)


async def walks(client: CampaignsClient) -> None:
    checkpoint: Checkpoint | None = None
    try:
        await client.campaigns.list(resume_from=checkpoint).collect()
    except PageShiftedError as error:
        assert_type(error.checkpoint, Checkpoint)
        checkpoint = error.checkpoint
    except (PagingError, FilterIgnoredError, QueryError) as error:
        assert_type(error, PagingError | FilterIgnoredError | QueryError)


async def fan_outs(client: CampaignsClient, new: NewCampaign) -> None:
    async def read() -> AsyncIterator[NewCampaign]:
        yield new

    assert_type(client.campaigns.create_many([new]), FanOut[NewCampaign, str])
    assert_type(client.campaigns.create_many([new], on_unknown="reconcile"), FanOut[NewCampaign, str])
    assert_type(client.campaigns.create_many({new}, ignore_invalid_phone_numbers=False), FanOut[NewCampaign, str])
    async with client.campaigns.create_many(read()) as outcomes:
        assert_type(outcomes, FanOut[NewCampaign, str])
        async for outcome in outcomes:
            assert_type(outcome, Outcome[NewCampaign, str])
            assert_type(outcome.index, int)
            assert_type(outcome.item, NewCampaign)
            assert_type(outcome.value, str | None)
            assert_type(outcome.error, Exception | None)
            assert_type(outcome.effect, Effect)
            assert_type(outcome.ok, bool)
    assert_type(outcomes.unresolved, tuple[Outcome[NewCampaign, str], ...])
    assert_type(await outcomes.aclose(), None)

    found = client.map(client.campaigns.get, ["a", "b"])
    assert_type(found, FanOut[str, Campaign])
    async for one in found:
        assert_type(one.value, Campaign | None)

    async def size(campaign: Campaign) -> int:
        return await client.campaigns.contacts(campaign.id).count()

    sizes = client.map(size, client.campaigns.list())  # a paginator is an async iterable
    assert_type(sizes, FanOut[Campaign, int])
    assert_type(client.map(client.campaigns.delete, (name for name in "ab")), FanOut[str, None])
    client.map(client.campaigns.get, [1])  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


async def raw(client: CampaignsClient) -> None:
    response = await client.request("GET", "/api/SMSMessages", params={"page": "1"})
    assert_type(response, Response)
    assert_type(response.status, int)
    assert_type(response.headers, Mapping[str, str])
    assert_type(response.body, bytes)
    assert_type(response.json(), Any)
    await client.request("POST", "/api/SMSMessages", params=[("a", "1"), ("a", "2")], json={"message": "x"})


async def exports(client: CampaignsClient, ids: AsyncIterator[str]) -> None:
    def show(progress: ExportProgress) -> None:
        assert_type(progress.rows, int)
        assert_type(progress.total, int | None)
        assert_type(progress.campaigns, int | None)

    summary = await export_campaigns(
        client,
        Path("campaigns.csv"),
        fields=["id", "status"],
        filters=query.campaign.sender == "Golf",
        sorts=query.campaign.start_date_time.desc(),
        excel=True,
        on_progress=show,
    )
    assert_type(summary, ExportSummary)
    assert_type(summary.path, Path | None)
    assert_type(summary.rows, int)
    await export_campaigns(client, sys.stdout.buffer, format=Format.NDJSON)
    try:
        await export_contacts(client, "contacts.parquet", (name for name in "ab"), parallel=4)
        await export_contacts(client, "all.ndjson", all_campaigns=True, unfinished="resume", on_progress=print)
    except ExportWriteError as error:
        assert_type(error.errno, int | None)
    await export_contacts(client, "out.csv", ids)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await export_campaigns(client, "out.csv", unfinished="go on")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await export_campaigns(client, sys.stdout)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


async def errors(client: CampaignsClient, new: NewCampaign) -> None:
    try:
        await client.campaigns.create(new)
    except ValidationFailedError as error:
        assert_type(error.errors, Mapping[str, tuple[str, ...]])
        assert_type(error.contact_errors, Mapping[int, tuple[str, ...]])
    except ThrottledError as error:
        assert_type(error.retry_after, float | None)
    except APIError as error:
        assert_type(error.status, int)
        assert_type(error.problem, Problem | None)
        assert_type(error.request_id, str | None)
    except OutcomeUnknownError as error:
        assert_type(error.candidates, tuple[Campaign, ...])
        assert_type(error.cause_type, type[BaseException])
        assert_type(error.status, int | None)
    except DecodeError as error:
        assert_type(error.where, str)
    except CampaignsError as error:
        assert_type(error.message, str)
        assert_type(error.method, str | None)
        assert_type(error.path, str | None)
        assert_type(error.attempts, int)
        assert_type(error.elapsed, float)
        assert_type(error.effect, Effect)
    except (TimeoutError, asyncio.CancelledError) as stop:
        assert_type(effect_of(stop), Effect)
    assert_type(effect_of(PoolSaturatedError("full")), Effect)


async def sandboxes() -> None:
    async with Sandbox([{"id": "c1"}], {"c1": [{"id": "p1"}]}, seed=1, quirks=Quirks(bare_id=True)) as sandbox:
        assert_type(sandbox, Sandbox)
        assert_type(sandbox.url, str)
        assert_type(sandbox.api_key, str)
        assert_type(sandbox.fault(operation="create", times=1, status=504, act=True), Rule)
        for request in sandbox.requests:
            assert_type(request, RecordedRequest)
        assert_type(sandbox.created, list[dict[str, Any]])
        assert_type(await sandbox.wait_received(1, "create"), None)
    Fault(operation="create", drop="close")
    sandbox.fault(drop="gently")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
