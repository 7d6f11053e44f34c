"""The responses of the server and of what is before it, by the plan of a request."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from multidict import CIMultiDict

from campaigns_async._http.response import Response
from campaigns_async._http.transport import Failure, FailureKind
from campaigns_async.sandbox._operations import Answer
from simulation.faults import Plan

_PASSED_ON = (400, 401, 404)
"""Statuses of the server that are passed on, where another one would replace a success."""
_NOBODY = "5f0c7a1e-0000-4000-8000-000000000000"


def write_reply(plan: Plan, answer: Answer, wait: Mapping[str, str], others: Sequence[str]) -> Response | Failure:
    """Return what the client gets for the server's answer.

    Args:
        plan: The course of the request.
        answer: The right answer, or the plan's status if the server did not act.
        wait: The headers that ask to wait.
        others: Ids that earlier creates were given, the newest last.
    """
    if plan.kind == "dropped":
        return Failure(FailureKind.DROPPED, sent=True, detail="ServerDisconnectedError")
    if plan.kind == "cut":
        status = None if plan.status == 0 or answer.status in _PASSED_ON else plan.status
        return Failure(FailureKind.DROPPED, sent=True, detail="ClientPayloadError", status=status)
    if answer.status in _PASSED_ON and plan.acts:
        return write_response(answer)
    if plan.body is not None:
        body = plan.body.replace(b"%s", _choose_id(plan, answer, others).encode())
        return write_response(Answer(plan.status, body, plan.content_type), wait)
    if plan.status:
        return write_response(Answer(plan.status), wait)
    return write_response(answer)


def _choose_id(plan: Plan, answer: Answer, others: Sequence[str]) -> str:
    if plan.names == "own":
        return answer.body.decode().strip('"')
    return others[-1] if plan.names == "other" and others else _NOBODY


def write_response(answer: Answer, headers: Mapping[str, str] | None = None) -> Response:
    """Return an answer as a response, with further headers."""
    own = {"content-type": answer.content_type, "content-length": str(len(answer.body))}
    return Response(answer.status, CIMultiDict({**own, **(headers or {})}), answer.body)
