"""Faults as JSON: what was written is read back, and an error says which field is wrong."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import attrs
import pytest
from hypothesis import assume, given, strategies as st

from campaigns_async.sandbox import Fault
from campaigns_async.sandbox._payloads import list_unwritable_fields, read_faults, write_fault

FIELDS = sorted(attrs.fields_dict(Fault).keys() - {"when", "hold"})
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
def test_a_written_fault_is_read_back(fields: dict[str, Any], effect: dict[str, Any]) -> None:
    assume("recipient" not in fields or effect.get("operation") in {None, "create"})
    fault = Fault(**{**fields, **effect})
    written = json.loads(json.dumps(write_fault(fault)))

    assert read_faults(written) == [fault]
    assert list_unwritable_fields(fault) == []


@given(JSON | st.dictionaries(st.sampled_from(FIELDS), JSON))
def test_any_json_is_read_as_faults_or_refused_with_a_message(value: Any) -> None:
    try:
        faults = read_faults(value)
    except ValueError as error:
        assert str(error)
    else:
        assert all(isinstance(fault, Fault) for fault in faults)


def test_only_fields_that_differ_from_their_defaults_are_written() -> None:
    assert write_fault(Fault()) == {}
    assert write_fault(Fault(nth=2, status=503)) == {"nth": 2, "status": 503}


def test_fields_that_json_cannot_hold_are_left_out_and_named() -> None:
    event = asyncio.Event()
    later = Fault(status=504, when=bool, hold=event, act_after=event)
    hidden = Fault(operation="create", hidden_for=event)

    assert (write_fault(later), list_unwritable_fields(later)) == ({"status": 504}, ["when", "act_after", "hold"])
    assert (write_fault(hidden), list_unwritable_fields(hidden)) == ({"operation": "create"}, ["hidden_for"])


def test_a_body_is_text_or_base64_if_it_is_not_utf_8() -> None:
    assert write_fault(Fault(status=502, body="né")) == {"status": 502, "body": "né"}
    assert write_fault(Fault(status=502, body=b"\xff")) == {"status": 502, "body": {"base64": "/w=="}}


WRONG: dict[str, tuple[Any, str]] = {
    "no object": ("create", r"^must be an object$"),
    "an unknown field": ({"nht": 1}, r"unknown name 'nht'; known are operation, nth, .*hidden_for @ \$$"),
    "one that only Python can hold": ({"hold": True}, "unknown name 'hold'"),
    "an unknown operation": ({"operation": "send"}, r"must be one of list, get, contacts.* @ \$\.operation$"),
    "a number for text": ({"content_type": 1}, r"must be text @ \$\.content_type$"),
    "text for a number": ({"nth": "2"}, r"must be a whole number @ \$\.nth$"),
    "true for a number": ({"nth": True}, r"must be a whole number @ \$\.nth$"),
    "a fraction": ({"times": 1.5}, r"must be a whole number @ \$\.times$"),
    "out of range": ({"nth": 0}, r"'nth' must be >= 1: 0 @ \$$"),
    "nothing where there must be something": ({"delay": None}, r"must be a number @ \$\.delay$"),
    "more seconds than a float holds": ({"delay": 10**400}, r"too large .* @ \$\.delay$"),
    "no time at all": ({"delay": float("nan")}, r"must be a number @ \$\.delay$"),
    "a share beyond all": ({"share": 2}, "'share' must be <= 1: 2"),
    "a number for a switch": ({"hang": 1}, r"must be true or false @ \$\.hang$"),
    "headers in an array": ({"headers": []}, r"must be an object @ \$\.headers$"),
    "a header that is no text": (
        {"headers": {"Retry-After": 1}}, r"must be text @ \$\.headers\['Retry-After'\]$",
    ),
    "a header of two lines": ({"headers": {"A": "b\r\nC: d"}}, "headers must be one line"),
    "a header beyond Latin-1": ({"headers": {"A": "€"}}, "headers must be one line"),
    "a header's name with a blank": ({"headers": {"A B": ""}}, "headers must have names"),
    "a content type of two lines": ({"content_type": "a\r\nb"}, "content_type must be one line"),
    "a number for a body": ({"body": 1}, r"must be text, or .* @ \$\.body$"),
    "a body under another name": ({"body": {"hex": "ff"}}, "must be text, or"),
    "a body without any": ({"body": {}}, "must be text, or"),
    "a body under two names": ({"body": {"base64": "", "hex": ""}}, "must be text, or"),
    "a body that is no base64": ({"body": {"base64": "é"}}, r"@ \$\.body$"),
    "a body that is base64 but for a sign": ({"body": {"base64": "/w=!="}}, r"@ \$\.body$"),
    "half a character": ({"body": "\ud800"}, "surrogates not allowed"),
    "fields that do not fit together": ({"act": False}, "act=False needs a status or a drop"),
    "one of several": ([{}, {"nth": 0}], r"'nth' must be >= 1: 0 @ \$\[1\]$"),
    "several": ({"nth": "2", "every": "3"}, r"@ \$\.nth; must be .* @ \$\.every$"),
}  # fmt: skip


@pytest.mark.parametrize(("value", "reason"), WRONG.values(), ids=WRONG)
def test_an_error_has_the_path_and_the_allowed_values(value: Any, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        read_faults(value)


def test_null_equals_a_missing_optional_field() -> None:
    assert read_faults(json.loads('{"status": null, "times": null}')) == [Fault()]


def test_an_array_is_read_as_several_faults() -> None:
    assert read_faults([{"status": 503}, {"drop": "reset"}]) == [Fault(status=503), Fault(drop="reset")]
