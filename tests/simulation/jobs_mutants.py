"""Faults made on purpose in durable sends: each may lose a row, or send one twice, and must not survive."""

from __future__ import annotations

from simulation.mutants import Mutant

_OWN = "simulation/test_jobs_simulation.py"
_JOB = "jobs/test_job.py"

JOB_MUTANTS = (
    # What is in the journal, and when
    Mutant(
        "a row is sent before it is in the journal",
        "jobs._sqlite",
        "        try:\n            await wait_until_done([work])\n",
        "        return self._file.find_planned(claim) if claim else []\n"
        "        try:\n            await wait_until_done([work])\n",
    ),
    Mutant(
        "more rows are claimed than there is room for",
        "jobs._sender",
        "room = min(self.group, self.concurrency + self.group - sending)",
        "room = 2 * self.group",
    ),
    Mutant(
        "an outcome that comes during a write is lost",
        "jobs._sender",
        "self._outcomes = self._outcomes[len(outcomes) :]",
        "self._outcomes = []",
    ),
    Mutant(
        "the rows that a stop puts back are lost",
        "jobs._sender",
        "            else:\n                self._outcomes.append(Transition(row.row_id, State.PLANNED))",
        "            else:\n                self._sending -= 1",
    ),
    Mutant(
        "what was claimed during a stop is left",
        "jobs._sender",
        "            self._outcomes.extend(Transition(row.row_id, State.PLANNED) for row in claimed)",
        "            self._sending -= len(claimed)",
    ),
    Mutant(
        "what was claimed during a stop is sent",
        "jobs._sender",
        "        if self._stopping or self.backoff.pace is Pace.PAUSED:  # since the commit began\n",
        "        if False:\n",
        test="jobs/test_sender.py",
    ),
    Mutant(
        "a stop claims more",
        "jobs._sender",
        "        if self._stopping or self._exhausted:\n",
        "        if self._exhausted:\n",
    ),
    Mutant(
        "a cut that was never sent is left as sending",
        "jobs._sender",
        "if effect_of(error) in {Effect.NOT_SENT, Effect.REJECTED}:",
        "if False:",
    ),
    Mutant(
        "a cut is planned again",
        "jobs._sender",
        "if effect_of(error) in {Effect.NOT_SENT, Effect.REJECTED}:",
        "if True:",
    ),
    Mutant(
        "what was put back is forgotten by the run",
        "jobs._sqlite",
        "            self._claimed_up_to = min(self._claimed_up_to, min(requeued) - 1)",
        "            pass",
    ),
    Mutant(
        "a run that has claimed all takes no notice of what was put back",
        "jobs._sender",
        "            self._exhausted = False\n",
        "            pass\n",
    ),
    Mutant(
        "a claimed row is handed out once more",
        "jobs._sqlite",
        "WHERE id > ? AND +state = 0 AND payload IS NOT NULL",
        "WHERE id >= ? AND +state IN (0, 1) AND payload IS NOT NULL",
    ),
    Mutant(
        "payloads of rows that are sending are dropped",
        "jobs._retention",
        '"AND (SELECT state FROM rows WHERE id = row_id) IN (2, 3)",',
        '"AND (SELECT state FROM rows WHERE id = row_id) IN (1, 2, 3)",',
    ),
    Mutant(
        "eight rows go first to a server that was down",
        "jobs._sender",
        "0 if self._is_verifying else 1 - sending",
        "0 if self._is_verifying else 8 - sending",
        test=f"{_JOB} -k one_row_goes_first",
    ),
    # What an error means
    Mutant(
        "an unknown row is planned again",
        "effects",
        "(Effect.UNKNOWN, None, State.UNKNOWN,",
        "(Effect.UNKNOWN, None, State.PLANNED,",
    ),
    Mutant(
        "an unknown row counts as failed",
        "effects",
        "(Effect.UNKNOWN, None, State.UNKNOWN,",
        "(Effect.UNKNOWN, None, State.FAILED,",
    ),
    Mutant(
        "an unreadable id counts as failed",
        "effects",
        "(Effect.APPLIED, None, State.UNKNOWN,",
        "(Effect.APPLIED, None, State.FAILED,",
    ),
    Mutant(
        "a throttled row counts as failed",
        "effects",
        "(408, 429), State.PLANNED, RunAction.BACK_OFF",
        "(408, 429), State.FAILED, RunAction.CONTINUE",
    ),
    Mutant(
        "a campaign known before the run is not that of a row whose id was given twice",
        "jobs._recovery",
        "known_before if row.attempts == 1 and row.row_id not in revoked else 0",
        "known_before if row.attempts == 1 else 0",
    ),
    Mutant(
        "the ids that the journal holds are not compared",
        "jobs._sqlite",
        "        if duplicates := self._find_duplicates(transitions):\n",
        "        if duplicates := self._find_duplicates(()):\n",
    ),
    Mutant(
        "a campaign that is like two rows belongs to the later one",
        "_reconcile.creates",
        "is_mine, is_other = fits == [True, False], ",
        "is_mine, is_other = fits[0], ",
    ),
    # What a run does in an outage
    Mutant(
        "a 503 is no outage",
        "effects",
        "(503,), State.UNKNOWN, RunAction.BACK_OFF",
        "(503,), State.UNKNOWN, RunAction.CONTINUE",
    ),
    Mutant(
        "another service's page is no outage",
        "effects",
        "_SUCCESSES, State.UNKNOWN, RunAction.BACK_OFF",
        "_SUCCESSES, State.UNKNOWN, RunAction.CONTINUE",
    ),
    Mutant(
        "a redirect does not stop a run",
        "effects",
        "range(300, 400), State.UNKNOWN, RunAction.STOP",
        "range(300, 400), State.UNKNOWN, RunAction.CONTINUE",
    ),
    Mutant(
        "a firewall does not stop a run",
        "effects",
        "_OTHER_4XX, State.UNKNOWN, RunAction.STOP",
        "_OTHER_4XX, State.UNKNOWN, RunAction.CONTINUE",
    ),
    Mutant(
        "an untrusted certificate does not stop a run",
        "effects",
        "NOT_SENT, (Cause.CLIENT, Cause.MISCONFIGURED)",
        "NOT_SENT, (Cause.CLIENT,)",
    ),
    Mutant(
        "an outage is probed with rows",
        "jobs._backpressure",
        "return Pace.PROBE if self._needs_probe and not self._is_probed else Pace.ONE_ROW",
        "return Pace.ONE_ROW",
    ),
    Mutant(
        "many rows go first after an outage",
        "jobs._sender",
        "            room = min(room, 0 if self._is_verifying else 1 - sending)\n",
        "            pass\n",
    ),
    Mutant(
        "a probe ends an outage",
        "jobs._backpressure",
        "        self._is_probed = self.clock() >= self._until",
        "        self.record_response()",
    ),
    Mutant(
        "rows that wait for their turn are sent into an outage",
        "jobs._sender",
        "if self.backoff.is_active or self.stopped_by is not None:\n            raise",
        "if self.stopped_by is not None:\n            raise",
    ),
    Mutant(
        "rows that wait for their turn are sent though the run stops",
        "jobs._sender",
        "if self.backoff.is_active or self.stopped_by is not None:\n            raise",
        "if self.backoff.is_active:\n            raise",
    ),
    Mutant(
        "each failure begins the outage anew",
        "jobs._backpressure",
        "        if self._since is None:\n            self._since = now\n",
        "        self._since = now\n",
    ),
    Mutant(
        "the reads of a search share connections",
        "_engine.caller",
        "                if self.proves:\n",
        "                if False:\n",
    ),
    # What a rerun does
    Mutant(
        "what was sending is planned again on a rerun",
        "jobs._plan_loader",
        "            if retry_failed:\n",
        '            connection.execute("UPDATE rows SET state = 0 WHERE state = 1")\n            if retry_failed:\n',
    ),
    Mutant(
        "a rerun forgets what was sending",
        "jobs._recovery",
        "self.journal.rows(State.SENDING, State.UNKNOWN, payload=True)",
        "self.journal.rows(State.UNKNOWN, payload=True)",
    ),
    Mutant(
        "a rerun forgets what was unknown",
        "jobs._recovery",
        "self.journal.rows(State.SENDING, State.UNKNOWN, payload=True)",
        "self.journal.rows(State.SENDING, payload=True)",
    ),
    Mutant(
        "the last row missing from a shortened plan goes unseen",
        "jobs._plan_loader",
        "self._seen.count(0, 1)\n",
        "self._seen.count(0, 1, self._known)\n",
        test=f"{_JOB} -k missing",
    ),
    # Looking for what is unknown
    Mutant(
        "absence is believed at once",
        "_reconcile.reconciler",
        "settled_at = max(target.settled_at for target in targets.values())",
        "settled_at = 0.0",
    ),
    Mutant(
        "one look is enough",
        "_reconcile.reconciler",
        "elif before is not None or not any_absent:",
        "elif True:",
        test=f"{_OWN}::test_one_look_that_sees_nothing_is_not_believed",
    ),
    Mutant(
        "what an earlier run left is settled at once",
        "jobs.job",
        "ended_by = self._opened if rows is None else",
        "ended_by = 0.0 if rows is None else",
    ),
    Mutant(
        "a row of this run is settled at once",
        "jobs._recovery",
        "sent, ended = times.get(row.row_id, (ended_by, ended_by))",
        "sent, ended = (0.0, 0.0) if row.row_id in times else (ended_by, ended_by)",
    ),
    Mutant(
        "an unreadable id is sent again when absent",
        "jobs._recovery",
        "isinstance(verdict, Absent) and not row.created_without_id:",
        "isinstance(verdict, Absent):",
        test=f"{_OWN}::test_a_row_whose_id_was_unreadable_is_not_sent_again_though_it_is_gone",
    ),
    Mutant(
        "a row's search forgets other creates that are unknown",
        "_reconcile.ledger",
        "owners.discard(owner)",
        "owners.clear()",
        test="jobs/test_recovery.py",
    ),
    Mutant(
        "ids that the journal holds are not excluded",
        "jobs._recovery",
        "        owned = await self.journal.owners([each.id for each in campaigns])\n",
        "        owned = {}\n",
    ),
    Mutant(
        "a row takes the campaign of another journal's row",
        "jobs._recovery",
        "if is_claimed_outside(each.id, self.identity)",
        "if False",
        test="jobs/test_recovery.py",
    ),
    Mutant(
        "a row's own claim, which the journal could not record, excludes its campaign",
        "_reconcile.ledger",
        " and not self._claimed_by_journals.contains((campaign_id, journal))",
        "",
        test="jobs/test_recovery.py",
    ),
    Mutant(
        "a campaign may be two rows'",
        "jobs._sqlite_schema",
        "CREATE UNIQUE INDEX owners",
        "CREATE INDEX owners",
        test="jobs/test_duplicate_ids.py",
    ),
    Mutant(
        "the row that was given an id first keeps it",
        "jobs._sender",
        "            if earlier is not None:\n",
        "            if False:\n",
        test="jobs/test_duplicate_ids.py",
    ),
    Mutant(
        "a response to a row in flight ends an outage",
        "jobs._sender",
        "record_response(after_outage=in_outage)\n                self._outcomes",
        "record_response()\n                self._outcomes",
        test="jobs/test_outages.py",
    ),
    Mutant(
        "an outage is not probed",
        "jobs._backpressure",
        "self._needs_probe = self._needs_probe or unknown",
        "self._needs_probe = False",
        test="jobs/test_outages.py",
    ),
    Mutant(
        "what is unknown after a look is planned again",
        "jobs._recovery",
        "isinstance(verdict, Absent) and not row.created_without_id:",
        "not isinstance(verdict, Found):",
    ),
    Mutant(
        "a search that broke off proves absence",
        "_reconcile.reconciler",
        "Unknown() if isinstance(each, Absent) else each for",
        "Absent() if isinstance(each, Unknown) and not each.candidates else each for",
    ),
    Mutant(
        "a campaign known before the run began is taken for older, though the row is",
        "jobs._recovery",
        "known_before if row.attempts == 1 and row.row_id not in revoked else 0",
        "self.runtime.ledger.seen.snapshot()",
    ),
    Mutant(
        "the known campaigns are those known when a run has sent its rows",
        "jobs.job",
        "            unknown = await self._send(journal, preflight)\n",
        "            unknown = await self._send(journal, preflight)\n            mark = self._runtime.ledger.seen.snapshot()\n",
        test=f"{_JOB} -k in_flight_is",
    ),
    Mutant(
        "settling does not grow by round",
        "jobs.job",
        "settle=settle * 4**sent",
        "settle=settle",
        test=f"{_JOB} -k four_times",
    ),
    # Who gets which
    Mutant(
        "more campaigns than equal rows are theirs",
        "_reconcile.assignment",
        "if 0 < len(certain[index]) <= len(group.keys) and",
        "if 0 < len(certain[index]) and",
        test="_reconcile",
    ),
    Mutant(
        "of equal rows of which some are there all are absent",
        "_reconcile.assignment",
        "                verdicts.update(zip(group.keys, map(Found, sorted(certain[index])), strict=False))\n",
        "                pass\n",
    ),
    Mutant(
        "what may be ours is absent",
        "_reconcile.assignment",
        "            elif certain[index] or left:\n",
        "            elif certain[index]:\n",
    ),
    Mutant(
        "a campaign whose recipients are hidden is nobody's",
        "_reconcile.assignment",
        "            return range(len(self._groups))\n",
        "            return range(0)\n",
    ),
    # What is reported
    Mutant(
        "a run that gave up says nothing",
        "jobs.job",
        "            self._stopped_by = sender.stopped_by\n",
        "",
    ),
)
