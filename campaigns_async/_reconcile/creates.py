"""Send creates: the only operation that is never repeated while its outcome is unknown."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Hashable
from functools import partial
from typing import TYPE_CHECKING, Final

from attrs import evolve

from campaigns_async._engine.caller import Caller
from campaigns_async._engine.effect_record import CURRENT
from campaigns_async._http.body_forms import find_created_form
from campaigns_async._http.request import CreateRequest, build_create, build_get
from campaigns_async._http.response import Response, read_campaign, read_created_id, read_documented_id
from campaigns_async._ids import normalize_id
from campaigns_async._paginators import Paginators
from campaigns_async._reconcile.ledger import Ledger, fields_of, find_possible_makers
from campaigns_async.effects import BodyForm, Effect, effect_of, is_own_form, note_effect
from campaigns_async.errors import CampaignsError, DecodeError, NotFoundError
from campaigns_async.models import Campaign, NewCampaign
from campaigns_async.outcome_unknown import OutcomeUnknownError
from campaigns_async.settings import ReconcilePolicy

if TYPE_CHECKING:
    from campaigns_async._reconcile.matching import SearchTarget, Unknown, Verdict
    from campaigns_async._reconcile.reconciler import Reconciler

_log = logging.getLogger("campaigns_async")
# Python 3.11 looks up a member slowly.
_ID, _GIVEN_ID, _POSSIBLE_ID = BodyForm.ID, BodyForm.GIVEN_ID, BodyForm.POSSIBLE_ID
CANARIES: Final = 3
"""The number of the latest campaigns that a list must show, so that it is believed."""


class Creator:
    """The sender of creates. It records their outcomes in the ledger."""

    def __init__(self, caller: Caller, ledger: Ledger, listings: Paginators, policy: ReconcilePolicy) -> None:
        self.listings: Paginators = listings.for_search()
        self._caller = caller
        self._reader = evolve(caller, exempt_from_max_waiting=True, proves=True)
        self._ledger = ledger
        self._policy = policy

    async def create(
        self,
        request: CreateRequest,
        read: Callable[[Response], str] = read_created_id,
        on_attempt: Callable[[], None] | None = None,
        owner: Hashable = None,
    ) -> str:
        """Send a create and return the new id; an unknown outcome raises.

        Args:
            request: The request.
            read: Returns the id of a response.
            on_attempt: Called before each attempt. If it raises a `CampaignsError`, the attempt is not sent.
            owner: Identifies the create in the ledger if it is looked for later; see `Ledger.leave_unknown`.
        """
        ledger, content = self._ledger, request.content
        number = ledger.begin(content)
        try:
            campaign_id = await self._caller.run(
                request, read, on_attempt=on_attempt, judge=self._judge, confirm=self._confirm
            )
            fields = None if callable(content) else fields_of(content, drops_invalid=request.drops_invalid)
            ledger.claim(campaign_id, fields, owner)
        except (CampaignsError, asyncio.CancelledError) as error:
            if effect_of(error) in (Effect.UNKNOWN, Effect.APPLIED):
                ledger.leave_unknown(content, owner)
            raise
        finally:
            ledger.end(number)
        return campaign_id

    def _judge(self, response: Response) -> BodyForm:
        """Return the form of the body of a create's success: `GIVEN_ID` if another create was given its id."""
        campaign_id, form = read_documented_id(response), _ID
        if campaign_id is None:
            form = find_created_form(response)
            if form is _POSSIBLE_ID:
                campaign_id = read_created_id(response)
        return _GIVEN_ID if campaign_id is not None and normalize_id(campaign_id) in self._ledger.given else form

    async def _confirm(self, request: CreateRequest, response: Response) -> bool:
        """Return True if the campaign with the id of a response is the one that was sent, and no other create's."""
        ledger, content, campaign_id = self._ledger, request.content, read_created_id(response)
        was_given = ledger.was_given(campaign_id)
        if callable(content):
            if was_given:  # a row of a journal: its journal knows the other row, and calls `settle_duplicate`
                return False
            content = content()
        fields = fields_of(content, drops_invalid=request.drops_invalid)
        # Before the campaign is read: another create may be given the same id meanwhile.
        ledger.give(campaign_id, fields)
        is_proven = False
        try:
            makers = ledger.find_makers(campaign_id, await self.read_back(campaign_id))
            is_proven = len(makers) == 1 and makers[0] is fields
        finally:
            if is_proven or not was_given:  # `create` claims the id at once, or what the response gave was no id
                ledger.take_back(campaign_id, fields)
        if was_given:
            is_earlier = len(makers) == 1 and not is_proven and makers[0] is not None
            self._report_duplicate(campaign_id, is_later=is_proven, is_earlier=is_earlier)
        return is_proven

    async def settle_duplicate(
        self,
        campaign_id: str,
        mine: NewCampaign,
        other: NewCampaign | None,
        ignore_invalid_phone_numbers: bool | None = None,
    ) -> tuple[Effect, Effect]:
        """Return the effects of two creates that were given the same id, and report it.

        The campaign is read. A create is APPLIED if the campaign is equal to it alone, else UNKNOWN.

        Args:
            campaign_id: The id.
            mine: The campaign of the later create.
            other: The campaign of the earlier create; None if the ledger alone may know it.
            ignore_invalid_phone_numbers: As sent with both creates.
        """
        drops, ledger = ignore_invalid_phone_numbers is True, self._ledger
        fields, earlier = fields_of(mine, drops_invalid=drops), ledger.given.get(normalize_id(campaign_id), (None,))
        if other is None:
            ledger.give(campaign_id, fields)
        else:
            earlier = (fields_of(other, drops_invalid=drops),)
        campaign = await self.read_back(campaign_id)
        fits = find_possible_makers((fields, *earlier), campaign)
        is_settled = sum(fits) == 1
        is_other = is_settled and not fits[0] and None not in earlier
        return self._report_duplicate(campaign_id, is_later=is_settled and fits[0], is_earlier=is_other)

    async def read_back(self, campaign_id: str) -> Campaign | None:
        """Return a campaign; None if it cannot be read."""
        try:
            return await self.read(campaign_id)
        except CampaignsError:
            return None

    async def read(self, campaign_id: str) -> Campaign:
        """Return a campaign."""
        return await self._reader.run(build_get(campaign_id), partial(read_campaign, campaign_id=campaign_id))

    async def is_gone(self, campaign_id: str) -> bool:
        """Return True if the API itself says that there is no campaign with this id."""
        try:
            await self.read(campaign_id)
        except NotFoundError as error:
            return is_own_form(error.body_form)
        except CampaignsError:
            pass
        return False

    def _report_duplicate(self, campaign_id: str, *, is_later: bool, is_earlier: bool) -> tuple[Effect, Effect]:
        """Report which of two creates certainly made a campaign; return the effects of the later and the earlier one."""
        later, earlier = (Effect.APPLIED if each else Effect.UNKNOWN for each in (is_later, is_earlier))
        words = ("certain" if each else "unknown" for each in (is_later, is_earlier))
        _log.error(
            "the server gave the id %s to two creates: the later one is %s, the earlier one is %s", campaign_id, *words
        )
        if self._caller.pool.instrumentation is not None:
            self._caller.pool.instrumentation.report_duplicate(campaign_id, later, earlier)
        return later, earlier

    async def create_reconciled(
        self,
        new: NewCampaign,
        ignore_invalid: bool | None,
        request: CreateRequest,
        read: Callable[[Response], str] = read_created_id,
    ) -> str:
        """Send a create. While its outcome is unknown, look for it, and send it again only if it is absent.

        Raises:
            InvalidArgumentError: If the field of `ReconcilePolicy.marker` is in use. Nothing was sent.
        """
        token = None
        if self._policy.marker is not None:
            from campaigns_async._reconcile.markers import mark  # noqa: PLC0415  # few programs mark

            token = f"{self._caller.pool.random.getrandbits(64):016x}"
            new = mark(new, self._policy.marker, token)
            request = build_create(new, ignore_invalid)
        search = partial(self._create_and_search, new, token, ignore_invalid, request, read)
        record = CURRENT.get()
        return await (search() if record is None else record.run(request.operation, search))

    async def _create_and_search(
        self,
        new: NewCampaign,
        token: str | None,
        ignore_invalid: bool | None,
        request: CreateRequest,
        read: Callable[[Response], str],
    ) -> str:
        # All that a search needs is imported before the create is sent: an ImportError in the middle of the search
        # (EMFILE) would replace the OutcomeUnknownError.
        from campaigns_async._reconcile import reconciler  # noqa: PLC0415  # few programs search
        from campaigns_async._reconcile.matching import Absent, Found, SearchTarget  # noqa: PLC0415  # likewise
        from campaigns_async._reconcile.search_reader import SearchReader  # noqa: PLC0415  # likewise

        self.listings.load()
        pool, ledger, policy = self._caller.pool, self._ledger, self._policy
        clock = pool.clock
        now, owner, attempts, known_before, sent = clock.now(), object(), 0, -1, 0.0

        def begin() -> None:
            nonlocal known_before, sent
            sent = clock.monotonic()
            if known_before < 0:  # a campaign that appears after the first attempt may be the create's
                known_before = ledger.seen.snapshot()

        while True:
            try:
                return await self.create(request, read, begin, owner)
            except (OutcomeUnknownError, DecodeError) as unknown:
                error = unknown
            error.attempts = attempts = attempts + error.attempts
            settled_at = reconciler.settling_end(policy, self._caller.timeouts.read, sent=sent, ended=clock.monotonic())
            verdict = await self._search(
                reconciler.Reconciler(
                    SearchReader(self.listings, policy, clock, self.read, self._list_newest),
                    ledger,
                    partial(self._exclude_claimed, new, request.drops_invalid),
                    quota=pool.quota,
                    serves_caller=True,
                ),
                SearchTarget(new, ignore_invalid, now, settled_at, known_before, owner=owner, token=token),
                unknown_since=clock.monotonic(),
            )
            if isinstance(verdict, Found):
                return verdict.campaign_id
            if not isinstance(verdict, Absent):
                raise _with_verdict(error, verdict)
            if error.effect is Effect.APPLIED:
                ledger.leave_unknown(new)
                raise error
            if attempts >= self._caller.retry.attempts or not pool.quota.acquire():
                ledger.leave_unknown(new)  # it may be carried out yet, and a later create must not take it for its own
                error.message += (
                    ". The campaign is not on the server; no attempt, or no retry quota, is left to send it again"
                )
                raise error

    async def _exclude_claimed(
        self, new: NewCampaign, drops_invalid: bool, campaigns: Collection[Campaign]
    ) -> Collection[str]:
        mine = fields_of(new, drops_invalid=drops_invalid)  # here: in a traceback, the fields would show texts
        return {each.id for each in campaigns if self._ledger.is_claimed(each, mine)}

    async def _list_newest(self) -> Collection[str]:
        return self._ledger.newest(CANARIES)

    async def _search(self, reconciler: Reconciler, target: SearchTarget, unknown_since: float) -> Verdict:
        pool = self._caller.pool
        try:
            (verdict,) = (await reconciler.run({0: target})).values()
        except asyncio.CancelledError as stop:
            note_effect(stop, Effect.UNKNOWN)  # of the create, not of the requests that read lists
            raise
        except Exception as error:  # whatever it is, it must not replace the OutcomeUnknownError
            _log.warning("the search for a create whose outcome is unknown broke off: %s", type(error).__name__)
            (verdict,) = reconciler.confirmed_verdicts.values()
        if pool.instrumentation is not None:
            pool.instrumentation.report_reconciliation(
                verdict.word, reconciler.reader.looks, pool.clock.monotonic() - unknown_since
            )
        return verdict


def _with_verdict(error: OutcomeUnknownError | DecodeError, verdict: Unknown) -> CampaignsError:
    """Return the error with the outcome of a search that could not prove what the create did."""
    candidates = verdict.candidates
    if not candidates:
        if verdict.reason is not None:
            error.message += f". The campaign was looked for: {verdict.reason}"
        return error
    count = "1 campaign" if len(candidates) == 1 else f"{len(candidates)} campaigns"
    message = f"{error.message}. {count} on the server may be this one: see .candidates"
    if isinstance(error, OutcomeUnknownError):
        error.candidates, error.message = candidates, message
        return error
    # It was carried out; which campaign it made is unknown.
    unknown = OutcomeUnknownError(message, cause_type=DecodeError)
    unknown.candidates, unknown.__cause__ = candidates, error
    unknown.copy_response(error)
    return unknown.attach(
        method=error.method or "",
        path=error.path or "",
        attempts=error.attempts,
        elapsed=error.elapsed,
        effect=error.effect,
    )
