"""Deliberate faults, each of which breaks one guarantee and must be caught."""

from __future__ import annotations

from pathlib import Path

from attrs import frozen

import campaigns_async

PACKAGE = Path(campaigns_async.__file__).parent


@frozen
class Mutant:
    """A patch of one place of a module.

    Attributes:
        name: The guarantee that it breaks.
        test: The tests that catch it; None for the seeds of the simulation.
    """

    name: str
    module: str
    old: str
    new: str
    test: str | None = None

    @property
    def path(self) -> Path:
        """The path of the module, from the package."""
        return Path(f"{self.module.replace('.', '/')}.py")

    def source(self) -> str:
        """Return the module's source with the fault in it.

        Raises:
            AssertionError: If the text to replace is missing, or occurs more than once.
        """
        text = (PACKAGE / self.path).read_text()
        assert text.count(self.old) == 1, f"{self.name}: {self.old!r} is {text.count(self.old)} times in {self.path}"
        return text.replace(self.old, self.new)


_POSSIBLE = "Match.POSSIBLE if differences else Match.CERTAIN"
_SAFE = "belief.effect in _NOTHING_DONE or not is_non_idempotent(operation)"
_ABSENCE = "simulation/test_absence.py"
_SEARCH = "_reconcile/test_reconciler.py"
_SCENES = "simulation/test_scenes.py"
_CLIENT_SEARCH = "client/test_reconcile.py"
_SHIFTS = "_listing/test_shifts_over_http.py"
_WALKS = "_listing/test_walks_over_http.py"

MUTANTS = (
    # What is sent again
    Mutant("a create of unknown outcome is sent again", "effects", _SAFE, "True"),
    Mutant("a drop counts as not sent", "effects", "Met.NO_RESPONSE if sent else", ""),
    Mutant(
        "a 5xx counts as rejected",
        "effects",
        "range(500, 1000), None, Effect.UNKNOWN",
        "range(500, 1000), None, Effect.REJECTED",
    ),
    Mutant("a 503 counts as rejected", "effects", "(307, 308), None, ", "(307, 308, 503), None, "),
    Mutant("a 303 counts as rejected", "effects", "(307, 308), None, ", "(301, 302, 303, 307, 308), None, "),
    Mutant(
        "a success that comes before the request is believed",
        "_http.aiohttp_transport",
        "if self.marker.sent and not is_too_early:",
        "if self.marker.sent:",
        test="client/test_unproven_responses.py",
    ),
    Mutant(
        "a piece of a bare id is an id",
        "_http.response",
        "find_documented_id(body) if has_end(response) else None",
        "find_documented_id(body)",
        test="client/test_unproven_responses.py",
    ),
    Mutant(
        "a piece of a page of HTML proves a create",
        "_http.body_forms",
        'if part.startswith(b"<") or _is_html(headers):',
        "if not headers:",
        test="_http/test_response.py",
    ),
    Mutant(
        "a part of a page is a page",
        "_http.response",
        "    if response.status != 200:\n        raise",
        "    if response.status == 0:\n        raise",
        test="_http/test_response.py",
    ),
    Mutant(
        "a 201 without a body is sent again",
        "_engine.caller",
        "        effect = outcome.effect\n",
        "        if status == 201 and not result.body:\n"
        "            outcome = call.outcome = AttemptOutcome(Effect.UNKNOWN, retryable=True)\n"
        "        effect = outcome.effect\n",
    ),
    Mutant(
        "a run goes on though creates are redirected",
        "effects",
        "range(300, 400), State.UNKNOWN, RunAction.STOP",
        "range(300, 400), State.UNKNOWN, RunAction.CONTINUE",
        test="jobs/test_outcomes.py",
    ),
    # What a response proves
    Mutant(
        "any success with an id proves that the create was carried out",
        "effects",
        "_SUCCESSES, _IDS, Effect.UNKNOWN, read_back=True",
        "_SUCCESSES, _IDS, Effect.APPLIED",
    ),
    Mutant(
        "a maintenance page proves that the create was carried out",
        "effects",
        "((Action.CREATE,), _SUCCESSES, None, Effect.UNKNOWN)",
        "((Action.CREATE,), _SUCCESSES, None, Effect.APPLIED)",
    ),
    Mutant(
        "a 201 that was cut short proves nothing",
        "effects",
        "(201,), (BodyForm.EMPTY, BodyForm.CUT), Effect.APPLIED",
        "(201,), (BodyForm.EMPTY,), Effect.APPLIED",
    ),
    Mutant(
        "an empty 201 proves nothing",
        "effects",
        "(201,), (BodyForm.EMPTY, BodyForm.CUT), Effect.APPLIED",
        "(201,), (BodyForm.CUT,), Effect.APPLIED",
    ),
    Mutant(
        "a firewall's 403 counts as rejected",
        "effects",
        "(None, range(400, 500), None, Effect.UNKNOWN)",
        "(None, range(400, 500), None, Effect.REJECTED)",
    ),
    Mutant(
        "a campaign that is read back need not be equal",
        "_reconcile.ledger",
        "each is None or each[:-1] in equal",
        "True",
    ),
    Mutant(
        "a lower count tells two equal creates apart",
        "_reconcile.ledger",
        "each is None or each[:-1] in equal",
        "each is None or (bool(equal) and not find_differences(each, campaign))",
        test="client/test_unproven_responses.py",
    ),
    Mutant(
        "what was unproven is not read back",
        "_reconcile.creates",
        "is_proven = len(makers) == 1 and makers[0] is fields",
        "is_proven = True",
    ),
    Mutant(
        "an id that another create was given is believed",
        "_reconcile.creates",
        "_GIVEN_ID if campaign_id is not None and normalize_id(campaign_id) in self._ledger.given else form",
        "form",
    ),
    Mutant(
        "an id that two creates were given belongs to the later one",
        "_reconcile.creates",
        "is_proven = len(makers) == 1 and makers[0] is fields",
        "is_proven = any(each is fields for each in makers)",
    ),
    Mutant(
        "any success to an update proves it",
        "effects",
        "(_CHANGES, _SUCCESSES, None, Effect.UNKNOWN, read_back=True)",
        "(_CHANGES, _SUCCESSES, None, Effect.APPLIED)",
    ),
    Mutant(
        "a proxy's 404 to a delete counts as rejected",
        "effects",
        "(_CHANGES, (404,), None, Effect.UNKNOWN, read_back=True)",
        "(_CHANGES, (404,), None, Effect.REJECTED)",
    ),
    Mutant(
        "an update that is read back need not be equal",
        "campaigns",
        "return campaign is not None and not find_differences(fields_of(changed), campaign)",
        "return campaign is not None",
    ),
    Mutant(
        "a campaign is gone by a proxy's 404",
        "_reconcile.creates",
        "            return is_own_form(error.body_form)",
        "            return True",
    ),
    Mutant(
        "another campaign is taken for the one that was asked for",
        "_http.response",
        "if campaign_id is None or normalize_id(found.id) == normalize_id(campaign_id):",
        "if True:",
    ),
    Mutant(
        "a connection is used again after a rejection",
        "_engine.caller",
        "            if not outcome.reusable:\n                pool.transport.discard(result)\n",
        "            if not outcome.reusable:\n                pool.transport.reuse(result)\n",
    ),
    Mutant(
        "a connection is neither used again nor closed",
        "_engine.caller",
        "            if not outcome.reusable:\n                pool.transport.discard(result)\n",
        "",
    ),
    Mutant(
        "a connection is used again after a 204",
        "effects",
        "    if (status == 201 and form is _ID",
        "    if status == 204 or (status == 201 and form is _ID",
    ),
    Mutant(
        "the date of Retry-After is compared with the client's clock",
        "_http.response_headers",
        'since = _read_date(response.headers.get("Date", "")) or now',
        "since = now",
    ),
    Mutant(
        "a certificate that is not trusted is tried again",
        "effects",
        "(None, (Met.MISCONFIGURED,), None, Effect.NOT_SENT)",
        "(None, (Met.MISCONFIGURED,), None, Effect.NOT_SENT, transient=True)",
    ),
    Mutant(
        "a server that reads nothing is waited for",
        "_http.aiohttp_transport",
        "            self._read_timeout.restart(loop.time())\n            await writer.write(",
        "            await writer.write(",
        test="client/test_slow_readers.py",
    ),
    Mutant("a new key is requested again and again", "_engine.caller", " or call.key_renewed", ""),
    Mutant(
        "a call that is cancelled cancels the fetch of the key for all",
        "_engine.credentials",
        "await asyncio.shield(self._fetching)",
        "await self._fetching",
        test="client/test_operations.py -k leaves_the_fetch",
    ),
    # What is reported
    Mutant(
        "a cancelled call is reported as not sent",
        "_engine.call",
        "_UNKNOWN if self.marker is not None and self.marker.sent else self.effect",
        "self.effect",
    ),
    Mutant(
        "the transport forgets to mark the first byte",
        "_http.aiohttp_transport",
        "        self.marker.mark()\n",
        "",
        test="client/test_creates.py client/test_repeats.py client/test_pool.py",
    ),
    Mutant(
        "a fan-out calls what was cancelled in flight not sent",
        "fanout",
        "            return _build_aborted(index, item, _effect_of(stop, record))",
        "            raise",
    ),
    Mutant(
        "a fan-out forgets what was cancelled before it began",
        "fanout",
        "self.ready.append(worker.result() if was_started else _build_aborted(index, item, Effect.NOT_SENT))",
        "self.ready.extend([worker.result()] if was_started else [])",
        test=f"{_SCENES} -k began",
    ),
    Mutant(
        "an item whose create was followed by a read has the read's effect",
        "fanout",
        "return (record.effect if record is not None else None) or effect_of(error)",
        "return effect_of(error)",
    ),
    Mutant(
        "a fan-out forgets what failed",
        "fanout",
        "            return Outcome(index, item, error=error",
        "            return Outcome(index, item, error=None",
    ),
    Mutant(
        "the end of an attempt that is cut off is not reported",
        "_engine.caller",
        "            self.pool.instrumentation.finish_attempt(call, None, failure, cut_off)",
        "            pass",
    ),
    Mutant(
        "an observer may set the key",
        "_http.request_headers",
        " or _RESERVED.match(name)",
        "",
        test="client/test_observer.py",
    ),
    Mutant(
        "a header of the observer may hold a line break",
        "_http.request_headers",
        " or not _VALUE.match(value)",
        "",
        test="client/test_observer.py",
    ),
    # Slots and queue
    Mutant(
        "a slot leaks when its owner is cancelled",
        "_engine.limiter",
        "                self.release(future.result())  #",
        "                pass  #",
    ),
    Mutant(
        "one slot too many",
        "_engine.limiter",
        "            if self.in_flight >= self.limit:",
        "            if self.in_flight > self.limit:",
    ),
    Mutant(
        "closing does not wake waiting calls", "_engine.limiter", "future.set_exception(_build_closed_error())", "pass"
    ),
    Mutant(
        "a slot that is given up wakes no waiting call",
        "_engine.limiter",
        "        if self._queue:\n            self._wake_waiters()\n        if not",
        "        if not",
    ),
    Mutant(
        "a deadline ends before responses that have arrived are read",
        "_http.deadlines",
        "_ITERATIONS = 3",
        "_ITERATIONS = 0",
        test="client/test_uvloop.py",
    ),
    Mutant(
        "the limiter asks its timer when it fires",
        "_engine.limiter",
        "self._timer_due <= when",
        "self._timer.when() <= when",
        test="client/test_uvloop.py",
    ),
    Mutant(
        "the deadline comes late",
        "_http.deadlines",
        "deadline.task.cancel()",
        "loop.call_later(3.0, deadline.task.cancel)",
    ),
    Mutant(
        "the deadline does not end the wait for a slot",
        "_engine.limiter",
        "            return await future\n        except",
        "            while not future.done():\n"
        "                try:\n"
        "                    await asyncio.wait([future])\n"
        "                except asyncio.CancelledError:\n"
        "                    pass\n"
        "            return await future\n"
        "        except",
    ),
    # Holds, rate and quota
    Mutant(
        "a hold is not honoured",
        "_engine.caller",
        "                        pool.limiter.pause_for(call.retry_after)",
        "                        pass",
    ),
    Mutant(
        "a hold ends early", "_engine.limiter", "        until = now + seconds", "        until = now + seconds / 2"
    ),
    Mutant(
        "a shorter hold ends a longer one", "_engine.limiter", "max(self._not_before or now, until", "max(now, until"
    ),
    Mutant(
        "a hold ends in a stampede",
        "_engine.limiter",
        "        self._staggered = self.limit",
        "        self._staggered = 0",
    ),
    Mutant(
        "the window is off by one", "_engine.limiter", "self._reserved < self._most", "self._reserved <= self._most"
    ),
    Mutant(
        "a window of half a second",
        "_engine.limiter",
        "max(1.0, 1.0 / rate) + _MARGIN",
        "max(0.5, 1.0 / rate) + _MARGIN",
    ),
    Mutant(
        "the rate limiter ignores what is reserved",
        "_engine.limiter",
        "len(self._sent) + self._reserved",
        "len(self._sent)",
    ),
    Mutant("a burst at the start", "_engine.limiter", "self._gap = 1.0 / rate", "self._gap = 0.0"),
    Mutant(
        "the rate limiter does not learn what left",
        "_engine.limiter",
        "            slot.on_sent = self._confirm_sent\n",
        "            pass\n",
    ),
    Mutant(
        "the rate limiter waits for what never left",
        "_engine.limiter",
        "            self.rate.cancel()",
        "            pass",
    ),
    Mutant("a retry costs nothing", "_engine.retry", "        self.left -= RETRY_COST", "        pass"),
    Mutant("the quota has no end", "_engine.retry", "            return False", "            return True"),
    Mutant(
        "a failure pays back",
        "_engine.retry",
        "        self.left -= RETRY_COST",
        "        self.left -= 1",
        test=f"{_SCENES} -k outage",
    ),
    # The search for unknown creates
    Mutant(
        "a token decides nothing",
        "_reconcile.assignment",
        "if marked := {self._by_token[token] for token in candidate.tokens & self._by_token.keys()}:",
        "if marked := set():",
    ),
    Mutant(
        "another campaign outweighs the token",
        "_reconcile.assignment",
        "for index in matches.keys() - marked:",
        "for index in matches:",
        test="client/test_markers.py",
    ),
    Mutant(
        "one campaign is claimed by two",
        "_reconcile.reconciler",
        "                self.ledger.claim(verdict.campaign_id, owner=targets[key].owner, is_found=True)\n",
        "                pass\n",
    ),
    Mutant(
        "absence is believed after one search",
        "_reconcile.reconciler",
        "elif not any_absent or (before is not None and _find_ids(before) == _find_ids(verdicts)):",
        "elif True:",
        test=_SEARCH,
    ),
    Mutant(
        "one look at the settling time is enough, if an earlier one agrees",
        "_reconcile.reconciler",
        "                        before = None\n                    elif",
        "                        before = None if self._stalled else verdicts\n                    elif",
        test=f"{_CLIENT_SEARCH} -k first_look",
    ),
    Mutant(
        "contacts that may be listed later are not waited for",
        "_reconcile.reconciler",
        "is_partial = settled and partial",
        "is_partial = False and partial",
        test=_SEARCH,
    ),
    Mutant(
        "contacts that are never listed are waited for until the timeout",
        "_reconcile.reconciler",
        "and partial < _MOST_PARTIAL and",
        "and",
        test=_SEARCH,
    ),
    Mutant(
        "the settling time is ignored",
        "_reconcile.reconciler",
        "settled_at = max(target.settled_at for target in targets.values())",
        "settled_at = 0.0",
        test=_ABSENCE,
    ),
    Mutant(
        "a server acts within one read timeout",
        "_reconcile.reconciler",
        "max(sent + _READS * read, ended +",
        "max(sent, ended +",
        test=_ABSENCE,
    ),
    Mutant(
        "the settling time begins when a create is sent",
        "_reconcile.reconciler",
        "ended + (read if policy.settle is None else policy.settle))",
        "sent + (read if policy.settle is None else policy.settle))",
        test=_SEARCH,
    ),
    Mutant(
        "another sender excludes a campaign",
        "_reconcile.matching",
        _POSSIBLE,
        f'Match.NONE if "sender" in differences else {_POSSIBLE}',
        test=_ABSENCE,
    ),
    Mutant(
        "another start excludes a campaign",
        "_reconcile.matching",
        _POSSIBLE,
        f'Match.NONE if "startDateTime" in differences and campaign.start_date_time else {_POSSIBLE}',
        test=_ABSENCE,
    ),
    Mutant(
        "no start excludes a campaign",
        "_reconcile.matching",
        _POSSIBLE,
        f"Match.NONE if campaign.start_date_time is None else {_POSSIBLE}",
        test=_ABSENCE,
    ),
    Mutant(
        "another link excludes a campaign",
        "_reconcile.matching",
        _POSSIBLE,
        f'Match.NONE if "trackLinkUrl" in differences else {_POSSIBLE}',
        test=_ABSENCE,
    ),
    Mutant(
        "another text alone excludes a campaign",
        "_reconcile.matching",
        "if audience.is_clearly_other and campaign.message and",
        "if campaign.message and",
        test=_ABSENCE,
    ),
    Mutant(
        "other recipients alone exclude a campaign",
        "_reconcile.matching",
        "if audience.is_clearly_other and campaign.message and not resembles(target, campaign):",
        "if audience.is_clearly_other:",
        test=_ABSENCE,
    ),
    Mutant(
        "a text that is not shown is another text",
        "_reconcile.matching",
        " and campaign.message and not resembles(target, campaign):",
        " and not (campaign.message and resembles(target, campaign)):",
        test="_reconcile/test_matching.py",
    ),
    Mutant(
        "hidden numbers are strangers'",
        "_reconcile.recipients",
        "return 20 * zeros < len(keys) and all(_is_parsed(key) and is_complete(key) for key in keys)",
        "return True",
        test=_ABSENCE,
    ),
    Mutant(
        "numbers that end with zeros are strangers'",
        "_reconcile.recipients",
        "return 20 * zeros < len(keys) and ",
        "return ",
        test=_ABSENCE,
    ),
    Mutant(
        "recipients that are not all listed exclude a campaign",
        "_reconcile.recipients",
        "if not contacts or len(contacts) != recipient_count:",
        "if not contacts:",
        test="_reconcile/test_matching.py",
    ),
    Mutant(
        "a stranger excludes a campaign",
        "_reconcile.recipients",
        "if not ours and strangers > 0 and",
        "if strangers > 0 and",
        test=_ABSENCE,
    ),
    Mutant(
        "only campaigns around the start are listed",
        "_reconcile.search_reader",
        "for times in (starts, attempts)",
        "for times in (starts, starts)",
        test=_ABSENCE,
    ),
    Mutant(
        "campaigns without a start are not listed",
        "_reconcile.search_reader",
        "        rows += await self._walk_without_start()\n",
        "",
        test=_ABSENCE,
    ),
    Mutant(
        "each look has the URL of the one before",
        "_reconcile.search_reader",
        "minute, millisecond = divmod(int(now.timestamp() * 1000), 60_000)",
        "minute = millisecond = 0",
        test=_SEARCH,
    ),
    Mutant(
        "campaigns of creates that are unknown too are nobody's, however many there are",
        "_reconcile.reconciler",
        "            if len(ids) <= count and digest not in own:",
        "            if True:",
        test=_SEARCH,
    ),
    Mutant(
        "a campaign that may be the create's belongs to an equal one",
        "_reconcile.reconciler",
        " and digest not in own:",
        ":",
        test=_SEARCH,
    ),
    Mutant(
        "a list that ended early proves absence",
        "_reconcile.search_reader",
        '            raise PagingError("the list ended before all of its rows were read")',
        "            pass",
        test=_SEARCH,
    ),
    Mutant(
        "a canary that no list shows proves nothing",
        "_reconcile.search_reader",
        '                raise PagingError("the list lacks a campaign that is on the server")',
        "                pass",
        test=_SEARCH,
    ),
    Mutant(
        "a campaign that one of two searches found is absent",
        "_reconcile.reconciler",
        "            combined[key] = Unknown() if isinstance(before[key], Found) else before[key]",
        "            pass",
        test=_SEARCH,
    ),
    Mutant(
        "a campaign known before is taken",
        "_reconcile.reconciler",
        "Assignment(targets, self.ledger.seen.contains)",
        "Assignment(targets)",
    ),
    Mutant(
        "the known campaigns are those known when a create has failed",
        "_reconcile.creates",
        "settled_at, known_before, owner=owner, token",
        "settled_at, ledger.seen.snapshot(), owner=owner, token",
        test=f"{_CLIENT_SEARCH} -k in_flight",
    ),
    Mutant(
        "the known campaigns are those known before the latest attempt",
        "_reconcile.creates",
        "            if known_before < 0:  #",
        "            if True:  #",
        test=f"{_CLIENT_SEARCH} -k later_attempt",
    ),
    Mutant(
        "a duplicate in flight is ignored",
        "_reconcile.reconciler",
        "                    self.ledger.has_duplicate_in_flight(target.new)\n                    or self",
        "                    self",
        test=f"{_SCENES} -k in_flight",
    ),
    Mutant(
        "a duplicate that was left unknown is ignored",
        "_reconcile.reconciler",
        " or self.ledger.has_duplicate_unknown(target.new)",
        "",
        test=f"{_SCENES} -k readable_id",
    ),
    Mutant(
        "a campaign that another create has returned is taken",
        "_reconcile.ledger",
        "        return self._claimed.contains(campaign.id)\n",
        "        return False\n",
    ),
    Mutant(
        "one of two is taken",
        "_reconcile.assignment",
        "            if index in assigned and not left:",
        "            if index in assigned:",
        test="_reconcile",
    ),
    Mutant(
        "a create that was applied is sent again",
        "_reconcile.creates",
        "            if error.effect is Effect.APPLIED:",
        "            if False:",
        test=f"{_SCENES} -k never_sent_again",
    ),
    Mutant(
        "an unknown create is sent again",
        "_reconcile.creates",
        "            if not isinstance(verdict, Absent):\n",
        "            if False:\n",
    ),
    Mutant(
        "a create that is given up as absent is forgotten",
        "_reconcile.creates",
        "ledger.leave_unknown(new)  # it may be",
        "pass  # it may be",
        test="client/test_reconcile.py -k given_up",
    ),
    Mutant(
        "a list may come from a cache",
        "_engine.caller",
        "_NO_CACHE if self.proves else None",
        "None",
        test=_ABSENCE,
    ),
    Mutant(
        "a total ends a list whose last page is full",
        "_listing.window",
        "(is_last and count < size)",
        "is_last",
        test=_SHIFTS,
    ),
    Mutant(
        "the whole list of a server that refuses an order is no list",
        "_listing.window",
        "index == 1 and len(page.items) == page.total_records",
        "False",
        test=_ABSENCE,
    ),
    Mutant(
        "a list that refuses its order and has one full page has no end",
        "paging",
        "if is_repeated or (len(found.items)",
        "if (len(found.items)",
        test="_listing/test_shifts_over_http.py",
    ),
    Mutant(
        "a page that is the first one again refuses the order",
        "paging",
        " and len(found.items) == found.total_records\n",
        "\n",
        test="_listing/test_shifts_over_http.py",
    ),
    Mutant(
        "a server that refuses the order by start is not searched for what has no start",
        "_reconcile.search_reader",
        "            rows = await self.walk(everything)\n",
        "            rows = []\n",
        test=_ABSENCE,
    ),
    Mutant(
        "a deleted canary keeps creates unknown",
        "_reconcile.search_reader",
        "                continue  # it was deleted\n",
        '                raise PagingError("it was deleted") from None\n',
        test=_SEARCH,
    ),
    Mutant(
        "the timeout begins before the end of settling",
        "_reconcile.reconciler",
        "asyncio.timeout(settling + self.reader.policy.timeout)",
        "asyncio.timeout(self.reader.policy.timeout)",
        test=_ABSENCE,
    ),
    Mutant(
        "a campaign to most of ours is clearly another",
        "_reconcile.recipients",
        "or 2 * ours < len(",
        "or ours < len(",
        test="_reconcile",
    ),
    Mutant(
        "a server leaves out no invalid numbers",
        "_reconcile.recipients",
        "index.numbers if ignore_invalid is False else index.mobiles",
        "index.numbers",
        test="_reconcile",
    ),
    Mutant(
        "a campaign of another sender is found",
        "_reconcile.ledger",
        '"sender": campaign.sender == sender,',
        '"sender": True,',
        test="_reconcile",
    ),
    Mutant(
        "a campaign at another time is found",
        "_reconcile.ledger",
        '"startDateTime": theirs is not None and abs((to_utc(theirs) - to_utc(start)).total_seconds()) <= _SAME_TIME,',
        '"startDateTime": True,',
        test="_reconcile",
    ),
    Mutant(
        "another text to another audience keeps creates unknown",
        "_reconcile.matching",
        "        return Match.NONE\n",
        "        pass\n",
    ),
    # Outside the simulation
    Mutant(
        "paging does not go back",
        "_listing.window",
        "            self._start_resync(max(1, index - 1))  # this page",
        "            self._total = page.total_records  # this page",
        test="_listing/test_shifts.py",
    ),
    Mutant(
        "a resumed walk trusts a count that is as it was",
        "_listing.window",
        "        if self._ids(page.items) == [self._recent.newest]:",
        "        if page.total_records == self._total or self._ids(page.items) == [self._recent.newest]:",
        test=f"{_SHIFTS} -k trust",
    ),
    Mutant(
        "a resumed walk compares with the old count",
        "_listing.window",
        "            self._total = page.total_records  # the changes are after",
        "            pass  # the changes are after",
        test=f"{_SHIFTS} -k compares",
    ),
    Mutant(
        "a resumed walk has ended where the old count ended",
        "_listing.window",
        "        self._ended = False\n",
        "        self._ended = start.total is not None and start.rows >= start.total\n",
        test=f"{_SHIFTS} -k appended",
    ),
    Mutant(
        "resuming within a page checks one id only",
        "_listing.window",
        "before[-len(tail) :] == tail[-len(before) :]",
        "before[-1:] == tail[-1:]",
        test=f"{_SHIFTS} -k moved_past",
    ),
    Mutant(
        "a page is never suspected of a shift",
        "_listing.window",
        "        if self._recent.is_disjoint(unique):",
        "        if True:",
        test=f"{_SHIFTS} -k suspected",
    ),
    Mutant(
        "a prefetched page is never suspected of being older than a shift",
        "_listing.prefetch",
        "fresh=not (self._ahead or self._was_prefetched)",
        "fresh=True",
        test=f"{_SHIFTS} -k prefetched",
    ),
    Mutant(
        "pages in flight together are not compared",
        "_listing.prefetch",
        "                self._window.observe(other.task.result())",
        "                pass",
        test=f"{_WALKS} -k together",
    ),
    Mutant(
        "pages in flight together are compared before all have come",
        "_listing.prefetch",
        "            await asyncio.wait(concurrent)",
        "            pass",
        test=f"{_WALKS} -k together",
    ),
    Mutant(
        "pages that overlap in the search for the place are not compared",
        "_listing.window",
        "        if len(resync.pages) > 1 and len(set(ids)) < len(ids):",
        "        if False:",
        test=f"{_SHIFTS} -k overlap",
    ),
    Mutant(
        "rows in front are left out though all ids are remembered",
        "_listing.window",
        "        if self._handed_out.complete:\n",
        "        if True:\n            return [at for at in new if at >= skip]\n        if self._handed_out.complete:\n",
        test=_SHIFTS,
    ),
    Mutant(
        "rows in front are left out where not all ids are remembered",
        "_listing.window",
        '            raise self._shift_error("a row has moved, and not all ids since the start are remembered")\n',
        "            pass\n",
        test=_SHIFTS,
    ),
    Mutant(
        "an export in an order that can change is called whole",
        "export._exports",
        'order_can_change=not all(is_by_id(order) for name, order in identity.items() if name.endswith("sorts")),',
        "order_can_change=False,",
        test="export/test_exporting.py",
    ),
)
