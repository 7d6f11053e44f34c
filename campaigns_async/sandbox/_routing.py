"""Routing: the operation of a request, by its method and path, and the API key that it carries."""

from __future__ import annotations

import re
from collections.abc import Mapping
from hmac import compare_digest
from typing import Final, Literal, get_args
from urllib.parse import parse_qsl, unquote

from attrs import frozen

Operation = Literal["list", "get", "contacts", "create", "update", "delete"]
OPERATIONS: Final[tuple[Operation, ...]] = get_args(Operation)

UpdateMethod = Literal["PUT", "POST", "both"]
DeleteMethod = Literal["DELETE", "POST", "both"]
Auth = Literal["any", "bearer", "header", "query"]

_PATH: Final = re.compile(r"/api/campaigns(?:/([^/]+)(/contacts)?)?/?", re.IGNORECASE)
_ON_ALL: Final[Mapping[str, Operation]] = {"GET": "list", "POST": "create"}
_FLAGS: Final[Mapping[str, bool]] = {"true": True, "false": False}


@frozen
class RoutedRequest:
    """A request, parsed for the operations.

    Attributes:
        operation: The requested operation; None if no operation has this method and path.
        allow: The methods of the path; None if there is no such path.
        query: Parameters by name in lower case, the first of each.
        ignore_invalid: True if a create leaves out contacts with invalid numbers.
    """

    operation: Operation | None
    allow: tuple[str, ...] | None
    query: Mapping[str, str]
    campaign_id: str = ""
    ignore_invalid: bool = False


class Router:
    """The paths of the API, after a prefix, with the methods under which updates and deletes are served."""

    def __init__(self, update: UpdateMethod = "PUT", delete: DeleteMethod = "DELETE", prefix: str = "") -> None:
        self._prefix = prefix.lower()
        self._update = ("PUT", "POST") if update == "both" else (update,)
        self._delete = ("DELETE", "POST") if delete == "both" else (delete,)
        self._allow = tuple(dict.fromkeys(("GET", *self._update, *self._delete)))

    def strip_base(self, base: str, path: str) -> str | None:
        """Return the part of a path after the prefix and a base path; None if the path is not under them."""
        start = self._prefix + base
        below = path[len(start) :]
        return below if path.lower().startswith(start) and below[:1] in {"", "/"} else None

    def route(self, method: str, target: str, *, has_body: bool) -> RoutedRequest:
        """Find the operation of a request. The target is the path with the query."""
        path, _, query_text = target.partition("?")
        query = read_query(query_text)
        match = None
        if path[: len(self._prefix)].lower() == self._prefix:
            match = _PATH.fullmatch(path, len(self._prefix))
        if match is None:
            return RoutedRequest(None, None, query)
        if match[1] is None:
            return RoutedRequest(_ON_ALL.get(method), ("GET", "POST"), query)
        campaign_id = unquote(match[1])
        if match[2] is not None:
            return RoutedRequest("contacts" if method == "GET" else None, ("GET",), query, campaign_id)
        flag = _FLAGS.get(campaign_id.lower())
        if method == "POST" and flag is not None:
            return RoutedRequest("create", ("POST",), query, ignore_invalid=flag)
        allow = self._allow if flag is None or "POST" in self._allow else (*self._allow, "POST")
        return RoutedRequest(self._find_operation(method, has_body=has_body), allow, query, campaign_id)

    def _find_operation(self, method: str, *, has_body: bool) -> Operation | None:
        if method == "GET":
            return "get"
        # If both are POST, only the body distinguishes them.
        if method in self._update and (has_body or method not in self._delete):
            return "update"
        if method in self._delete and (not has_body or method == "DELETE"):
            return "delete"
        return None


def read_query(text: str) -> dict[str, str]:
    """Read a query as ASP.NET does: names in any case, and the first value of a repeated parameter."""
    query: dict[str, str] = {}
    if text:
        for name, value in parse_qsl(text, keep_blank_values=True):
            query.setdefault(name.lower(), value)
    return query


def carries_key(key: str, headers: Mapping[str, str], query: Mapping[str, str], auth: Auth = "any") -> bool:
    """Return True if a request carries the API key in an accepted way."""
    scheme, _, token = headers.get("Authorization", "").partition(" ")
    texts = {
        "bearer": token.strip() if scheme.lower() == "bearer" else None,
        "header": headers.get("api-key"),
        "query": query.get("api-key"),
    }
    offered = texts.values() if auth == "any" else (texts[auth],)
    # In constant time, as other machines may send requests. Bytes that are not UTF-8 are surrogates here.
    wanted = key.encode("utf-8", "surrogatepass")
    return any(text is not None and compare_digest(text.encode("utf-8", "surrogatepass"), wanted) for text in offered)
