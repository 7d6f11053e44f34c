"""Whether a request was carried out, and whether it may be sent again: one table, no state, no I/O.

The worst mistake of this package would be a line in this file.
"""

from __future__ import annotations

from attrs import frozen

from campaigns_async.engine.ports import Failure
from campaigns_async.values import Delivery, Operation
from campaigns_async.wire.messages import Response

_ONLY_ONCE = frozenset({Operation.CREATE, Operation.RAW_SEND})
_ASK_FOR_A_REPEAT = (307, 308)
_RANK = {Delivery.NOT_SENT: 0, Delivery.REJECTED: 1, Delivery.UNKNOWN: 2, Delivery.DONE: 3}


@frozen
class Verdict:
    """What one attempt has shown."""

    delivery: Delivery
    again: bool
    """Whether it may be sent again as it is."""
    renew_key: bool = False
    """Whether it may be sent again with a new key."""


DONE = Verdict(Delivery.DONE, again=False)


def judge(
    operation: Operation,
    result: Response | Failure,
    *,
    rejected_statuses: tuple[int, ...] = (),
) -> Verdict:
    """The verdict on one attempt.

    Args:
        operation: What was asked.
        result: What came back.
        rejected_statuses: Statuses by which this server is known to say that it did nothing.
    """
    if isinstance(result, Failure):
        delivery = Delivery.UNKNOWN if result.sent else Delivery.NOT_SENT
        return Verdict(delivery, again=not result.sent or not only_once(operation))
    if 200 <= result.status < 300:
        return DONE
    delivery = of_status(result.status, rejected_statuses=rejected_statuses)
    return Verdict(
        delivery,
        again=_passing(result.status, rejected_statuses)
        and (delivery is Delivery.REJECTED or not only_once(operation)),
        renew_key=result.status == 401,
    )


def of_status(status: int, *, rejected_statuses: tuple[int, ...] = ()) -> Delivery:
    """Return what a complete response with this status says of the request."""
    if 200 <= status < 300:
        return Delivery.DONE
    if status in rejected_statuses:
        return Delivery.REJECTED
    if status in _ASK_FOR_A_REPEAT or (400 <= status < 500 and status != 408):
        return Delivery.REJECTED
    # A proxy may answer 5xx after it passed the request on: Varnish answers 503 with Retry-After if the server is
    # slow. 301, 302 and 303 are also what a server answers after it has carried out a POST.
    return Delivery.UNKNOWN


def only_once(operation: Operation) -> bool:
    """Whether carrying it out twice does harm."""
    return operation in _ONLY_ONCE


def worse(one: Delivery, other: Delivery) -> Delivery:
    """Of two attempts of a call, the delivery that stands for both."""
    return one if _RANK[one] >= _RANK[other] else other


def _passing(status: int, rejected_statuses: tuple[int, ...]) -> bool:
    """Whether the same request may fare better later."""
    return status in (408, 429) or status >= 500 or status in rejected_statuses
