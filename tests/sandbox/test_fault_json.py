"""Faults as JSON: what was written is read back, and what cannot be read is told by its name."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import attrs
import orjson
import pytest
from hypothesis import assume, given, strategies as st

from campaigns_async.sandbox import Fault
from campaigns_async.sandbox.control.fault_json import (
    FIELDS,
    fault_from_json,
    fault_to_json,
    faults_from_json,
    fields_left_out,
)

SECONDS = st.floats(0, 1e6)
LINE = st.text(st.characters(min_codepoint=32, max_codepoint=126))
FAULTS = st.fixed_dictionaries(
    {},
    optional={
        "nth": st.integers(1, 2**53),
        "every": st.integers(1, 2**53),
        "times": st.none() | st.integers(1, 2**53),
        "share": st.floats(0, 1),
        "seed": st.integers(-(2**63), 2**63 - 1),
        "recipient": st.none() | st.just("+44 7700 900123"),
        "headers": st.dictionaries(st.sampled_from(["Retry-After", "X-Cache", "Via"]), LINE),
        "body": st.none() | st.text() | st.binary(),
        "content_type": st.none() | LINE,
        "delay": SECONDS,
        "hang": st.booleans(),
        "slow_body": SECONDS,
    },
)
EFFECTS = st.one_of(
    st.fixed_dictionaries({"operation": st.just("create"), "hidden_for": st.none() | SECONDS}),
    st.fixed_dictionaries({"operation": st.sampled_from(["list", "get", None])}),
    st.fixed_dictionaries({"status": st.integers(200, 599), "act": st.none() | st.booleans(), "stale": st.booleans()}),
    st.fixed_dictionaries({"status": st.integers(200, 599), "act_after": SECONDS}),
    st.fixed_dictionaries({"drop": st.sampled_from(["close", "reset"]), "act": st.none() | st.booleans()}),
    st.fixed_dictionaries({"drop": st.sampled_from(["cut_headers", "cut_body"])}),
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(FIELDS) | st.text(), inner),
)


@given(FAULTS, EFFECTS)
def test_what_was_written_is_read_back(fields: dict[str, Any], effect: dict[str, Any]) -> None:
    assume("recipient" not in fields or effect.get("operation") in {None, "create"})
    fault = Fault(**{**fields, **effect})
    written = orjson.loads(orjson.dumps(fault_to_json(fault)))

    assert fault_from_json(written) == fault
    assert fields_left_out(fault) == []


@given(JSON | st.dictionaries(st.sampled_from(FIELDS), JSON))
def test_whatever_is_sent_is_a_fault_or_is_refused_in_words(value: Any) -> None:
    try:
        faults = faults_from_json(value)
    except ValueError as error:
        assert str(error)
    else:
        assert all(isinstance(fault, Fault) for fault in faults)


def test_each_field_can_be_written_but_for_those_that_only_python_can_hold() -> None:
    assert set(FIELDS) == attrs.fields_dict(Fault).keys() - {"when", "hold"}


def test_only_what_differs_from_a_plain_fault_is_written() -> None:
    assert fault_to_json(Fault()) == {}
    assert fault_to_json(Fault(nth=2, status=503)) == {"nth": 2, "status": 503}


def test_what_only_python_can_hold_is_left_out_and_named() -> None:
    event = asyncio.Event()
    later = Fault(status=504, when=bool, hold=event, act_after=event)
    hidden = Fault(operation="create", hidden_for=event)

    assert (fault_to_json(later), fields_left_out(later)) == ({"status": 504}, ["when", "act_after", "hold"])
    assert (fault_to_json(hidden), fields_left_out(hidden)) == ({"operation": "create"}, ["hidden_for"])


def test_a_body_is_text_and_base64_where_it_is_no_utf_8() -> None:
    assert fault_to_json(Fault(status=502, body="né")) == {"status": 502, "body": "né"}
    assert fault_to_json(Fault(status=502, body=b"\xff")) == {"status": 502, "body": {"base64": "/w=="}}


WRONG: dict[str, tuple[Any, str]] = {
    "no object": ("create", "a fault must be an object of operation, nth, .*, not text"),
    "an unknown field": ({"nht": 1}, "a fault has no 'nht'; there are operation, nth, .*hidden_for"),
    "one that only Python can hold": ({"hold": True}, "a fault has no 'hold'"),
    "an unknown operation": ({"operation": "send"}, "operation must be one of list, get, contacts"),
    "a number for text": ({"drop": 1}, "drop must be text, not 1"),
    "text for a number": ({"nth": "2"}, "nth must be a whole number, not text"),
    "true for a number": ({"nth": True}, "nth must be a whole number, not true"),
    "a fraction": ({"times": 1.5}, "times must be a whole number, not 1.5"),
    "out of range": ({"nth": 0}, "nth must be 1 or more, not 0"),
    "nothing where there must be something": ({"delay": None}, "delay must be a number, not null"),
    "no time at all": ({"delay": float("nan")}, "delay must be a number, not nan"),
    "a share beyond all": ({"share": 2}, "share must be from 0 to 1"),
    "a number for a switch": ({"hang": 1}, "hang must be true or false, not 1"),
    "headers in an array": ({"headers": []}, "headers must be an object, not an array"),
    "a header that is no text": ({"headers": {"Retry-After": 1}}, r"headers\['Retry-After'\] must be text, not 1"),
    "a header of two lines": ({"headers": {"A": "b\r\nC: d"}}, r"headers\['A'\] must be one line"),
    "a header beyond Latin-1": ({"headers": {"A": "€"}}, r"headers\['A'\] must be one line"),
    "a header's name with a blank": ({"headers": {"A B": ""}}, "headers must have names"),
    "a content type of two lines": ({"content_type": "a\r\nb"}, "content_type must be one line"),
    "a number for a body": ({"body": 1}, "body must be text, or"),
    "a body under another name": ({"body": {"hex": "ff"}}, "body has no 'hex'; there are base64"),
    "a body without any": ({"body": {}}, "body.base64 must be text, not null"),
    "a body that is no base64": ({"body": {"base64": "é"}}, "body.base64 must be in base64"),
    "a body that is base64 but for a sign": ({"body": {"base64": "/w=!="}}, "body.base64 must be in base64"),
    "half a character": ({"body": "\ud800"}, "body must be text that UTF-8 can hold"),
    "fields that do not fit together": ({"act": False}, "act=False needs a status or a drop"),
    "one of several": ([{}, {"nth": 0}], r"\[1\]: nth must be 1 or more"),
}


@pytest.mark.parametrize(("value", "told"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_is_told_with_the_field_and_what_may_stand_there(value: Any, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        faults_from_json(value)


def test_null_is_as_good_as_leaving_out_what_may_be_missing() -> None:
    assert faults_from_json(json.loads('{"status": null, "times": null}')) == [Fault()]


def test_an_array_is_several() -> None:
    assert faults_from_json([{"status": 503}, {"drop": "reset"}]) == [Fault(status=503), Fault(drop="reset")]
