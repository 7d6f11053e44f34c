"""Nothing that is printed, logged or raised shows a phone number, a name, a message, a sender or a key.

What a server said is in the attributes of an error, for code to read; no text of an error quotes it, and no
error of another library, which would, can be reached from it.
"""

from __future__ import annotations

import json
import logging
import traceback
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Any
from uuid import UUID

import attrs
import pytest
from hypothesis import given, settings, strategies as st

from campaigns_async import (
    Auth,
    Campaign,
    CampaignsError,
    CampaignUpdate,
    Contact,
    Delivery,
    NewCampaign,
    NewContact,
    Operation,
    Outcome,
    Page,
    Problem,
    Response,
    checks,
)
from campaigns_async._engine.caller import exception_for
from campaigns_async._engine.interfaces import Credentials, Failure, FailureKind
from campaigns_async.wire import codec, problems, requests, responses
from campaigns_async.wire.messages import Request

START = datetime(2024, 1, 1, tzinfo=UTC)
NOW = START
MARK = "sEcReT447700900987"
SHOWN: list[Callable[[Any], str]] = [
    repr,
    str,
    format,
    lambda value: f"{value}",
    lambda value: f"{value!r}",
    lambda value: "%s %r" % (value, value),  # noqa: UP031 - as loggers do
]
CREATE = Request(Operation.CREATE, "POST", "/api/Campaigns", f"api-key={MARK}", MARK.encode())


def marked(name: str) -> str:
    """A text that must be seen nowhere."""
    return f"{MARK}-{name}"


def reachable(error: BaseException) -> list[BaseException]:
    """The error and all behind it: causes, and contexts even where they are suppressed."""
    found: list[BaseException] = []
    left: list[BaseException | None] = [error]
    while left:
        one = left.pop()
        if one is not None and one not in found:
            found.append(one)
            left += [one.__cause__, one.__context__]
    return found


def check_error(error: BaseException, mark: str = MARK) -> None:
    """Fail where an error, or one behind it, shows the mark, or is of another library."""
    for one in reachable(error):
        assert isinstance(one, CampaignsError), f"{type(one).__name__} can be reached"
        for show in SHOWN:
            assert mark not in show(one)
        assert mark not in repr(one.args)
        assert not getattr(one, "__notes__", [])
    for chain in (True, False):
        assert mark not in "".join(traceback.format_exception(error, chain=chain))


def raised(call: Callable[[], object]) -> CampaignsError:
    """The error that this raises."""
    try:
        call()
    except CampaignsError as error:
        return error
    pytest.fail("nothing was raised")


CONTACT = NewContact(marked("phone"), marked("name"), marked("custom1"), marked("custom2"), UUID(int=5))
NEW = NewCampaign(START, marked("sender"), marked("message"), [CONTACT], 5, marked("link"))
UPDATE = CampaignUpdate(START, marked("sender"), marked("message"), 5, marked("link"))
CAMPAIGN = Campaign("c1", START, marked("sender"), 5, marked("message"), None, 5, marked("link"))
PERSON = Contact("p1", marked("phone"), marked("name"), marked("custom1"), marked("custom2"))
PROBLEM = Problem(marked("type"), marked("title"), 400, marked("detail"), None, {marked("path"): (marked("text"),)})
KEYS = [requests.authorized(auth, MARK) for auth in Auth]
VALUES: dict[str, Any] = {
    "contact to create": CONTACT,
    "campaign to create": NEW,
    "update": UPDATE,
    "campaign": CAMPAIGN,
    "contact": PERSON,
    "campaigns page": Page(1, 1, 1, (CAMPAIGN,)),
    "contacts page": Page(1, 1, 1, (PERSON,)),
    "problem": PROBLEM,
    "list request": requests.list_page(page=1, page_size=1, filters=MARK, sorts=MARK),
    "contacts request": requests.contacts_page("c1", page=1, page_size=1, filters=MARK),
    "create request": requests.create(NEW),
    "update request": requests.update("c1", UPDATE),
    "raw request": requests.raw("POST", "/api/x", params={MARK: MARK}, json={MARK: MARK}),
    "response": Response(400, {"X": MARK}, MARK.encode()),
    "outcome of a campaign": Outcome(0, NEW, "c1"),
    "outcome of text": Outcome(0, MARK, CAMPAIGN),
    "outcome of a failure": Outcome(0, NEW, error=ValueError(MARK), delivery=Delivery.UNKNOWN),
    **{f"credentials {index}": Credentials(*made) for index, made in enumerate(KEYS)},
}


@pytest.mark.parametrize("value", VALUES.values(), ids=VALUES)
def test_no_value_shows_what_it_holds(value: Any, caplog: pytest.LogCaptureFixture) -> None:
    held = (value, [value], {"key": value}, (value,))
    for one in held:
        for show in SHOWN:
            assert MARK not in show(one)
    with caplog.at_level(logging.DEBUG):
        logging.getLogger("a caller").debug("%s %r", value, value)
    assert MARK not in caplog.text


@pytest.mark.parametrize(
    "value", [NEW, CONTACT, UPDATE, CAMPAIGN, PERSON, PROBLEM], ids=lambda value: type(value).__name__
)
def test_values_still_say_what_they_are(value: Any) -> None:
    assert repr(value).startswith(f"{type(value).__name__}(")


def test_an_outcome_names_the_class_of_its_error_and_nothing_of_its_item() -> None:
    outcome: Outcome[str, str] = Outcome(3, MARK, error=ValueError(MARK), delivery=Delivery.UNKNOWN)
    assert repr(outcome) == f"Outcome(index=3, value=None, error=ValueError, delivery={Delivery.UNKNOWN!r})"
    assert repr(Outcome(3, MARK, "c1")) == f"Outcome(index=3, value='c1', error=None, delivery={Delivery.DONE!r})"


def problem_body(mark: str) -> bytes:
    """A problem whose every text is marked."""
    return json.dumps(
        {
            "type": mark,
            "title": mark,
            "detail": mark,
            "instance": mark,
            "traceId": f"{mark} no id",
            "errors": {
                mark: [mark],
                f"Contacts[3].{mark}": mark,
                "Contacts[1].PhoneNumber": [f"{mark} is no number"],
                "x": {mark: mark},
            },
        }
    ).encode()


BODIES = {
    "problem": problem_body(MARK),
    "messages": json.dumps({MARK: [MARK]}).encode(),
    "list": json.dumps({"errors": [MARK]}).encode(),
    "text": MARK.encode(),
    "html": f"<h1>{MARK}</h1>".encode(),
    "broken": f'{{"{MARK}": '.encode(),
    "not utf-8": b"\xff" + MARK.encode(),
}
HEADERS = {
    "Location": f"https://{MARK}",
    "Allow": f"GET, {MARK}, SECRET",
    "Retry-After": MARK,
    "x-request-id": f"{MARK} no id",
}


@pytest.mark.parametrize("status", [100, 307, *range(400, 430), *range(500, 505)])
@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_no_error_shows_what_the_server_wrote(body: bytes, status: int) -> None:
    answer = Response(status, HEADERS, body)
    check_error(problems.error(CREATE, answer, now=NOW))
    for operation in Operation:
        for delivery in Delivery:
            for late in (False, True):
                request = attrs.evolve(CREATE, operation=operation)
                check_error(exception_for(request, answer, delivery, out_of_time=late, now=NOW))


@pytest.mark.parametrize("kind", FailureKind)
def test_no_error_of_a_failure_shows_what_was_sent(kind: FailureKind) -> None:
    for delivery in Delivery:
        check_error(exception_for(CREATE, Failure(kind, sent=True), delivery, now=NOW))


UNREADABLE: dict[str, Any] = {
    "id": {"id": [MARK]},
    "no object": MARK,
    "array": [MARK],
    "date": {"id": MARK, "startDateTime": MARK},
    "status": {"id": MARK, "status": MARK},
    "count": {"id": MARK, "recipientCount": MARK},
    "text": {"id": MARK, "message": [MARK]},
    "many": {"id": {MARK: MARK}, "startDateTime": MARK, "status": MARK, "message": {MARK: MARK}},
    "missing": {MARK: MARK},
}


@pytest.mark.parametrize("row", UNREADABLE.values(), ids=UNREADABLE)
def test_no_error_shows_what_could_not_be_read(row: Any) -> None:
    pages = (
        {"items": [row]},
        {"items": [{"id": "a"}, row]},
        {"items": {MARK: row}},
        {"items": [], "pageIndex": MARK},
        row,
    )
    for page in pages:
        answer = Response(200, {}, json.dumps(page).encode())
        check_error(raised(partial(responses.campaigns, answer)))
    check_error(raised(partial(responses.campaign, Response(200, {}, json.dumps(row).encode()))))


@pytest.mark.parametrize(
    "body", [*BODIES.values(), f'"{MARK}'.encode(), f'"<{MARK}>"'.encode(), f"{MARK} {MARK}".encode()]
)
def test_no_error_shows_a_body_that_is_no_id_and_no_json(body: bytes) -> None:
    answer = Response(201, HEADERS, body)
    for read in (responses.created_id, responses.campaign, responses.campaigns, responses.contacts, Response.json):
        try:
            read(answer)
        except CampaignsError as error:
            check_error(error)


SURROGATE = f"{MARK}\ud800"
UNWRITABLE: dict[str, Callable[[], object]] = {
    **{
        f"{name} of {type(value).__name__}": lambda name=name, value=value: codec.encode_model(
            attrs.evolve(NEW, **{name: value})
        )
        for name in ("start_date_time", "sender", "message", "opt_out_link_id", "track_link_url", "contacts")
        for value in (SURROGATE, MARK.encode(), [MARK], {MARK: MARK}, (SURROGATE,))
        if not (name == "contacts" and isinstance(value, bytes))
    },
    **{
        f"contact's {name} of {type(value).__name__}": lambda name=name, value=value: codec.encode_model(
            attrs.evolve(NEW, contacts=[CONTACT, attrs.evolve(CONTACT, **{name: value})])
        )
        for name in ("phone_number", "name", "custom1", "custom2", "contact_group_id")
        for value in (SURROGATE, MARK.encode(), [MARK], {MARK: MARK})
    },
    "naive start": lambda: codec.encode_model(attrs.evolve(NEW, start_date_time=datetime(2024, 1, 1))),
    "no contact": lambda: codec.encode_model(attrs.evolve(NEW, contacts=[PERSON])),  # type: ignore[list-item]
    "no contacts": lambda: attrs.evolve(NEW, contacts=5),
    "id": lambda: requests.get(f"{MARK}/{MARK}"),
    "surrogate in an id": lambda: requests.get(SURROGATE),
    "no text as an id": lambda: requests.get([MARK]),  # type: ignore[arg-type]
    "filters": lambda: requests.list_page(page=1, page_size=1, filters=SURROGATE),
    "sorts": lambda: requests.list_page(page=1, page_size=1, sorts=SURROGATE),
    "verb": lambda: requests.raw(MARK, "/"),
    "path": lambda: requests.raw("GET", f"/{MARK}/../{MARK}"),
    "params": lambda: requests.raw("GET", "/", params={MARK: SURROGATE}),
    "params of a wrong type": lambda: requests.raw("GET", "/", params={MARK: [MARK]}),  # type: ignore[dict-item]
    "body": lambda: requests.raw("POST", "/", json={MARK: SURROGATE}),
    "body of a wrong type": lambda: requests.raw("POST", "/", json={MARK: {MARK}}),
    "base url": lambda: checks.check_base_url("base_url", f"https://user:{MARK}@host"),
    "base url's port": lambda: checks.check_base_url("base_url", f"https://host:{MARK}"),
    "base url's host": lambda: checks.check_base_url("base_url", f"https://[{MARK}]"),
    "base url's query": lambda: checks.check_base_url("base_url", f"https://host?api-key={MARK}"),
    "key": lambda: checks.check_api_key("api_key", f"{MARK}\n"),
    "key of a wrong type": lambda: checks.check_api_key("api_key", [MARK]),
    "choice": lambda: checks.check_choice("auth", MARK, tuple(Auth)),
    "number": lambda: checks.check_seconds("Timeouts.read", MARK),
    "whole number": lambda: checks.check_int("page_size", MARK, ge=1),
    "instance": lambda: checks.check_instance("retry", MARK, Request),
}


@pytest.mark.parametrize("call", UNWRITABLE.values(), ids=UNWRITABLE)
def test_no_error_shows_what_could_not_be_sent_or_set(
    call: Callable[[], object], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        error = raised(call)
        logging.getLogger("a caller").exception("failed", exc_info=error)
        logging.getLogger("a caller").debug("%s %r", error, error)
    check_error(error)
    assert MARK not in caplog.text


def test_an_update_that_cannot_be_made_shows_nothing_of_the_campaign() -> None:
    check_error(raised(attrs.evolve(CAMPAIGN, start_date_time=None).to_update))


marks = st.text(st.characters(codec="utf-8"), min_size=1, max_size=40).map(lambda text: f"{MARK}{text}{MARK}")
markers = st.recursive(marks, lambda inner: st.lists(inner) | st.dictionaries(marks, inner), max_leaves=5)
fields = st.sampled_from(
    ["id", "startDateTime", "sender", "recipientCount", "status", "optOutLinkId", "phoneNumber", "name", "errors"]
)


@given(st.dictionaries(fields, markers), st.sampled_from([Campaign, Contact]))
@settings(deadline=None)
def test_whatever_a_server_writes_no_model_and_no_error_shows_it(wire: dict[str, Any], cls: type) -> None:
    try:
        found = codec.read_model({"id": "a", **wire}, cls, where="$.items[3]")
    except CampaignsError as error:
        check_error(error)
    else:
        assert MARK not in repr(attrs.evolve(found, id="a")), "an id is shown: it is what one looks things up by"


@given(markers, st.sampled_from([307, 400, 401, 404, 405, 409, 413, 422, 429, 500, 503]), st.sampled_from(Delivery))
@settings(deadline=None)
def test_whatever_problem_a_server_writes_no_error_shows_it(said: Any, status: int, delivery: Delivery) -> None:
    body = json.dumps({"type": said, "title": said, "detail": said, "errors": said}).encode()
    headers = {"Retry-After": json.dumps(said), "Allow": json.dumps(said), "Request-Id": f"{MARK} no id"}
    for sent in (body, json.dumps(said).encode()):
        answer = Response(status, headers, sent)
        check_error(exception_for(CREATE, answer, delivery, now=NOW))
        assert MARK not in repr(problems.read_problem(sent))


@given(
    st.fixed_dictionaries(
        {name: marks | st.just(SURROGATE) | markers for name in ("phone_number", "name", "custom1", "custom2")}
    )
)
@settings(deadline=None)
def test_whatever_a_caller_writes_no_error_shows_it(contact: dict[str, Any]) -> None:
    new = attrs.evolve(NEW, contacts=[NewContact(**contact)])
    assert MARK not in repr(new)
    assert MARK not in repr(new.contacts)
    try:
        codec.encode_model(new)
    except CampaignsError as error:
        check_error(error)
