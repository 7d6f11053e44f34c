"""The form of a response's body: it shows who wrote the response, and if a create's success is as documented."""

from __future__ import annotations

from codecs import BOM_UTF8

from campaigns_async._checks import is_int
from campaigns_async._http.codec import decode_json, is_array, is_object, single
from campaigns_async._http.response import Response, find_documented_id, find_possible_id, has_end
from campaigns_async.effects import BodyForm


def find_body_form(response: Response) -> BodyForm:
    """Return the form of a response's body."""
    body = response.body.removeprefix(BOM_UTF8).strip()
    if not body:
        return BodyForm.EMPTY
    if body.startswith(b"<") or "html" in response.headers.get("Content-Type", "").lower():
        return BodyForm.HTML
    try:
        body.decode()
    except ValueError:
        return BodyForm.JSON
    try:
        value = decode_json(body)
    except ValueError:
        return BodyForm.TEXT
    if isinstance(value, str):
        return BodyForm.TEXT
    value = single(value)
    return BodyForm.PROBLEM if is_object(value) and _is_problem(value) else BodyForm.JSON


def find_created_form(response: Response) -> BodyForm:
    """Return the form of the body of a create's success."""
    if find_documented_id(response.body) is not None:
        return BodyForm.ID if has_end(response) else BodyForm.POSSIBLE_ID
    form = find_body_form(response)
    has_id = form not in (BodyForm.EMPTY, BodyForm.HTML) and find_possible_id(response.body) is not None
    return BodyForm.POSSIBLE_ID if has_id else form


def is_model_state(value: dict[str, object]) -> bool:
    """Return True for ASP.NET's bare `BadRequest(ModelState)`: messages by path, without a problem around them."""
    return bool(value) and all(
        is_array(messages) and messages and all(isinstance(message, str) for message in messages)
        for messages in value.values()
    )


def _is_problem(value: dict[str, object]) -> bool:
    errors = value.get("errors")
    return (
        isinstance(value.get("title"), str)
        or is_int(value.get("status"))
        or isinstance(value.get("traceId"), str)
        or is_object(errors)
        or is_array(errors)
        or is_model_state(value)
    )
