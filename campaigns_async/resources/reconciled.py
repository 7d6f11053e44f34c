"""Creates that are looked for when in doubt, and sent again only when they are surely absent.

Imported with all that a search takes before the first of them is sent: an import that fails in the midst of it,
for want of a free file, would displace the doubt.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from campaigns_async._reconcile.matching import Absent, Found, SearchTarget, Unknown
from campaigns_async._reconcile.search import Search
from campaigns_async.doubt import OutcomeUnknownError
from campaigns_async.errors import DecodeError, note_delivery
from campaigns_async.models import NewCampaign
from campaigns_async.values import Delivery
from campaigns_async.wire import responses
from campaigns_async.wire.messages import Request

if TYPE_CHECKING:
    from campaigns_async.resources.creating import Creator


async def create(creator: Creator, new: NewCampaign, ignore_invalid: bool | None, request: Request) -> str:
    """Send it, and look for it as long as it is in doubt."""
    sought = SearchTarget(new, ignore_invalid, creator.policy.margin, creator.caller.pool.clock.now())
    attempts, known_before = 0, -1

    def begin() -> None:
        nonlocal known_before
        if known_before < 0:  # whatever shows up after the first attempt may be its doing
            known_before = creator.ledger.seen.snapshot()

    while True:
        doubt: OutcomeUnknownError | DecodeError
        number = creator.ledger.begin(new)
        try:
            campaign_id = await creator.caller.run(request, responses.created_id, on_attempt=begin)
            creator.ledger.claim(campaign_id)
            return campaign_id
        except (OutcomeUnknownError, DecodeError) as error:
            doubt = error
        finally:
            creator.ledger.end(number)
        attempts += doubt.attempts
        doubt.attempts = attempts
        verdict = await _look(creator, sought, known_before)
        if isinstance(verdict, Found):
            return verdict.campaign_id
        if isinstance(verdict, Unknown) or doubt.delivery is Delivery.DONE or not _may_send_again(creator, attempts):
            raise _told(doubt, verdict)


def _may_send_again(creator: Creator, attempts: int) -> bool:
    return attempts < creator.caller.retry.attempts and creator.caller.pool.quota.acquire()


async def _look(creator: Creator, sought: SearchTarget, known_before: int) -> Found | Absent | Unknown:
    pool, ledger = creator.caller.pool, creator.ledger
    began = pool.clock.monotonic()
    search = Search(sought, known_before, began, creator.server, ledger, creator.policy, pool.clock, pool.quota)
    try:
        verdict = await search.run()
    except asyncio.CancelledError as stop:
        note_delivery(stop, Delivery.UNKNOWN)  # of the create, whatever the reading of lists came to
        raise
    if pool.instrumentation is not None:
        word = {Found: "found", Absent: "absent", Unknown: "in_doubt"}[type(verdict)]
        pool.instrumentation.reconciled(word, search.looks, pool.clock.monotonic() - began)
    return verdict


def _told(doubt: OutcomeUnknownError | DecodeError, verdict: Absent | Unknown) -> OutcomeUnknownError | DecodeError:
    """The error, with what the search came to."""
    if isinstance(doubt, DecodeError):
        return _told_of_one_done(doubt, verdict)
    if isinstance(verdict, Absent):
        doubt.message += ". It was looked for and is not there; it is not sent again: attempts or retry quota are spent"
        return doubt
    if verdict.candidates:
        doubt.candidates = verdict.candidates
        doubt.message += f". {len(verdict.candidates)} campaigns on the server may be it: see .candidates"
    return doubt


def _told_of_one_done(doubt: DecodeError, verdict: Absent | Unknown) -> OutcomeUnknownError | DecodeError:
    """It was carried out; which campaign it is may be open."""
    if isinstance(verdict, Absent) or not verdict.candidates:
        return doubt
    found = OutcomeUnknownError(
        f"{doubt.message}. {len(verdict.candidates)} campaigns on the server may be it: see .candidates",
        cause_type=DecodeError,
        status=doubt.status,
    )
    found.candidates = verdict.candidates
    found.__cause__ = doubt
    return found.attach(
        method=doubt.method or "",
        path=doubt.path or "",
        attempts=doubt.attempts,
        elapsed=doubt.elapsed,
        delivery=doubt.delivery,
    )
