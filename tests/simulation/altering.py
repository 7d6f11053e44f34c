"""A server that alters campaigns: it stores something else than it was sent, and shows that."""

from __future__ import annotations

import hashlib
import unicodedata
import zlib
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Final

from attrs import frozen

from campaigns_async.sandbox._campaign_store import Store
from campaigns_async.sandbox._request_bodies import CreateBody
from campaigns_async.sandbox._rows import Row
from campaigns_async.sandbox._settings import Quirks
from simulation.people import write_stranger
from simulation.server_time import write_start
from simulation.tokens import NO_MARKER, Marking

Wire = dict[str, Any]
_MASKS: Final[tuple[Callable[[str], str | None], ...]] = (
    lambda number: f"{number[:5]}***{number[-3:]}",
    lambda number: f"{number[:-6]}000000",
    lambda number: hashlib.sha256(number.encode()).hexdigest(),
    lambda number: f"*******{number[-4:]}",
    lambda _: None,
)
_MOVES: Final = (timedelta(hours=1), timedelta(hours=-1), timedelta(hours=13), timedelta(seconds=90))


def _lose_accents(text: str) -> str:
    return unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()


@frozen
class Alteration:
    """What a server does to the campaigns that it is sent.

    Attributes:
        kind: One of `kinds.ALTERED`; None for a server that alters nothing.
        variant: A number that chooses one of the forms of a kind.
        share: The share of the campaigns that are altered.
    """

    kind: str | None = None
    variant: int = 0
    share: float = 1.0

    def apply(self, wire: Wire, contacts: list[Wire], now: datetime) -> Wire:
        """Return the altered fields; alter the contacts, which may become more or fewer."""
        message = wire["message"] or ""
        match self.kind:
            case "sender replaced":
                return {"sender": ("INFO", "447700900999", None)[self.variant % 3]}
            case "sender cut":
                return {"sender": wire["sender"][:3]}
            case "accents lost":
                return {"message": _lose_accents(message)}
            case "text added":
                return {"message": f"{message}{(' Reply STOP to end.', ' [test]')[self.variant % 2]}"}
            case "text cut":
                return {"message": (message[:8], None)[self.variant % 2]}
            case "text replaced":
                return {"message": "Withheld by a filter"}
            case "start null":
                return {"startDateTime": (None, "0001-01-01T00:00:00.000Z")[self.variant % 2]}
            case "start moved":
                start = datetime.fromisoformat(wire["startDateTime"])
                return {"startDateTime": write_start(start + _MOVES[self.variant % len(_MOVES)])}
            case "start now":
                return {"startDateTime": write_start(now)}
            case "link shortened":
                return {"trackLinkUrl": "https://s.example/1"}
            case _:
                return self._apply_to_contacts(contacts)

    def _apply_to_contacts(self, contacts: list[Wire]) -> Wire:
        match self.kind:
            case "number added":
                for index in range(1 + self.variant % 3):
                    monitor = {**contacts[0], "id": f"monitor{index}", "phoneNumber": write_stranger(800, index)}
                    contacts.append(monitor | {"name": None})
            case "numbers masked":
                hide = _MASKS[self.variant % len(_MASKS)]
                for contact in contacts:
                    contact["phoneNumber"] = hide(contact["phoneNumber"])
            case "people dropped":
                del contacts[1 + self.variant % 2 :]
            case _:
                return {}
        return {"recipientCount": len(contacts)}


UNALTERED: Final = Alteration()


class AlteringStore(Store):
    """A store of such a server.

    Args:
        alteration: What it does to campaigns that are created.
        now: Returns the server's time of day.
        counts: Counts how often each kind altered a campaign.
        marking: What it does to the tokens of creates.
        others: The arguments of a store.
    """

    def __init__(
        self,
        alteration: Alteration,
        now: Callable[[], datetime],
        counts: Counter[str],
        *,
        marking: Marking = NO_MARKER,
        seed: int | None,
        quirks: Quirks,
    ) -> None:
        super().__init__(seed=seed, quirks=quirks)
        self._marking = marking
        self._alteration = alteration
        self._now = now
        self._counts = counts

    def create(self, new: CreateBody) -> Row:
        """Store a campaign, altered."""
        row = super().create(new)
        alteration, campaign_id = self._alteration, row.wire["id"]
        self._contacts[campaign_id] = [Row(self._marking.store(each.wire)) for each in self._contacts[campaign_id]]
        if alteration.kind is None or zlib.crc32(repr(new).encode()) % 100 >= 100 * alteration.share:
            return row
        contacts = [dict(each.wire) for each in self._contacts[campaign_id]]
        before = ({**row.wire}, [dict(each) for each in contacts])
        changed = alteration.apply(row.wire, contacts, self._now())
        row.replace({**row.wire, **changed})
        self._contacts[campaign_id] = [Row(each) for each in contacts]
        if before != (row.wire, contacts):
            self._counts[alteration.kind] += 1
        return row
