"""The check of how a job meets an outage: it sends no create into it, but for one after each sign of life."""

from __future__ import annotations

from campaigns_async._http.response import Response
from campaigns_async._http.transport import Failure, FailureKind
from campaigns_async.values import Operation
from simulation.jobs_script import JobScript
from simulation.server import Sent

_SOON = 0.001
"""Seconds after the beginning of an outage in which a row may still leave: the response is being read."""
_SLACK = 5.0
"""Seconds that a create may wait between being taken up and being sent, without a rate limit."""


class OutageWatch:
    """A record of the outage that the client can see: responses to creates that leave the outcome unknown."""

    def __init__(self, script: JobScript) -> None:
        self._script = script
        self._since: float | None = None
        self._allowed = 0  # rows that may be sent before the next sign of life
        self._first: bytes | None = None  # the body of the row that was sent first
        self._must_stop = False

    def check_begin(self, sent: Sent) -> None:
        """Check a create that is about to be sent."""
        if self._since is None or sent.began <= self._since + _SOON:
            return
        if self._first is not None and sent.request.body == self._first:  # another attempt for it
            return
        why = "after a response that must stop the run" if self._must_stop else "into an outage, without a sign of life"
        assert self._allowed > 0, f"a row was sent {why}"
        self._allowed -= 1
        self._first = sent.request.body
        lasted = sent.began - self._since
        most = self._script.give_up_after + _SLACK
        assert self._script.rate_limit is not None or lasted <= most, f"a row was sent {lasted} s into an outage"

    def note_end(self, sent: Sent) -> None:
        """Note the end of a request."""
        is_create = sent.request.operation is Operation.CREATE
        if self._must_stop:
            return
        if is_create and _must_stop(sent):
            self._begin(sent)
            self._must_stop = True
        elif self._since is None:
            if is_create and self._is_outage(sent):
                self._begin(sent)
        elif sent.got_its_own_reply:
            if is_create:
                self._since = self._first = None
            else:
                self._allowed = max(self._allowed, 1)
                if "filters" in sent.request.query:  # a search for the unknown rows, which takes its own time
                    self._since = sent.ended

    def _begin(self, sent: Sent) -> None:
        if self._since is None:
            self._since, self._allowed = sent.ended, 0

    def _is_outage(self, sent: Sent) -> bool:
        """Return True if the response is one by which an intermediary says that the server cannot be reached."""
        return (
            _was_replaced(sent)
            and sent.plan.status not in self._script.honest
            and sent.plan.kind in ("unavailable", "maintenance")
        )


def _must_stop(sent: Sent) -> bool:
    """Return True if every further row would get the same response: the address is wrong, or a firewall is there."""
    if isinstance(sent.result, Failure):
        return sent.result.kind is FailureKind.CERTIFICATE
    return _was_replaced(sent) and sent.plan.kind in ("redirect", "blocked")


def _was_replaced(sent: Sent) -> bool:
    """Return True if an intermediary's response answered the request, for which it was meant."""
    if sent.reply is None or sent.reply.request != sent.number or not isinstance(sent.result, Response):
        return False
    return sent.result.status == sent.plan.status
