"""The pauses of a run whose server is down, cannot be reached or throttles, and its decision to give up. No I/O."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Final

from attrs import define, field

_FIRST: Final = 0.5
_LONGEST: Final = 30.0
_MOST_UNKNOWN: Final = 10
"""The number of consecutive unknown creates that counts as an outage.

If half of all creates are lost by chance, ten in a row occur once in a thousand rows, and then cost one short pause.
If the server loses every create, each further row would become unknown too.
"""


class Pace(Enum):
    """The amount that a run may send.

    Attributes:
        FULL: As many rows as the limits allow.
        PAUSED: Nothing.
        PROBE: A request that changes nothing.
        ONE_ROW: One row.
    """

    FULL = "full"
    PAUSED = "paused"
    PROBE = "probe"
    ONE_ROW = "one row"


@define(eq=False)
class Backoff:
    """An exponential backoff over all creates of a run.

    An outage begins with a failure and ends with a documented response to a create that was sent after its beginning.
    Until then, every pause is twice as long as the pause before. After a pause, one row shows if the server has
    recovered. If the outage left rows unknown, a probe goes before the row: a row that is lost may be on the server.
    """

    give_up_after: float  # the length of an outage, in seconds, at which the run gives up, above 0
    clock: Callable[[], float]  # returns monotonic seconds
    error: BaseException | None = None
    waited: float = 0.0  # the total of all pauses, in seconds
    _since: float | None = field(init=False, default=None)
    _until: float = field(init=False, default=0.0)
    _step: float = field(init=False, default=_FIRST)
    _unknown: int = field(init=False, default=0)  # consecutive unknown creates
    _needs_probe: bool = field(init=False, default=False)
    _is_probed: bool = field(init=False, default=False)  # since the latest pause

    @property
    def is_active(self) -> bool:
        """True during an outage."""
        return self._since is not None

    @property
    def pace(self) -> Pace:
        """The amount that the run may send now."""
        if self._since is None:
            return Pace.FULL
        if self.clock() < self._until:
            return Pace.PAUSED
        return Pace.PROBE if self._needs_probe and not self._is_probed else Pace.ONE_ROW

    def record_failure(self, error: BaseException, *, unknown: bool = False) -> None:
        """Record that a request failed: the server is down, could not be reached, or throttled.

        `unknown` says that the request was a create, and that it may have been carried out.
        """
        now = self.clock()
        self.error = error
        self._needs_probe = self._needs_probe or unknown
        if self._since is None:
            self._since = now
        if now < self._until:
            return  # one of several that were in flight together
        retry_after = getattr(error, "retry_after", None)
        pause = max(self._step, retry_after if isinstance(retry_after, (int, float)) else 0.0)
        self._until = now + pause
        self._is_probed = False
        self.waited += pause
        self._step = min(2 * self._step, _LONGEST)

    def record_unknown(self, error: BaseException) -> None:
        """Record an unknown create whose failure concerns its own connection at first sight. Ten in a row are an outage."""
        self._unknown += 1
        if self._since is not None or self._unknown >= _MOST_UNKNOWN:
            self.record_failure(error, unknown=True)

    def record_probe(self) -> None:
        """Record a documented response to a probe. One row may be sent; the outage goes on."""
        self._is_probed = self.clock() >= self._until  # unless a row that was in flight has failed meanwhile

    def record_response(self, *, after_outage: bool = True) -> None:
        """Record a documented response to a create.

        Without `after_outage`, the create was in flight when the outage began: its response does not show that it is over.
        """
        if self._since is None:
            self._unknown = 0
        elif after_outage:
            self._since, self._until, self._step, self._unknown = None, 0.0, _FIRST, 0
            self._needs_probe = self._is_probed = False

    @property
    def remaining_pause(self) -> float | None:
        """Seconds until the end of the pause, or until the run gives up if that is earlier; None outside an outage.

        After the pause: seconds until the run gives up.
        """
        if self._since is None:
            return None
        now, end = self.clock(), self._since + self.give_up_after
        # Never past the moment at which the run gives up, even if the server asked for a longer pause.
        return max(0.0, (min(self._until, end) if now < self._until else end) - now)

    @property
    def has_expired(self) -> bool:
        """True if the run must give up."""
        return self._since is not None and self.clock() >= self._since + self.give_up_after
