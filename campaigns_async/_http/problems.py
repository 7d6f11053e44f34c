"""What a response means: the error of a failure. Decodes any body, and never fails on one."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from campaigns_async._checks import is_int
from campaigns_async._http.codec import decode_json, is_array, is_object, single
from campaigns_async._http.request import Request
from campaigns_async._http.response import Response
from campaigns_async.errors import (
    APIError,
    AuthenticationError,
    ConflictError,
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
    400: (ValidationFailedError, "the server refused what was sent"),
    401: (AuthenticationError, "the server did not accept the API key: check api_key, and auth"),
    403: (PermissionDeniedError, "the API key may not do this"),
    404: (NotFoundError, "the server knows no such thing: check the id, and base_url"),
    405: (MethodNotAllowedError, "the server does not take this method here"),
    408: (APIError, "the server gave up waiting for the request"),
    409: (ConflictError, "the campaign cannot be changed any more"),
    413: (PayloadTooLargeError, "too large for the server: send fewer contacts in a campaign"),
    422: (ValidationFailedError, "the server refused what was sent"),
    429: (ThrottledError, "the server asked to slow down"),
}
# Text, which `re` compiles and keeps when it is first used: only errors need them.
_SECONDS = r"(?a)\d+(\.\d+)?\Z"
_ID = r"[A-Za-z0-9._:|/+=-]{1,128}\Z"
_PLACE = (
    r"(?ai)(?:\$\.?)?(?:contacts(?:\[\d{1,7}\])?\.?)?"
    r"(?:startDateTime|sender|message|optOutLinkId|trackLinkUrl|phoneNumber|name|custom[12]|contactGroupId)?\Z"
)
_CONTACT = r"(?ai)(?:\A|\.)contacts\[(\d{1,9})\]"
_METHODS = ("GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE")
_PLACES_SHOWN = 5
_LONGEST_DATE = 64
_DEEPEST_ERROR = 4


_LONGEST = 1e9
"""Seconds; a Retry-After beyond is as good as never."""


def build_error(request: Request, response: Response, *, retry_after: float | None) -> APIError:
    """The error that a response which is no success stands for.

    Args:
        request: What was asked.
        response: What was answered.
        retry_after: Seconds to wait by the Retry-After header; None without one.
    """
    status = response.status
    problem = read_problem(response.body)
    cls, said = _class_of(status, retry_after)
    if 300 <= status < 400:
        said = "the server redirects, which is never followed: check base_url"
    if cls is ValidationFailedError and problem is not None and problem.errors:
        said += f": {_places(problem)}"
    if cls is MethodNotAllowedError:
        said += _setting_to_try(request, response)
    if cls is ThrottledError and retry_after is not None:
        said += f", for {retry_after:g} s"
    found = cls(
        f"{status}: {said}",
        status=status,
        problem=problem,
        request_id=read_request_id(response, problem),
        retry_after=retry_after,
    )
    if isinstance(found, ValidationFailedError) and problem is not None:
        found.errors = problem.errors
        found.contact_errors = _by_contact(problem)
    return found


def read_retry_after(response: Response, *, now: datetime) -> float | None:
    """Seconds to wait by the Retry-After header (RFC 9110, 10.2.3), from 0; None where it says nothing of use."""
    text = response.headers.get("Retry-After", "").strip()
    if not text:
        return None
    if re.match(_SECONDS, text):
        return min(float(text), _LONGEST)
    if len(text) > _LONGEST_DATE:
        return None
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, OverflowError, LookupError, TypeError):  # the standard library's parser has met all of them
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return min(max(0.0, (moment - now).total_seconds()), _LONGEST)


def read_request_id(response: Response, problem: Problem | None) -> str | None:
    """What the provider's support would ask for."""
    for name in ("x-request-id", "request-id", "x-correlation-id"):
        value = response.headers.get(name)
        if value and re.match(_ID, value):
            return value
    return problem.trace_id if problem is not None else None


def read_problem(body: bytes) -> Problem | None:
    """The problem document in a body of any kind, None where there is none."""
    try:
        value = decode_json(body)
    except ValueError:
        return None
    value = single(value)
    if not is_object(value):
        return None
    trace = _text(value.get("traceId"))
    status = value.get("status")
    return Problem(
        type=_text(value.get("type")),
        title=_text(value.get("title")),
        status=status if is_int(status) else None,
        detail=_text(value.get("detail")),
        trace_id=trace if trace and re.match(_ID, trace) else None,
        errors=_errors(value if _is_model_state(value) else value.get("errors")),
    )


def _class_of(status: int, wait: float | None) -> tuple[type[APIError], str]:
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    if status == 503 and wait is not None:
        return ThrottledError, "the server asked to slow down"
    if status >= 500:
        return ServerError, "the server failed"
    return APIError, "no success"


def _is_model_state(value: dict[str, object]) -> bool:
    """Whether it is ASP.NET's bare `BadRequest(ModelState)`: messages by path, and no problem around them."""
    return all(is_array(said) and said and all(isinstance(message, str) for message in said) for said in value.values())


def _errors(value: object, path: str = "", depth: int = 0) -> dict[str, tuple[str, ...]]:
    """ASP.NET's `{path: [message]}`, and its relatives: a message alone, a plain list, one within another."""
    found: dict[str, tuple[str, ...]] = {}
    if isinstance(value, str):
        found[path] = (value,)
    elif is_array(value):
        messages = tuple(message for message in value if isinstance(message, str))
        if messages or path:
            found[path] = messages
        inner = [(f"{path}[{index}]", said) for index, said in enumerate(value) if is_object(said)]
        _merge(found, inner, depth)
    elif is_object(value):
        _merge(found, [(f"{path}.{name}" if path else name, said) for name, said in value.items()], depth)
    elif path:
        found[path] = ()
    return found


def _merge(found: dict[str, tuple[str, ...]], inner: Sequence[tuple[str, object]], depth: int) -> None:
    if depth < _DEEPEST_ERROR:  # each level makes its paths longer
        for path, said in inner:
            for place, messages in _errors(said, path, depth + 1).items():
                found[place] = found.get(place, ()) + messages


def _by_contact(problem: Problem) -> dict[int, tuple[str, ...]]:
    found: dict[int, tuple[str, ...]] = {}
    for path, messages in problem.errors.items():
        if match := re.search(_CONTACT, path):
            index = int(match[1])
            found[index] = found.get(index, ()) + messages
    return found


def _places(problem: Problem) -> str:
    # A message may quote a number, and so may what is no path of ours.
    known = [path for path in problem.errors if path and re.match(_PLACE, path)]
    shown = ", ".join(known[:_PLACES_SHOWN]) or "see .errors"
    more = len(problem.errors) - len(known[:_PLACES_SHOWN])
    return shown + (f" and {more} more" if known and more else "")


def _setting_to_try(request: Request, response: Response) -> str:
    told = {method.strip().upper() for method in response.headers.get("Allow", "").split(",")}
    allowed = ", ".join(method for method in _METHODS if method in told)
    said = f" (it takes {allowed})" if allowed else ""
    if request.operation is Operation.UPDATE:
        return f'{said}: try CampaignsClient(update_method="{_other(request, "PUT")}")'
    if request.operation is Operation.DELETE:
        return f'{said}: try CampaignsClient(delete_method="{_other(request, "DELETE")}")'
    return said


def _other(request: Request, usual: str) -> str:
    return "POST" if request.method == usual else usual


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
