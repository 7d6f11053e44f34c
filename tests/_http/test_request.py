"""Requests: paths that an id cannot leave, queries that arrive unchanged, and raw requests."""

from __future__ import annotations

import posixpath
import re
from datetime import UTC, datetime
from functools import partial
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import orjson
import pytest
from hypothesis import example, given, strategies as st
from support.properties import more_examples
from yarl import URL

from campaigns_async import (
    Auth,
    CampaignUpdate,
    InvalidArgumentError,
    NewCampaign,
    NewContact,
    Operation,
)
from campaigns_async._http.api_key import build_credentials
from campaigns_async._http.request import (
    Request,
    build_create,
    build_delete,
    build_get,
    build_page,
    build_raw,
    build_update,
    contacts_path,
)

NEW = NewCampaign(datetime(2024, 1, 1, tzinfo=UTC), "Golf", "Hi", [NewContact("1")])
UPDATE = CampaignUpdate(datetime(2024, 1, 1, tzinfo=UTC), "Golf", "Hi")
ROOT = "/api/Campaigns"

build_list = partial(build_page, Operation.LIST, ROOT)
build_contacts = partial(build_page, Operation.CONTACTS, f"{ROOT}/abc/Contacts")


def outline(request: Request) -> tuple[Operation, str, str, str]:
    """Return a request without its body."""
    return request.operation, request.method, request.path, request.query


def test_the_six_operations_are_the_documented_requests() -> None:
    paging = "page=2&pageSize=50"
    listed = build_list(page=2, page_size=50)
    people = build_contacts(page=2, page_size=50)
    assert outline(listed) == (Operation.LIST, "GET", ROOT, paging)
    assert outline(people) == (Operation.CONTACTS, "GET", f"{ROOT}/abc/Contacts", paging)
    assert outline(build_get("abc")) == (Operation.GET, "GET", f"{ROOT}/abc", "")
    assert outline(build_create(NEW)) == (Operation.CREATE, "POST", ROOT, "")
    assert outline(build_update("abc", UPDATE)) == (Operation.UPDATE, "PUT", f"{ROOT}/abc", "")
    assert outline(build_delete("abc")) == (Operation.DELETE, "DELETE", f"{ROOT}/abc", "")
    assert listed.body is people.body is build_get("abc").body is None
    assert orjson.loads(build_create(NEW).body or b"")["contacts"] == [{"phoneNumber": "1"}]
    assert orjson.loads(build_update("abc", UPDATE).body or b"")["sender"] == "Golf"
    assert build_delete("abc").body == b"", "only the write of a body shows when a request leaves"


def test_ignore_invalid_phone_numbers_selects_the_path() -> None:
    assert build_create(NEW, True).path == "/api/campaigns/true"
    assert build_create(NEW, False).path == "/api/campaigns/false"
    assert build_create(NEW, None).path == ROOT


def test_update_and_delete_use_post_if_the_setting_says_so() -> None:
    assert outline(build_update("abc", UPDATE, "POST")) == (Operation.UPDATE, "POST", f"{ROOT}/abc", "")
    assert outline(build_delete("abc", "POST")) == (Operation.DELETE, "POST", f"{ROOT}/abc", "")


@pytest.mark.parametrize("value", [UPDATE, {"sender": "SECRET"}, None, "SECRET"])
def test_create_refuses_other_types(value: Any) -> None:
    with pytest.raises(InvalidArgumentError, match=rf"\Anew must be a NewCampaign, not {type(value).__name__}\Z"):
        build_create(value)


@pytest.mark.parametrize("value", [NEW, {"sender": "SECRET"}, None, "SECRET"])
def test_update_refuses_other_types(value: Any) -> None:
    with pytest.raises(
        InvalidArgumentError, match=rf"\Achanged must be a CampaignUpdate, not {type(value).__name__}\Z"
    ):
        build_update("abc", value)


@pytest.mark.parametrize("value", [0, 1, "true", "false", "", object()])
def test_ignore_invalid_phone_numbers_refuses_other_types(value: Any) -> None:
    with pytest.raises(InvalidArgumentError, match=r"\Aignore_invalid_phone_numbers must be a bool, not "):
        build_create(NEW, value)


BAD_IDS = [
    "/",
    "a/b",
    "../x",
    "..",
    ".",
    "...",
    "a?b",
    "a#b",
    "a%2fb",
    "%2e%2e",
    "%",
    "a\\b",
    "..\\x",
    " ",
    " a",
    "a ",
    "a b",
]
INVISIBLE = [
    "\x00",
    "a\x00",
    "a\n",
    "\r\nX: y",
    "a\t",
    "\x7f",
    "a\x85",
    "\xa0a",
    "\u2003true",
    "a\u2028",
    "\u200btrue",
    "\ufeffa",
    "\ud800",
]
ADDRESSING: list[Any] = [
    build_get,
    build_delete,
    lambda campaign_id: build_delete(campaign_id, "POST"),
    lambda campaign_id: build_update(campaign_id, UPDATE),
    lambda campaign_id: build_update(campaign_id, UPDATE, "POST"),
    lambda campaign_id: build_page(Operation.CONTACTS, contacts_path(campaign_id), page=1, page_size=1),
]
NAMES = ["get", "delete", "delete by POST", "update", "update by POST", "contacts"]


@pytest.mark.parametrize("address", ADDRESSING, ids=NAMES)
def test_an_id_that_would_address_another_path_is_refused_and_not_quoted(address: Any) -> None:
    for campaign_id in (*BAD_IDS, *INVISIBLE):
        with pytest.raises(InvalidArgumentError) as caught:
            address(campaign_id)
        assert re.fullmatch(r"campaign_id contains .*: that would address another path", str(caught.value)), campaign_id
        assert caught.value.__context__ is None, campaign_id


@pytest.mark.parametrize("address", ADDRESSING, ids=NAMES)
def test_an_id_of_thousands_of_characters_is_refused(address: Any) -> None:
    with pytest.raises(InvalidArgumentError, match=r"\Acampaign_id is 3,000 characters long: an id has at most 500\Z"):
        address("a" * 3000)


@pytest.mark.parametrize("address", ADDRESSING, ids=NAMES)
def test_an_empty_id_is_refused(address: Any) -> None:
    with pytest.raises(InvalidArgumentError, match=r"\Acampaign_id is empty, which would address all campaigns\Z"):
        address("")


@pytest.mark.parametrize("address", ADDRESSING, ids=NAMES)
@pytest.mark.parametrize("campaign_id", [None, 5, b"abc", True, ["abc"]], ids=ascii)
def test_an_id_of_another_type_is_refused(address: Any, campaign_id: Any) -> None:
    with pytest.raises(InvalidArgumentError, match=rf"\Acampaign_id must be a str, not {type(campaign_id).__name__}\Z"):
        address(campaign_id)


@pytest.mark.parametrize("campaign_id", ["true", "false", "True", "FALSE", "tRuE"])
def test_true_and_false_are_refused_as_ids_with_post_which_would_create(campaign_id: str) -> None:
    for address in (ADDRESSING[2], ADDRESSING[4]):
        with pytest.raises(InvalidArgumentError, match="must not be true or false with the method POST"):
            address(campaign_id)
    assert build_get(campaign_id).path == f"{ROOT}/{campaign_id}"
    assert build_update(campaign_id, UPDATE).path == f"{ROOT}/{campaign_id}"
    assert build_delete(campaign_id).path == f"{ROOT}/{campaign_id}"


@pytest.mark.parametrize(
    ("campaign_id", "segment"),
    [
        ("3fa85f64-5717-4562-b3fc-2c963f66afa6", "3fa85f64-5717-4562-b3fc-2c963f66afa6"),
        ("a.b", "a.b"),
        ("..a", "..a"),
        ("YWJj+w==", "YWJj%2Bw%3D%3D"),
        ("a&b=c", "a%26b%3Dc"),
        ("~a:@!$'()*,", "~a%3A%40%21%24%27%28%29%2A%2C"),
        ("é", "%C3%A9"),
        ("😀", "%F0%9F%98%80"),
        ("\u2215", "%E2%88%95"),  # looks like a slash
        ("\uff0f", "%EF%BC%8F"),  # becomes one when normalised
        ("trues", "trues"),
    ],
)
def test_an_id_is_escaped_as_one_segment(campaign_id: str, segment: str) -> None:
    for address in ADDRESSING:
        assert address(campaign_id).path.removesuffix("/Contacts") == f"{ROOT}/{segment}"


hostile = (
    st.text()
    | st.text(st.sampled_from("./\\%?#;25eEfFaA \t\n\x00true"))
    | st.sampled_from(["true", "FALSE", "..", "%2e"])
)


@given(hostile, st.sampled_from(ADDRESSING))
@example("..", ADDRESSING[0])
@more_examples(5)
def test_any_text_is_refused_or_stays_one_segment_below_campaigns(campaign_id: str, address: Any) -> None:
    try:
        request = address(campaign_id)
    except InvalidArgumentError as error:
        assert error.__context__ is None
        return
    path = request.path.removesuffix("/Contacts") if request.operation is Operation.CONTACTS else request.path
    assert path.isascii()
    decoded = unquote(path)
    assert decoded == f"{ROOT}/{campaign_id}"
    assert posixpath.normpath(decoded.replace("\\", "/")) == decoded
    assert unquote(decoded) == decoded, "decoding twice must not change it either"
    whole = f"https://host/prefix{path}?page=1"
    for sent in (URL(whole, encoded=True), URL(whole)):
        assert (sent.host, sent.query_string, sent.fragment) == ("host", "page=1", "")
        assert sent.path == f"/prefix{decoded}"
        assert sent.raw_parts[1:-1] == ("prefix", "api", "Campaigns")
    parts = urlsplit(whole)
    assert (parts.netloc, parts.query, parts.fragment) == ("host", "page=1", "")
    assert unquote(parts.path) == f"/prefix{decoded}"
    if request.method == "POST":
        assert campaign_id.lower().strip() not in ("true", "false")


@given(st.text(), st.text())
def test_any_filter_and_sort_arrives_unchanged_or_is_refused(filters: str, sorts: str) -> None:
    try:
        query = build_list(page=1, page_size=2, filters=filters, sorts=sorts).query
    except InvalidArgumentError as error:
        assert error.__context__ is None
        return
    assert "+" not in query
    expected = (
        {"page": "1", "pageSize": "2"} | ({"sorts": sorts} if sorts else {}) | ({"filters": filters} if filters else {})
    )
    assert dict(parse_qsl(query, keep_blank_values=True, strict_parsing=True)) == expected


@pytest.mark.parametrize("name", ["filters", "sorts"])
def test_a_filter_or_sort_with_a_lone_surrogate_is_refused_by_name(name: str) -> None:
    options: Any = {name: "phoneNumber==SECRET\ud800"}
    for call in (build_list, build_contacts):
        with pytest.raises(InvalidArgumentError, match=rf"\A{name} contains a lone surrogate") as caught:
            call(page=1, page_size=1, **options)
        assert caught.value.__context__ is None, "a UnicodeEncodeError holds the text"


def test_a_plus_is_escaped() -> None:
    assert build_list(page=1, page_size=1, filters="a==+44 7").query.endswith("&filters=a%3D%3D%2B44%207")


@pytest.mark.parametrize(
    ("auth", "header", "query"),
    [
        (Auth.BEARER, ("Authorization", "Bearer k/+="), ""),
        (Auth.HEADER, ("api-key", "k/+="), ""),
        (Auth.QUERY, None, "api-key=k%2F%2B%3D"),
    ],
)
def test_the_key_is_sent_in_one_place_only(auth: Auth, header: tuple[str, str] | None, query: str) -> None:
    credentials = build_credentials(auth, "k/+=")
    headers = dict(credentials.headers)
    assert headers.pop("Accept") == "application/json"
    assert headers.pop("User-Agent").startswith("campaigns-async/")
    assert headers == (dict([header]) if header else {})
    assert credentials.query == query


# Raw requests

VERBS = {
    "GET": Operation.RAW_READ,
    "HEAD": Operation.RAW_READ,
    "OPTIONS": Operation.RAW_READ,
    "PUT": Operation.RAW_REPLACE,
    "DELETE": Operation.RAW_REPLACE,
    "POST": Operation.RAW_SEND,
    "PATCH": Operation.RAW_SEND,
}


@pytest.mark.parametrize(("verb", "operation"), VERBS.items())
def test_the_operation_of_a_raw_request_follows_from_its_method(verb: str, operation: Operation) -> None:
    for spelling in (verb, verb.lower(), verb.title()):
        assert outline(build_raw(spelling, "/api/x")) == (operation, verb, "/api/x", "")


@pytest.mark.parametrize("verb", ["", " GET", "GET ", "GET\r\n", "TRACE", "CONNECT", "FETCH", "PO\u017fT"])
def test_an_unknown_method_is_refused(verb: str) -> None:
    if verb == "PO\u017fT":
        assert verb.upper() == "POST", "long s: upper case makes a POST of it, and so it is treated"
        assert build_raw(verb, "/").operation is Operation.RAW_SEND
        return
    with pytest.raises(InvalidArgumentError, match=r"\Amethod must be one of GET, "):
        build_raw(verb, "/api/x")


@pytest.mark.parametrize("verb", [None, 5, b"GET"])
def test_a_method_of_another_type_is_refused(verb: Any) -> None:
    with pytest.raises(InvalidArgumentError, match=r"\Amethod must be a str, not "):
        build_raw(verb, "/api/x")


GOOD_PATHS = [
    "/",
    "/api/SMSMessages",
    "/api/x/",
    "/a//b",
    "/a/...",
    "/a.b/..c",
    "/%20",
    "/%C3%A9",
    "/a;v=1",
    "/a:b@c",
    "/~!$&'()*+,;=:@-._",
]
BAD_PATHS = [
    *[
        "",
        "api/x",
        "//host",
        "//host/api",
        "///",
        "http://host/",
        "\\host",
        "/a?b=c",
        "/a#b",
        "/a b",
        "/a\n",
        "/a\\b",
        "/é",
        "/\x00",
    ],
    *["/..", "/../x", "/a/..", "/a/../b", "/.", "/./a", "/a/.", "/%2e%2e", "/%2E./a", "/.%2e", "/%2e", "/a/%2E%2E/b"],
    *["/a%2f..", "/a%2F..%2Fb", "/..%2f", "/%2f..", "/a%5c..", "/%2e%2e%5Cb", "/..;a", "/..;/a", "/%2e%2e;a"],
    *["/%", "/%2", "/%zz", "/%%20", "/a%2", '/"', "/<", "/{id}", "/|", "/^", "/`", "/[", "/\ud800"],
]


@pytest.mark.parametrize("path", GOOD_PATHS)
def test_a_raw_path_is_sent_unchanged(path: str) -> None:
    assert build_raw("GET", path).path == path
    assert URL(f"https://host{path}", encoded=True).raw_path == path


@pytest.mark.parametrize("path", BAD_PATHS, ids=ascii)
def test_a_raw_path_that_leads_elsewhere_is_refused(path: str) -> None:
    with pytest.raises(InvalidArgumentError, match=r"\Apath must begin with one slash, be percent-encoded") as caught:
        build_raw("GET", path)
    assert caught.value.__context__ is None


@pytest.mark.parametrize("path", [None, 5, b"/api", ["/"]])
def test_a_raw_path_of_another_type_is_refused(path: Any) -> None:
    with pytest.raises(InvalidArgumentError, match=r"\Apath must be a str, not "):
        build_raw("GET", path)


@given(st.text(st.sampled_from("/.%2eEfF5cC;a?#\\ ")).map("/".__add__) | st.text())
@more_examples(5)
def test_any_raw_path_is_refused_or_stays_on_the_host_and_below_the_prefix(path: str) -> None:
    try:
        sent = build_raw("GET", path).path
    except InvalidArgumentError:
        return
    whole = f"https://host/prefix{sent}"
    assert urlsplit(whole).netloc == URL(whole, encoded=True).host == "host"
    assert URL(whole, encoded=True).raw_path == f"/prefix{sent}"
    decoded = unquote(sent).replace("\\", "/")
    assert posixpath.normpath(f"/prefix{decoded}").startswith("/prefix")
    assert not {".", ".."} & {segment.partition(";")[0] for segment in decoded.split("/")}


@given(st.lists(st.tuples(st.text(st.characters(codec="utf-8"), min_size=1), st.text(st.characters(codec="utf-8")))))
def test_any_params_arrive_unchanged(pairs: list[tuple[str, str]]) -> None:
    for params in (pairs, tuple(pairs), iter(pairs)):
        query = build_raw("GET", "/api/x", params=params).query
        assert parse_qsl(query, keep_blank_values=True) == pairs
        assert "+" not in query
    assert build_raw("GET", "/api/x", params=dict(pairs)).query.count("=") == len(dict(pairs))


def test_all_reserved_characters_of_params_are_escaped() -> None:
    params = {"filters": "a==+44,b", "a&b=c": "d?e#f/g"}
    assert build_raw("GET", "/", params=params).query == "filters=a%3D%3D%2B44%2Cb&a%26b%3Dc=d%3Fe%23f%2Fg"


BAD_PARAMS: list[tuple[Any, str]] = [
    (5, "params must be a mapping or an iterable of pairs, not int"),
    ("ab", "a pair in params must be a tuple, not str"),
    (["ab"], "a pair in params must be a tuple, not str"),
    ([b"ab"], "a pair in params must be a tuple, not bytes"),
    ([("SECRET",)], "a pair in params must be a name and a value"),
    ([("a", "b", "c")], "a pair in params must be a name and a value"),
    ({"SECRET": 5}, "a value in params must be text (str), not int"),
    ({"SECRET": None}, "a value in params must be text (str), not NoneType"),
    ({"SECRET": b"SECRET"}, "a value in params must be text (str), not bytes"),
    ({5: "SECRET"}, "a name in params must be text (str), not int"),
    ({"a": "SECRET\ud800"}, "a value in params contains a lone surrogate, which UTF-8 cannot encode"),
    ({"SECRET\udfff": "a"}, "a name in params contains a lone surrogate, which UTF-8 cannot encode"),
]


@pytest.mark.parametrize(("params", "said"), BAD_PARAMS, ids=lambda value: ascii(value)[:40])
def test_params_of_other_types_are_refused_and_not_quoted(params: Any, said: str) -> None:
    with pytest.raises(InvalidArgumentError) as caught:
        build_raw("GET", "/api/x", params=params)
    assert str(caught.value) == said
    assert caught.value.__context__ is None


def build_cycle() -> list[Any]:
    """Build a list that contains itself."""
    inner: list[Any] = ["SECRET"]
    inner.append(inner)
    return inner


@pytest.mark.parametrize(
    "json",
    [
        object(),
        {"SECRET": object()},
        b"SECRET",
        {"a": "SECRET\ud800"},
        float("nan"),
        {"SECRET"},
        build_cycle(),
        NEW,
    ],
    ids=[
        "object",
        "inner object",
        "bytes",
        "surrogate",
        "nan",
        "set",
        "cycle",
        "model",
    ],
)
def test_a_body_that_json_cannot_encode_is_refused_and_not_quoted(json: Any) -> None:
    with pytest.raises(InvalidArgumentError, match=r"\Ajson must be a JSON value") as caught:
        build_raw("POST", "/api/x", json=json)
    assert "SECRET" not in str(caught.value)
    assert caught.value.__context__ is None


@pytest.mark.parametrize("json", [{}, [], "", 0, False, {"a": [1, None, "é"]}])
def test_an_empty_value_is_sent_as_json(json: Any) -> None:
    body = build_raw("POST", "/api/x", json=json).body
    assert body is not None
    assert orjson.loads(body) == json


def test_a_raw_request_without_json_has_no_body() -> None:
    assert build_raw("POST", "/api/x").body is None


MARK = "sEcReT447700900987"


@pytest.mark.parametrize(
    "value",
    [
        build_list(page=1, page_size=1, filters=MARK, sorts=MARK),
        build_contacts(page=1, page_size=1, filters=MARK),
        build_raw("POST", "/api/x", params={MARK: MARK}, json={MARK: MARK}),
        *(build_credentials(auth, MARK) for auth in Auth),
    ],
)
def test_no_request_shows_its_query_its_body_or_its_key(value: object) -> None:
    assert MARK not in repr(value)
    assert MARK not in str([value])
