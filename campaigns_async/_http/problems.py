"""The error of a failure response. Reads a body of any kind, and never fails on one."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress

from campaigns_async._checks import is_int
from campaigns_async._http.body_forms import find_body_form, is_model_state
from campaigns_async._http.codec import decode_json, is_array, is_object, single
from campaigns_async._http.request import Request
from campaigns_async._http.response import Response
from campaigns_async._http.response_headers import is_request_id, read_request_id
from campaigns_async.effects import BodyForm
from campaigns_async.errors import (
    APIError,
    AuthenticationError,
    ConflictError,
    DecodeError,
    MethodNotAllowedError,
    NotFoundError,
    PayloadTooLargeError,
    PermissionDeniedError,
    Problem,
    ServerError,
    ThrottledError,
    ValidationFailedError,
)
from campaigns_async.values import Operation

_BY_STATUS: dict[int, tuple[type[APIError], str]] = {
    400: (ValidationFailedError, "the server refused the request"),
    401: (AuthenticationError, "the server did not accept the API key: check api_key and auth"),
    403: (PermissionDeniedError, "the API key may not do this"),
    404: (NotFoundError, "not found: check the id and base_url"),
    405: (MethodNotAllowedError, "the server does not take this method here"),
    407: (APIError, "the proxy asks for a user and a password: put them into its URL"),
    408: (APIError, "the server stopped waiting for the request"),
    409: (ConflictError, "the campaign cannot be changed any more"),
    413: (PayloadTooLargeError, "too large for the server: send fewer contacts in a campaign"),
    422: (ValidationFailedError, "the server refused the request"),
    429: (ThrottledError, "the server asked to slow down"),
}
# Patterns as text, which `re` compiles on first use: only errors need them.
_PLACE = (
    r"(?ai)(?:\$\.?)?(?:contacts(?:\[\d{1,7}\])?\.?)?"
    r"(?:startDateTime|sender|message|optOutLinkId|trackLinkUrl|phoneNumber|name|custom[12]|contactGroupId)?\Z"
)
_CONTACT = r"(?ai)(?:\A|\.)contacts\[(\d{1,9})\]"
_FORMS = {
    BodyForm.ID: "with the id of no campaign like it",
    BodyForm.GIVEN_ID: "with the id of another create",
    BodyForm.POSSIBLE_ID: "with the id of no campaign like it",
    BodyForm.EMPTY: "without a body",
    BodyForm.TEXT: "with a text that is no id",
    BodyForm.PROBLEM: "with a problem document",
    BodyForm.JSON: "with JSON that is no id",
    BodyForm.HTML: "with a page of HTML",
}
_METHODS = ("GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE")
_PLACES_SHOWN = 5
_DEEPEST_ERROR = 4


def build_error(request: Request, response: Response, *, retry_after: float | None) -> APIError:
    """Return the error of a response that is not a success."""
    status = response.status
    problem = read_problem(response.body)
    cls, text = _classify(status, retry_after)
    if cls is ValidationFailedError and problem is not None and problem.errors:
        text += f": {_list_places(problem)}"
    if cls is MethodNotAllowedError:
        text += _suggest_setting(request, response)
    if cls is ThrottledError and retry_after is not None:
        text += f", for {retry_after:g} s"
    error = cls(
        f"{status}: {text}",
        status=status,
        problem=problem,
        request_id=read_request_id(response) or (problem.trace_id if problem is not None else None),
        retry_after=retry_after,
    )
    if problem is None and find_body_form(response) is BodyForm.TEXT:
        error.body_text = _read_text(response.body)
    if isinstance(error, ValidationFailedError) and problem is not None:
        error.errors = problem.errors
        error.contact_errors = _group_by_contact(problem)
    return error


def build_unproven(request: Request, response: Response, form: BodyForm | None) -> DecodeError:
    """Return the error of a success that does not prove that the request was carried out."""
    documented = "201 with the new id" if request.operation is Operation.CREATE else "204"
    found = f" {_FORMS[form]}" if form in _FORMS else ""
    error = DecodeError(
        f"{response.status}{found} does not prove that the request was carried out: the API answers {documented}",
        status=response.status,
    )
    error.request_id = read_request_id(response)
    return error


def read_problem(body: bytes) -> Problem | None:
    """Return the problem document of a body; None if the body is not a JSON object."""
    try:
        value = single(decode_json(body))
    except ValueError:
        return None
    if not is_object(value):
        return None
    trace = _text_or_none(value.get("traceId"))
    status = value.get("status")
    errors: dict[str, tuple[str, ...]] = {}
    for path, messages in _walk_errors(value if is_model_state(value) else value.get("errors")):
        errors[path] = errors.get(path, ()) + messages
    return Problem(
        type=_text_or_none(value.get("type")),
        title=_text_or_none(value.get("title")),
        status=status if is_int(status) else None,
        detail=_text_or_none(value.get("detail")),
        trace_id=trace if trace and is_request_id(trace) else None,
        errors=errors,
    )


def _read_text(body: bytes) -> str:
    with suppress(ValueError):
        if isinstance(text := decode_json(body), str):
            return text
    return body.decode("utf-8-sig").strip()


def _classify(status: int, retry_after: float | None) -> tuple[type[APIError], str]:
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    if status == 503 and retry_after is not None:
        return ThrottledError, "the server asked to slow down"
    if status >= 500:
        return ServerError, "the server failed"
    if 300 <= status < 400:
        return APIError, "the server redirects, which is never followed: check base_url"
    return APIError, "the server answered with a status that the API does not document"


def _walk_errors(value: object, path: str = "", depth: int = 0) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield path and messages from ASP.NET's `{path: [message]}` and its variants: one message, a list, nested ones."""
    inner: list[tuple[str, object]] = []
    if isinstance(value, str):
        yield path, (value,)
    elif is_array(value):
        messages = tuple(message for message in value if isinstance(message, str))
        if messages or path:
            yield path, messages
        inner = [(f"{path}[{index}]", each) for index, each in enumerate(value) if is_object(each)]
    elif is_object(value):
        inner = [(f"{path}.{name}" if path else name, each) for name, each in value.items()]
    elif path:
        yield path, ()
    if depth < _DEEPEST_ERROR:  # each level makes its paths longer
        for place, each in inner:
            yield from _walk_errors(each, place, depth + 1)


def _group_by_contact(problem: Problem) -> dict[int, tuple[str, ...]]:
    by_contact: dict[int, tuple[str, ...]] = {}
    for path, messages in problem.errors.items():
        if match := re.search(_CONTACT, path):
            index = int(match[1])
            by_contact[index] = by_contact.get(index, ()) + messages
    return by_contact


def _list_places(problem: Problem) -> str:
    # Only known paths are shown: a message, and an unknown path too, may quote a phone number.
    known = [path for path in problem.errors if path and re.match(_PLACE, path)]
    shown = ", ".join(known[:_PLACES_SHOWN]) or "see .errors"
    more = len(problem.errors) - len(known[:_PLACES_SHOWN])
    return shown + (f" and {more} more" if known and more else "")


def _suggest_setting(request: Request, response: Response) -> str:
    header = {method.strip().upper() for method in response.headers.get("Allow", "").split(",")}
    allowed = ", ".join(method for method in _METHODS if method in header)
    text = f" (it takes {allowed})" if allowed else ""
    for operation, setting, usual in (
        (Operation.UPDATE, "update_method", "PUT"),
        (Operation.DELETE, "delete_method", "DELETE"),
    ):
        if request.operation is operation:
            text += f': try CampaignsClient({setting}="{"POST" if request.method == usual else usual}")'
    return text


def _text_or_none(value: object) -> str | None:
    return value if isinstance(value, str) else None
