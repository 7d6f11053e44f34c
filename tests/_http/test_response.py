"""Values of successful responses: ids, campaigns and pages in every form that a server may send."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, strategies as st

from campaigns_async import (
    Campaign,
    CampaignStatus,
    Contact,
    DecodeError,
    Effect,
    Response,
)
from campaigns_async._http.body_forms import find_body_form, find_created_form, find_cut_form
from campaigns_async._http.request import check_campaign_id
from campaigns_async._http.response import (
    read_campaign,
    read_campaigns,
    read_contacts,
    read_created_id,
    read_documented_id,
    read_nothing,
    read_raw,
)
from campaigns_async.effects import BodyForm

BOM = b"\xef\xbb\xbf"
DEEP = b"[" * 100_000 + b"]" * 100_000
DEEP_OBJECT = b'{"items":' * 100_000 + b"1" + b"}" * 100_000
CONTENT_TYPES = [None, "application/json", "application/json; charset=utf-8", "text/plain", "text/html", "nonsense"]


def build_response(body: bytes | str, status: int = 200, content_type: str | None = "application/json") -> Response:
    """Build a response with this body."""
    raw = body if isinstance(body, bytes) else body.encode()
    headers = {"Content-Length": str(len(raw))}
    return Response(status, headers if content_type is None else {**headers, "Content-Type": content_type}, raw)


GOOD_IDS: dict[bytes, str] = {
    b'"abc123"': "abc123",
    b"abc123": "abc123",
    b' "abc123" \r\n': "abc123",
    b"\r\n abc123\t\n": "abc123",
    BOM + b'"abc123"': "abc123",
    BOM + b"abc123": "abc123",
    BOM + b" abc123 \n": "abc123",
    b"123": "123",
    b"0": "0",
    b"007": "007",
    b"1.5": "1.5",
    b"123456789012345678901234567890": "123456789012345678901234567890",
    b'"123"': "123",
    b'"-1"': "-1",
    b"3fa85f64-5717-4562-b3fc-2c963f66afa6": "3fa85f64-5717-4562-b3fc-2c963f66afa6",
    b'"3fa85f64-5717-4562-b3fc-2c963f66afa6"': "3fa85f64-5717-4562-b3fc-2c963f66afa6",
    b"_aZ-9": "_aZ-9",
    b"-aZ_9": "-aZ_9",
    b'"a.b_c-1"': "a.b_c-1",
    rb'"\u00611"': "a1",
    b"1" * 200: "1" * 200,
    b'"' + b"x" * 199 + b'1"': "x" * 199 + "1",
}
POSSIBLE_IDS: dict[bytes, str] = {
    b"abc": "abc",
    b'"abc"': "abc",
    b'" abc123 "': "abc123",
    b"Forbidden": "Forbidden",
    b"healthy": "healthy",
    b'"Error"': "Error",
    b"OK": "OK",
    b"YWJj+w==": "YWJj+w==",
    b'"null"': "null",
    b'"(1)"': "(1)",
    '"\u00e6\u20ac\U0001f600"'.encode(): "\u00e6\u20ac\U0001f600",
    "\u00e9".encode(): "\u00e9",
    b"x" * 200: "x" * 200,
    b'{"id": "abc123"}': "abc123",
    b'[{"id": "abc", "ok": true}]': "abc",
    b'{"id": 7}': "7",
    b'{"status": 200, "title": "Created", "id": "abc123"}': "abc123",
}
NO_IDS: dict[bytes, BodyForm] = {
    b"": BodyForm.EMPTY,
    b"  \r\n": BodyForm.EMPTY,
    BOM: BodyForm.EMPTY,
    b'""': BodyForm.TEXT,
    b'"  "': BodyForm.TEXT,
    b"abc def 1": BodyForm.TEXT,
    b"created: abc1": BodyForm.TEXT,
    b"abc\ndef1": BodyForm.TEXT,
    b"a/b1": BodyForm.TEXT,
    b"../..": BodyForm.TEXT,
    b"..": BodyForm.TEXT,
    b"'abc1'": BodyForm.TEXT,
    b'"abc1': BodyForm.TEXT,
    b'abc1"': BodyForm.TEXT,
    b'"abc1" "def"': BodyForm.TEXT,
    b'"abc1",': BodyForm.TEXT,
    rb'"\"abc1\""': BodyForm.TEXT,
    rb'"a1\u0000b"': BodyForm.TEXT,
    rb'"a1\nb"': BodyForm.TEXT,
    rb'"\ud8001"': BodyForm.TEXT,
    rb'"\u200b1"': BodyForm.TEXT,
    b'"<b>abc1</b>"': BodyForm.TEXT,
    b"x1" * 101: BodyForm.TEXT,
    b'"' + b"x1" * 101 + b'"': BodyForm.TEXT,
    b"x" * 1_000_000: BodyForm.TEXT,
    b'"' * 1_000_000: BodyForm.TEXT,
    b"\x00": BodyForm.TEXT,
    DEEP: BodyForm.TEXT,
    b"null": BodyForm.JSON,
    b"true": BodyForm.JSON,
    b"-1": BodyForm.JSON,
    b"-1.5": BodyForm.JSON,
    b"{}": BodyForm.JSON,
    b"[]": BodyForm.JSON,
    b'["abc1"]': BodyForm.JSON,
    b'{"id": null}': BodyForm.JSON,
    b'{"id": true}': BodyForm.JSON,
    b'{"id": "a b1"}': BodyForm.JSON,
    b'{"ID": "abc1"}': BodyForm.JSON,
    b'{"status": "healthy"}': BodyForm.JSON,
    b"\xff\xfe": BodyForm.JSON,
    b'"ab1\xff"': BodyForm.JSON,
    "abc1".encode("utf-16"): BodyForm.JSON,
    b'{"title": "Created"}': BodyForm.PROBLEM,
    b"<html><body>abc1</body></html>": BodyForm.HTML,
    b" <x/>": BodyForm.HTML,
}


@pytest.mark.parametrize("content_type", CONTENT_TYPES)
def test_an_id_is_read_as_a_json_string_or_as_bare_text_whatever_the_content_type(content_type: str | None) -> None:
    for body, expected in GOOD_IDS.items():
        response = build_response(body, 201, content_type)
        assert find_created_form(response) is BodyForm.ID
        assert read_created_id(response) == expected


def test_another_text_and_an_object_with_an_id_are_possible_ids() -> None:
    for body, expected in POSSIBLE_IDS.items():
        response = build_response(body, 201)
        assert find_created_form(response) is BodyForm.POSSIBLE_ID, body
        assert read_created_id(response) == expected
        assert find_created_form(build_response(body, 201, "text/HTML; charset=utf-8")) is BodyForm.HTML


@pytest.mark.parametrize("body", NO_IDS, ids=lambda value: ascii(value)[:40])
def test_anything_else_is_no_id(body: bytes) -> None:
    assert find_created_form(build_response(body, 201)) is NO_IDS[body]


@pytest.mark.parametrize("body", [b"", b"  \r\n", BOM])
def test_an_empty_body_is_a_decode_error_that_says_the_campaign_was_created(body: bytes) -> None:
    with pytest.raises(DecodeError, match=r"created \(status 201\).*do not send it again") as caught:
        read_created_id(build_response(body, 201))
    assert (caught.value.where, caught.value.status, caught.value.effect) == ("$", 201, Effect.APPLIED)
    assert caught.value.__context__ is None


@given(st.binary() | st.text().map(str.encode) | st.text(max_size=20).map(lambda text: json.dumps(text).encode()))
def test_only_a_documented_id_is_one(body: bytes) -> None:
    text = body.decode(errors="replace").strip()
    inner = text[1:-1] if len(text) > 2 and text[0] == text[-1] == '"' else text
    if find_created_form(build_response(body, 201)) is BodyForm.ID and "\\" not in inner:
        assert re.fullmatch(r"[A-Za-z0-9._-]{1,200}", inner.removeprefix("\ufeff").strip())
        assert re.search("[0-9]", inner)


@given(st.from_regex(r"[A-Za-z._-]{0,50}[0-9][A-Za-z0-9._-]{0,50}", fullmatch=True))
def test_every_documented_id_is_read(text: str) -> None:
    response = build_response(json.dumps(text), 201)
    assert find_created_form(response) is BodyForm.ID
    assert read_created_id(response) == text


@pytest.mark.parametrize("body", [b"abc123", b" abc123\n", BOM + b"123"])
def test_a_bare_id_whose_end_may_be_missing_is_only_a_possible_id(body: bytes) -> None:
    without_length = Response(201, {"Content-Type": "text/plain"}, body)
    assert find_created_form(without_length) is BodyForm.POSSIBLE_ID
    assert read_documented_id(without_length) is None
    assert read_created_id(without_length) in ("abc123", "123")
    assert find_created_form(Response(201, {"Transfer-Encoding": "chunked"}, body)) is BodyForm.ID
    assert find_created_form(Response(201, {}, BOM + b' "abc123"')) is BodyForm.ID, "the quote shows its end"


@pytest.mark.parametrize("status", [201, 203, 206, 299])
def test_only_200_is_the_whole_answer_of_a_read(status: int) -> None:
    page = b'{"pageIndex": 1, "totalPages": 0, "totalRecords": 0, "items": []}'
    for read, body in ((read_campaigns, page), (read_contacts, page), (read_campaign, b'{"id": "a1"}')):
        with pytest.raises(DecodeError, match=f"status {status} may not be the whole answer") as caught:
            read(build_response(body, status))
        assert caught.value.status == status


@given(st.binary())
def test_a_possible_id_stays_within_its_segment_of_the_path(body: bytes) -> None:
    if find_created_form(build_response(body, 201)) is BodyForm.POSSIBLE_ID:
        check_campaign_id(read_created_id(build_response(body, 201)))


FORMS: dict[bytes, BodyForm] = {
    b"": BodyForm.EMPTY,
    b"Bad Request": BodyForm.TEXT,
    b'"Bad Request"': BodyForm.TEXT,
    b'{"title": "Bad Request", "status": 400}': BodyForm.PROBLEM,
    b'{"traceId": "00-1"}': BodyForm.PROBLEM,
    b'{"errors": {"Sender": ["too long"]}}': BodyForm.PROBLEM,
    b'{"Sender": ["too long"]}': BodyForm.PROBLEM,
    b'{"message": "Forbidden"}': BodyForm.JSON,
    b'{"status": "UP"}': BodyForm.JSON,
    b'{"errors": "none"}': BodyForm.JSON,
    b"[]": BodyForm.JSON,
    b"7": BodyForm.JSON,
    b"\xff": BodyForm.JSON,
    b"<html>": BodyForm.HTML,
    BOM + b"\r\n <!DOCTYPE html>": BodyForm.HTML,
    b"<?xml version='1.0'?><Error/>": BodyForm.HTML,
}


@pytest.mark.parametrize("body", FORMS, ids=lambda value: ascii(value)[:40])
def test_the_form_of_a_body(body: bytes) -> None:
    assert find_body_form(build_response(body, 403)) is FORMS[body]


@given(st.binary(), st.sampled_from(CONTENT_TYPES))
def test_any_body_has_a_form(body: bytes, content_type: str | None) -> None:
    form = find_body_form(build_response(body, 403, content_type))
    assert (form is BodyForm.EMPTY) == (not body.removeprefix(BOM).strip() and content_type != "text/html")
    assert form in (BodyForm.EMPTY, BodyForm.TEXT, BodyForm.PROBLEM, BodyForm.JSON, BodyForm.HTML)


@pytest.mark.parametrize(
    ("headers", "part", "expected"),
    [
        ({}, b'"ab1', BodyForm.CUT),
        ({}, b"", BodyForm.CUT),
        ({"Content-Type": "text/html"}, b"ab1", BodyForm.HTML),
        ({}, b"<ht", BodyForm.HTML),
        ({}, b'{"id": "ab', BodyForm.JSON),
        ({"Content-Encoding": "gzip"}, b"ab1", BodyForm.JSON),
    ],
)
def test_a_part_of_a_body_is_cut_only_if_it_may_be_a_part_of_an_id(
    headers: dict[str, str], part: bytes, expected: BodyForm
) -> None:
    assert find_cut_form(headers, part) is expected


ROW = {"id": "a", "status": 1}
PERSON = {"id": "p", "phoneNumber": "1"}
COUNTS = {"pageIndex": 2, "totalPages": 3, "totalRecords": 25}
READERS: list[tuple[Callable[[Response], Any], dict[str, Any], Any]] = [
    (read_campaigns, ROW, Campaign("a", status=CampaignStatus.SENDING)),
    (read_contacts, PERSON, Contact("p", "1")),
]


@pytest.mark.parametrize(("read", "row", "model"), READERS)
@pytest.mark.parametrize("prefix", [b"", BOM, b" \r\n"])
@pytest.mark.parametrize("wrapped", [False, True])
def test_a_page_is_an_object_or_an_array_of_one_object(
    read: Any, row: Any, model: Any, wrapped: bool, prefix: bytes
) -> None:
    envelope = {**COUNTS, "items": [row], "more": {}}
    page = read(build_response(prefix + json.dumps([envelope] if wrapped else envelope).encode()))
    assert (page.index, page.total_pages, page.total_records, page.items) == (2, 3, 25, (model,))


@pytest.mark.parametrize("name", COUNTS)
@pytest.mark.parametrize("missing", [True, False])
def test_a_count_that_is_null_or_missing_is_none(name: str, missing: bool) -> None:
    envelope: dict[str, Any] = {**COUNTS, "items": [], name: None}
    if missing:
        del envelope[name]
    page = read_campaigns(build_response(json.dumps(envelope)))
    counts = {"pageIndex": page.index, "totalPages": page.total_pages, "totalRecords": page.total_records}
    assert counts == {**COUNTS, name: None}


@pytest.mark.parametrize("name", COUNTS)
@pytest.mark.parametrize("value", ["-1", "true", '"5"', "1.5", "[]", "{}", "1" * 30])
def test_an_invalid_count_is_named(name: str, value: str) -> None:
    error = read_error(read_campaigns, f'{{"items": [], "{name}": {value}}}')
    assert str(error) == f"$.{name}: expected a whole number from 0"
    assert error.where == f"$.{name}"


def read_error(read: Callable[[Response], Any], body: bytes | str) -> DecodeError:
    """Return the error that reading this body raises. Check that it is not chained."""
    with pytest.raises(DecodeError) as caught:
        read(build_response(body, 203))
    assert caught.value.__context__ is None
    return caught.value


BROKEN: list[tuple[bytes | str, str, str]] = [
    ("{}", "$.items", "$.items: missing"),
    ('{"items": null}', "$.items", "$.items: missing"),
    ('{"Items": []}', "$.items", "$.items: missing"),
    ('{"items": {}}', "$.items", "$.items: expected an array"),
    ('{"items": "[]"}', "$.items", "$.items: expected an array"),
    ('{"items": 0}', "$.items", "$.items: expected an array"),
    ('[{"id": "a"}]', "$.items", "$.items: missing"),
    ('{"items": [{"id": "a"}, {"id": "b"}, 5]}', "$.items[2]", "$.items[2]: expected an object"),
    ('{"items": [{"id": "a"}, {"id": "b"}, null]}', "$.items[2]", "$.items[2]: expected an object"),
    ('{"items": [{"id": "a"}, {}]}', "$.items[1].id", "$.items[1].id: missing"),
    ('{"items": [{"id": "a"}, {"id": null}]}', "$.items[1].id", "$.items[1].id: expected text"),
    ('[{"items": [{"id": []}]}]', "$.items[0].id", "$.items[0].id: expected text"),
    ("[]", "$", "$: expected an object with items"),
    ("[{}, {}]", "$", "$: expected an object with items"),
    ('[[{"items": []}]]', "$", "$: expected an object with items"),
    ("null", "$", "$: expected an object with items"),
    ("5", "$", "$: expected an object with items"),
    ('"items"', "$", "$: expected an object with items"),
    ("[" * 500 + "]" * 500, "$", "$: expected an object with items"),
    ("", "$", "the body is empty (status 203)"),
    (" \r\n", "$", "the body is empty (status 203)"),
    ("<html>502</html>", "$", "the body is not JSON (status 203)"),
    ('{"items": [}', "$", "the body is not JSON (status 203)"),
    ('{"items": []} x', "$", "the body is not JSON (status 203)"),
    ('{"items": [], "totalPages": NaN}', "$", "the body is not JSON (status 203)"),
    ('{"items": [], "totalPages": Infinity}', "$", "the body is not JSON (status 203)"),
    ('{"items": [], "totalPages": 1e999}', "$", "the body is not JSON (status 203)"),
    ('{"items": [], "totalPages": ' + "1" * 5000 + "}", "$", "the body is not JSON (status 203)"),
    ('{"items": [{"id": "\\ud800"}]}', "$", "the body is not JSON (status 203)"),
    (b'{"items": [{"id": "\xff"}]}', "$", "the body is not JSON (status 203)"),
    ('{"items": []}'.encode("utf-16"), "$", "the body is not JSON (status 203)"),
    (b"\x00\x01\x02", "$", "the body is not JSON (status 203)"),
    (BOM + BOM + b'{"items": []}', "$", "the body is not JSON (status 203)"),
    (DEEP, "$", "the body is not JSON (status 203)"),
    (DEEP_OBJECT, "$", "the body is not JSON (status 203)"),
]


@pytest.mark.parametrize("read", [read_campaigns, read_contacts])
@pytest.mark.parametrize(("body", "where", "said"), BROKEN, ids=lambda value: ascii(value)[:40])
def test_an_invalid_page_is_a_decode_error_with_its_place(read: Any, body: Any, where: str, said: str) -> None:
    error = read_error(read, body)
    assert (error.where, str(error)) == (where, said)


def test_the_place_of_an_invalid_status_has_the_row_and_the_wire_name() -> None:
    rows = ", ".join(['{"id": "a"}'] * 3 + ['{"id": "a", "status": "?"}'])
    assert read_error(read_campaigns, f'{{"items": [{rows}]}}').where == "$.items[3].status"


def test_a_deeply_nested_field_is_a_decode_error() -> None:
    body = '{"items": [{"id": "a", "sender": ' + "[" * 900 + "]" * 900 + "}]}"
    assert read_error(read_campaigns, body).where == "$.items[0].sender"


@pytest.mark.parametrize("body", [b'{"id": "a"}', b'[{"id": "a"}]', BOM + b'{"id": "a"}'])
def test_a_campaign_is_an_object_or_an_array_of_one_object(body: bytes) -> None:
    assert read_campaign(build_response(body)) == Campaign("a")


@pytest.mark.parametrize(
    ("body", "where"),
    [
        ("", "$"),
        ("null", "$"),
        ("[]", "$"),
        ("[1, 2]", "$"),
        ("{}", "$.id"),
        ('{"id": "a", "optOutLinkId": "x"}', "$.optOutLinkId"),
    ],
)
def test_an_invalid_campaign_is_a_decode_error_with_its_place(body: str, where: str) -> None:
    assert read_error(read_campaign, body).where == where


@given(st.binary())
def test_any_bytes_are_a_page_or_a_decode_error(body: bytes) -> None:
    for read in (read_campaigns, read_contacts, read_campaign):
        try:
            read(build_response(body))
        except DecodeError as error:
            assert error.__context__ is None


def test_a_raw_response_is_returned_unchanged_and_decodes_its_json_on_demand() -> None:
    response = build_response(b'\xef\xbb\xbf{"a": [1, null]}')
    assert read_raw(response) is response
    assert response.json() == {"a": [1, None]}
    assert read_nothing(build_response("anything")) is None


def test_a_raw_response_without_json_raises_a_decode_error() -> None:
    error = read_error(Response.json, "<html>")
    assert error.effect is Effect.APPLIED


@pytest.mark.parametrize("half", [r"\ud83c", r"\uDF89", r"\ud83c\ud83c\udf89", r"\\\ud83c", r"\ud83cx\n"])
def test_half_of_a_surrogate_pair_is_read_as_a_replacement_and_all_rows_come(half: str) -> None:
    body = f'{{"items": [{{"id": "a", "message": "{half}"}}, {{"id": "b", "message": "\\ud83c\\udf89 \\\\ud83c"}}]}}'
    page = read_campaigns(build_response(body))
    assert [row.id for row in page.items] == ["a", "b"]
    assert "\ufffd" in (page.items[0].message or "")
    assert page.items[1].message == "\U0001f389 \\ud83c"
