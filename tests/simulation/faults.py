"""The faults of a simulated run, drawn for each request by the weather of a seed."""

from __future__ import annotations

import random
from collections.abc import Mapping

from attrs import define, field, frozen

MOODS: tuple[Mapping[str, float], ...] = (
    {"fine": 60, "refused": 1, "dropped": 2, "slow": 2},
    {"fine": 20, "refused": 3, "connect_timeout": 1, "unsent": 3, "dropped": 5, "silent": 2, "status": 5, "cut": 4},
    {"fine": 6, "dropped": 4, "cut": 3, "silent": 2, "slow": 1, "status": 4, "unreadable": 2},
    {"fine": 20, "throttled": 6, "unavailable": 4, "dropped": 1, "slow": 1},
    {"fine": 12, "throttled": 1, "unavailable": 1, "redirect": 2, "unreadable": 3, "status": 4, "crawling": 2},
    {"fine": 20, "refused": 1, "unsent": 1, "dropped": 2, "silent": 1, "cut": 1, "status": 2, "unreadable": 1},
)
OUTAGES = ("refused", "connect_timeout", "dropped", "silent", "status", "unavailable", "throttled")
STATUSES = (408, 500, 502, 503, 504)
UNREADABLE = (b"", b"{}", b"null", b"<html>created</html>", b'{"id": 7}')


@frozen
class Plan:
    """The course of one request.

    Attributes:
        kind: A word of the moods; "fine" if nothing goes wrong.
        connecting: Seconds before the first byte leaves.
        travel: Seconds from the first byte to the moment at which the server acts, if it does.
        back: Seconds from that moment to the arrival of the response.
        acts: True if the server acts.
        hidden: Seconds after the act in which lists do not show the new campaign.
        status: The status of a response that is no success.
        retry_after: The seconds of the response's Retry-After.
        as_date: True if Retry-After is a date.
        body: The body that replaces the right one.
        forgets: True if the server drops a request whose connection was closed before it acted.
    """

    kind: str
    connecting: float
    travel: float
    back: float
    acts: bool = True
    hidden: float = 0.0
    status: int = 0
    retry_after: float | None = None
    as_date: bool = False
    body: bytes | None = None
    forgets: bool = False


@define
class Weather:
    """The source of the plans of one seed.

    Attributes:
        random: The source of random numbers.
        mood: The weight of each kind.
        outages: Spans of time, and the kind of all requests in them.
        latest: Seconds after its departure within which a request has acted and its campaign shows in lists: the
            settling time must cover them.
        longest_wait: The longest Retry-After, in seconds.
        honest: Statuses by which this server says that it did nothing.
        calm: True while nothing goes wrong.
    """

    random: random.Random
    mood: Mapping[str, float]
    outages: tuple[tuple[float, float, str], ...] = ()
    latest: float = 1.0
    longest_wait: float = 4.0
    honest: tuple[int, ...] = ()
    calm: bool = False
    _kinds: tuple[str, ...] = field(init=False)
    _weights: tuple[float, ...] = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._kinds, self._weights = tuple(self.mood), tuple(self.mood.values())

    def plan(self, now: float, *, reads: bool) -> Plan:
        """Draw the plan of a request that starts now; spare most reads, or no search would ever end."""
        kind = self._kind(now, spared=reads and self.random.random() < 0.75)
        draw = self.random.random
        slow_connection = draw() < 0.2
        connecting = draw() * (0.2 if slow_connection else 0.0) if draw() < 0.5 else 0.0
        if draw() < 0.03 and not self.calm:
            connecting = draw() * 2.5
        travel = 0.001 + draw() ** 3 * 0.15
        back = 0.001 + draw() ** 3 * 0.15
        hidden = draw() * self.latest * 0.45 if draw() < 0.1 and not self.calm else 0.0
        if draw() < 0.1 and not self.calm:  # the server acts late: the client may have stopped waiting
            travel = draw() * self.latest * 0.5
        acts = kind in ("fine", "slow", "crawling", "unreadable") or draw() < 0.5
        common = {"connecting": connecting, "travel": travel, "back": back, "hidden": hidden, "forgets": draw() < 0.3}
        if kind in ("fine", "refused", "connect_timeout", "unsent", "dropped", "cut", "silent"):
            return Plan(kind, acts=acts, **common)
        return self._draw_response(kind, acts, common)

    def _draw_response(self, kind: str, acts: bool, common: dict[str, float]) -> Plan:
        draw = self.random.random
        if kind == "slow":
            return Plan(kind, **{**common, "back": 0.2 + draw() * 2.0})
        if kind == "crawling":
            return Plan(kind, **{**common, "back": 2.0 + draw() * 60.0})
        if kind == "unreadable":
            return Plan(kind, body=self.random.choice(UNREADABLE), **common)
        if kind == "redirect":
            status = self.random.choice((301, 302, 303, 307, 308))
            return Plan(kind, acts=acts and status < 307, status=status, **common)
        if kind == "status":
            status = self.random.choice(STATUSES)
            return Plan(kind, acts=acts and status not in self.honest, status=status, **common)
        wait: float | None = round(0.2 + draw() ** 2 * self.longest_wait, 1)
        if kind == "throttled" and draw() < 0.3:
            wait = None
        status = 429 if kind == "throttled" else 503
        acts = acts and status == 503 and status not in self.honest  # Varnish answers 503 after it passed the create on
        return Plan(kind, acts=acts, status=status, retry_after=wait, as_date=draw() < 0.2, **common)

    def _kind(self, now: float, *, spared: bool) -> str:
        for start, end, kind in self.outages:
            if start <= now < end:
                return kind
        return "fine" if self.calm or spared else self.random.choices(self._kinds, self._weights)[0]


def draw_weather(random_: random.Random, *, latest: float, longest_wait: float, honest: tuple[int, ...]) -> Weather:
    """Draw the weather of a seed."""
    outages = []
    if random_.random() < 0.25:
        start = 1000.0 + random_.random() * 10
        outages.append((start, start + random_.random() * 15, random_.choice(OUTAGES)))
    mood = random_.choice(MOODS)
    return Weather(random_, mood, tuple(outages), latest, longest_wait, honest)
