"""The control: the sandbox's HTTP interface under ``/_sandbox``, to inspect requests and to change the answers.

It is for programs in other languages, and for curl. `_check_access` decides which requests it accepts.
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
from attrs import field, frozen

from ._dotnet import read_json
from ._openapi import build_document
from ._operations import PROBLEM, Answer
from ._payloads import (
    ClockChange,
    LogPage,
    Seeds,
    list_unwritable_fields,
    read_faults,
    read_rate_limit,
    read_texts,
    structure,
    write_fault,
)
from ._request_log import RecordedRequest
from ._routing import carries_key
from ._state import State
from .faults import Rule

CONTROL: Final = "/_sandbox"
"""The path of the control, after the prefix."""

_MAX_REQUESTS: Final = 1000
# Never any CORS headers: no other origin may read an answer.
_HEADERS: Final[Mapping[str, str]] = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
# The types that a web page of another site can send without a preflight request.
_FORM_TYPES: Final = frozenset({"application/x-www-form-urlencoded", "multipart/form-data", "text/plain"})
# A host with an address in brackets, or a name; then the port.
_HOST: Final = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([0-9A-Za-z._-]+))(?::[0-9]{1,5})?")
_OWN_SITES: Final = frozenset({"same-origin", "none"})
# A Referer can carry the key in its query.
_HIDDEN_HEADERS: Final = frozenset({"authorization", "proxy-authorization", "api-key", "cookie", "referer"})
_HIDDEN: Final = "(key)"
_SHOWN_FIELDS: Final = (
    "number", "method", "operation", "status", "acted", "fault", "problem", "connection", "arrived",
)  # fmt: skip


@frozen
class ControlRequest:
    """A request to the control, with the path after ``/_sandbox``. `body` is None if it was too large to read."""

    method: str
    path: str
    query: Mapping[str, str] = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    body: bytes | None = field(repr=False)

    @property
    def json(self) -> Any:
        return read_json(self.body or b"")


class ControlError(Exception):
    """An error that refuses a request, and says what to send instead."""

    def __init__(self, status: int, detail: str, **headers: str) -> None:
        super().__init__(detail)
        body = {"title": HTTPStatus(status).phrase, "status": status, "detail": detail}
        self.answer: Final = Answer.of_json(body, status, PROBLEM, headers={**_HEADERS, **headers})


def answer_control(state: State, request: ControlRequest) -> Answer:
    """Answer a request under ``/_sandbox``, or refuse it, without I/O."""
    try:
        _check_access(request, host=state.settings.host, api_key=state.api_key)
        return _answer(state, request)
    except ControlError as error:
        return error.answer


def _answer(state: State, request: ControlRequest) -> Answer:
    path = request.path.lower().rstrip("/")
    route = _ROUTES.get(path)
    if route is None:
        raise ControlError(404, f"the control has no such path: GET {CONTROL} lists the paths")
    respond = route.responders.get("GET" if request.method == "HEAD" else request.method)
    if respond is None:
        methods = ", ".join(route.responders).replace("GET", "GET, HEAD")
        raise ControlError(405, f"{CONTROL}{path} has the methods {methods}", Allow=methods)
    _check_body(request)
    try:
        value = respond(state, request)
    except ValueError as error:
        raise ControlError(400, f"{error}: {route.hint}") from None
    created = route.creates and request.method == "POST"
    return Answer.of_json(value, 201 if created else 200, headers=_HEADERS)


def _list_paths(state: State, _: ControlRequest) -> Any:
    start = urlsplit(state.url).path + CONTROL
    paths = [
        {"path": start + path, "methods": [*route.responders], "what": route.what} for path, route in _ROUTES.items()
    ]
    return {"url": state.url, "paths": paths}


def _list_requests(state: State, request: ControlRequest) -> Any:
    page = read_texts({name: text for name, text in request.query.items() if name != "api-key"}, LogPage)
    later = [each for each in state.log.requests if each.number > page.after]
    shown = later[: min(page.limit, _MAX_REQUESTS)]
    return {
        "total": len(state.log.requests),
        "next": shown[-1].number if len(later) > len(shown) else None,
        "requests": [_write_request(each, state.api_key) for each in shown],
    }


def _add_campaigns(state: State, request: ControlRequest) -> Any:
    seeds = structure(request.json, Seeds)
    for campaign in seeds.campaigns:
        if state.store.get(campaign["id"]) is not None:
            raise ControlError(409, f"there is a campaign {campaign['id']!r} already; none was added")
    for campaign in seeds.campaigns:
        state.store.seed(campaign, seeds.contacts.get(campaign["id"], ()), None)
    return {"added": len(seeds.campaigns)}


def _reset(state: State, _: ControlRequest) -> Any:
    state.reset()
    return {"ok": True}


def _list_faults(state: State, _: ControlRequest) -> Any:
    return {"faults": [_write_rule(rule) for rule in state.rules]}


def _add_faults(state: State, request: ControlRequest) -> Any:
    return {"faults": [_write_rule(state.rules.add(fault)) for fault in read_faults(request.json)]}


def _stop_faults(state: State, request: ControlRequest) -> Any:
    for rule in state.rules:
        rule.stop()
        rule.release()
    return _list_faults(state, request)


def _get_time(state: State, _: ControlRequest) -> Any:
    now = state.clock.now().isoformat(timespec="microseconds").replace("+00:00", "Z")
    return {"now": now, "running": state.clock.running}


def _set_time(state: State, request: ControlRequest) -> Any:
    clock, change = state.clock, structure(request.json, ClockChange)
    if change.now is not None:
        clock.set(change.now)
    if change.move is not None:
        clock.move(change.move)
    if change.running:
        clock.run()
    elif change.running is False:
        clock.set(clock.now())
    return _get_time(state, request)


def _get_limit(state: State, _: ControlRequest) -> Any:
    return None if state.rate_limit is None else attrs.asdict(state.rate_limit)


def _set_limit(state: State, request: ControlRequest) -> Any:
    state.limit_rate(read_rate_limit(request.json))
    return _get_limit(state, request)


def _get_openapi(state: State, _: ControlRequest) -> Any:
    how = state.settings
    return build_document(
        url=state.url, update_method=how.update_method, delete_method=how.delete_method, auth=how.auth
    )


@frozen
class _Route:
    """A path of the control.

    Attributes:
        responders: By HTTP method, the function that returns the JSON value of the answer.
        hint: The end of the error about an invalid request.
        creates: True if a POST is answered with 201.
    """

    what: str
    responders: Mapping[str, Callable[[State, ControlRequest], Any]]
    hint: str = ""
    creates: bool = False


_ROUTES: Final[Mapping[str, _Route]] = {
    "": _Route("the paths", {"GET": _list_paths}),
    "/journal": _Route(
        "the requests and their outcomes (?after=NUMBER, ?limit=)",
        {"GET": _list_requests},
        "send ?after=NUMBER, ?limit= or neither",
    ),
    "/seed": _Route(
        "adds campaigns: all of them or none",
        {"POST": _add_campaigns},
        'send {"campaigns": [{"id": "c1"}], "contacts": {"c1": [{"id": "k1"}]}}',
        creates=True,
    ),
    "/reset": _Route("restores the state in which the sandbox was started", {"POST": _reset}),
    "/faults": _Route(
        "the faults; adds one, or an array of them; stops all, and answers what hangs",
        {"GET": _list_faults, "POST": _add_faults, "DELETE": _stop_faults},
        'send a fault, such as {"operation": "create", "status": 503}',
        creates=True,
    ),
    "/clock": _Route(
        "the sandbox's time; sets, moves or runs it",
        {"GET": _get_time, "PUT": _set_time},
        'send {"now": "2031-06-27T09:30:00Z"}, {"move": 60} or {"running": true}',
    ),
    "/rate-limit": _Route(
        "the rate limit; sets it",
        {"GET": _get_limit, "PUT": _set_limit},
        'send null (no limit), a number, or {"requests_per_second": 10, "status": 503}',
    ),
    "/openapi.json": _Route("the API as an OpenAPI document", {"GET": _get_openapi}),
}


def is_loopback(host: str) -> bool:
    """Return True if a host, without a port or brackets, is this machine and no other."""
    if host.lower() == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _check_access(request: ControlRequest, *, host: str, api_key: str) -> None:
    """Refuse pages of other sites, and other machines without the key if these can reach the host."""
    headers = request.headers
    origin, site = headers.get("Origin"), headers.get("Sec-Fetch-Site")
    if origin is not None and origin.lower() != f"http://{headers.get('Host') or ''}".lower():
        raise ControlError(403, "header Origin: the control accepts nothing from pages of other sites")
    if site is not None and site.lower() not in _OWN_SITES:
        raise ControlError(403, "header Sec-Fetch-Site: the control accepts nothing from pages of other sites")
    if is_loopback(host):
        # With a foreign name for this address (DNS rebinding), a page of another site has the same origin.
        match = _HOST.fullmatch(headers.get("Host") or "")
        if match is None or not is_loopback(match[1] or match[2]):
            raise ControlError(403, "header Host: the control answers to localhost, 127.0.0.1 and [::1] only")
    elif not carries_key(api_key, headers, request.query):
        raise ControlError(
            401,
            "other machines can reach the control, so it needs the sandbox's key: "
            "send it as Authorization: Bearer KEY, as api-key: KEY, or as ?api-key=KEY",
            **{"WWW-Authenticate": "Bearer"},
        )


def _check_body(request: ControlRequest) -> None:
    """Accept only JSON: a form on a web page of another site can send any other body."""
    if request.body is None:
        raise ControlError(413, "the body is too large: send less at a time")
    kind = (request.headers.get("Content-Type") or "").partition(";")[0].strip().lower()
    # Some clients name a type even without a body.
    if kind in _FORM_TYPES or (request.body and kind != "application/json"):
        raise ControlError(415, "header Content-Type: the control accepts application/json only")


def _write_rule(rule: Rule) -> dict[str, Any]:
    counts = {name: getattr(rule, name) for name in ("number", "seen", "fired", "stopped")}
    return {**counts, "fault": write_fault(rule.fault), "not_shown": list_unwritable_fields(rule.fault)}


def _write_request(request: RecordedRequest, key: str) -> dict[str, Any]:
    """Return a request as JSON, with the key hidden wherever it was sent."""

    def clean(text: str) -> str:
        # Bytes that are not UTF-8 are surrogates here, which JSON cannot contain.
        return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace").replace(key, _HIDDEN)

    sent: Any = request.headers
    names = {name.lower(): name for name in reversed([*sent])}  # the first spelling of each
    return {
        **{name: getattr(request, name) for name in _SHOWN_FIELDS},
        "path": clean(request.path),
        "query": {clean(name): clean(value) for name, value in request.query.items() if name != "api-key"},
        "headers": {
            clean(name): clean(", ".join(sent.getall(name)))
            for lower, name in names.items()
            if lower not in _HIDDEN_HEADERS
        },
        "body": _write_body(request.content.replace(key.encode(), _HIDDEN.encode())),
    }


def _write_body(content: bytes) -> Any:
    try:
        read_json(content)
    except ValueError:
        return content.decode("utf-8", "replace") or None
    return msgspec.Raw(content)
