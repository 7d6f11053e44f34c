"""What can be asked of the sandbox: what arrived, what was created, what went out."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

from .double_send import A_DAY, DoubleSend, double_sends

if TYPE_CHECKING:
    from .app import Operation
    from .faults import Rule
    from .journal import RecordedRequest
    from .schema import Wire
    from .serving import Serving
    from .state import Store


class Inspection:
    """Looks at what a server has served; changes nothing."""

    def __init__(self, serving: Serving) -> None:
        self._serving = serving

    @property
    def _store(self) -> Store:
        return self._serving.api.store

    @property
    def requests(self) -> Sequence[RecordedRequest]:
        """What arrived, in that order."""
        return self._serving.journal.requests

    @property
    def created(self) -> list[Wire]:
        """What was created over HTTP, in order, as it was then, with its `contacts`."""
        return [{**wire, "contacts": [dict(row.wire) for row in contacts]} for wire, contacts in self._store.created]

    @property
    def campaigns(self) -> list[Wire]:
        """The campaigns that exist now, hidden ones too, in their order."""
        self._store.move_on()
        return [dict(row.wire) for row in self._store.all]

    def contacts(self, campaign_id: str) -> list[Wire]:
        """The contacts of a campaign.

        Raises:
            KeyError: There is no such campaign.
        """
        rows = self._store.contacts(campaign_id)
        if rows is None:
            raise KeyError(campaign_id)
        return [dict(row.wire) for row in rows]

    @property
    def messages(self) -> list[Wire]:
        """What went out to each person: `campaignId`, `phoneNumber` and `status`, of created campaigns only.

        A message is Sent (0) once its campaign is Submitted, and has its last status once it is Completed.
        """
        self._store.move_on()
        return list(self._store.messages())

    def double_sends(self, *, within: timedelta = A_DAY) -> list[DoubleSend]:
        """The campaigns that bring the same text from the same sender to the same people.

        Created campaigns count, as they are now; what was deleted in time does not.

        Args:
            within: Their start times are less than so far apart.
        """
        return double_sends(self._store.to_be_sent(), within=within)

    def assert_no_double_send(self, *, within: timedelta = A_DAY) -> None:
        """Fail if anyone would get the same text from the same sender twice.

        Args:
            within: Start times less than so far apart count as twice.

        Raises:
            AssertionError: Names the campaigns, and how many people they share; or something is still to be carried
                out, by a fault's `act_after`.
        """
        if due := self._serving.still_due:
            raise AssertionError(
                f"{due} answered requests are still to be carried out: wait for them, with acted or wait_acted"
            )
        found = self.double_sends(within=within)
        if found:
            raise AssertionError("sent twice: " + "; ".join(map(str, found)))

    @property
    def faults(self) -> tuple[Rule, ...]:
        """The rules that were added, in order."""
        return self._serving.rules.all

    @property
    def in_flight(self) -> int:
        """How many requests are being read or answered now."""
        return self._serving.journal.in_flight

    @property
    def max_in_flight(self) -> int:
        """The most requests that were ever in flight at once."""
        return self._serving.journal.max_in_flight

    async def received(self, count: int, operation: Operation | None = None) -> None:
        """Wait till so many requests have arrived whole, of one operation or of any."""
        await self._serving.journal.arrived(count, operation)

    async def acted(self, count: int, operation: Operation | None = None) -> None:
        """Wait till so many requests were carried out, of one operation or of any."""
        await self._serving.journal.acted(count, operation)
