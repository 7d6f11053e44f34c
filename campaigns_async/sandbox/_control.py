"""The sandbox's own HTTP interface, under ``/_sandbox``: to see what arrived, and to change how it answers.

Programs in other languages, and people with curl, have no other. `_check_access` says who may use it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from http import HTTPStatus
from ipaddress import ip_address
from typing import Any, Final
from urllib.parse import urlsplit

import attrs
import msgspec
from attrs import frozen

from . import _openapi
from ._dotnet import read_json
from ._handler import CONTROL, ControlRequest, RequestHandler
from ._payloads import (
    ClockChange,
    LogPage,
    Seeds,
    fields_left_out,
    read_faults,
    read_rate_limit,
    read_texts,
    structure,
    write_fault,
)
from ._provider import JSON, PROBLEM, Answer
from ._request_log import RecordedRequest
from ._routing import carries_key
from .faults import Rule

_MOST_REQUESTS: Final = 1000
# Never any CORS headers: no other origin may read an answer.
_HEADERS: Final[Mapping[str, str]] = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
# The types that a page of another site can send without asking first.
_TYPES_OF_FORMS: Final = frozenset({"application/x-www-form-urlencoded", "multipart/form-data", "text/plain"})
# A host with an address in brackets, or a name; then the port.
_HOST: Final = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([0-9A-Za-z._-]+))(?::[0-9]{1,5})?")
_OWN_SITES: Final = frozenset({"same-origin", "none"})
# A Referer can carry the key in its query.
_HIDDEN_HEADERS: Final = frozenset({"authorization", "proxy-authorization", "api-key", "cookie", "referer"})
_HIDDEN: Final = "(key)"


class ControlError(Exception):
    """A request that is refused.

    Args:
        status: The status, 400 to 499.
        detail: What is wrong, and what to send instead.
        **headers: Headers of the answer.
    """

    def __init__(self, status: int, detail: str, **headers: str) -> None:
        super().__init__(detail)
        body = {"title": HTTPStatus(status).phrase, "status": status, "detail": detail}
        self.answer: Final = Answer(status, msgspec.json.encode(body), PROBLEM, {**_HEADERS, **headers})


def _json(value: Any, status: int = 200) -> Answer:
    return Answer(status, msgspec.json.encode(value), JSON, _HEADERS)


@frozen
class _Route:
    path: str
    description: str
    handlers: Mapping[str, Callable[[ControlRequest], Answer]]
    hint: str = ""

    @property
    def allow(self) -> str:
        """The verbs."""
        return ", ".join(verb for name in self.handlers for verb in ((name, "HEAD") if name == "GET" else (name,)))


class Control:
    """Answers requests under ``/_sandbox``, without I/O."""

    def __init__(self, handler: RequestHandler) -> None:
        self._handler = handler
        routes = (
            _Route("", "the paths", {"GET": self._index}),
            _Route(
                "/journal",
                "the requests and their outcomes (?after=NUMBER, ?limit=)",
                {"GET": self._journal},
                "send ?after=NUMBER, ?limit= or neither",
            ),
            _Route(
                "/seed",
                "adds campaigns, all or none",
                {"POST": self._seed},
                'send {"campaigns": [{"id": "c1"}], "contacts": {"c1": [{"id": "k1"}]}}',
            ),
            _Route("/reset", "goes back to the state in which the sandbox was started", {"POST": self._reset}),
            _Route(
                "/faults",
                "the faults; adds one, or an array of them; stops all, and answers what hangs",
                {"GET": self._faults, "POST": self._add_faults, "DELETE": self._stop_faults},
                'send a fault, such as {"operation": "create", "status": 503}',
            ),
            _Route(
                "/clock",
                "the sandbox's time; sets, moves or runs it",
                {"GET": self._time, "PUT": self._set_time},
                'send {"now": "2031-06-27T09:30:00Z"}, {"move": 60} or {"running": true}',
            ),
            _Route(
                "/rate-limit",
                "the rate limit; sets it",
                {"GET": self._limit, "PUT": self._set_limit},
                'send null (no limit), a number, or {"requests_per_second": 10, "status": 503}',
            ),
            _Route("/openapi.json", "the API as an OpenAPI document", {"GET": self._openapi}),
        )
        self._routes: Final = {route.path: route for route in routes}

    def answer(self, request: ControlRequest) -> Answer:
        """Answer a request, or refuse it."""
        settings = self._handler.settings
        try:
            _check_access(request, host=settings.host, api_key=settings.api_key)
            return self._serve(request)
        except ControlError as error:
            return error.answer

    def _serve(self, request: ControlRequest) -> Answer:
        route = self._routes.get(request.path.lower().rstrip("/"))
        if route is None:
            raise ControlError(404, f"the control has no such path: GET {CONTROL} lists the paths")
        handle = route.handlers.get("GET" if request.method == "HEAD" else request.method)
        if handle is None:
            raise ControlError(405, f"{CONTROL}{route.path} has the methods {route.allow}", Allow=route.allow)
        _check_body(request)
        try:
            return handle(request)
        except ValueError as error:
            raise ControlError(400, f"{error}: {route.hint}") from None

    def _index(self, request: ControlRequest) -> Answer:
        url = self._handler.settings.url
        start = urlsplit(url).path + CONTROL
        paths = [
            {"path": start + route.path, "methods": list(route.handlers), "what": route.description}
            for route in self._routes.values()
        ]
        return _json({"url": url, "paths": paths})

    def _journal(self, request: ControlRequest) -> Answer:
        given = {name: value for name, value in request.query.items() if name != "api-key"}
        page = read_texts(given, LogPage)
        requests = self._handler.log.requests
        later = [each for each in requests if each.number > page.after]
        shown = later[: min(page.limit, _MOST_REQUESTS)]
        return _json(
            {
                "total": len(requests),
                "next": shown[-1].number if len(later) > len(shown) else None,
                "requests": [_entry(each, self._handler.settings.api_key) for each in shown],
            }
        )

    def _seed(self, request: ControlRequest) -> Answer:
        seeds = structure(request.json, Seeds)
        store = self._handler.provider.store
        for campaign in seeds.campaigns:
            if store.get(campaign["id"]) is not None:
                raise ControlError(409, f"there is a campaign {campaign['id']!r} already; none was added")
        for campaign in seeds.campaigns:
            store.seed(campaign, seeds.contacts.get(campaign["id"], ()), None)
        return _json({"added": len(seeds.campaigns)}, 201)

    def _reset(self, request: ControlRequest) -> Answer:
        self._handler.reset()
        return _json({"ok": True})

    def _faults(self, request: ControlRequest) -> Answer:
        return _json({"faults": [_rule(rule) for rule in self._handler.rules.all]})

    def _add_faults(self, request: ControlRequest) -> Answer:
        return _json({"faults": [_rule(self._handler.rules.add(fault)) for fault in read_faults(request.json)]}, 201)

    def _stop_faults(self, request: ControlRequest) -> Answer:
        for rule in self._handler.rules.all:
            rule.stop()
            rule.release()
        return self._faults(request)

    def _time(self, request: ControlRequest) -> Answer:
        clock = self._handler.clock
        now = clock.now().isoformat(timespec="microseconds").replace("+00:00", "Z")
        return _json({"now": now, "running": clock.running})

    def _set_time(self, request: ControlRequest) -> Answer:
        clock, change = self._handler.clock, structure(request.json, ClockChange)
        if change.now is not None:
            clock.set(change.now)
        if change.move is not None:
            clock.move(change.move)
        if change.running:
            clock.run()
        elif change.running is False:
            clock.set(clock.now())
        return self._time(request)

    def _limit(self, request: ControlRequest) -> Answer:
        limit = self._handler.settings.rate_limit
        return _json(None if limit is None else attrs.asdict(limit))

    def _set_limit(self, request: ControlRequest) -> Answer:
        self._handler.limit_rate(read_rate_limit(request.json))
        return self._limit(request)

    def _openapi(self, request: ControlRequest) -> Answer:
        settings = self._handler.settings
        return _json(
            _openapi.document(
                url=settings.url,
                update_method=settings.update_method,
                delete_method=settings.delete_method,
                auth=settings.auth,
            )
        )


def _rule(rule: Rule) -> dict[str, Any]:
    return {
        "number": rule.number,
        "seen": rule.seen,
        "fired": rule.fired,
        "stopped": rule.stopped,
        "fault": write_fault(rule.fault),
        "not_shown": fields_left_out(rule.fault),
    }


def is_loopback(host: str) -> bool:
    """Return whether a host, without a port or brackets, is this machine and no other."""
    if host.lower() == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _check_access(request: ControlRequest, *, host: str, api_key: str) -> None:
    """Refuse pages of other sites, and other machines without the key.

    Args:
        request: The request.
        host: The address that the sandbox listens on.
        api_key: The key, which is needed only when other machines can reach that address.

    Raises:
        ControlError: 403 where a browser sends the request for another site; 401 without the key.
    """
    headers = request.headers
    origin, site = headers.get("Origin"), headers.get("Sec-Fetch-Site")
    if origin is not None and origin.lower() != f"http://{headers.get('Host') or ''}".lower():
        raise ControlError(403, "header Origin: the control takes nothing from pages of other sites")
    if site is not None and site.lower() not in _OWN_SITES:
        raise ControlError(403, "header Sec-Fetch-Site: the control takes nothing from pages of other sites")
    if is_loopback(host):
        # With a foreign name that leads here (DNS rebinding), a foreign page has the same origin.
        found = _HOST.fullmatch(headers.get("Host") or "")
        if found is None or not is_loopback(found[1] or found[2]):
            raise ControlError(403, "header Host: the control answers to localhost, 127.0.0.1 and [::1] only")
    elif not carries_key(api_key, headers, request.query):
        raise ControlError(
            401,
            "other machines can reach the control, so it needs the sandbox's key: "
            "send it as Authorization: Bearer KEY, as api-key: KEY, or as ?api-key=KEY",
            **{"WWW-Authenticate": "Bearer"},
        )


def _check_body(request: ControlRequest) -> None:
    """Take no body but JSON: a form on a page of another site can send anything else.

    Raises:
        ControlError: 413 where the body is too large, 415 where it is not JSON by its type.
    """
    if request.body is None:
        raise ControlError(413, "the body is too large: send less at a time")
    kind = (request.headers.get("Content-Type") or "").partition(";")[0].strip().lower()
    # Some clients name a type even without a body.
    if kind in _TYPES_OF_FORMS or (request.body and kind != "application/json"):
        raise ControlError(415, "header Content-Type: the control takes application/json only")


def _entry(request: RecordedRequest, key: str) -> dict[str, Any]:
    """Return a request as JSON, with the key hidden wherever it was sent."""

    def clean(text: str) -> str:
        # Surrogates stand for bytes that are not UTF-8, which JSON cannot hold.
        return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace").replace(key, _HIDDEN)

    headers: dict[str, str] = {}
    names: dict[str, str] = {}
    for name, value in request.headers.items():
        if (lower := name.lower()) in _HIDDEN_HEADERS:
            continue
        # The values of a header that was sent several times are joined.
        shown = names.setdefault(lower, clean(name))
        headers[shown] = f"{headers[shown]}, {clean(value)}" if shown in headers else clean(value)
    plain = ("number", "method", "operation", "status", "acted", "fault", "problem", "connection", "arrived")
    return {
        **{name: getattr(request, name) for name in plain},
        "path": clean(request.path),
        "query": {clean(name): clean(value) for name, value in request.query.items() if name != "api-key"},
        "headers": headers,
        "body": _shown_body(request.content.replace(key.encode(), _HIDDEN.encode())),
    }


def _shown_body(content: bytes) -> Any:
    """Return JSON as it was sent, else text; None where there is no body."""
    if not content:
        return None
    try:
        read_json(content)
    except ValueError:
        return content.decode("utf-8", "replace")
    return msgspec.Raw(content)
