"""The six operations of the API: a routed request in, an answer out, without I/O."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Mapping, Sequence
from email.utils import formatdate
from http import HTTPStatus
from typing import Any, Final

import msgspec
from attrs import Factory, field, frozen

from ._campaign_store import Store
from ._dotnet import INT32_MAX, parse_int32, write_ticks
from ._mobile_numbers import parse_mobile
from ._request_bodies import InvalidRequestError, read_create, read_update
from ._routing import RoutedRequest
from ._rows import CAMPAIGN_COLUMNS, CONTACT_COLUMNS, Columns, Row, Wire
from ._settings import Quirks
from ._sieve import find

JSON: Final = "application/json; charset=utf-8"
TEXT: Final = "text/plain; charset=utf-8"
PROBLEM: Final = "application/problem+json; charset=utf-8"

_PHRASES: Final = {status.value: status.phrase for status in HTTPStatus}
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
    """A status with headers and a body. `acted` is True if the request was carried out."""

    status: int
    body: bytes = field(default=b"", repr=False)
    content_type: str = JSON
    headers: Mapping[str, str] = Factory(dict[str, str])
    acted: bool = False

    @classmethod
    def of_json(cls, value: Any, status: int = 200, content_type: str = JSON, **others: Any) -> Answer:
        return cls(status, msgspec.json.encode(value), content_type, **others)

    def write_head(self, *, keep_alive: bool) -> bytes:
        """Return the status line and the headers, including the empty line after them."""
        status = self.status
        lines = [
            f"HTTP/1.1 {status} {_PHRASES.get(status, 'Unknown')}",
            f"Date: {_format_date(int(time.time()))}",
            "Server: Kestrel",
        ]
        if status not in _BODILESS:
            lines.append(f"Content-Length: {len(self.body)}")
            if self.body:
                lines.append(f"Content-Type: {self.content_type}")
        lines.extend(f"{name}: {value}" for name, value in self.headers.items())
        if not keep_alive:
            lines.append("Connection: close")
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")

    def write_body(self, *, method: str) -> bytes:
        """Return the bytes after the headers: none for HEAD, and none for a status that has no body."""
        return b"" if method == "HEAD" or self.status in _BODILESS else self.body


@functools.lru_cache(maxsize=1)
def _format_date(seconds: int) -> str:
    return formatdate(seconds, usegmt=True)


@frozen
class Operations:
    """The operations on a store, with the quirks of their answers."""

    store: Store
    quirks: Quirks
    parse_number: Callable[[object], str | None] = parse_mobile

    def execute(self, request: RoutedRequest, *, content_type: str, body: bytes) -> Answer:
        self.store.advance()
        if request.operation in {"create", "update"} and not _is_json(content_type) and body:
            return self.build_problem(415)
        try:
            return self._execute(request, body)
        except InvalidRequestError as error:
            return self.build_problem(400, error.errors)

    def build_problem(self, status: int, errors: Mapping[str, Sequence[str]] | None = None) -> Answer:
        """Build an RFC 7807 answer as ASP.NET Core writes it, with details for validation errors only."""
        kind, title = _PROBLEMS[status]
        body: Wire = {"type": kind, "title": title, "status": status}
        if errors is not None:
            body |= {"title": "One or more validation errors occurred.", "errors": errors}
        body["traceId"] = self.store.make_trace_id()
        return Answer.of_json(body, status, PROBLEM)

    def _execute(self, request: RoutedRequest, body: bytes) -> Answer:
        campaign_id, store = request.campaign_id, self.store
        match request.operation:
            case "create":
                return self._create(request, body)
            case "update":
                fields = read_update(body)
                return self._change(campaign_id, lambda: store.update(campaign_id, fields))
            case "delete":
                return self._change(campaign_id, lambda: store.delete(campaign_id))
            case "list":
                page = self._build_page(request, store.list_visible(), CAMPAIGN_COLUMNS, self._write_campaign)
                return Answer.of_json([page] if self.quirks.list_in_array else page, acted=True)
            case "contacts":
                rows = store.get_contacts(campaign_id)
                if rows is None:
                    return self.build_problem(404)
                page = self._build_page(request, rows, CONTACT_COLUMNS, lambda row: row.wire)
                return Answer.of_json(page, acted=True)
            case _:
                row = store.get(campaign_id)
                if row is None:
                    return self.build_problem(404)
                return Answer.of_json(self._write_campaign(row), acted=True)

    def _create(self, request: RoutedRequest, body: bytes) -> Answer:
        new = read_create(body, ignore_invalid=request.ignore_invalid, parse_number=self.parse_number)
        campaign_id: str = self.store.create(new).wire["id"]
        if self.quirks.bare_id:
            return Answer(201, campaign_id.encode(), TEXT, acted=True)
        return Answer.of_json(campaign_id, 201, acted=True)

    def _change(self, campaign_id: str, change: Callable[[], bool]) -> Answer:
        if self.store.has_started(campaign_id):
            return self.build_problem(409)
        return Answer(204, acted=True) if change() else self.build_problem(404)

    def _build_page(
        self, request: RoutedRequest, rows: Sequence[Row], columns: Columns, write: Callable[[Row], Wire]
    ) -> Wire:
        query, quirks = request.query, self.quirks
        errors: dict[str, list[str]] = {}
        index = _read_positive(query, "Page", 1, errors)
        size = _read_positive(query, "PageSize", quirks.default_page_size, errors)
        if errors:
            raise InvalidRequestError(errors)
        result = find(
            rows, query.get("filters") or None, query.get("sorts") or None, columns, quirks.zone, quirks.refused_sort
        )
        total = min(len(result.rows), quirks.max_total or len(result.rows))
        page = result.rows
        if not result.failed:
            start = (index - 1) * size
            page = page[start : start + min(size, quirks.max_page_size or size)]
        elif quirks.strict_filters:
            raise InvalidRequestError({result.failed: [f"{_UNREADABLE} The reason: {result.reason}."]})
        return {
            "pageIndex": index,
            "totalPages": -(-total // size),
            "totalRecords": total,
            "items": [write(row) for row in page],
        }

    def _write_campaign(self, row: Row) -> Wire:
        style = self.quirks.dates
        if style is None or row.ticks is None:
            return row.wire
        return {**row.wire, "startDateTime": write_ticks(row.ticks, style)}


def _is_json(content_type: str) -> bool:
    kind = content_type.partition(";")[0].strip().lower()
    return kind in {"application/json", "text/json"} or (kind.startswith("application/") and kind.endswith("+json"))


def _read_positive(query: Mapping[str, str], name: str, default: int, errors: dict[str, list[str]]) -> int:
    text = query.get(name.lower(), "")
    if not text.strip():
        return default
    try:
        value = parse_int32(text)
    except ValueError:
        errors[name] = [f"The value '{text}' is not valid for {name}."]
        return default
    if value < 1:
        errors[name] = [f"The field {name} must be between 1 and {INT32_MAX}."]
    return value
