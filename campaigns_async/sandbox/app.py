"""The six operations: a request in, an answer out, without I/O."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, Literal
from urllib.parse import parse_qsl, unquote

import orjson
from attrs import frozen

from . import problems, sieve
from .answers import JSON, TEXT, Answer
from .numbers import phone_digits
from .schema import CAMPAIGN_COLUMNS, CONTACT_COLUMNS, Columns, Row, Wire
from .validation import InvalidBodyError, read_new, read_update
from .values import INT32_MAX, to_int32, write_ticks

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from .quirks import Quirks
    from .state import Store

Operation = Literal["list", "get", "contacts", "create", "update", "delete"]
OPERATIONS: Final = ("list", "get", "contacts", "create", "update", "delete")

UpdateMethod = Literal["PUT", "POST", "both"]
DeleteMethod = Literal["DELETE", "POST", "both"]

_PATH: Final = re.compile(r"/api/campaigns(?:/([^/]+)(/contacts)?)?/?", re.IGNORECASE)
_UNREADABLE: Final = "Not what the server's language can say: by default it would be dropped, and everything answered."
_FLAGS: Final[Mapping[str, bool]] = {"true": True, "false": False}


@frozen
class Call:
    """A request as the operations need it.

    Attributes:
        method: The verb, in upper case.
        operation: What it asks for; None where no operation answers to it.
        allow: The verbs of the path; None when there is no such path.
        query: Parameters by name in lower case, the first of each.
        key: The campaign's id, where the path has one.
        leave_out_invalid: What a create is to do about invalid numbers.
    """

    method: str
    operation: Operation | None
    allow: tuple[str, ...] | None
    query: Mapping[str, str]
    key: str = ""
    leave_out_invalid: bool = False


@frozen
class Verbs:
    """The verbs under which update and delete are served, and what stands before each path."""

    update: UpdateMethod
    delete: DeleteMethod
    prefix: str

    @staticmethod
    def all_of(verb: UpdateMethod | DeleteMethod, usual: str) -> tuple[str, ...]:
        """The verbs that a switch stands for."""
        return (usual, "POST") if verb == "both" else (verb,)


def read_call(method: str, target: str, *, has_body: bool, verbs: Verbs) -> Call:
    """Find out what a request asks for, by its verb and its path with the query."""
    path, _, query_text = target.partition("?")
    # ASP.NET takes the first of a repeated parameter, and its name in any case.
    query: dict[str, str] = {}
    if query_text:
        for name, value in parse_qsl(query_text, keep_blank_values=True):
            query.setdefault(name.lower(), value)
    found = None
    if path[: len(verbs.prefix)].lower() == verbs.prefix.lower():
        found = _PATH.fullmatch(path, len(verbs.prefix))
    if found is None:
        return Call(method, None, None, query)
    key = found[1]
    if key is None:
        operation, allow = _of_all(method)
        return Call(method, operation, allow, query)
    key = unquote(key)
    if found[2] is not None:
        operation = "contacts" if method == "GET" else None
        return Call(method, operation, ("GET",), query, key)
    if method == "POST" and (flag := _FLAGS.get(key.lower())) is not None:
        return Call(method, "create", ("POST",), query, leave_out_invalid=flag)
    operation, allow = _of_one(method, has_body=has_body, verbs=verbs)
    if key.lower() in _FLAGS and "POST" not in allow:
        allow = (*allow, "POST")
    return Call(method, operation, allow, query, key)


def _of_all(method: str) -> tuple[Operation | None, tuple[str, ...]]:
    if method == "GET":
        return "list", ("GET", "POST")
    return ("create" if method == "POST" else None), ("GET", "POST")


def _of_one(method: str, *, has_body: bool, verbs: Verbs) -> tuple[Operation | None, tuple[str, ...]]:
    update = verbs.all_of(verbs.update, "PUT")
    delete = verbs.all_of(verbs.delete, "DELETE")
    allow = tuple(dict.fromkeys(("GET", *update, *delete)))
    if method == "GET":
        return "get", allow
    # Where both are POST, only the body tells one from the other.
    if method in update and (has_body or method not in delete):
        return "update", allow
    if method in delete and (not has_body or method == "DELETE"):
        return "delete", allow
    return None, allow


@frozen
class Campaigns:
    """The operations on a store."""

    store: Store
    quirks: Quirks
    digits_of: Callable[[object], str | None] = phone_digits

    def answer(self, call: Call, *, content_type: str, body: bytes) -> Answer:
        """Carry a request out, if it can be."""
        self.store.move_on()
        if call.operation in {"create", "update"}:
            if not _is_json(content_type) and body:
                return problems.problem(415, self.store.trace_id())
            return self._write(call, body)
        if call.operation == "list":
            return self._list(call)
        if call.operation == "contacts":
            return self._contacts(call)
        if call.operation == "delete":
            if self.store.has_begun(call.key):
                return self._begun()
            return self._done(found=self.store.delete(call.key))
        row = self.store.get(call.key)
        return self._not_found() if row is None else _ok(self._campaign(row))

    def would_create(self, call: Call, *, content_type: str, body: bytes) -> bool:
        """Whether a create is fit to be carried out; it is not."""
        try:
            read_new(body, leave_out_invalid=call.leave_out_invalid, digits_of=self.digits_of)
        except InvalidBodyError:
            return False
        return _is_json(content_type)

    def _write(self, call: Call, body: bytes) -> Answer:
        try:
            if call.operation == "update":
                fields = read_update(body)
                if self.store.has_begun(call.key):
                    return self._begun()
                return self._done(found=self.store.update(call.key, fields))
            new = read_new(body, leave_out_invalid=call.leave_out_invalid, digits_of=self.digits_of)
            row = self.store.create(new)
        except InvalidBodyError as error:
            return problems.invalid(error.errors, self.store.trace_id())
        key: str = row.wire["id"]
        if self.quirks.bare_id:
            return Answer(201, key.encode(), TEXT, acted=True)
        return Answer(201, orjson.dumps(key), JSON, acted=True)

    def _list(self, call: Call) -> Answer:
        page = self._page(call, self.store.listed(), CAMPAIGN_COLUMNS)
        if isinstance(page, Answer):
            return page
        page["items"] = [self._campaign(row) for row in page["items"]]
        return _ok([page] if self.quirks.list_in_array else page)

    def _contacts(self, call: Call) -> Answer:
        rows = self.store.contacts(call.key)
        if rows is None:
            return self._not_found()
        page = self._page(call, rows, CONTACT_COLUMNS)
        if isinstance(page, Answer):
            return page
        page["items"] = [row.wire for row in page["items"]]
        return _ok(page)

    def _page(self, call: Call, rows: Sequence[Row], columns: Columns) -> Wire | Answer:
        errors: dict[str, list[str]] = {}
        index = _positive(call.query, "Page", 1, errors)
        size = _positive(call.query, "PageSize", self.quirks.default_page_size, errors)
        if errors:
            return problems.invalid(errors, self.store.trace_id())
        found = sieve.find(
            rows,
            call.query.get("filters") or None,
            call.query.get("sorts") or None,
            columns,
            self.quirks.zone,
        )
        if found.failed and self.quirks.strict_filters:
            return problems.invalid({found.failed: [f"{_UNREADABLE} It is: {found.why}."]}, self.store.trace_id())
        total = len(found.rows)
        taken = found.rows
        if not found.failed:
            cap = self.quirks.max_page_size
            start = (index - 1) * size
            taken = taken[start : start + (size if cap is None else min(size, cap))]
        return {
            "pageIndex": index,
            "totalPages": -(-total // size),
            "totalRecords": total,
            "items": taken,
        }

    def _campaign(self, row: Row) -> Wire:
        style = self.quirks.dates
        if style is None or row.ticks is None:
            return row.wire
        return {**row.wire, "startDateTime": write_ticks(row.ticks, style)}

    def _done(self, *, found: bool) -> Answer:
        return Answer(204, acted=True) if found else self._not_found()

    def _begun(self) -> Answer:
        return problems.problem(409, self.store.trace_id())

    def _not_found(self) -> Answer:
        return problems.problem(404, self.store.trace_id())


def _ok(value: Any) -> Answer:
    return Answer(200, orjson.dumps(value), JSON, acted=True)


def _is_json(content_type: str) -> bool:
    kind = content_type.partition(";")[0].strip().lower()
    return kind in {"application/json", "text/json"} or (kind.startswith("application/") and kind.endswith("+json"))


def _positive(query: Mapping[str, str], name: str, default: int, errors: dict[str, list[str]]) -> int:
    text = query.get(name.lower(), "")
    if not text.strip():
        return default
    try:
        value = to_int32(text)
    except ValueError:
        errors[name] = [f"The value '{text}' is not valid for {name}."]
        return default
    if value < 1:
        errors[name] = [f"The field {name} must be between 1 and {INT32_MAX}."]
    return value
