"""The error of a failure response: its class, Retry-After, ids and messages, for any body."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from hypothesis import given, strategies as st
from multidict import CIMultiDict
from support.properties import more_examples

from campaigns_async import (
    MethodNotAllowedError,
    Operation,
    Problem,
    Response,
    ThrottledError,
    ValidationFailedError,
    errors as e,
)
from campaigns_async._http.problems import build_error
from campaigns_async._http.request import Request
from campaigns_async._http.response_headers import read_retry_after

NOW = datetime(1994, 11, 6, 8, 49, 7, tzinfo=UTC)
LONGEST = 1e9
GET = Request(Operation.GET, "GET", "/api/Campaigns/a")


def build_response(status: int, body: bytes | str = b"", **headers: str) -> Response:
    """Build a failure response. Names of headers have underscores in place of hyphens."""
    named = CIMultiDict({name.replace("_", "-"): value for name, value in headers.items()})
    return Response(status, named, body if isinstance(body, bytes) else body.encode())


def error_of(status: int, body: bytes | str = b"", request: Request = GET, **headers: str) -> e.APIError:
    """Return the error of a failure response."""
    response = build_response(status, body, **headers)
    return build_error(request, response, retry_after=read_retry_after(response, now=NOW))


CLASSES = {
    400: e.ValidationFailedError,
    401: e.AuthenticationError,
    403: e.PermissionDeniedError,
    404: e.NotFoundError,
    405: e.MethodNotAllowedError,
    409: e.ConflictError,
    413: e.PayloadTooLargeError,
    422: e.ValidationFailedError,
    429: e.ThrottledError,
}


def test_every_status_has_its_error_class() -> None:
    for status in (*range(100, 200), *range(300, 600), 600, 999):
        expected = CLASSES.get(status, e.ServerError if status >= 500 else e.APIError)
        assert type(error_of(status)) is expected, status
        waited = error_of(status, Retry_After="7")
        assert type(waited) is (e.ThrottledError if status == 503 else expected), status
        assert (waited.status, waited.retry_after) == (status, 7)
        assert str(waited).startswith(f"{status}: ")


BODIES: dict[str, bytes] = {
    "empty": b"",
    "blank": b" \r\n",
    "text": b"Bad number 447700900123",
    "html": b"<html><h1>502 Bad Gateway</h1></html>",
    "not utf-8": b"\xff\xfe\xfa",
    "cut": b'{"title": "Bad',
    "deeply nested": b"[" * 100_000 + b"]" * 100_000,
    "nested as deep as json goes": b'{"errors":' * 500 + b"1" + b"}" * 500,
    "number": b"5",
    "null": b"null",
    "text in json": b'"no"',
    "empty array": b"[]",
    "array of two": b"[{}, {}]",
    "nan": b'{"status": NaN}',
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_an_error_is_built_from_any_body(body: bytes) -> None:
    for status in (302, 400, 401, 404, 405, 408, 409, 413, 422, 429, 500, 502, 503):
        found = error_of(status, body)
        assert found.problem is None or body.startswith(b'{"errors"'), status
        assert "447700900123" not in str(found), status
        assert found.__context__ is None, status


def test_all_fields_of_a_problem_document_are_read() -> None:
    body = json.dumps(
        {
            "type": "https://tools.ietf.org/html/rfc7231#section-6.5.1",
            "title": "One or more validation errors occurred.",
            "status": 400,
            "detail": "See errors.",
            "traceId": "00-ab-cd-00",
            "errors": {"Contacts[3].PhoneNumber": ["Not a number.", "Too short."], "Sender": ["Required."]},
            "more": {},
        }
    )
    expected = Problem(
        "https://tools.ietf.org/html/rfc7231#section-6.5.1",
        "One or more validation errors occurred.",
        400,
        "See errors.",
        "00-ab-cd-00",
        {"Contacts[3].PhoneNumber": ("Not a number.", "Too short."), "Sender": ("Required.",)},
    )
    for sent in (body, f"[{body}]", f"\ufeff{body}"):
        found = error_of(400, sent)
        assert isinstance(found, ValidationFailedError)
        assert found.problem == expected
        assert found.errors == expected.errors
        assert found.contact_errors == {3: ("Not a number.", "Too short.")}
        assert found.request_id == "00-ab-cd-00"
        assert str(found) == "400: the server refused the request: Contacts[3].PhoneNumber, Sender"


def test_fields_of_the_wrong_type_in_a_problem_are_ignored() -> None:
    body = '{"type": 5, "title": [], "status": true, "detail": {}, "traceId": 7, "errors": 8}'
    assert error_of(400, body).problem == Problem()


ERRORS: dict[str, tuple[Any, dict[str, tuple[str, ...]]]] = {
    "lists of text": ({"A": ["a", "b"], "B": ["c"]}, {"A": ("a", "b"), "B": ("c",)}),
    "text": ({"A": "a"}, {"A": ("a",)}),
    "null": ({"A": None}, {"A": ()}),
    "number": ({"A": 5}, {"A": ()}),
    "list of anything": ({"A": ["a", 5, None, [], "b"]}, {"A": ("a", "b")}),
    "empty list": ({"A": []}, {"A": ()}),
    "no name": ({"": ["a"]}, {"": ("a",)}),
    "nested": ({"Contacts[3]": {"PhoneNumber": ["a"]}}, {"Contacts[3].PhoneNumber": ("a",)}),
    "list of objects": (
        {"contacts": [{"phoneNumber": "a"}, "b", {"name": ["c"]}]},
        {"contacts": ("b",), "contacts[0].phoneNumber": ("a",), "contacts[2].name": ("c",)},
    ),
    "same path twice": ({"A": {"B": ["a"]}, "A.B": ["b"]}, {"A.B": ("a", "b")}),
    "plain list": (["a", "b"], {"": ("a", "b")}),
    "list of numbers": ([1, 2], {}),
    "plain text": ("a", {"": ("a",)}),
    "plain number": (5, {}),
    "plain null": (None, {}),
    "empty": ({}, {}),
    "too deep": ({"A": {"B": {"C": {"D": {"E": ["a"]}}}}}, {}),
}


@pytest.mark.parametrize(("value", "expected"), ERRORS.values(), ids=ERRORS)
@pytest.mark.parametrize("status", [400, 422])
def test_errors_are_read_in_every_shape(value: Any, expected: dict[str, tuple[str, ...]], status: int) -> None:
    found = error_of(status, json.dumps({"title": "Bad", "errors": value}))
    assert isinstance(found, ValidationFailedError)
    assert found.errors == expected


def test_a_bare_model_state_is_read() -> None:
    found = error_of(400, '{"Contacts[1].PhoneNumber": ["a"], "Sender": ["b"]}')
    assert isinstance(found, ValidationFailedError)
    assert found.errors == {"Contacts[1].PhoneNumber": ("a",), "Sender": ("b",)}
    assert found.contact_errors == {1: ("a",)}
    assert error_of(400, '{"title": "Bad", "tags": ["a"]}').problem == Problem(title="Bad")


@pytest.mark.parametrize("status", [401, 404, 500])
def test_errors_of_other_statuses_have_their_problem_too(status: int) -> None:
    assert error_of(status, '{"title": "No"}').problem == Problem(title="No")


@pytest.mark.parametrize(
    ("path", "index"),
    [
        ("Contacts[3].PhoneNumber", 3),
        ("contacts[3].phoneNumber", 3),
        ("$.contacts[3].phoneNumber", 3),
        ("$.Contacts[3].PhoneNumber", 3),
        ("contacts[3]", 3),
        ("CONTACTS[0].NAME", 0),
        ("campaign.Contacts[12].PhoneNumber", 12),
        ("Contacts[123456789]", 123456789),
        ("Contacts[1234567890]", None),
        ("Contacts", None),
        ("Contacts[]", None),
        ("Contacts[-1]", None),
        ("Contacts[x]", None),
        ("Contacts[\u0663]", None),
        ("contact\u017f[3]", None),
        ("OtherContacts[3]", None),
        ("Sender", None),
        ("", None),
    ],
    ids=ascii,
)
def test_the_index_of_a_contact_is_read_from_the_path(path: str, index: int | None) -> None:
    found = error_of(400, json.dumps({"errors": {path: ["a"]}}))
    assert isinstance(found, ValidationFailedError)
    assert found.contact_errors == ({} if index is None else {index: ("a",)})


def test_errors_of_several_fields_of_a_contact_are_merged() -> None:
    said = {"Contacts[3].PhoneNumber": ["a"], "Sender": ["b"], "Contacts[3].Name": ["c"], "Contacts[1]": ["d"]}
    found = error_of(400, json.dumps({"errors": said}))
    assert isinstance(found, ValidationFailedError)
    assert found.contact_errors == {3: ("a", "c"), 1: ("d",)}


def test_a_message_shows_at_most_five_known_paths() -> None:
    hostile = {"447700900123": ["a"], "Contacts[1].Ann Smith": ["b"], "Contacts[447700900123]": ["c"]}
    assert str(error_of(400, json.dumps({"errors": hostile}))) == "400: the server refused the request: see .errors"
    known = {f"Contacts[{index}].PhoneNumber": ["a"] for index in range(8)}
    shown = ", ".join(list(known)[:5])
    assert str(error_of(400, json.dumps({"errors": known}))).endswith(f": {shown} and 3 more")
    assert str(error_of(400, json.dumps({"errors": hostile | {"Sender": ["d"]}}))).endswith(": Sender and 3 more")


@pytest.mark.parametrize(
    ("operation", "method", "setting"),
    [
        (Operation.UPDATE, "PUT", 'update_method="POST"'),
        (Operation.UPDATE, "POST", 'update_method="PUT"'),
        (Operation.DELETE, "DELETE", 'delete_method="POST"'),
        (Operation.DELETE, "POST", 'delete_method="DELETE"'),
    ],
)
def test_a_405_names_the_setting_to_try(operation: Operation, method: str, setting: str) -> None:
    found = error_of(405, request=Request(operation, method, "/api/Campaigns/a"), Allow="GET, post")
    assert type(found) is MethodNotAllowedError
    assert (
        str(found)
        == f"405: the server does not take this method here (it takes GET, POST): try CampaignsClient({setting})"
    )


@pytest.mark.parametrize("operation", [each for each in Operation if each not in {Operation.UPDATE, Operation.DELETE}])
def test_a_405_of_an_operation_without_a_setting_names_none(operation: Operation) -> None:
    assert "CampaignsClient" not in str(error_of(405, request=Request(operation, "POST", "/")))


@pytest.mark.parametrize(
    ("allow", "said"),
    [
        ("", ""),
        (",,", ""),
        ("SECRET, 447700900123", ""),
        ("GET,GET", " (it takes GET)"),
        ("delete , Get", " (it takes GET, DELETE)"),
        ("GET SECRET", ""),
    ],
)
def test_only_methods_of_the_allow_header_are_shown(allow: str, said: str) -> None:
    assert str(error_of(405, Allow=allow)) == f"405: the server does not take this method here{said}"


def test_a_redirect_says_what_to_check() -> None:
    assert str(error_of(307, Location="https://evil.example/?SECRET")) == (
        "307: the server redirects, which is never followed: check base_url"
    )


WAITS: dict[str, float | None] = {
    "0": 0,
    "7": 7,
    " 7 ": 7,
    "007": 7,
    "1.5": 1.5,
    "0.001": 0.001,
    "86400": 86400,
    "9" * 400: LONGEST,
    "9" * 100_000: LONGEST,
    "Sun, 06 Nov 1994 08:49:37 GMT": 30,
    "Sunday, 06-Nov-94 08:49:37 GMT": 30,
    "Sun Nov  6 08:49:37 1994": 30,
    "Sun, 06 Nov 1994 09:49:37 +0100": 30,
    "Sun, 06 Nov 1994 08:49:37 -0000": 30,
    "Sun, 06 Nov 1994 08:49:07 GMT": 0,
    "Sun, 06 Nov 1993 08:49:37 GMT": 0,
    "Fri, 31 Dec 9999 23:59:59 GMT": LONGEST,
    "": None,
    "  ": None,
    "-1": None,
    "-0": None,
    "+1": None,
    "1e3": None,
    "1,5": None,
    "1.": None,
    ".5": None,
    "1_0": None,
    "\u0663": None,
    "inf": None,
    "nan": None,
    "NaN": None,
    "soon": None,
    "5 seconds": None,
    "5\n6": None,
    "Sun, 99 Nov 1994 08:49:37 GMT": None,
    "Sun, 06 Nov 1994 99:49:37 GMT": None,
    "Sun, 06 Nov 999999 08:49:37 GMT": None,
    "Sun, 06 Nov 1994 08:49:37 +9999": None,
    "1994-11-06T08:49:37Z": None,
    "Sun,": None,
    ",": None,
    ": : : : :": None,
    "x" * 100_000: None,
    "1" * 100_000 + "x": None,
    " ,:-+" * 20_000: None,
    "Sun, 06 Nov 1994 08:49:37 GMT" + " " * 100 + "x": None,
}


@pytest.mark.parametrize(("text", "expected"), WAITS.items(), ids=lambda value: ascii(value)[:40])
def test_retry_after_is_seconds_a_date_or_none(text: str, expected: float | None) -> None:
    found = read_retry_after(build_response(503, Retry_After=text), now=NOW)
    assert found == expected
    assert type(error_of(503, Retry_After=text)) is (e.ServerError if expected is None else ThrottledError)


def test_retry_after_is_found_in_any_letter_case_and_may_be_missing() -> None:
    assert read_retry_after(build_response(429, RETRY_AFTER="7"), now=NOW) == 7
    assert read_retry_after(build_response(429), now=NOW) is None


@given(st.text() | st.text(st.sampled_from("0123456789SunNov, :-+.GMT")))
@more_examples(5)
def test_any_retry_after_is_at_least_zero_or_none(text: str) -> None:
    found = read_retry_after(build_response(503, Retry_After=text), now=NOW)
    assert found is None or found >= 0


@given(st.datetimes(datetime(1970, 1, 1), datetime(2068, 1, 1)), st.integers(-(10**6), 10**6))
def test_a_retry_after_date_is_the_seconds_until_it_at_least_zero(moment: datetime, seconds: int) -> None:
    now = moment.replace(microsecond=0, tzinfo=UTC)
    then = format_datetime(now + timedelta(seconds=seconds), usegmt=True)
    assert read_retry_after(build_response(503, Retry_After=then), now=now) == max(0, seconds)


def test_a_throttled_error_shows_retry_after() -> None:
    assert str(error_of(429)) == "429: the server asked to slow down"
    assert str(error_of(429, Retry_After="7")) == "429: the server asked to slow down, for 7 s"
    assert str(error_of(429, Retry_After="9" * 400)) == "429: the server asked to slow down, for 1e+09 s"


@pytest.mark.parametrize("name", ["x-request-id", "Request-Id", "X-Correlation-ID"])
def test_the_request_id_is_read_from_the_headers(name: str) -> None:
    assert error_of(500, '{"traceId": "t"}', **{name: "r-1.2:3|4/5+6=7_8"}).request_id == "r-1.2:3|4/5+6=7_8"


def test_the_first_header_with_a_request_id_counts_before_the_trace_id() -> None:
    body = '{"traceId": "t"}'
    headers = {"x-request-id": "a", "request-id": "b", "x-correlation-id": "c"}
    assert error_of(500, body, **headers).request_id == "a"
    assert error_of(500, body, **(headers | {"x-request-id": "no id"})).request_id == "b"
    assert error_of(500, body, **{"x-correlation-id": "c"}).request_id == "c"
    assert error_of(500, body).request_id == "t"
    assert error_of(500).request_id is None


@pytest.mark.parametrize(
    "text", ["", " ", "a b", "a\nb", "<b>", "x" * 129, "x" * 1_000_000, "é", "'a'"], ids=lambda text: ascii(text)[:20]
)
def test_an_invalid_request_id_is_ignored(text: str) -> None:
    found = error_of(500, json.dumps({"traceId": text}), X_Request_Id=text)
    assert found.request_id is None
    assert found.problem == Problem()


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: (
        st.lists(inner) | st.dictionaries(st.sampled_from(["errors", "status", "traceId", "Contacts[3]", ""]), inner)
    ),
    max_leaves=20,
)


@given(st.binary() | json_values.map(lambda value: json.dumps(value).encode()), st.integers(300, 999))
def test_any_body_makes_an_error_whose_details_are_text(body: bytes, status: int) -> None:
    found = error_of(status, body)
    assert found.status == status
    if isinstance(found, ValidationFailedError):
        for place, messages in found.errors.items():
            assert type(place) is str
            assert all(type(message) is str for message in messages)


def test_a_retry_after_date_is_measured_from_the_date_of_the_response() -> None:
    then = "Mon, 01 Jan 2024 00:00:09 GMT"
    headers = {"Retry-After": then, "Date": "Mon, 01 Jan 2024 00:00:02 GMT"}
    local = datetime(2030, 1, 1, tzinfo=UTC)  # the local clock is years ahead
    assert read_retry_after(Response(503, headers, b""), now=local) == 7
    assert read_retry_after(Response(503, {**headers, "Date": "nonsense"}, b""), now=local) == 0
    assert read_retry_after(Response(503, {"Retry-After": then}, b""), now=datetime(2024, 1, 1, tzinfo=UTC)) == 9
