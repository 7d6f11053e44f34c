"""A plan in NDJSON: its lines become the campaigns that are sent, word for word, and nothing else."""

from __future__ import annotations

import datetime as dt
import json
import os
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import attrs
import orjson
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st
from support.plans import Read, lines_of, read

from campaigns_async import ConfigurationError, InvalidArgumentError, NewCampaign, NewContact
from campaigns_async._field_rules import BRACES
from campaigns_async._http.codec import encode_model
from campaigns_async.jobs import BadLine, BadLineError, Line, Plan, PlanError, ndjson_plan, rows_plan
from campaigns_async.jobs.plans import as_plan

START = dt.datetime(2031, 6, 27, 9, 30, tzinfo=dt.UTC)
GROUP = "3fa85f64-5717-4562-b3fc-2c963f66afa6"


def make_object(**fields: Any) -> dict[str, Any]:
    """Make a line's object."""
    given: dict[str, Any] = {
        "key": "k",
        "startDateTime": "2031-06-27T09:30:00.000Z",
        "sender": "Golf",
        "message": "Hello",
        "contacts": [{"phoneNumber": "447700900001"}],
    }
    return {name: value for name, value in (given | fields).items() if value is not ...}


def plan_of(path: Path, *given: dict[str, Any] | bytes, **options: Any) -> Plan:
    """Make a plan of a file with these lines."""
    file = path / "plan.ndjson"
    file.write_bytes(b"".join(one if isinstance(one, bytes) else orjson.dumps(one) + b"\n" for one in given))
    return ndjson_plan(file, **options)


def line_of(path: Path, given: dict[str, Any] | bytes, **options: Any) -> Read:
    """Return the line of a plan of one."""
    [line] = lines_of(plan_of(path, given, **options))
    return line


@pytest.fixture(scope="module")
def module_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("plans")


def test_a_line_becomes_a_campaign(tmp_path: Path) -> None:
    people = [
        {
            "phoneNumber": "+44 7700 900001",
            "name": "Zoë",
            "custom1": "a",
            "custom2": "",
            "contactGroupId": GROUP.upper(),
        },
        {"phoneNumber": "07700900002", "name": None},
    ]
    line = line_of(tmp_path, make_object(contacts=people, optOutLinkId=7, trackLinkUrl="https://golf.example/a"))
    assert (line.number, line.key, line.dropped) == (1, "k", 0)
    contacts = [NewContact("+44 7700 900001", "Zoë", "a", "", UUID(GROUP)), NewContact("07700900002")]
    assert line.campaign == NewCampaign(START, "Golf", "Hello", contacts, 7, "https://golf.example/a")
    assert line.content == lines_of(rows_plan({"k": line.campaign}))[0].content


TEXTS = {
    "blanks at both ends": "  Hello \t",
    "CRLF": "a\r\nb\n",
    "emoji": "👨‍👩‍👧 😀",
    "NUL": "a\x00b",
    "separators that end lines elsewhere": "a\u2028b\x85c\x0bd\u2029",
    "a byte order mark": "\ufeffa",
    "composed and not": "é e\u0301",
    "quotes and backslashes": '"\\" \\\\ \\u0041',
}


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
@pytest.mark.parametrize("escaped", [True, False])
@pytest.mark.parametrize("null", [{}, {"name": None}])  # what holds a null is read in another way
def test_texts_are_sent_word_for_word(tmp_path: Path, text: str, escaped: bool, null: dict[str, None]) -> None:
    people = [{"phoneNumber": " 07700900001", "name": text, "custom1": text, "custom2": text}, {"phoneNumber": "1"}]
    given = make_object(message=text, sender=text, contacts=people)
    written = given | {"contacts": [people[0], people[1] | null]}
    line = line_of(tmp_path, json.dumps(written, ensure_ascii=escaped).encode())
    assert orjson.loads(encode_model(line.campaign)) == {name: value for name, value in given.items() if name != "key"}


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ("2031-06-27T09:30:00.000Z", "2031-06-27T09:30:00.000Z"),
        ("2031-06-27T09:30:00Z", "2031-06-27T09:30:00.000Z"),
        ("2031-06-27T09:30Z", "2031-06-27T09:30:00.000Z"),
        ("2031-06-27t09:30:00z", "2031-06-27T09:30:00.000Z"),
        ("2031-06-27 10:30:00+01:00", "2031-06-27T09:30:00.000Z"),
        ("2031-06-27T10:30:00+0100", "2031-06-27T09:30:00.000Z"),
        ("2031-06-27T09:30:00.9Z", "2031-06-27T09:30:00.900Z"),
        ("2031-06-27T09:30:00.9999999Z", "2031-06-27T09:30:00.999Z"),  # .NET's seven digits: cut, never rounded
        ("2031-06-27T00:30:00-05:30", "2031-06-27T06:00:00.000Z"),
    ],
)
def test_start_times_are_read_as_they_are_written_and_sent_in_utc(tmp_path: Path, given: str, sent: str) -> None:
    line = line_of(tmp_path, make_object(startDateTime=given))
    assert orjson.loads(encode_model(line.campaign))["startDateTime"] == sent
    assert line.content == line_of(tmp_path, make_object(startDateTime=sent)).content


def test_blank_lines_count_as_lines_but_not_as_campaigns(tmp_path: Path) -> None:
    one = orjson.dumps(make_object(key="one"))
    plan = plan_of(tmp_path, b"\xef\xbb\xbf\n" + one + b"\r\n \t\r\n" + b"{\n" + orjson.dumps(make_object(key="two")))
    first, bad, second = plan.lines()
    assert [(line.number, line.key) for line in read([first, second])] == [(2, "one"), (5, "two")]
    assert not isinstance(bad, BadLine)
    with pytest.raises(BadLineError) as caught:
        bad.read()
    assert [each.number for each in caught.value.bad] == [4]


def test_lines_start_at_the_top_in_each_call(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, *(make_object(key=f"{number}") for number in range(5)))
    first, second = plan.lines(), plan.lines()
    next(first)
    next(first)
    assert [line.key for line in read(second)] == list("01234")
    assert [line.key for line in read(first)] == list("234")


@pytest.mark.parametrize("chunk", [1, 2, 7, 64, 1 << 18])
def test_lines_are_whole_wherever_the_reader_cuts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chunk: int) -> None:
    monkeypatch.setattr("campaigns_async.jobs._plan_files._CHUNK", chunk)
    content = b"\xef\xbb\xbf" + b"\n".join(
        [orjson.dumps(make_object(key=f"{n}", message="é" * n + "!")) for n in range(9)]
    )
    lines = lines_of(plan_of(tmp_path, content))
    assert [(line.number, line.key, line.campaign.message) for line in lines] == [
        (n + 1, f"{n}", "é" * n + "!") for n in range(9)
    ]


@pytest.mark.parametrize("chunk", [5, 1 << 18])
def test_a_line_that_is_too_long_is_reported_and_the_next_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chunk: int
) -> None:
    monkeypatch.setattr("campaigns_async.jobs._plan_files._CHUNK", chunk)
    fits = orjson.dumps(make_object(key="a"))
    plan = plan_of(tmp_path, fits + b"\n", fits + b" \n", fits + b"\n", b"x" * 1000, max_line=len(fits))
    expected = f"is longer than {len(fits):,} bytes: split the campaign into several"
    first, second, third, fourth = plan.lines()
    assert (second, fourth) == (BadLine(2, "", expected), BadLine(4, "", expected))
    assert not isinstance(first, BadLine)
    assert not isinstance(third, BadLine)
    [last] = plan_of(tmp_path, fits, max_line=len(fits)).lines()
    assert not isinstance(last, BadLine)


def _peak(plan: Plan) -> int:
    tracemalloc.start()
    try:
        for line in plan.lines():
            assert not isinstance(line, BadLine)
            line.read()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_memory_is_that_of_a_line_however_long_the_plan(tmp_path: Path) -> None:
    one = orjson.dumps(make_object(message="x" * 1000)) + b"\n"
    short, long = (_peak(plan_of(tmp_path, one * count)) for count in (500, 10_000))
    assert long < short + 300_000
    assert long < 3_000_000  # of a file of more than 10 MB


def test_memory_is_bounded_where_no_line_ends(tmp_path: Path) -> None:
    file = tmp_path / "sparse"
    with file.open("wb") as made_file:
        made_file.write(b"x" * 5000)
        made_file.truncate(200_000_000)
    plan = ndjson_plan(file, max_line=1_000_000)
    tracemalloc.start()
    try:
        [bad] = plan.lines()
        assert tracemalloc.get_traced_memory()[1] < 3_000_000
    finally:
        tracemalloc.stop()
    assert isinstance(bad, BadLine)


PHONES = st.sampled_from([f"44770090{n:04}" for n in range(40)])
WORDS = st.text(st.characters(codec="utf-8", exclude_characters="{}"), max_size=8)
CONTACTS = st.builds(
    lambda number, rest: {"phoneNumber": number, **rest},
    PHONES,
    st.fixed_dictionaries(
        {},
        optional={"name": WORDS, "custom1": WORDS, "custom2": WORDS, "contactGroupId": st.uuids().map(str)},
    ),
)
OBJECTS = st.fixed_dictionaries(
    {
        "key": st.just("k"),
        "startDateTime": st.datetimes(dt.datetime(2000, 1, 1)).map(
            lambda m: m.isoformat(timespec="milliseconds") + "Z"
        ),
        "sender": WORDS.map(lambda text: text + "."),
        "message": WORDS.map(lambda text: text + "."),
        "contacts": st.lists(CONTACTS, min_size=1, max_size=4, unique_by=lambda contact: contact["phoneNumber"]),
    },
    optional={"optOutLinkId": st.integers(-(2**63), 2**63 - 1), "trackLinkUrl": WORDS.map(lambda t: "https://x" + t)},
)
quick = settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])


def shuffle(value: Any, draw: Any) -> Any:
    """Return the same JSON with names in another order, and nulls where names are absent."""
    if isinstance(value, list):
        return [shuffle(one, draw) for one in value]
    if not isinstance(value, dict):
        return value
    names = ["optOutLinkId", "trackLinkUrl"] if "sender" in value else ["name", "custom1", "custom2", "contactGroupId"]
    nulls = {name: None for name in names if name not in value and draw(st.booleans())}
    return {name: shuffle(one, draw) for name, one in draw(st.permutations([*value.items(), *nulls.items()]))}


@quick
@given(given=OBJECTS, data=st.data())
def test_equal_content_has_an_equal_digest_however_it_is_written(module_path: Path, given: Any, data: Any) -> None:
    line = line_of(module_path, given)
    again = shuffle(given | {"key": "other"}, data.draw)
    text = json.dumps(
        again,
        ensure_ascii=data.draw(st.booleans()),
        separators=data.draw(st.sampled_from([(",", ":"), (" , ", " :\t")])),
    )
    other = line_of(module_path, text.encode())
    assert other.content == line.content
    assert encode_model(other.campaign) == encode_model(line.campaign)
    assert -(2**63) <= line.content < 2**63


def find_parts(given: Any) -> Iterator[tuple[Any, str]]:
    """Yield all places of a line that could change."""
    for name in given:
        if name not in ("key", "contacts"):
            yield given, name
    for contact in given["contacts"]:
        for name in contact:
            yield contact, name


@quick
@given(given=OBJECTS, data=st.data())
def test_any_change_of_what_is_sent_changes_the_digest(module_path: Path, given: Any, data: Any) -> None:
    before = line_of(module_path, given)
    body = encode_model(before.campaign)
    changed = json.loads(json.dumps(given))
    places = list(find_parts(changed))
    where, name = data.draw(st.sampled_from(places))
    kind = data.draw(st.sampled_from(["change", "remove", "add contact", "order", "move"]))
    if kind == "change":
        where[name] = data.draw(
            st.integers(0, 9)
            if name == "optOutLinkId"
            else st.uuids().map(str)
            if name == "contactGroupId"
            else st.just("2032-01-01T00:00:00Z")
            if name == "startDateTime"
            else st.just(where[name] + " ")
        )
    elif kind == "remove" and name in {"optOutLinkId", "trackLinkUrl", "name", "custom1", "custom2", "contactGroupId"}:
        del where[name]
    elif kind == "add contact":
        changed["contacts"].append({"phoneNumber": "447711900999"})
    elif kind == "order":
        changed["contacts"].reverse()
    elif kind == "move" and name in {"name", "custom1"}:  # the same words, under another name
        where["custom2"] = where.pop(name)
    after = line_of(module_path, changed)
    assert (after.content == before.content) == (encode_model(after.campaign) == body)


@quick
@given(given=st.lists(OBJECTS, min_size=1, max_size=3))
def test_a_plan_of_wire_lines_is_the_same_plan(module_path: Path, given: list[Any]) -> None:
    rows = [one | {"key": f"key {number}"} for number, one in enumerate(given)]
    lines = lines_of(plan_of(module_path, *rows))
    again = lines_of(plan_of(module_path, *(line.wire for line in lines)))
    assert [(line.key, line.content, line.campaign) for line in again] == [
        (line.key, line.content, line.campaign) for line in lines
    ]
    listed = rows_plan([(line.key, line.campaign) for line in lines])
    assert [(line.key, line.content) for line in lines_of(listed)] == [(line.key, line.content) for line in lines]
    assert [line.wire for line in lines_of(listed)] != []


def test_wire_is_one_line_of_ndjson(tmp_path: Path) -> None:
    wire = line_of(tmp_path, make_object(message="a\r\nb", key="ключ")).wire
    assert wire.endswith(b"}\n")
    assert wire.count(b"\n") == 1
    assert orjson.loads(wire) == make_object(message="a\r\nb", key="ключ")


TWICE = [
    {"phoneNumber": "+44 7700 900001", "name": "A"},
    {"phoneNumber": "07700900002"},
    {"phoneNumber": "07700 900001", "name": "B"},
    {"phoneNumber": " 12 "},
    {"phoneNumber": "12"},
]


def test_a_number_twice_is_kept_where_that_is_allowed(tmp_path: Path) -> None:
    line = line_of(tmp_path, make_object(contacts=TWICE), duplicates="keep")
    assert [person.phone_number for person in line.campaign.contacts] == [one["phoneNumber"] for one in TWICE]
    assert line.dropped == 0


def test_the_later_of_a_number_twice_are_dropped_where_that_is_allowed(tmp_path: Path) -> None:
    line = line_of(tmp_path, make_object(contacts=TWICE), duplicates="drop")
    campaign = line.campaign
    assert [(person.phone_number, person.name) for person in campaign.contacts] == [
        ("+44 7700 900001", "A"),
        ("07700900002", None),
        (" 12 ", None),
    ]
    assert line.dropped == 2
    assert [line.locate(index) for index in range(3)] == [(1, "contacts[0]."), (1, "contacts[1]."), (1, "contacts[3].")]
    left = [TWICE[0], TWICE[1], TWICE[3]]
    assert line.content == line_of(tmp_path, make_object(contacts=left)).content
    assert orjson.loads(line.wire)["contacts"] == left
    [listed] = lines_of(
        rows_plan(
            [("k", line_of(tmp_path, make_object(contacts=TWICE), duplicates="keep").campaign)], duplicates="drop"
        )
    )
    assert (listed.campaign, listed.content, listed.dropped) == (campaign, line.content, 2)


def test_braces_are_sent_as_they_stand_where_that_is_allowed(tmp_path: Path) -> None:
    line = line_of(tmp_path, make_object(message="Hi {name}"), allow_braces=True)
    assert line.campaign.message == "Hi {name}"


def test_reprs_show_nothing_of_a_line(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, make_object(key="secret", sender="hush"))
    [line] = lines_of(plan)
    listed = rows_plan([("secret", line.campaign)])
    shown = repr([plan, line, listed, *listed.lines()])
    assert not any(word in shown for word in ("secret", "hush", "Hello", "900001"))


def test_options_differ_between_a_list_with_keys_and_one_without(tmp_path: Path) -> None:
    line = line_of(tmp_path, make_object())
    campaign = line.campaign
    keyed, places = rows_plan({"k": campaign}), rows_plan([campaign, attrs.evolve(campaign, message="B")])
    assert (keyed.options(), keyed.is_positional) == (plan_of(tmp_path, make_object()).options(), False)
    assert places.is_positional
    assert [line.key for line in lines_of(places)] == ["1", "2"]
    assert places.options() != keyed.options()


def test_what_is_handed_over_becomes_a_plan(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, make_object())
    campaign = lines_of(plan)[0].campaign
    path = tmp_path / "plan.ndjson"
    for handed in (plan, path, str(path), {"k": campaign}, [("k", campaign)], (("k", campaign),)):
        assert [(line.key, line.content) for line in lines_of(as_plan(handed))] == [("k", lines_of(plan)[0].content)]
    assert as_plan(plan) is plan


PERSON = NewContact("07700900001")
ONE = NewCampaign(START, "Golf", "Hello", [PERSON])
NO_PLANS: dict[str, tuple[Any, str]] = {
    "a generator": (
        (row for row in [("k", ONE)]),
        "a plan must be a list, because the next run reads it again: pass a list, or save it to a file",
    ),
    "a campaign": (ONE, "a plan is a list: pass [campaign], or pairs of keys and campaigns"),
    "a set": (
        {"k"},
        (
            "a plan must be a path, a list of (key, NewCampaign), a mapping of keys to NewCampaign, "
            "or the result of ndjson_plan, contacts_plan or rows_plan, not set"
        ),
    ),
    "bytes": (
        b"{}",
        (
            "a plan must be a path, a list of (key, NewCampaign), a mapping of keys to NewCampaign, "
            "or the result of ndjson_plan, contacts_plan or rows_plan, not bytes"
        ),
    ),
    "keys alone": (["k"], "row 1 of the plan must be a pair of a key and a NewCampaign"),
    "a mix": ([("k", ONE), ONE], "row 2 of the plan must be a pair of a key and a NewCampaign"),
}


@pytest.mark.parametrize(("given", "expected"), NO_PLANS.values(), ids=NO_PLANS)
def test_a_value_that_is_not_a_plan_is_refused(given: Any, expected: str) -> None:
    with pytest.raises(InvalidArgumentError) as caught:
        as_plan(given)
    assert str(caught.value) == expected


@pytest.mark.parametrize("options", [{"duplicates": "ignore"}, {"allow_braces": "yes"}, {"max_line": 0}])
def test_an_option_that_cannot_be_is_refused(tmp_path: Path, options: Any) -> None:
    with pytest.raises(ConfigurationError, match=next(iter(options))):
        plan_of(tmp_path, make_object(), **options)


LISTED: dict[str, tuple[Any, NewCampaign, str]] = {
    "braces": ("k", attrs.evolve(ONE, message="Hello {name}"), f"line 1: message: {BRACES}"),
    "a number for a key": (7, ONE, "line 1: key: must be text, in quotes, not int"),
    "half a surrogate in a key": (
        "\udfff",
        ONE,
        "line 1: key: must not contain control characters, such as line breaks and tabs",
    ),
}


@pytest.mark.parametrize(("key", "campaign", "expected"), LISTED.values(), ids=LISTED)
def test_a_bad_row_in_memory_is_reported(key: Any, campaign: NewCampaign, expected: str) -> None:
    [line] = rows_plan([(key, campaign)]).lines()
    assert list(map(str, faults_of_line(line))) == [expected]


def faults_of_line(line: Line | BadLine) -> tuple[BadLine, ...]:
    """Return the faults."""
    if isinstance(line, BadLine):
        return (line,)
    with pytest.raises(BadLineError) as caught:
        line.read()
    return caught.value.bad


@pytest.mark.parametrize("rows", [[], {}, ()])
def test_an_empty_plan_is_refused(rows: Any) -> None:
    with pytest.raises(PlanError, match="has no campaign"):
        rows_plan(rows)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no pipes in its files")
def test_a_pipe_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(PlanError, match="is not a regular file: save it to a file first"):
        ndjson_plan(tmp_path / "pipe")
