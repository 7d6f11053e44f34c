"""The faults of a simulated run, drawn for each request by the weather of a seed.

The server and the intermediaries before it break connections, and they lie: a response need not say what was done.

- No connection: refused, connect_timeout, untrusted (its certificate), unsent (lost before the first byte).
- No complete response: dropped, cut (its head may arrive), silent, unread (the server reads nothing).
- Late: slow, crawling (byte by byte), late acts (the server acts after the connection broke, or the client gave up).
- The server may have acted or not: status (5xx, 408), unavailable (503), redirect, maintenance (a page with 200),
  foreign (another service's success), blocked (a firewall's page), named (a success that is not the documented one, with
  an id that may be wrong), same id (201 with the id of an earlier create).
- The server acted: empty (201 without an id).
- The server did nothing: throttled, refusal.
- The response arrives twice: repeated, repeated refusal, repeated throttle.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any, Final

from attrs import define, field, frozen

from campaigns_async._http.request import Request
from campaigns_async.values import Operation
from simulation.kinds import DRAWN

MOODS: tuple[Mapping[str, float], ...] = (
    {"fine": 60, "refused": 1, "dropped": 2, "slow": 2},
    {
        "fine": 20,
        "refused": 3,
        "connect_timeout": 1,
        "unsent": 3,
        "untrusted": 1,
        "dropped": 5,
        "silent": 2,
        "status": 5,
        "cut": 4,
    },
    {"fine": 6, "dropped": 4, "cut": 3, "silent": 2, "slow": 1, "status": 4, "empty": 2},
    {"fine": 20, "throttled": 6, "unavailable": 4, "dropped": 1, "slow": 1},
    {"fine": 12, "throttled": 1, "unavailable": 1, "redirect": 2, "empty": 3, "status": 4, "crawling": 2},
    {"fine": 20, "refused": 1, "unsent": 1, "dropped": 2, "silent": 1, "cut": 1, "status": 2, "empty": 1},
    {"fine": 20, "maintenance": 3, "foreign": 3, "redirect": 2, "unavailable": 3, "blocked": 2},
    {"fine": 20, "named": 4, "empty": 2, "cut": 3, "foreign": 1, "dropped": 2},
    {"fine": 20, "repeated": 4, "repeated refusal": 2, "repeated throttle": 2, "dropped": 1},
    {"fine": 20, "same id": 3, "repeated": 2, "slow": 1, "dropped": 2},
    {"fine": 20, "refusal": 3, "blocked": 3, "unread": 2, "redirect": 1, "untrusted": 1},
    *([{"fine": 12, "late acts": 4, "dropped": 1, "status": 1}] if "late acts" in DRAWN else []),
)
LOSSES: Mapping[str, float] = {"fine": 8, "dropped": 4, "silent": 2, "status": 3}
"""A mood in which only responses are lost."""
_BROKEN = ("refused", "connect_timeout", "dropped", "silent", "unread", "status", "throttled")
_LYING = ("unavailable", "maintenance", "foreign", "blocked", "redirect")
OUTAGES = (*_BROKEN, *_LYING)
STATUSES = (408, 500, 502, 503, 504)
REDIRECTS = (301, 302, 303, 307, 308)
KINDS: Final = tuple(sorted({kind for mood in MOODS for kind in mood} | DRAWN))
"""All kinds of plans, and of surroundings."""

_HTML, _JSON, _TEXT, _PROBLEM = "text/html; charset=utf-8", "application/json", "text/plain", "application/problem+json"
_PAGES = (
    (_HTML, b"<!doctype html><html><h1>Back soon</h1></html>"),
    (_TEXT, b"\n <html>We are working on it</html>"),
    (_HTML, b"Down for maintenance"),
)
_FOREIGN = (
    (_JSON, b'{"status":"ok"}'),
    (_JSON, b'{"success":true,"data":null}'),
    (_JSON, b'"Error"'),
    (_JSON, b"[]"),
    (_JSON, b"null"),
    (_TEXT, b"healthy"),
    (_TEXT, b"Forbidden"),
)
_OTHER_SERVICES = (*_PAGES[:2], (_JSON, b'{"message":"blocked by the firewall"}'))
_PROBLEMS = (
    (_PROBLEM, b'{"title":"Refused","status":400,"traceId":"00-1"}'),
    (_JSON, b'{"sender":["The sender is not known."]}'),
    (_TEXT, b"refused"),
    (_TEXT, b""),
)
_OBJECTS = (b'{"id":"%s"}', b'{"id":"%s","status":0,"message":null}')
_TEXTS = (b"%s", b'"%s"', *_OBJECTS)
_REFUSED_IN_ANY_FORM = (400, 404, 405, 411, 413, 414, 415, 422, 431)
_REFUSED_BY_THE_API = (402, 403, 406, 409, 410, 412, 451)
_DOCUMENTED = {"fine", "slow", "crawling", "throttled", "refusal", "repeated", "repeated refusal", "repeated throttle"}
_ACTING = {"fine", "slow", "crawling", "empty", "repeated"}
_FOR_READS = {
    "empty": "fine",
    "late acts": "silent",
    "same id": "fine",
    "refusal": "fine",
    "repeated refusal": "repeated",
}
_FOR_CHANGES = {"empty": "fine", "late acts": "silent", "named": "foreign", "same id": "fine", "refusal": "fine"}


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
        status: The status that replaces the right one; 0 for none.
        retry_after: The seconds of the response's Retry-After.
        as_date: True if Retry-After is a date.
        body: The body that replaces the right one. `%s` in it stands for an id.
        content_type: The type of that body.
        names: The owner of the id in the body: "own" for the request's campaign, "other" for that of an earlier
            create, "none" for an id that never was.
        again: Seconds after the response until it arrives once more; None for never.
        drops_after: Seconds after the first byte at which the connection breaks, though the server acts later; None
            for never.
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
    content_type: str = _JSON
    names: str = ""
    again: float | None = None
    drops_after: float | None = None
    forgets: bool = False

    @property
    def is_documented(self) -> bool:
        """True if the response, should it arrive, is one that the API documents."""
        return self.kind in _DOCUMENTED


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
        lag: Seconds within that time for which lists lack every new campaign.
        skew: Seconds by which the server's clock is ahead of the client's.
        calm: True while nothing goes wrong.
        reads_fail: False if only creates go wrong.
    """

    random: random.Random
    mood: Mapping[str, float]
    outages: tuple[tuple[float, float, str], ...] = ()
    latest: float = 1.0
    longest_wait: float = 4.0
    honest: tuple[int, ...] = ()
    skew: float = 0.0
    calm: bool = False
    lag: float = 0.0
    reads_fail: bool = True
    _kinds: tuple[str, ...] = field(init=False)
    _weights: tuple[float, ...] = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._kinds, self._weights = tuple(self.mood), tuple(self.mood.values())

    def plan(self, now: float, request: Request) -> Plan:
        """Draw the plan of a request that starts now; spare most reads, or no search would ever end."""
        draw, method = self.random.random, request.method
        spared = 0.4 if request.operation is Operation.GET else 0.75
        kind = self._kind(now, spared=method == "GET" and (draw() < spared or not self.reads_fail))
        if method != "POST":
            kind = (_FOR_READS if method == "GET" else _FOR_CHANGES).get(kind, kind)
        slow_connection = draw() < 0.2
        connecting = draw() * (0.2 if slow_connection else 0.0) if draw() < 0.5 else 0.0
        if draw() < 0.03 and not self.calm:
            connecting = draw() * 2.5
        travel = 0.001 + draw() ** 3 * 0.15
        back = 0.001 + draw() ** 3 * 0.15
        hidden = draw() * self.latest * 0.45 if draw() < 0.1 and not self.calm else 0.0
        if draw() < 0.1 and not self.calm:  # the server acts late: the client may have stopped waiting
            travel = draw() * self.latest * 0.5
        course: dict[str, Any] = {
            "acts": kind in _ACTING or draw() < 0.5,
            "connecting": connecting,
            "travel": travel,
            "back": back,
            "hidden": hidden,
            "forgets": draw() < 0.3,
        }
        return Plan(kind, **(course | self._draw_response(kind, method, course["acts"])))

    def _draw_response(self, kind: str, method: str, acts: bool) -> Mapping[str, Any]:  # noqa: PLR0912  # one case a kind
        """Return the attributes in which the course differs from the usual one."""
        draw, choice = self.random.random, self.random.choice
        match kind:
            case "slow":
                return {"back": 0.2 + draw() * 2.0}
            case "crawling":
                return {"back": 2.0 + draw() * 60.0}
            case "late acts":
                travel = (0.5 + draw() * 0.45) * self.latest - self.lag
                drops_after = draw() * 0.2 if draw() < 0.6 else None
                return {"acts": draw() < 0.8, "travel": travel, "hidden": 0.0, "drops_after": drops_after}
            case "unread":  # the server reads nothing, or too late
                return {"acts": acts and draw() < 0.3}
            case "redirect":
                return self._answer(choice(REDIRECTS), acts, never_after=(307, 308))
            case "status":
                return self._answer(choice(STATUSES), acts)
            case "unavailable":  # Varnish answers 503 after it has passed the create on
                return self._answer(503, acts) | self._draw_wait(0.4)
            case "throttled":
                return {"acts": False, "status": 429} | self._draw_wait(0.3)
            case "cut":
                return self._draw_cut(method, acts)
            case "repeated":
                return {"again": self._draw_pause()}
            case "repeated refusal":
                return _write(400, _PROBLEMS[0]) | {"acts": False, "again": self._draw_pause()}
            case "repeated throttle":
                return {"acts": False, "status": 429, "again": self._draw_pause()} | self._draw_wait(0.5)
            case _:
                return self._draw_body(kind, method, acts)

    def _draw_body(self, kind: str, method: str, acts: bool) -> Mapping[str, Any]:
        """Return a status and a body that replace the right ones."""
        choice = self.random.choice
        match kind:
            case "maintenance":
                return _write(choice((200, 200, 201, 203)), choice(_PAGES))
            case "foreign":
                return _write(choice((200, 201, 202)), choice(_FOREIGN))
            case "blocked":
                statuses = {"POST": (402, 403, 403, 409, 451)}.get(method, (403, 404, 404))
                return _write(choice(statuses), choice(_OTHER_SERVICES))
            case "refusal":
                return self._draw_refusal() | {"acts": False}
            case "named" if method == "GET":
                return {"acts": True, "names": "other"}
            case "named":
                return self._draw_named(acts)
            case "empty":
                return {"status": 201, "body": choice((b"", b" "))}
            case "same id":
                return {"status": 201, "body": choice(_TEXTS[:2]), "names": "other"}
            case _:
                return {}

    def _answer(self, status: int, acts: bool, *, never_after: tuple[int, ...] = ()) -> dict[str, Any]:
        return {"status": status, "acts": acts and status not in self.honest and status not in never_after}

    def _draw_wait(self, bare: float) -> dict[str, Any]:
        """Draw a Retry-After, or none with the probability `bare`."""
        draw = self.random.random
        wait = round(0.2 + draw() ** 2 * self.longest_wait, 1)
        return {"retry_after": None if draw() < bare else wait, "as_date": draw() < 0.2}

    def _draw_pause(self) -> float:
        """Draw the seconds between a response and its copy."""
        return self.random.choice((0.0, 0.0005, 0.01, 0.1)) * self.random.random()

    def _draw_named(self, acts: bool) -> dict[str, Any]:
        """Draw a success that names an id, but not as documented: the id may be true, another create's, or nobody's."""
        choice, status = self.random.choice, self.random.choice((200, 200, 201, 202))
        # A text in a 201 is what is documented, and is never untrue here.
        body = choice(_OBJECTS if status == 201 else _TEXTS)
        return {
            "status": status,
            "body": body,
            "names": choice(("own", "other", "none") if acts else ("other", "none")),
        }

    def _draw_cut(self, method: str, acts: bool) -> dict[str, Any]:
        """Draw the head of a response whose body does not arrive; status 0 if nothing of it arrives."""
        status = self.random.choice((0, 200, 201, 201, 403, 503) if method == "POST" else (0, 200, 403, 503))
        return {"status": status, "acts": status == 201 or (acts and status not in self.honest)}

    def _draw_refusal(self) -> dict[str, Any]:
        if self.random.random() < 0.5:
            form = self.random.choice((*_PROBLEMS, *_OTHER_SERVICES))
            return _write(self.random.choice(_REFUSED_IN_ANY_FORM), form)
        return _write(self.random.choice(_REFUSED_BY_THE_API), self.random.choice(_PROBLEMS))

    def _kind(self, now: float, *, spared: bool) -> str:
        for start, end, kind in self.outages:
            if start <= now < end:
                return kind
        return "fine" if self.calm or spared else self.random.choices(self._kinds, self._weights)[0]


def _write(status: int, form: tuple[str, bytes]) -> dict[str, Any]:
    return {"status": status, "content_type": form[0], "body": form[1]}


def draw_weather(
    random_: random.Random, *, latest: float, longest_wait: float, honest: tuple[int, ...], lag: float = 0.0
) -> Weather:
    """Draw the weather of a seed."""
    outages = []
    if random_.random() < 0.25:
        start = 1000.0 + random_.random() * 10
        outages.append((start, start + random_.random() * 15, random_.choice(OUTAGES)))
    mood = random_.choice(MOODS)
    skew = random_.choice((0.0, 0.0, -3600.0, 7200.0))
    return Weather(random_, mood, tuple(outages), latest, longest_wait, honest, skew, lag=lag)
