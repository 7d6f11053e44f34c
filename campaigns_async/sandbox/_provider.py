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

from ._bodies import InvalidRequestError, phone_digits, read_new, read_update
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


@frozen
class Provider:
    """The operations on a store."""

    store: Store
    quirks: Quirks
    digits_of: Callable[[object], str | None] = phone_digits

    def answer(self, call: Call, *, content_type: str, body: bytes) -> Answer:
        """Carry out a request, if it is valid."""
        self.store.move_on()
        if call.operation in {"create", "update"} and not _is_json(content_type) and body:
            return self.problem(415)
        try:
            return self._execute(call, body)
        except InvalidRequestError as error:
            return self.problem(400, error.errors)

    def problem(self, status: int, errors: Mapping[str, Sequence[str]] | None = None) -> Answer:
        """Return an RFC 7807 answer as ASP.NET Core writes it, without details but for validation errors."""
        kind, title = _PROBLEMS[status]
        body: Wire = {"type": kind, "title": title, "status": status}
        if errors is not None:
            body |= {"title": "One or more validation errors occurred.", "errors": errors}
        body["traceId"] = self.store.trace_id()
        return Answer(status, msgspec.json.encode(body), PROBLEM)

    def _execute(self, call: Call, body: bytes) -> Answer:
        match call.operation:
            case "create":
                return self._create(call, body)
            case "update":
                fields = read_update(body)
                return self._change(call, lambda: self.store.update(call.key, fields))
            case "delete":
                return self._change(call, lambda: self.store.delete(call.key))
            case "list":
                page = self._page(call, self.store.listed(), CAMPAIGN_COLUMNS)
                page["items"] = [self._campaign(row) for row in page["items"]]
                return _ok([page] if self.quirks.list_in_array else page)
            case "contacts":
                rows = self.store.contacts(call.key)
                if rows is None:
                    return self.problem(404)
                page = self._page(call, rows, CONTACT_COLUMNS)
                page["items"] = [row.wire for row in page["items"]]
                return _ok(page)
            case _:
                row = self.store.get(call.key)
                return self.problem(404) if row is None else _ok(self._campaign(row))

    def _create(self, call: Call, body: bytes) -> Answer:
        new = read_new(body, leave_out_invalid=call.leave_out_invalid, digits_of=self.digits_of)
        key: str = self.store.create(new).wire["id"]
        if self.quirks.bare_id:
            return Answer(201, key.encode(), TEXT, acted=True)
        return Answer(201, msgspec.json.encode(key), JSON, acted=True)

    def _change(self, call: Call, change: Callable[[], bool]) -> Answer:
        if self.store.has_begun(call.key):
            return self.problem(409)
        return Answer(204, acted=True) if change() else self.problem(404)

    def _page(self, call: Call, rows: Sequence[Row], columns: Columns) -> Wire:
        errors: dict[str, list[str]] = {}
        index = _positive(call.query, "Page", 1, errors)
        size = _positive(call.query, "PageSize", self.quirks.default_page_size, errors)
        if errors:
            raise InvalidRequestError(errors)
        filters, sorts = call.query.get("filters") or None, call.query.get("sorts") or None
        found = find(rows, filters, sorts, columns, self.quirks.zone)
        if found.failed and self.quirks.strict_filters:
            raise InvalidRequestError({found.failed: [f"{_UNREADABLE} The reason: {found.why}."]})
        total = len(found.rows)
        taken = found.rows
        if not found.failed:
            start = (index - 1) * size
            taken = taken[start : start + min(size, self.quirks.max_page_size or size)]
        return {"pageIndex": index, "totalPages": -(-total // size), "totalRecords": total, "items": taken}

    def _campaign(self, row: Row) -> Wire:
        style = self.quirks.dates
        if style is None or row.ticks is None:
            return row.wire
        return {**row.wire, "startDateTime": write_ticks(row.ticks, style)}


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
