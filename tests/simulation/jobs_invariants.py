"""The invariants of a job, at each moment of its life and at its end."""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

from campaigns_async._http import codec
from campaigns_async._http.response import Response
from campaigns_async.effects import State
from campaigns_async.jobs import JournalError, JournalRow, Mark, PreflightError
from simulation.foreign import Foreign
from simulation.jobs_journal import JournalOnDisk
from simulation.jobs_script import JobScript
from simulation.jobs_server import JobServer
from simulation.people import INVALID
from simulation.server import Sent
from simulation.tokens import strip_tokens

if TYPE_CHECKING:
    from simulation.jobs_life import Life

_NO_FAULT_OF_THE_ROW = (401, 404, 405, 408, 429)
"""Statuses that say nothing about the campaign."""
_BODIES: dict[bytes, bytes] = {}


def sameness(body: bytes) -> bytes:
    """Return the body without its token and with its names in order, which equal campaigns have in common."""
    if body not in _BODIES:
        if len(_BODIES) > 10_000:
            _BODIES.clear()
        _BODIES[body] = msgspec.json.encode(msgspec.json.decode(strip_tokens(body)), order="sorted")
    return _BODIES[body]


class Watch:
    """The checks during one life."""

    def __init__(
        self,
        script: JobScript,
        journal: JournalOnDisk,
        server: JobServer,
        *,
        distrusts: bool = False,
        elsewhere: bool = False,
        verifies: bool = False,
    ) -> None:
        self._elsewhere = elsewhere
        self._verifies = verifies
        self.lock_lost_at = math.inf
        self._distrusts = distrusts
        self._script = script
        self._journal = journal
        self._server = server
        self._inherited = {row.row_id: row.attempts for row in journal.rows.values() if row.state is State.SENDING}
        self._rows_before: Mapping[int, JournalRow] = journal.rows
        self._departed: Counter[bytes] = Counter()
        self._claims_after_stop: int | None = None
        self._complaint: AssertionError | None = None

    def look(self, check: Callable[[], object]) -> None:
        """Check, and keep what does not hold: what is raised here would go through the code that is watched."""
        try:
            check()
        except AssertionError as error:
            self._complaint = self._complaint or error

    def complain(self) -> None:
        """Say what did not hold first.

        Raises:
            AssertionError: Something did not.
        """
        if self._complaint is not None:
            raise self._complaint

    def note_stop(self) -> None:
        """Note a stop: the write in progress may claim rows, and no later one."""
        self._claims_after_stop = 0

    def sending_here(self) -> list[JournalRow]:
        """Return the rows that are *sending* and that this life has claimed."""
        return [
            row
            for row in self._journal.rows.values()
            if row.state is State.SENDING and self._inherited.get(row.row_id) != row.attempts
        ]

    def check_write(self) -> None:
        """Check the journal after a write."""
        rows = self._journal.rows
        if self._elsewhere:
            assert _find_sent(self._rows_before) <= _find_sent(rows), (
                "what may be on another account was looked for here"
            )
            return
        sending = len(self.sending_here())
        most = self._script.most_sending
        assert sending <= most, f"{sending} rows are sending, though {most} are the most"
        if self._claims_after_stop is not None:
            before = self._rows_before
            begun = any(row.attempts > before[row_id].attempts for row_id, row in rows.items() if row_id in before)
            self._claims_after_stop += begun
            assert self._claims_after_stop <= 1, "rows were claimed after the stop"
        self._check_failed(rows)
        self._rows_before = rows
        self._check_ids()
        self.check_no_duplicates()

    def _check_failed(self, rows: Mapping[int, JournalRow]) -> None:
        """Check that each row that has failed since the last write was refused for what it is."""
        before = self._rows_before
        for row_id, row in rows.items():
            if row.state is State.FAILED and (row_id not in before or before[row_id].state is not State.FAILED):
                sent = [one for one in self._server.sent if one.request.body]
                own = [one for one in sent if row.key in self._keys(sameness(one.request.body or b""))]
                assert any(map(_was_refused, own)), f"{row.key} failed, and nothing had refused it"

    def check_departure(self, sent: Sent) -> None:
        """Check a create that is about to leave."""
        assert not self._elsewhere, "a row was sent to another account"
        assert sent.began <= self.lock_lost_at, "a row was sent though the lock file is lost"
        if self._verifies:
            self._check_first(sent)
        content = sameness(sent.request.body or b"")
        self._departed[content] += 1
        sending = [row for row in self.sending_here() if row.key in self._keys(content)]
        under_way = sum(
            sameness(one.request.body or b"") == content and one.departed is not None and not one.ended
            for one in self._server.sent
            if one.request.body
        )
        assert under_way <= len(sending), f"a request left, and the journal calls {len(sending)} rows sending"
        self.check_no_duplicates()

    def _check_first(self, sent: Sent) -> None:
        """Check that one row goes at a time, and is read back, until a campaign of this run was read."""
        earlier = [one for one in self._server.sent if one is not sent]
        creates = [one for one in earlier if one.request.body]
        made = {act.campaign_id for acts in self._server.acts.values() for act in acts}
        ids = made | {_read_id(one) for one in creates}
        reads = [one for one in earlier if one.ended and _last_part(one) in ids]
        if any(one.result is not None and one.result.status == 200 for one in reads):
            return
        assert all(one.ended for one in creates), "a row left beside the first"
        unread = {_read_id(one) for one in creates if one.got_its_own_reply} - {None} - set(map(_last_part, reads))
        assert not unread, f"a row left, and {unread} was not read back"

    def check_no_duplicates(self) -> None:
        """Check that what the server has, and what will reach it yet, is never more than there are rows of it that may have been
        sent: a row that is planned, or failed, has nothing there. So none is sent twice, and nothing is sent again
        without a proof.
        """
        there = Counter(sameness(made.body) for made in self._server.made)
        there.update(map(sameness, self._server.still_coming()))
        for content, number in there.items():
            keys = self._keys(content)
            may = [row for row in self._of(keys) if row.state not in {State.PLANNED, State.FAILED}]
            assert number <= len(keys), f"{number} on the server for {sorted(keys)}"
            assert self._distrusts or number <= len(may), f"{number} on the server for {_describe(self._of(keys))}"

    def _check_ids(self) -> None:
        made = {one.campaign_id: one for one in self._server.made}
        taken: Counter[str] = Counter()
        for row in self._journal.rows.values():
            if row.state is not State.CREATED:
                assert row.campaign_id is None
                continue
            assert row.campaign_id is not None
            taken[row.campaign_id] += 1
            assert row.campaign_id in made, f"{row.key} took {row.campaign_id}, which is no campaign"
            body = made[row.campaign_id].body
            assert row.key in self._keys(sameness(body)), f"{row.key} took another row's"
        assert all(times == 1 for times in taken.values()), f"one campaign is two rows': {taken}"

    def _keys(self, content: bytes) -> frozenset[str]:
        return _keys_of(self._script)[content]

    def _of(self, keys: Iterable[str]) -> list[JournalRow]:
        return [row for row in self._journal.rows.values() if row.key in keys]

    def check_end(self, life: Life) -> None:
        """Check a life that has ended by itself or was stopped."""
        if self._elsewhere:
            stopped = life.error or life.stopped_at or (life.summary and life.summary.stopped)
            assert stopped, "a run for another account went on"
            return
        self.check_no_duplicates()
        self._check_ids()
        states, error, summary = life.states, life.error, life.summary
        if error is not None:
            if isinstance(error, PreflightError):  # the server refused the list
                assert self._script.preflight, f"nothing was to be compared: {error}"
                assert not self._departed, "the plan could not be compared, and rows were sent"
                return
            if isinstance(error, JournalError) and self.lock_lost_at < math.inf:
                return
            assert isinstance(error, asyncio.CancelledError), f"ended with {error!r}"
            self._after_a_cancel()
            return
        assert summary is not None
        reported = {State[name.upper()]: getattr(summary, name) for name in ("planned", "sending", "created", "failed")}
        assert reported | {State.UNKNOWN: summary.unknown} == states, f"{summary}, but the journal says {states}"
        assert not self.sending_here(), f"left sending, though it ended in peace: {_describe(self.sending_here())}"
        nobody = life.stopped_at is None
        assert not (nobody and summary.stopped == "interrupted"), "it gave up, and says that it was interrupted"
        if summary.stopped is None:
            assert not states[State.PLANNED], f"left planned, and nothing said: {_describe(life.journal.rows.values())}"
            assert not (self._script.reconcile and states[State.SENDING]), f"not looked for: {states}"
            assert life.stopped_at is None or not states[State.PLANNED]
        every = len(self._script.rows)
        assert not summary.ok or states[State.CREATED] == every, f"all is well, with {every} rows, and {states}"
        unknown = states[State.SENDING] + states[State.UNKNOWN]
        assert len(summary.unknown_rows) == unknown, "an unknown row is not reported"

    def _after_a_cancel(self) -> None:
        """Check that each row that stays *sending* may have left."""
        left = Counter(self._departed)
        for row in self.sending_here():
            content = next(one for one, keys in _keys_of(self._script).items() if row.key in keys)
            assert left[content], f"{row.key} is sending, and no request of it has left"
            left[content] -= 1


def _find_sent(rows: Mapping[int, JournalRow]) -> set[tuple[int, State]]:
    """Return the states of the rows that may be on the server."""
    return {(row_id, row.state) for row_id, row in rows.items() if row.state not in {State.PLANNED, State.FAILED}}


def _read_id(sent: Sent) -> str | None:
    """Return the id that a 201 to a create names."""
    if not isinstance(sent.result, Response) or sent.result.status != 201:
        return None
    return sent.result.body.decode().strip('"')


def _last_part(sent: Sent) -> str:
    """Return the id in the path of a request for a campaign."""
    return sent.request.path.rpartition("/")[2]


def _was_refused(sent: Sent) -> bool:
    """Return True if a response says that this campaign can never be created."""
    status = None if sent.result is None else sent.result.status
    return status is not None and 400 <= status < 500 and status not in _NO_FAULT_OF_THE_ROW


def _keys_of(script: JobScript) -> Mapping[bytes, frozenset[str]]:
    if script.seed not in _KEYS:
        _KEYS.clear()
        groups: dict[bytes, set[str]] = {}
        for key, new in script.rows:
            groups.setdefault(sameness(codec.encode_model(new)), set()).add(key)
        _KEYS[script.seed] = {content: frozenset(keys) for content, keys in groups.items()}
    return _KEYS[script.seed]


_KEYS: dict[int, Mapping[bytes, frozenset[str]]] = {}


def _describe(rows: Iterable[JournalRow]) -> str:
    return ", ".join(f"{row.key} {row.state.name}" for row in rows)


def check_last(life: Life) -> None:
    """Check that each row is on the server exactly once, after calm runs until nothing changed.

    But for what may rightly stay unknown for ever: where nothing is looked for, or the server alters what it is given; a
    row to half of whose people others made a campaign, which is one of its candidates, and which was made after the row's
    first attempt, or like the row before it (such a row is held), or before an older copy of the journal was put back; and
    a row whose payload an earlier run had dropped when its id was given to another row.
    """
    script, made = life.script, Counter[bytes]()
    made.update(sameness(one.body) for one in life.server.made)
    rows = {row.key: row for row in life.journal.rows.values()}
    assert len(rows) == len(script.rows)
    for content, keys in _keys_of(script).items():
        states = Counter(rows[key].state for key in keys)
        names = _describe(rows[key] for key in keys)
        unknown_count = states[State.SENDING] + states[State.UNKNOWN]
        assert not states[State.PLANNED], f"never sent: {names}"
        assert not states[State.FAILED] or INVALID in content.decode(), f"failed: {names}"
        if not unknown_count:
            assert made[content] == states[State.CREATED], f"{made[content]} on the server for {names}"
        elif script.reconcile and script.is_plain:
            unknown = [rows[key] for key in keys if rows[key].state in (State.SENDING, State.UNKNOWN)]
            assert all(_was_revoked(row) or _is_shadowed(row, content, life) for row in unknown), (
                f"unknown, though no campaign of others can be it, with {made[content]} on the server: {names}"
            )


def _is_shadowed(row: JournalRow, content: bytes, life: Life) -> bool:
    """Return True if a candidate of the row is a foreign campaign to half of its people for which it may stay unknown."""
    new = msgspec.json.decode(content)
    people, first = frozenset(one["phoneNumber"] for one in new["contacts"]), _find_first(content, life)
    candidates = {each.campaign_id for each in row.candidates}

    def is_like(foreign: Foreign) -> bool:
        start, ours = (datetime.fromisoformat(each["startDateTime"]) for each in (foreign.wire, new))
        return abs((start - ours).total_seconds()) <= 1 and foreign.wire["message"] == new["message"]

    theirs = [foreign for foreign in life.script.around.foreign if foreign.campaign_id in candidates]
    if row.mark is Mark.HELD:  # by all that are like it together
        shared = people.intersection({number for foreign in theirs if is_like(foreign) for number in foreign.people})
        return 2 * len(shared) >= len(people)
    return any(
        2 * len(people.intersection(foreign.people)) >= len(people) and (was_put_back(row) or foreign.appears > first)
        for foreign in theirs
    )


def was_put_back(row: JournalRow) -> bool:
    """Return True if a row was planned in an older copy of the journal: no run knows which campaigns are older than it."""
    return (row.reason or "").startswith("may have been sent after this copy")


def _find_first(content: bytes, life: Life) -> float:
    """Return the time at which the first request of this content left."""
    times = [at for body, at in life.server.first_left.items() if sameness(body) == content]
    return min(times, default=math.inf)


def _was_revoked(row: JournalRow) -> bool:
    """Whether it was created until its id was given to another row: an earlier run may have dropped its payload."""
    return row.reason is not None and row.reason.endswith("to this create and to another one")
