"""The journal as the control shows it: without what gives the key away."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import orjson

from ..journal import RecordedRequest

# A Referer can carry the key in its query.
_LEFT_OUT_OF_HEADERS: Final = frozenset({"authorization", "proxy-authorization", "api-key", "cookie", "referer"})
_HIDDEN: Final = "(key)"
_LEFT_OUT_OF_QUERY: Final = frozenset({"api-key"})


def page(requests: Sequence[RecordedRequest], *, after: int, limit: int, key: str) -> dict[str, Any]:
    """Some of the requests.

    Args:
        requests: All of them, in order.
        after: Only those with greater numbers.
        limit: How many at most.
        key: Is shown nowhere, wherever it was sent.

    Returns:
        `requests`; `total`, how many arrived; `next`, the `after` that gives the rest, None where there is none.
    """
    later = [request for request in requests if request.number > after]
    shown = later[:limit]
    return {
        "total": len(requests),
        "next": shown[-1].number if len(later) > len(shown) else None,
        "requests": [_without(key, _entry(request, key)) for request in shown],
    }


def _without(key: str, entry: dict[str, Any]) -> dict[str, Any]:
    """With something else in place of the key, in texts and in names."""

    def hidden(text: str) -> str:
        return text.replace(key, _HIDDEN)

    for name in ("query", "headers"):
        given: dict[str, str] = entry[name]
        entry[name] = {hidden(each): hidden(value) for each, value in given.items()}
    entry["path"] = hidden(entry["path"])
    return entry


def _entry(request: RecordedRequest, key: str) -> dict[str, Any]:
    return {
        "number": request.number,
        "method": request.method,
        "path": _clean(request.path),
        "query": {
            _clean(name): _clean(value)
            for name, value in request.query.items()
            if name.lower() not in _LEFT_OUT_OF_QUERY
        },
        "headers": _headers(request.headers),
        "operation": request.operation,
        "status": request.status,
        "acted": request.acted,
        "fault": request.fault,
        "problem": request.problem,
        "connection": request.connection,
        "arrived": request.arrived,
        "body": _body(request.content.replace(key.encode(), _HIDDEN.encode())),
    }


def _headers(headers: Mapping[str, str]) -> dict[str, str]:
    found: dict[str, str] = {}
    # Where a header stands there several times, its values are joined.
    names: dict[str, str] = {}
    for name, value in headers.items():
        lower = name.lower()
        if lower in _LEFT_OUT_OF_HEADERS:
            continue
        key = names.setdefault(lower, _clean(name))
        found[key] = f"{found[key]}, {_clean(value)}" if key in found else _clean(value)
    return found


def _body(content: bytes) -> Any:
    """JSON as it was sent, else text; None where there is none."""
    if not content:
        return None
    try:
        orjson.loads(content)
    except orjson.JSONDecodeError:
        return content.decode("utf-8", "replace")
    return orjson.Fragment(content)


def _clean(text: str) -> str:
    """Without the half characters that stand for bytes that are no UTF-8: JSON cannot hold them."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
