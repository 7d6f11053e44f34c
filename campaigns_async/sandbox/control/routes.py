"""The sandbox's own HTTP interface, under ``/_sandbox``: to see what arrived, and to change how it answers.

Whoever plays with it from another language, or by hand, has no other. See `guard` for who may.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

import attrs
from attrs import frozen

from .. import openapi
from ..answers import Answer
from ..clock import Clock
from ..faults import Rule
from . import guard, records
from .fault_json import fault_to_json, faults_from_json, fields_left_out
from .inputs import read_clock_change, read_rate_limit, read_seeds
from .refusals import Refused, told
from .request import ControlRequest, check_body, read_body, read_count
from .target import Target

BASE: Final = "/_sandbox"
_ROWS: Final = 100
_MOST_ROWS: Final = 1000
_JOURNAL_PARAMETERS: Final = ("after", "limit", "api-key")

Handler = Callable[[ControlRequest, int], Answer]


@frozen
class _Route:
    """A path, with what it is for, and who answers by verb; a handler gets the number in the path, or 0."""

    path: str
    what: str
    handlers: Mapping[str, Handler]

    def number_in(self, path: str) -> int | None:
        """The number in a path of this route, 0 where it has none; None when the path is another."""
        found = re.fullmatch(re.escape(self.path).replace(re.escape("{number}"), "([0-9]{1,9})"), path)
        return None if found is None else int(found[1] if found.lastindex else 0)

    @property
    def allow(self) -> str:
        """The verbs."""
        return ", ".join(verb for name in self.handlers for verb in ((name, "HEAD") if name == "GET" else (name,)))


class Control:
    """Answers what is asked under ``/_sandbox``: a request in, an answer out, without I/O."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._routes: Final = (
            _Route("", "what there is", {"GET": self._index}),
            _Route("/journal", "the requests and what became of them (?after=NUMBER, ?limit=)", {"GET": self._journal}),
            _Route("/created", "the campaigns that were created, as they were then", {"GET": self._created}),
            _Route("/messages", "what went out to each person", {"GET": self._messages}),
            _Route("/double-send", "200, or 409 if people would be texted twice", {"GET": self._double_send}),
            _Route("/seed", "puts campaigns in, all or none", {"POST": self._seed}),
            _Route("/reset", "goes back to how the sandbox was started", {"POST": self._reset}),
            _Route(
                "/faults",
                "the faults; adds one, or an array of them; stops them all",
                {"GET": self._faults, "POST": self._add_faults, "DELETE": self._stop_faults},
            ),
            _Route("/faults/{number}", "one fault; stops it", {"GET": self._fault, "DELETE": self._stop_fault}),
            _Route("/faults/{number}/release", "answers what hangs by this fault", {"POST": self._release_fault}),
            _Route("/clock", "the sandbox's time; sets, moves or runs it", {"GET": self._time, "PUT": self._set_time}),
            _Route("/rate-limit", "the rate limit; sets it", {"GET": self._limit, "PUT": self._set_limit}),
            _Route("/openapi.json", "the API as an OpenAPI document", {"GET": self._openapi}),
        )

    def answer(self, request: ControlRequest) -> Answer:
        """Answer a request, or refuse it."""
        target = self._target
        try:
            guard.check(request.headers, request.query, host=target.host, api_key=target.api_key)
            handler, number = self._find(request)
            check_body(request)
            return handler(request, number)
        except Refused as refused:
            return refused.answer

    def _find(self, request: ControlRequest) -> tuple[Handler, int]:
        path = request.path.lower().rstrip("/")
        for route in self._routes:
            number = route.number_in(path)
            if number is None:
                continue
            handler = route.handlers.get("GET" if request.method == "HEAD" else request.method)
            if handler is not None:
                return handler, number
            raise Refused(
                405,
                f"{BASE}{route.path} is not there for this method",
                where="method",
                to_do=f"use one of {route.allow}",
                headers={"Allow": route.allow},
            )
        raise Refused(404, "the control has no such path", where="path", to_do=f"GET {BASE} tells what there is")

    def _index(self, request: ControlRequest, number: int) -> Answer:
        start = urlsplit(self._target.url).path + BASE
        paths = [
            {"path": start + route.path, "methods": list(route.handlers), "what": route.what} for route in self._routes
        ]
        return told({"url": self._target.url, "paths": paths})

    def _journal(self, request: ControlRequest, number: int) -> Answer:
        for name in request.query:
            if name.lower() not in _JOURNAL_PARAMETERS:
                raise Refused(400, "no such parameter", where="query", to_do="leave out all but after and limit")
        after = read_count(request, "after", least=0, default=0)
        limit = min(read_count(request, "limit", least=1, default=_ROWS), _MOST_ROWS)
        return told(records.page(self._target.requests, after=after, limit=limit, key=self._target.api_key))

    def _created(self, request: ControlRequest, number: int) -> Answer:
        return told({"created": self._target.created})

    def _messages(self, request: ControlRequest, number: int) -> Answer:
        return told({"messages": self._target.messages})

    def _double_send(self, request: ControlRequest, number: int) -> Answer:
        try:
            self._target.assert_no_double_send()
        except AssertionError as error:
            raise Refused(
                409, str(error), where="campaigns", to_do=f"GET {BASE}/journal tells which requests led to it"
            ) from None
        return told({"ok": True})

    def _seed(self, request: ControlRequest, number: int) -> Answer:
        seeds = read_body(request, read_seeds, 'send {"campaigns": [{"id": "c1"}], "contacts": {"c1": [{"id": "k1"}]}}')
        there = {str(campaign.get("id")) for campaign in self._target.campaigns}
        for index, campaign in enumerate(seeds.campaigns):
            if campaign["id"] in there:
                raise Refused(
                    409,
                    f"there is a campaign {campaign['id']!r} already; none was put in",
                    where=f"body: campaigns[{index}].id",
                    to_do=f"choose another id, or POST {BASE}/reset first",
                )
        for campaign in seeds.campaigns:
            self._target.add(campaign, seeds.contacts.get(campaign["id"], ()))
        return told({"added": len(seeds.campaigns)}, 201)

    def _reset(self, request: ControlRequest, number: int) -> Answer:
        self._target.reset()
        return told({"ok": True})

    def _faults(self, request: ControlRequest, number: int) -> Answer:
        return told({"faults": [_rule(rule) for rule in self._target.faults]})

    def _add_faults(self, request: ControlRequest, number: int) -> Answer:
        faults = read_body(request, faults_from_json, 'send a fault, such as {"operation": "create", "status": 503}')
        rules = [self._target.add_fault(fault) for fault in faults]
        return told({"faults": [_rule(rule) for rule in rules]}, 201)

    def _stop_faults(self, request: ControlRequest, number: int) -> Answer:
        for rule in self._target.faults:
            rule.stop()
        return self._faults(request, number)

    def _fault(self, request: ControlRequest, number: int) -> Answer:
        return told(_rule(self._numbered(number)))

    def _stop_fault(self, request: ControlRequest, number: int) -> Answer:
        self._numbered(number).stop()
        return self._fault(request, number)

    def _release_fault(self, request: ControlRequest, number: int) -> Answer:
        self._numbered(number).release()
        return self._fault(request, number)

    def _numbered(self, number: int) -> Rule:
        for rule in self._target.faults:
            if rule.number == number:
                return rule
        raise Refused(
            404, f"there is no fault {number}", where="path", to_do=f"GET {BASE}/faults tells which there are"
        )

    def _time(self, request: ControlRequest, number: int) -> Answer:
        clock = self._target.clock
        return told({"now": _iso(clock), "running": clock.running})

    def _set_time(self, request: ControlRequest, number: int) -> Answer:
        example = 'send {"now": "2031-06-27T09:30:00Z"}, {"move": 60} or {"running": true}'
        change, clock = read_body(request, read_clock_change, example), self._target.clock
        if change.now is not None:
            clock.set(change.now)
        if change.move is not None:
            try:
                clock.move(change.move)
            except ValueError as error:
                raise Refused(400, str(error), where="body: move", to_do=example) from None
        if change.running:
            clock.run()
        elif change.running is False:
            clock.set(clock.now())
        return self._time(request, number)

    def _limit(self, request: ControlRequest, number: int) -> Answer:
        limit = self._target.rate_limit
        return told(None if limit is None else attrs.asdict(limit))

    def _set_limit(self, request: ControlRequest, number: int) -> Answer:
        example = 'send null (no limit), a number, or {"requests_per_second": 10, "status": 503}'
        self._target.rate_limit = read_body(request, read_rate_limit, example)
        return self._limit(request, number)

    def _openapi(self, request: ControlRequest, number: int) -> Answer:
        target = self._target
        return told(
            openapi.document(
                url=target.url, update_method=target.update_method, delete_method=target.delete_method, auth=target.auth
            )
        )


def _rule(rule: Rule) -> dict[str, Any]:
    return {
        "number": rule.number,
        "seen": rule.seen,
        "fired": rule.fired,
        "stopped": rule.stopped,
        "fault": fault_to_json(rule.fault),
        "not_shown": fields_left_out(rule.fault),
    }


def _iso(clock: Clock) -> str:
    return clock.now().isoformat(timespec="microseconds").replace("+00:00", "Z")
