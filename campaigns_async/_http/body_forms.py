"""The form of a response's body: it shows who wrote the response, and if a create's success is as documented."""

from __future__ import annotations

import re
from codecs import BOM_UTF8
from collections.abc import Mapping

from campaigns_async._checks import is_int
from campaigns_async._http.codec import decode_json, is_array, is_object, single
from campaigns_async._http.response import Response, find_documented_id, find_possible_id, has_end
from campaigns_async.effects import BodyForm

_PART_OF_ID = re.compile(rb'"?[A-Za-z0-9._-]{0,200}"?\s*\Z')


def find_body_form(response: Response) -> BodyForm:
    """Return the form of a response's body."""
    body = response.body.removeprefix(BOM_UTF8).strip()
    if body.startswith(b"<") or _is_html(response.headers):
        return BodyForm.HTML
    if not body:
        return BodyForm.EMPTY
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


def find_cut_form(headers: Mapping[str, str], part: bytes) -> BodyForm:
    """Return the form of a body of which only a part arrived: CUT if it may be a part of a documented id."""
    part = part.removeprefix(BOM_UTF8).lstrip()
    if part.startswith(b"<") or _is_html(headers):
        return BodyForm.HTML
    # A body that cannot be decompressed shows nothing of what it is.
    return BodyForm.CUT if _PART_OF_ID.match(part) and "Content-Encoding" not in headers else BodyForm.JSON


def find_created_form(response: Response) -> BodyForm:
    """Return the form of the body of a create's success."""
    if find_documented_id(response.body) is not None:
        return BodyForm.ID if has_end(response) else BodyForm.POSSIBLE_ID
    form = find_body_form(response)
    if form is BodyForm.EMPTY:  # what was compressed was not empty, or may have been cut
        return BodyForm.JSON if "Content-Encoding" in response.headers else form
    has_id = form is not BodyForm.HTML and find_possible_id(response.body) is not None
    return BodyForm.POSSIBLE_ID if has_id else form


def is_model_state(value: dict[str, object]) -> bool:
    """Return True for ASP.NET's bare `BadRequest(ModelState)`: messages by path, without a problem around them."""
    return bool(value) and all(
        is_array(messages) and messages and all(isinstance(message, str) for message in messages)
        for messages in value.values()
    )


def _is_html(headers: Mapping[str, str]) -> bool:
    return "html" in headers.get("Content-Type", "").lower()


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
