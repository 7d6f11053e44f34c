"""The provider's API: a request in, an answer out, without I/O."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Mapping, Sequence
from email.utils import formatdate
from http import HTTPStatus
from typing import Any, Final

import msgspec
from attrs import Factory, field, frozen

from ._bodies import InvalidBodyError, phone_digits, read_new, read_update
from ._dotnet import INT32_MAX, to_int32, write_ticks
from ._routing import Call
from ._settings import Quirks
from ._sieve import CAMPAIGN_COLUMNS, CONTACT_COLUMNS, Columns, Row, Wire, find
from ._store import Store

JSON: Final = "application/json; charset=utf-8"
TEXT: Final = "text/plain; charset=utf-8"
PROBLEM: Final = "application/problem+json; charset=utf-8"

_REASONS: Final = {status.value: status.phrase for status in HTTPStatus}
_BODILESS: Final = frozenset({204, 304})
_PROBLEMS: Final[Mapping[int, tuple[str, str]]] = {
    400: ("https://tools.ietf.org/html/rfc9110#section-15.5.1", "Bad Request"),
    404: ("https://tools.ietf.org/html/rfc9110#section-15.5.5", "Not Found"),
    409: ("https://tools.ietf.org/html/rfc9110#section-15.5.10", "Conflict"),
    413: ("https://tools.ietf.org/html/rfc9110#section-15.5.14", "Content Too Large"),
    415: ("https://tools.ietf.org/html/rfc9110#section-15.5.16", "Unsupported Media Type"),
}
_UNREADABLE: Final = (
    "Not valid in the server's filter language: by default it would be ignored, and every row returned."
)


@frozen
class Answer:
    """A status, with headers and a body.

    Attributes:
        status: The status, 200 to 599.
        body: The bytes; never sent with a status of 204 or 304.
        content_type: The type of the body; not sent without one.
        headers: Further headers.
        acted: True if the request was carried out.
    """

    status: int
    body: bytes = field(default=b"", repr=False)
    content_type: str = JSON
    headers: Mapping[str, str] = Factory(dict[str, str])
    acted: bool = False


def write_head(answer: Answer, *, keep_alive: bool) -> bytes:
    """Return the status line and the headers, including the empty line after them."""
    status = answer.status
    lines = [
        f"HTTP/1.1 {status} {_REASONS.get(status, 'Unknown')}\r\nDate: {_date(int(time.time()))}\r\nServer: Kestrel"
    ]
    if status not in _BODILESS:
        lines.append(f"Content-Length: {len(answer.body)}")
        if answer.body:
            lines.append(f"Content-Type: {answer.content_type}")
    lines.extend(f"{name}: {value}" for name, value in answer.headers.items())
    if not keep_alive:
        lines.append("Connection: close")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


@functools.lru_cache(maxsize=1)
def _date(seconds: int) -> str:
    return formatdate(seconds, usegmt=True)


def write_body(answer: Answer, *, method: str) -> bytes:
    """Return the bytes after the headers; none for HEAD and for a status that has no body."""
    return b"" if method == "HEAD" or answer.status in _BODILESS else answer.body


def problem(status: int, trace_id: str) -> Answer:
    """Return an RFC 7807 answer as ASP.NET Core writes it, without details."""
    kind, title = _PROBLEMS[status]
    body = {"type": kind, "title": title, "status": status, "traceId": trace_id}
    return Answer(status, msgspec.json.encode(body), PROBLEM)


def _invalid(errors: Mapping[str, Sequence[str]], trace_id: str) -> Answer:
    body = {
        "type": _PROBLEMS[400][0],
        "title": "One or more validation errors occurred.",
        "status": 400,
        "errors": errors,
        "traceId": trace_id,
    }
    return Answer(400, msgspec.json.encode(body), PROBLEM)


@frozen
class Provider:
    """The operations on a store."""

    store: Store
    quirks: Quirks
    digits_of: Callable[[object], str | None] = phone_digits

    def answer(self, call: Call, *, content_type: str, body: bytes) -> Answer:
        """Carry out a request, if it is valid."""
        self.store.move_on()
        if call.operation in {"create", "update"}:
            if not _is_json(content_type) and body:
                return problem(415, self.store.trace_id())
            return self._write(call, body)
        if call.operation == "list":
            return self._list(call)
        if call.operation == "contacts":
            return self._contacts(call)
        if call.operation == "delete":
            if self.store.has_begun(call.key):
                return self._problem(409)
            return self._no_content(found=self.store.delete(call.key))
        row = self.store.get(call.key)
        return self._problem(404) if row is None else _ok(self._campaign(row))

    def _write(self, call: Call, body: bytes) -> Answer:
        try:
            if call.operation == "update":
                fields = read_update(body)
                if self.store.has_begun(call.key):
                    return self._problem(409)
                return self._no_content(found=self.store.update(call.key, fields))
            new = read_new(body, leave_out_invalid=call.leave_out_invalid, digits_of=self.digits_of)
            row = self.store.create(new)
        except InvalidBodyError as error:
            return _invalid(error.errors, self.store.trace_id())
        key: str = row.wire["id"]
        if self.quirks.bare_id:
            return Answer(201, key.encode(), TEXT, acted=True)
        return Answer(201, msgspec.json.encode(key), JSON, acted=True)

    def _list(self, call: Call) -> Answer:
        page = self._page(call, self.store.listed(), CAMPAIGN_COLUMNS)
        if isinstance(page, Answer):
            return page
        page["items"] = [self._campaign(row) for row in page["items"]]
        return _ok([page] if self.quirks.list_in_array else page)

    def _contacts(self, call: Call) -> Answer:
        rows = self.store.contacts(call.key)
        if rows is None:
            return self._problem(404)
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
            return _invalid(errors, self.store.trace_id())
        filters, sorts = call.query.get("filters") or None, call.query.get("sorts") or None
        found = find(rows, filters, sorts, columns, self.quirks.zone)
        if found.failed and self.quirks.strict_filters:
            return _invalid({found.failed: [f"{_UNREADABLE} The reason: {found.why}."]}, self.store.trace_id())
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

    def _no_content(self, *, found: bool) -> Answer:
        return Answer(204, acted=True) if found else self._problem(404)

    def _problem(self, status: int) -> Answer:
        return problem(status, self.store.trace_id())


def _ok(value: Any) -> Answer:
    return Answer(200, msgspec.json.encode(value), JSON, acted=True)


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
