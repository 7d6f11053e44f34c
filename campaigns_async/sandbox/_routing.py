"""The operation that a request asks for, by its verb and path, and the key that it carries."""

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
class Call:
    """A request as the operations need it.

    Attributes:
        method: The verb, in upper case.
        operation: The operation that it asks for; None where no operation has this verb and path.
        allow: The verbs of the path; None when there is no such path.
        query: Parameters by name in lower case, the first of each.
        key: The campaign's id, where the path has one.
        leave_out_invalid: True if a create is to drop contacts with invalid numbers.
    """

    method: str
    operation: Operation | None
    allow: tuple[str, ...] | None
    query: Mapping[str, str]
    key: str = ""
    leave_out_invalid: bool = False


@frozen
class Verbs:
    """The verbs under which updates and deletes are served, and the prefix of each path."""

    update: UpdateMethod
    delete: DeleteMethod
    prefix: str

    @staticmethod
    def all_of(verb: UpdateMethod | DeleteMethod, usual: str) -> tuple[str, ...]:
        """Return the verbs that a setting stands for."""
        return (usual, "POST") if verb == "both" else (verb,)


def read_query(text: str) -> dict[str, str]:
    """Read a query as ASP.NET does: names in any case, and the first of a repeated parameter."""
    query: dict[str, str] = {}
    if text:
        for name, value in parse_qsl(text, keep_blank_values=True):
            query.setdefault(name.lower(), value)
    return query


def read_call(method: str, target: str, *, has_body: bool, verbs: Verbs) -> Call:
    """Find out which operation a request asks for, by its verb and its path with the query."""
    path, _, query_text = target.partition("?")
    query = read_query(query_text)
    found = None
    if path[: len(verbs.prefix)].lower() == verbs.prefix.lower():
        found = _PATH.fullmatch(path, len(verbs.prefix))
    if found is None:
        return Call(method, None, None, query)
    key = found[1]
    if key is None:
        return Call(method, _ON_ALL.get(method), ("GET", "POST"), query)
    key = unquote(key)
    if found[2] is not None:
        return Call(method, "contacts" if method == "GET" else None, ("GET",), query, key)
    if method == "POST" and (flag := _FLAGS.get(key.lower())) is not None:
        return Call(method, "create", ("POST",), query, leave_out_invalid=flag)
    operation, allow = _operation_on_one(method, has_body=has_body, verbs=verbs)
    if key.lower() in _FLAGS and "POST" not in allow:
        allow = (*allow, "POST")
    return Call(method, operation, allow, query, key)


def _operation_on_one(method: str, *, has_body: bool, verbs: Verbs) -> tuple[Operation | None, tuple[str, ...]]:
    update = verbs.all_of(verbs.update, "PUT")
    delete = verbs.all_of(verbs.delete, "DELETE")
    allow = tuple(dict.fromkeys(("GET", *update, *delete)))
    if method == "GET":
        return "get", allow
    # Where both are POST, only the body distinguishes them.
    if method in update and (has_body or method not in delete):
        return "update", allow
    if method in delete and (not has_body or method == "DELETE"):
        return "delete", allow
    return None, allow


def carries_key(key: str, headers: Mapping[str, str], query: Mapping[str, str], auth: Auth = "any") -> bool:
    """Return whether a request carries the key in a way that is taken.

    Args:
        key: The right key.
        headers: Headers; names are found in any case.
        query: Parameters by name in lower case.
        auth: The one way that counts, or any.
    """
    scheme, _, token = headers.get("Authorization", "").partition(" ")
    found = {
        "bearer": token.strip() if scheme.lower() == "bearer" else None,
        "header": headers.get("api-key"),
        "query": query.get("api-key"),
    }
    offered = found.values() if auth == "any" else (found[auth],)
    return any(text is not None and _is_same(text, key) for text in offered)


def _is_same(text: str, key: str) -> bool:
    # In constant time, as other machines may reach it. Bytes that are not UTF-8 come as surrogates.
    return compare_digest(text.encode("utf-8", "surrogatepass"), key.encode("utf-8", "surrogatepass"))
