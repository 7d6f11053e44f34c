"""Each kind of bad plan says what is wrong, where, and what to do; nothing of a line is quoted."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import os
import sqlite3
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from campaigns_async.jobs import BadLine, BadLineError, PlanError, ndjson_plan

ONE: dict[str, Any] = {"phoneNumber": "07700900100"}
NAMES = "key, startDateTime, sender, message, optOutLinkId, trackLinkUrl, contacts"
CONTACT_NAMES = "phoneNumber, name, custom1, custom2, contactGroupId"
NO_KEY = "is missing: each campaign needs its own key, which stays the same in every run"
NO_ZONE = "has no time zone, so it could mean any hour: end it with Z or an offset such as +01:00"
NO_START = "must be a date and time with a zone, such as 2031-06-27T09:30:00.000Z"
NO_WHOLE = "must be a whole number, without quotes, that fits in 64 bits"
NO_LINK = "must be a link that begins with http:// or https://"
NO_CONTACTS = "must be an array of at least one contact"
NO_GROUP = "must be a UUID, such as 3fa85f64-5717-4562-b3fc-2c963f66afa6"
NOT_A_NUMBER = "must be text, in quotes: as a number it loses its leading zeros"
BRACES = (
    "contains { or }: the API knows no placeholders, so every recipient would read the braces; "
    "remove them, or allow them (allow_braces) if they are meant"
)


def twice(first: int) -> str:
    return (
        f"is also the number of contacts[{first}], which would be texted twice: remove one, "
        'or drop (duplicates="drop", --duplicates drop) or keep (duplicates="keep", --duplicates keep) the later ones'
    )


def make_object(**fields: Any) -> dict[str, Any]:
    """Make a line's object, without the fields that are `...`."""
    given = {
        "key": "k",
        "startDateTime": "2031-06-27T09:30:00.000Z",
        "sender": "Golf",
        "message": "Hello",
        "contacts": [ONE],
    }
    return {name: value for name, value in (given | fields).items() if value is not ...}


FIELDS: dict[str, tuple[dict[str, Any], str, str]] = {
    "no key": ({"key": ...}, "key", NO_KEY),
    "a null for a key": ({"key": None}, "key", NO_KEY),
    "a number for a key": ({"key": 17}, "key", "must be text, in quotes, not int"),
    "a list for a key": ({"key": []}, "key", "must be text, in quotes, not list"),
    "an empty key": ({"key": ""}, "key", "must not be blank"),
    "a blank key": ({"key": " \u2003"}, "key", "must not be blank"),
    "a long key": ({"key": "hush-" * 41}, "key", "must have at most 200 characters, not 205"),
    "a newline in a key": (
        {"key": "hush\n"},
        "key",
        "must not contain control characters, such as line breaks and tabs",
    ),
    "a C1 control in a key": (
        {"key": "hush\x85"},
        "key",
        "must not contain control characters, such as line breaks and tabs",
    ),
    "no sender": ({"sender": ...}, "sender", "is missing"),
    "a blank sender": ({"sender": "\t"}, "sender", "must not be blank"),
    "a number for a sender": ({"sender": 447700900111}, "sender", "must be text, in quotes, not int"),
    "no message": ({"message": None}, "message", "is missing"),
    "an empty message": ({"message": ""}, "message", "must not be blank"),
    "a list for a message": ({"message": ["hush"]}, "message", "must be text, in quotes, not list"),
    "an opening brace": ({"message": "hush {name"}, "message", BRACES),
    "a closing brace": ({"message": "hush }"}, "message", BRACES),
    "no start": ({"startDateTime": ...}, "startDateTime", "is missing"),
    "a start without a zone": ({"startDateTime": "2031-06-27T09:30:00"}, "startDateTime", NO_ZONE),
    "a day for a start": ({"startDateTime": "2031-06-27"}, "startDateTime", NO_START),
    "a day and an hour apart": ({"startDateTime": "2031-06-27_09:30:00Z"}, "startDateTime", NO_START),
    "31 April": ({"startDateTime": "2031-04-31T09:30:00Z"}, "startDateTime", NO_START),
    "an hour of 24": ({"startDateTime": "2031-04-30T24:00:00Z"}, "startDateTime", NO_START),
    "a leap second": ({"startDateTime": "2031-04-30T23:59:60Z"}, "startDateTime", NO_START),
    "eight digits of a second": ({"startDateTime": "2031-04-30T23:59:59.12345678Z"}, "startDateTime", NO_START),
    "digits of another script": ({"startDateTime": "٢٠٣١-06-27T09:30:00Z"}, "startDateTime", NO_START),
    "a start before the first year": ({"startDateTime": "0001-01-01T00:00:00+01:00"}, "startDateTime", "is out of range in UTC"),
    "seconds since 1970 for a start": ({"startDateTime": 1940000000}, "startDateTime", NO_START),
    "text for an opt-out link": ({"optOutLinkId": "1"}, "optOutLinkId", NO_WHOLE),
    "true for an opt-out link": ({"optOutLinkId": True}, "optOutLinkId", NO_WHOLE),
    "a fraction for an opt-out link": ({"optOutLinkId": 1.0}, "optOutLinkId", NO_WHOLE),
    "an opt-out link of 65 bits": ({"optOutLinkId": 2**63}, "optOutLinkId", NO_WHOLE),
    "a link without a scheme": ({"trackLinkUrl": "hush.example"}, "trackLinkUrl", NO_LINK),
    "a link of another scheme": ({"trackLinkUrl": "ftp://hush.example"}, "trackLinkUrl", NO_LINK),
    "a scheme alone": ({"trackLinkUrl": "https://"}, "trackLinkUrl", NO_LINK),
    "a number for a link": ({"trackLinkUrl": 1}, "trackLinkUrl", NO_LINK),
    "no contacts": ({"contacts": ...}, "contacts", "is missing"),
    "an empty array of contacts": ({"contacts": []}, "contacts", NO_CONTACTS),
    "an object for contacts": ({"contacts": ONE}, "contacts", NO_CONTACTS),
    "text for a contact": ({"contacts": [ONE, "hush"]}, "contacts[1]", "must be a JSON object"),
    "a list for a contact": ({"contacts": [ONE, []]}, "contacts[1]", "must be a JSON object"),
    "an empty contact": ({"contacts": [ONE, {}]}, "contacts[1].phoneNumber", "is missing"),
    "a contact without a number": ({"contacts": [{"name": "hush"}]}, "contacts[0].phoneNumber", "is missing"),
    "a blank number": ({"contacts": [ONE, {"phoneNumber": " "}]}, "contacts[1].phoneNumber", "must not be blank"),
    "an unquoted number": ({"contacts": [{"phoneNumber": 447700900111}]}, "contacts[0].phoneNumber", NOT_A_NUMBER),
    "a number for a name": ({"contacts": [ONE | {"name": 1}]}, "contacts[0].name", "must be text, in quotes, not int"),
    "a list for a custom field": ({"contacts": [ONE | {"custom2": []}]}, "contacts[0].custom2", "must be text, in quotes, not list"),
    "text for a group": ({"contacts": [ONE | {"contactGroupId": "hush"}]}, "contacts[0].contactGroupId", NO_GROUP),
    "a group in braces": (
        {"contacts": [ONE | {"contactGroupId": "{3fa85f64-5717-4562-b3fc-2c963f66afa6}"}]},
        "contacts[0].contactGroupId",
        NO_GROUP,
    ),
    "a number twice": ({"contacts": [ONE, {"phoneNumber": "07700900101"}, ONE]}, "contacts[2].phoneNumber", twice(0)),
    "a number twice, written in two ways": (
        {"contacts": [ONE, {"phoneNumber": "+44 (0)7700 900-100"}]},
        "contacts[1].phoneNumber",
        twice(0),
    ),
    "no number": (
        {"contacts": [{"phoneNumber": "07700900001"}, {"phoneNumber": "hush"}]},
        "contacts[1].phoneNumber",
        (
            "cannot be read as one phone number: write it as +447700900123, or go on without it "
            '(invalid_numbers="report", --invalid-numbers report)'
        ),
    ),
    "a number that a spreadsheet destroyed": (
        {"contacts": [{"phoneNumber": "4.47701E+11"}]},
        "contacts[0].phoneNumber",
        "was changed by a spreadsheet, and digits may be lost: format the column as text and enter the number again",
    ),
    "a short number, twice": (
        {"contacts": [{"phoneNumber": "12"}, {"phoneNumber": " 12 "}]},
        "contacts[1].phoneNumber",
        twice(0),
    ),
    "an unknown name": ({"hush": 1}, "", f"has a name other than {NAMES}"),
    "a name in another spelling": ({"start_date_time": 1}, "", f"has a name other than {NAMES}; startDateTime must be spelled exactly like this"),
    "a contact's unknown name": ({"contacts": [ONE | {"hush": "a"}]}, "contacts[0]", f"has a name other than {CONTACT_NAMES}"),
    "a contact's name in another spelling": (
        {"contacts": [ONE | {"Custom 1": "a"}]},
        "contacts[0]",
        f"has a name other than {CONTACT_NAMES}; custom1 must be spelled exactly like this",
    ),
}  # fmt: skip
GOOD = orjson.dumps(make_object())
LINES: dict[str, tuple[bytes, str]] = {
    "no JSON": (b"hush", "is not JSON from its character 1 on: write one JSON object per line"),
    "half an object": (
        GOOD[:-1],
        "ends before its JSON does: write each campaign on one line, up to its closing brace",
    ),
    "an array": (b"[" + GOOD + b"]", "is an array, not a JSON object: write each campaign as an object, in braces"),
    "text": (b'"hush"', "is a single value, not a JSON object: write each campaign as an object, in braces"),
    "null": (b"null", "is a single value, not a JSON object: write each campaign as an object, in braces"),
    "an object of an array": (
        GOOD + b",",
        "has a comma or a bracket after its object: a plan is not an array, but one object per line",
    ),
    "two objects in a line": (
        GOOD + GOOD,
        f"is not JSON from its character {len(GOOD) + 1} on: write one JSON object per line",
    ),
    "NaN": (
        GOOD.replace(b'"Hello"', b"NaN"),
        "contains NaN or Infinity, which JSON does not have",
    ),
    "Latin-1": (
        GOOD.replace(b"Hello", b"H\xe9llo"),
        f"is not in UTF-8 from its byte {GOOD.index(b'Hello') + 2} on: save the file as UTF-8",
    ),
    "half a surrogate, escaped": (
        GOOD.replace(b"Hello", b"\\ud83d"),
        "contains a lone surrogate, which UTF-8 cannot encode",
    ),
    "a depth hidden by a repeated name": (
        GOOD.replace(b'"contacts"', b'"contacts":' + b"[" * 100_000 + b"]" * 100_000 + b',"contacts"'),
        "is nested too deeply for a campaign",
    ),
}


def faults_of(path: Path, *lines: bytes) -> list[BadLine]:
    """Return all faults of a plan of these lines."""
    file = path / "plan.ndjson"
    file.write_bytes(b"\n".join(lines))
    bad: list[BadLine] = []
    for line in ndjson_plan(file).lines():
        if isinstance(line, BadLine):
            bad.append(line)
        else:
            try:
                bad.extend(line.read().faults)
            except BadLineError as error:
                assert error.__cause__ is None
                bad.extend(error.bad)
    return bad


@pytest.mark.parametrize(("fields", "where", "reason"), FIELDS.values(), ids=FIELDS)
def test_a_bad_field_is_reported(tmp_path: Path, fields: dict[str, Any], where: str, reason: str) -> None:
    [bad] = faults_of(tmp_path, GOOD, b"", orjson.dumps(make_object(**fields)))
    assert (bad.number, bad.field, bad.reason) == (3, where, reason)


@pytest.mark.parametrize(("content", "reason"), LINES.values(), ids=LINES)
def test_a_bad_line_is_reported(tmp_path: Path, content: bytes, reason: str) -> None:
    [bad] = faults_of(tmp_path, GOOD, content)
    assert bad == BadLine(2, "", reason)


def test_all_faults_of_a_line_are_reported_at_once(tmp_path: Path) -> None:
    people = [ONE, {"phoneNumber": 1, "name": 2}, {"nmae": 3}, "hush", {"phoneNumber": " "}]
    given = make_object(
        sender="", message="{", startDateTime="now", optOutLinkId="1", trackLinkUrl="x", x=1, contacts=people
    )
    assert [bad.field for bad in faults_of(tmp_path, orjson.dumps(given))] == [
        "",
        "startDateTime",
        "sender",
        "optOutLinkId",
        "trackLinkUrl",
        "message",
        "contacts[1].phoneNumber",
        "contacts[1].name",
        "contacts[2]",
        "contacts[2].phoneNumber",
        "contacts[3]",
        "contacts[4].phoneNumber",
    ]


def _database(path: Path) -> None:
    with sqlite3.connect(path) as database:
        database.execute("create table a (b)")
    database.close()


FILES: dict[str, tuple[Any, str]] = {
    "nothing": (b"", "is empty"),
    "blank lines": (b"\n \n\t\r\n", "has no campaign: write one JSON object per line"),
    "an array": (b"[\n" + GOOD + b"\n]", "is a JSON array: write one object per line, as jq -c '.[]' does"),
    "an object over lines": (
        orjson.dumps(make_object(), option=orjson.OPT_INDENT_2),
        "has an object over several lines: write one object per line, as jq -c does",
    ),
    "a CSV": (
        b"\xef\xbb\xbfphoneNumber,name\r\n07700900100,hush\r\n",
        "is a CSV of contacts: pass it to contacts_plan (--contacts), with a message",
    ),
    "UTF-16": (
        GOOD.decode().encode("utf-16"),
        "is UTF-16, as PowerShell and Notepad may write it: save it as UTF-8",
    ),
    "UTF-16 without a mark": (
        GOOD.decode().encode("utf-16-le"),
        "is UTF-16 without a byte order mark: save it as UTF-8",
    ),
    "gzip": (gzip.compress(GOOD), "is compressed, or a spreadsheet: unpack it, or export it as text, first"),
    "bzip2": (bz2.compress(GOOD), "is compressed, or a spreadsheet: unpack it, or export it as text, first"),
    "xz": (lzma.compress(GOOD), "is compressed, or a spreadsheet: unpack it, or export it as text, first"),
    "a spreadsheet": (
        b"PK\x03\x04" + bytes(40),
        "is compressed, or a spreadsheet: unpack it, or export it as text, first",
    ),
    "a journal": (_database, "is an SQLite database, such as a journal: name the plan instead"),
    "a directory": (Path.mkdir, "is a directory: name a file in it"),
    "no file": (lambda path: None, "does not exist: check its path"),
}


@pytest.mark.parametrize(("make", "expected"), FILES.values(), ids=FILES)
def test_a_file_that_is_not_a_plan_is_refused(tmp_path: Path, make: Any, expected: str) -> None:
    path = tmp_path / "my.plan"
    if isinstance(make, bytes):
        path.write_bytes(make)
    else:
        make(path)
    with pytest.raises(PlanError) as caught:
        list(ndjson_plan(path).lines())
    assert str(caught.value) == f"the plan 'my.plan' {expected}"
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


@pytest.mark.parametrize("name", ["people.csv", "PEOPLE.CSV"])
def test_a_csv_of_other_columns_is_refused_by_its_name(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("Mobile;Name\n07700900100;hush\n", encoding="utf-8")
    with pytest.raises(PlanError, match="is a CSV of contacts: pass it to contacts_plan") as caught:
        ndjson_plan(tmp_path / name)
    assert "hush" not in str(caught.value)


def test_a_plan_may_have_any_name(tmp_path: Path) -> None:
    (tmp_path / "plan.csv").write_bytes(GOOD)
    assert len(list(ndjson_plan(tmp_path / "plan.csv").lines())) == 1


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="nothing is forbidden here")
def test_a_file_that_may_not_be_read_is_reported(tmp_path: Path) -> None:
    path = tmp_path / "my.plan"
    path.write_bytes(GOOD)
    path.chmod(0)
    with pytest.raises(PlanError, match="cannot be read by this user: check its permissions"):
        ndjson_plan(path)


def test_a_file_that_goes_away_is_reported_by_the_next_reading(tmp_path: Path) -> None:
    path = tmp_path / "my.plan"
    path.write_bytes(GOOD)
    plan = ndjson_plan(path)
    path.unlink()
    with pytest.raises(PlanError, match="does not exist: check its path"):
        next(plan.lines())


def test_a_file_that_became_another_is_reported_by_the_next_reading(tmp_path: Path) -> None:
    path = tmp_path / "my.plan"
    path.write_bytes(GOOD)
    plan = ndjson_plan(path)
    path.write_bytes(gzip.compress(GOOD))
    with pytest.raises(PlanError, match="is compressed"):
        next(plan.lines())


def test_a_failing_disk_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "my.plan"
    path.write_bytes(GOOD)
    plan = ndjson_plan(path)

    def fails(*_: object, **__: object) -> None:
        raise OSError(5, "Input/output error", "/secret/path")

    monkeypatch.setattr(Path, "open", fails)
    with pytest.raises(PlanError) as caught:
        next(plan.lines())
    assert str(caught.value) == "the plan 'my.plan' cannot be read: Input/output error"


ANYTHING: Any = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**65), 2**65) | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from(["hush", "", "2031-06-27T09:30:00Z", "https://x", "07700900100"]) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.sampled_from([*NAMES.split(", "), *CONTACT_NAMES.split(", "), "hush"]), inner, max_size=7),
    max_leaves=12,
)  # fmt: skip


@pytest.mark.slow
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], max_examples=300)
@given(fields=st.dictionaries(st.sampled_from([*NAMES.split(", "), "hush"]), ANYTHING, max_size=4), start=st.booleans())
def test_whatever_json_holds_a_line_is_accepted_or_reported_and_never_quoted(
    tmp_path_factory: pytest.TempPathFactory, fields: dict[str, Any], start: bool
) -> None:
    line = json.dumps((make_object() if start else {}) | fields).encode()
    for bad in faults_of(tmp_path_factory.getbasetemp(), GOOD, line):
        assert bad.number == 2
        assert "hush" not in str(bad)
        assert "07700900100" not in str(bad)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=300)
@given(st.binary(max_size=60))
def test_any_bytes_of_a_line_are_reported(tmp_path_factory: pytest.TempPathFactory, line: bytes) -> None:
    for bad in faults_of(tmp_path_factory.getbasetemp(), GOOD + b"\n" * 5000, line):
        assert bad.number > 1


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200)
@given(st.integers(0, len(GOOD) - 1), st.sampled_from([b"", b"{", b'"', b",", b"\\", b"\xff", b"\x00", b"1"]))
def test_a_line_with_one_byte_changed_is_accepted_or_reported(
    tmp_path_factory: pytest.TempPathFactory, at: int, byte: bytes
) -> None:
    faults_of(tmp_path_factory.getbasetemp(), GOOD + b"\n" * 5000, GOOD[:at] + byte + GOOD[at + 1 :])


@pytest.mark.parametrize(
    ("count", "shown"),
    [
        (1, "the plan has 1 fault; nothing was sent; line 1: key: no"),
        (3, "the plan has 3 faults; nothing was sent; line 1: key: no; line 2: key: no; line 3: key: no"),
        (
            25,
            "the plan has 25 faults; nothing was sent; line 1: key: no; line 2: key: no; line 3: key: no; and 22 more",
        ),
    ],
)
def test_the_text_of_the_error_shows_the_first_faults(count: int, shown: str) -> None:
    lines = tuple(BadLine(number, "key", "no") for number in range(1, min(count, 20) + 1))
    what = "1 fault" if count == 1 else f"{count} faults"
    error = PlanError(f"the plan has {what}; nothing was sent", lines, count)
    assert str(error) == shown
    assert str(PlanError("the plan is empty")) == "the plan is empty"
