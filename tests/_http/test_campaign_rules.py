"""Lines of plans: the rules of a campaign, all faults at once, and no value quoted."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import example, given, strategies as st
from support.properties import more_examples

from campaigns_async import NewCampaign, NewContact
from campaigns_async._field_rules import BRACES
from campaigns_async._http import campaign_rules as rules, codec
from campaigns_async._http.campaign_rules import Fault, PlanCampaign, parse_campaign

START = datetime(2031, 6, 27, 9, 30, tzinfo=UTC)
NEW = NewCampaign(START, "Golf", "Hello", [NewContact("07700900100"), NewContact("07700900101")])
LINE: dict[str, Any] = {
    "key": "k",
    "startDateTime": "2031-06-27T09:30:00.000Z",
    "sender": "Golf",
    "message": "Hello",
    "contacts": [{"phoneNumber": "07700900100"}, {"phoneNumber": "07700900101"}],
}


def parse(**fields: Any) -> PlanCampaign | tuple[Fault, ...]:
    return parse_campaign(json.dumps(LINE | fields).encode())


def body_of(**fields: Any) -> bytes:
    outcome = parse(**fields)
    assert isinstance(outcome, PlanCampaign)
    return outcome.body.encode()


def faults_of(**fields: Any) -> list[tuple[str, str]]:
    outcome = parse(**fields)
    assert not isinstance(outcome, PlanCampaign)
    return [(fault.path, fault.reason) for fault in outcome]


@pytest.fixture
def no_second_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules, "explain_line", None)


# Lines


texts = st.text(st.characters(codec="utf-8"), min_size=1).filter(str.strip)
anything = st.none() | st.text(st.characters(codec="utf-8"))
contacts = st.builds(NewContact, texts, anything, anything, anything, st.none() | st.uuids())
campaigns = st.builds(
    NewCampaign,
    st.datetimes(datetime(1, 1, 3), datetime(9999, 12, 29), timezones=st.just(UTC)),
    texts,
    texts,
    st.lists(contacts, min_size=1, max_size=3),
    st.none() | st.integers(-(2**63), 2**63 - 1),
    st.none() | st.just("https://x.example"),
)


@given(campaigns)
def test_a_line_is_sent_as_the_same_campaign_is_by_create(new: NewCampaign) -> None:
    sent = codec.encode_model(new)
    line = msgspec.json.encode({"key": "k", **msgspec.json.decode(sent)})
    outcome = parse_campaign(line, allow_braces=True)
    assert isinstance(outcome, PlanCampaign)
    assert outcome.key == "k"
    assert msgspec.json.decode(outcome.body.encode()) == msgspec.json.decode(sent)


@pytest.mark.usefixtures("no_second_reading")
@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"optOutLinkId": 7, "trackLinkUrl": "HTTPS://x.example"},
        {"optOutLinkId": None, "trackLinkUrl": None},
        {"contacts": [{"phoneNumber": "1", "name": None, "contactGroupId": "3FA85F64-5717-4562-B3FC-2C963F66AFA6"}]},
    ],
)
def test_a_line_without_faults_is_read_once(fields: dict[str, Any]) -> None:
    assert body_of(**fields).startswith(b'{"startDateTime":"2031-06-27T09:30:00.000Z","sender":"Golf"')


def test_a_body_has_no_key_no_null_and_one_notation() -> None:
    person = {"phoneNumber": "1", "name": None, "contactGroupId": "3FA85F64-5717-4562-B3FC-2C963F66AFA6"}
    one = body_of(contacts=[person], trackLinkUrl=None, startDateTime="2031-06-27 10:30:00.0009999+0100")
    assert msgspec.json.decode(one) == {
        "startDateTime": "2031-06-27T09:30:00.000Z",
        "sender": "Golf",
        "message": "Hello",
        "contacts": [{"phoneNumber": "1", "contactGroupId": "3fa85f64-5717-4562-b3fc-2c963f66afa6"}],
    }


def test_what_was_decoded_is_what_is_sent_where_a_name_stands_twice() -> None:
    outcome = parse_campaign(json.dumps(LINE).encode().replace(b'"sender"', b'"message":"First","sender"'))
    assert isinstance(outcome, PlanCampaign)
    assert outcome.body.message == msgspec.json.decode(outcome.body.encode())["message"] == "Hello"


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2031-06-27T09:30Z", START),
        ("2031-06-27t10:30:00+01:00", START),
        ("2031-06-27 05:00:00.0009999-0430", START),
        ("2031-06-27T09:30:00.1239999z", START.replace(microsecond=123_000)),
    ],
)
def test_a_start_is_read_in_utc_and_cut_to_milliseconds(text: str, moment: datetime) -> None:
    assert rules.parse_start(text) == moment


@pytest.mark.parametrize("key", [None, "", " ", "a\n", "k" * 201, 7])
def test_a_line_is_refused_for_its_key_alone(key: object) -> None:
    assert [path for path, _ in faults_of(key=key)] == ["key"]
    assert parse_campaign(json.dumps({name: value for name, value in LINE.items() if name != "key"}).encode())[0] == (
        Fault("key", "is missing: each campaign needs its own key, which stays the same in every run")
    )


def test_all_faults_of_a_line_are_found_at_once() -> None:
    people = [{"phoneNumber": 1, "name": 2}, {"nmae": 3}, "hush", {"phoneNumber": " "}]
    found = faults_of(
        key=" ", sender="", message="{", startDateTime="now", optOutLinkId="1", trackLinkUrl="x", x=1, contacts=people
    )
    assert [path for path, _ in found] == [
        "key",
        "",
        "startDateTime",
        "sender",
        "optOutLinkId",
        "trackLinkUrl",
        "message",
        "contacts[0].phoneNumber",
        "contacts[0].name",
        "contacts[1]",
        "contacts[1].phoneNumber",
        "contacts[2]",
        "contacts[3].phoneNumber",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"", "ends before its JSON does"),
        (b"hush", "is not JSON from its character 1 on"),
        (b'{"key":"\xe9"}', "is not in UTF-8 from its byte 9 on"),
        ('{"é":"ü",x}'.encode(), "is not JSON from its character 10 on"),
        (b'{"key":NaN}', "contains NaN or Infinity, which JSON does not have"),
        (b'{"key":"\\ud83d"}', "contains a lone surrogate"),
        (b'{"key":1},', "has a comma or a bracket after its object"),
        (b"[" * 100_000, "is nested too deeply"),
        (b'{"key":' + b"[" * 100_000, "is nested too deeply"),
        (b"[1]", "is an array, not a JSON object"),
        (b"1", "is a single value, not a JSON object"),
    ],
)
def test_a_line_that_is_no_object_is_refused_as_a_whole(line: bytes, reason: str) -> None:
    outcome = parse_campaign(line)
    assert not isinstance(outcome, PlanCampaign)
    assert [fault.path for fault in outcome] == [""]
    assert outcome[0].reason.startswith(reason)


json_values: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.sampled_from(["hush", "", " ", "{"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from([*rules.CAMPAIGN_NAMES, *rules.CONTACT_NAMES, "hush"]), inner, max_size=6)
    ),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from([*rules.CAMPAIGN_NAMES, "hush"]), json_values, min_size=1, max_size=4))
@example({"optOutLinkId": 1.0})
@example({"optOutLinkId": True})
@example({"optOutLinkId": 2**63})
@example({"optOutLinkId": -(2**64)})
@example({"contacts": [{"phoneNumber": "1", "contactGroupId": "3fa85f645717-4562b3fc2c963f66afa6"}]})
@example({"message": "\u2003"})
@more_examples(12)
def test_both_readings_of_a_line_agree_and_quote_nothing(fields: dict[str, Any]) -> None:
    line = json.dumps(LINE | fields).encode()
    outcome = parse_campaign(line)
    explained = rules.explain_line(line)
    if isinstance(outcome, PlanCampaign):
        assert [fault.reason for fault in explained] == ["cannot be read"], "a second reading found a fault"
    else:
        assert outcome == explained
        assert all(fault.reason != "cannot be read" for fault in outcome), "the first reading refused it in error"
        assert "hush" not in str(outcome)


def test_braces_are_refused_where_they_are_not_allowed() -> None:
    for message in ("Hello {name}", "Hello }"):
        assert faults_of(message=message) == [("message", BRACES)]
        line = json.dumps(LINE | {"message": message}).encode()
        assert isinstance(parse_campaign(line, allow_braces=True), PlanCampaign)
