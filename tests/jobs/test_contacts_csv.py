"""A CSV of contacts is split into campaigns, and is read as spreadsheets write it."""

from __future__ import annotations

import csv
import datetime as dt
import io
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson
import pytest
from hypothesis import given, strategies as st
from support.plans import Read, lines_of

from campaigns_async import ConfigurationError, InvalidArgumentError, NewCampaign, NewContact
from campaigns_async._http.codec import encode_model
from campaigns_async._phone_numbers import read_numbers, to_international
from campaigns_async.effects import State
from campaigns_async.jobs import BadLine, BadLineError, Plan, PlanError, contacts_plan, ndjson_plan, rows_plan
from campaigns_async.jobs._plan_rules import find_duplicates
from campaigns_async.jobs._sqlite import JournalFile
from campaigns_async.jobs.contacts_csv import ContactsPlan, find_repeated
from campaigns_async.jobs.journal import Transition

START = dt.datetime(2031, 6, 27, 9, 30, tzinfo=dt.UTC)
GROUP = "3fa85f64-5717-4562-b3fc-2c963f66afa6"
TWICE = (
    "is also the number of line {}, which would be texted twice: remove one, "
    'or drop (duplicates="drop", --duplicates drop) or keep (duplicates="keep", --duplicates keep) the later ones'
)

DESTROYED = "was changed by a spreadsheet, and digits may be lost: format the column as text and enter the number again"
UNREADABLE = (
    "cannot be read as one phone number: write it as +447700900123, or go on without it "
    '(invalid_numbers="report", --invalid-numbers report)'
)


def plan_of(path: Path, content: str | bytes, **options: Any) -> Plan:
    """Make a plan of a file with this content."""
    file = path / "people.csv"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return contacts_plan(file, **{"message": "Hello", "sender": "Golf", "start": START} | options)


def faults_of(plan: Plan) -> list[str]:
    """Return all faults."""
    bad: list[str] = []
    for line in plan.lines():
        if isinstance(line, BadLine):
            bad.append(str(line))
            continue
        try:
            bad.extend(map(str, line.read().faults))
        except BadLineError as error:
            bad.extend(map(str, error.bad))
    return bad


def numbers_of(line: Read) -> list[str]:
    return [contact.phone_number for contact in line.campaign.contacts]


def people(*numbers: object) -> str:
    return "phoneNumber\n" + "".join(f"{number}\n" for number in numbers)


def test_a_file_is_split_into_campaigns_of_so_many(tmp_path: Path) -> None:
    lines = lines_of(plan_of(tmp_path, people(*range(1, 8)), split=3))
    assert [(line.number, line.key, line.dropped) for line in lines] == [(2, "1", 0), (5, "2", 0), (8, "3", 0)]
    assert list(map(numbers_of, lines)) == [["1", "2", "3"], ["4", "5", "6"], ["7"]]
    assert [len(line.campaign.contacts) for line in lines_of(plan_of(tmp_path, people(*range(1, 7)), split=3))] == [
        3,
        3,
    ]


def test_each_campaign_has_the_text_and_the_rest(tmp_path: Path) -> None:
    header = "name,contactGroupId,phoneNumber,custom2,custom1\n"
    content = header + f"Zoë,{GROUP.upper()},+44 7700 900001,b,a\n,,07700900002,,\n"
    start = dt.datetime(2031, 6, 27, 10, 30, 0, 999_999, tzinfo=dt.timezone(dt.timedelta(hours=1)))
    text = " Hello 😀\r\n "
    plan = plan_of(
        tmp_path, content, message=text, start=start, opt_out_link_id=7, track_link_url="https://golf.example"
    )
    [line] = lines_of(plan)
    contacts = [NewContact("+44 7700 900001", "Zoë", "a", "b", UUID(GROUP)), NewContact("07700900002")]
    new = NewCampaign(start, "Golf", text, contacts, 7, "https://golf.example")
    assert encode_model(line.campaign) == encode_model(new)
    assert [line.content] == [line.content for line in lines_of(rows_plan({"1": new}))]


def test_a_spreadsheets_csv_is_read(tmp_path: Path) -> None:
    content = '\ufeff"phoneNumber",name,custom1\r\n"077","A ""B"", C","two\r\nlines"\r\n\r\n078, D ,é\r\n'
    [line] = lines_of(plan_of(tmp_path, content))
    first, second = line.campaign.contacts
    assert (first.phone_number, first.name, first.custom1) == ("077", 'A "B", C', "two\r\nlines")
    assert (second.phone_number, second.name, second.custom1) == ("078", " D ", "é")
    assert [line.locate(0), line.locate(1)] == [(2, ""), (5, "")]


CELL = st.text(st.characters(codec="utf-8", exclude_characters="\r\n\0"), max_size=6) | st.sampled_from(
    ["\r\n", "\n", '"', ","]
)


@pytest.mark.slow
@given(st.lists(st.tuples(CELL, CELL), max_size=6), st.sampled_from(["\n", "\r\n"]))
def test_what_the_csv_module_writes_is_read_cell_by_cell(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str]], ending: str
) -> None:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator=ending)
    numbers = [f"0770090{index:04}" for index in range(len(rows) + 1)]
    writer.writerows([("phoneNumber", "name", "custom1"), (numbers[0], "", "")])
    writer.writerows((number, *row) for number, row in zip(numbers[1:], rows, strict=True))
    [line] = lines_of(plan_of(tmp_path_factory.getbasetemp(), text.getvalue()))
    assert [(one.phone_number, one.name or "", one.custom1 or "") for one in line.campaign.contacts] == [
        (number, *row) for number, row in zip(numbers, [("", ""), *rows], strict=True)
    ]


def test_a_duplicate_number_is_reported_with_both_lines(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, people("07700900001", "2", "3", "4", "+44 7700 900001", "12", " 12"), split=2)
    assert faults_of(plan) == [
        "line 6: phoneNumber: " + TWICE.format(2),
        "line 8: phoneNumber: " + TWICE.format(7),
    ]


def test_a_number_twice_is_kept_where_that_is_allowed(tmp_path: Path) -> None:
    lines = lines_of(plan_of(tmp_path, people("1", "1", "2", "1"), split=2, duplicates="keep"))
    assert list(map(numbers_of, lines)) == [["1", "1"], ["2", "1"]]


def test_the_later_of_a_number_twice_are_dropped_before_the_split(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, people("1", "2", "1", "2", "3", "1", "4", "4", "4"), split=2, duplicates="drop")
    lines = lines_of(plan)
    assert [(line.number, numbers_of(line), line.dropped) for line in lines] == [(2, ["1", "2"], 2), (6, ["3", "4"], 3)]
    assert lines[1].locate(1) == (8, "")


@given(numbers=st.lists(st.integers(1, 12), min_size=1, max_size=30), split=st.integers(1, 5))
def test_each_number_is_kept_once_and_every_other_is_dropped(
    tmp_path_factory: pytest.TempPathFactory, numbers: list[int], split: int
) -> None:
    lines = lines_of(plan_of(tmp_path_factory.getbasetemp(), people(*numbers), split=split, duplicates="drop"))
    kept = [number for line in lines for number in numbers_of(line)]
    assert kept == [str(number) for number in dict.fromkeys(numbers)]
    assert sum(line.dropped for line in lines) == len(numbers) - len(kept)
    assert [len(numbers_of(line)) for line in lines[:-1]] == [split] * (len(lines) - 1)


def test_rows_are_the_same_wherever_the_reader_cuts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = 'phoneNumber,name\r\n07700900001,"a\r\nb"\r\n\r\n07700900002,é\r\n07700900003,c'
    for chunk in range(1, 12):
        monkeypatch.setattr("campaigns_async.jobs._plan_files._CHUNK", chunk)
        for block in (1, 2, 5):
            monkeypatch.setattr("campaigns_async.jobs._contact_rows._BLOCK", block)
            [line] = lines_of(plan_of(tmp_path, content))
            assert [person.name for person in line.campaign.contacts] == ["a\r\nb", "é", "c"]
            assert [line.locate(contact)[0] for contact in range(3)] == [2, 5, 6]


SAVED: dict[str, tuple[str | bytes, dict[str, str]]] = {
    "semicolons": ("phoneNumber;name\n07700900001;A, B\n07700900002;\n", {}),
    "tabs": ("phoneNumber\tname\n07700900001\tA, B\n07700900002\t\n", {}),
    "vertical bars": ("phoneNumber|name\n07700900001|A, B\n07700900002|\n", {}),
    "a byte order mark": ('\ufeff"phoneNumber","name"\r\n"07700900001","A, B"\r\n"07700900002",""\r\n', {}),
    "Excel's separator": ("sep=;\r\nphoneNumber;name\r\n07700900001;A, B\r\n07700900002;\r\n", {}),
    "UTF-16 of Excel": ("phoneNumber\tname\r\n07700900001\tA, B\r\n07700900002\t\r\n".encode("utf-16"), {}),
    "UTF-16, big-endian": (
        "phoneNumber;name\n07700900001;A, B\n07700900002;".encode("utf-16-be").join([b"\xfe\xff", b""]),
        {},
    ),
    "other spellings": ("Phone Number;NAME\n07700900001;A, B\n07700900002;\n", {}),
    "a comma in a header": ('"Last, first";mobile\nA, B;07700900001\n;07700900002\n', {"phoneNumber": "mobile", "name": "Last, first"}),
    "empty columns and rows at the end": ("phoneNumber;name;;\n07700900001;A, B;;\n07700900002;;;\n;;;\n ; ;;\n", {}),
    "a row of separators that is shorter": ("phoneNumber;name;custom1\n07700900001;A, B;\n;\n07700900002;;\n", {}),
    "empty rows under ignored columns": (
        "Id;Mobile;name\n1;07700900001;A, B\n;;\n2;07700900002;\n;;\n",
        {"phoneNumber": "Mobile"},
    ),
    "more empty cells than the header": ("phoneNumber;name\n07700900001;A, B;;\n07700900002;;;\n", {}),
    "other columns": (
        "Id;phoneNumber;Mobile;name;Notes\n1;x;07700900001;A, B;y\n2;x;07700900002;;z\n",
        {"phoneNumber": "Mobile"},
    ),
    "line breaks in cells": ('"Phone\nNumber",name\n"07700\n900001","A, B"\n07700900002,\n', {}),
}  # fmt: skip


@pytest.mark.parametrize(("content", "columns"), SAVED.values(), ids=SAVED)
def test_a_file_is_read_as_spreadsheets_and_people_write_it(
    tmp_path: Path, content: str | bytes, columns: dict[str, str]
) -> None:
    [line] = lines_of(plan_of(tmp_path, content, columns=columns))
    first, second = line.campaign.contacts
    assert (first.name, second.name) == ("A, B", None)
    assert list(read_numbers([first.phone_number, second.phone_number])) == ["447700900001", "447700900002"]


@pytest.mark.parametrize(
    "cell", ["1 High Street\nLondon, UK", "Flat 2\n10, 12, London", "called\nthen, later, 07700900003"]
)
@pytest.mark.parametrize("header", ["phoneNumber,custom1", "phoneNumber,Notes"])
def test_a_cell_of_several_lines_is_kept_if_none_of_them_is_a_row(tmp_path: Path, header: str, cell: str) -> None:
    plan = plan_of(tmp_path, f'{header}\n07700900001,"{cell}"\n', columns={"phoneNumber": "phoneNumber"})
    [contact] = lines_of(plan)[0].campaign.contacts
    assert contact.custom1 == (cell if header.endswith("1") else None)


def test_utf_16_is_read_wherever_the_reader_cuts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = "phoneNumber\tname\r\n07700900001\tZoë 😀\r\n".encode("utf-16")
    for chunk in range(2, 9):
        monkeypatch.setattr("campaigns_async.jobs._plan_files._CHUNK", chunk)
        [line] = lines_of(plan_of(tmp_path, content))
        assert line.campaign.contacts[0].name == "Zoë 😀"


def test_a_column_that_the_header_has_not_once_is_refused_in_the_users_words(tmp_path: Path) -> None:
    for content, found in (("Mobile\n077\n", "not"), ("First,First\n077,\n", "twice")):
        with pytest.raises(PlanError) as caught:
            plan_of(tmp_path, content, columns={"name": "First"})
        assert (
            str(caught.value)
            == f"'First', of --column name=First (columns), is {found} in the header of the plan 'people.csv'"
        )


def test_a_number_alone_among_ignored_columns_has_blank_rows_too(tmp_path: Path) -> None:
    for content in ("Id;Mobile\n1;07700900001\n;\n", "Mobile;\n07700900001;\n;\n"):
        [line] = lines_of(plan_of(tmp_path, content, columns={"phoneNumber": "Mobile"}))
        assert [contact.phone_number for contact in line.campaign.contacts] == ["07700900001"]


@pytest.mark.parametrize("used", [{"phoneNumber": "Mobile"}, {"phoneNumber": "Mobile", "name": "First"}])
def test_a_contact_without_a_number_is_no_blank_row_whatever_columns_are_ignored(
    tmp_path: Path, used: dict[str, str]
) -> None:
    content = "Id;Mobile;First\n17;;\n18;07700900001;A\n"
    assert faults_of(plan_of(tmp_path, content, columns=used)) == ["line 2: phoneNumber: is missing"]
    plan = plan_of(tmp_path, content, columns=used, invalid_numbers="report")
    assert [type(each).__name__ for each in plan.lines()] == ["LeftOut", "ContactsLine"]


def test_a_row_whose_number_has_no_region_is_not_blank(tmp_path: Path) -> None:
    assert faults_of(plan_of(tmp_path, "phoneNumber,name\nN/A,\n", default_region="FR")) == [
        f"line 2: phoneNumber: {UNREADABLE}"
    ]


def test_columns_belong_to_the_plan(tmp_path: Path) -> None:
    content = "phoneNumber,Home\n077,078\n"
    plain = plan_of(tmp_path, "phoneNumber\n077\n").options()
    assert "columns" not in plain
    options = [
        plan_of(tmp_path, content, columns=each).options() for each in ({"phoneNumber": "Home"}, {"name": "Home"})
    ]
    assert options[0] != options[1]
    assert "Home" not in str(options)


MIXED = 'phoneNumber,name\n07700900001,"a\nb"\nN/A,\n4.47701E+11,\n,x\n"=""07700900002""",\n7700900001,\n'


def test_numbers_that_cannot_be_read_are_refused_by_line(tmp_path: Path) -> None:
    bad = [fault.split(": ")[0] for fault in faults_of(plan_of(tmp_path, MIXED))]
    assert bad == ["line 4", "line 5", "line 6", "line 8"]


def test_numbers_that_cannot_be_read_are_left_out_and_counted(tmp_path: Path) -> None:
    def make_plan(content: str) -> Plan:
        return plan_of(tmp_path, content, invalid_numbers="report", duplicates="drop")

    with JournalFile.open(tmp_path / "journal") as journal:
        for _ in range(2):  # a plan that the journal knows is read again, to count
            loaded = journal.add_plan(make_plan(MIXED), {})
            assert loaded.left_out.count == 3
            assert loaded.left_out.places == [f"line {number}: phoneNumber" for number in (4, 5, 6)]
        [row] = journal.commit([], claim=9, now=1.0)
        contacts = orjson.loads(row.body())["contacts"]
        assert [contact["phoneNumber"] for contact in contacts] == ["07700900001", '="07700900002"']
    with JournalFile.open(tmp_path / "other") as journal, pytest.raises(PlanError, match="no contact is left"):
        journal.add_plan(make_plan("phoneNumber\nN/A\n"), {})


def test_a_file_that_an_earlier_version_accepted_is_read_again_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = people("07700900001", "N/A", "7700900001", "07700900002")
    with JournalFile.open(tmp_path / "journal") as journal:
        with monkeypatch.context() as patch:
            patch.setattr(
                "campaigns_async.jobs._contact_rows.read_numbers",
                lambda texts: [f"{1}{at}" for at in range(len(texts))],
            )
            journal.add_plan(plan_of(tmp_path, content, split=2), {})
        journal.commit([Transition(row.row_id, State.FAILED) for row in journal.commit([], claim=9, now=1.0)], now=2.0)
        journal.drop_payloads()
        journal.add_plan(plan_of(tmp_path, content, split=2), {}, retry_failed=True)
        assert len(journal.commit([], claim=9, now=3.0)) == 2
    with JournalFile.open(tmp_path / "other") as journal, pytest.raises(PlanError, match="2 faults"):
        journal.add_plan(plan_of(tmp_path, content, split=2), {})


def test_a_number_of_another_default_region_is_sent_with_its_code(tmp_path: Path) -> None:
    [line] = lines_of(plan_of(tmp_path, people("06 12 34 56 78"), default_region="FR"))
    assert numbers_of(line) == ["+33612345678"]


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_file_that_changes_while_it_is_read_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    lines = ContactsPlan.lines

    def changing(plan: ContactsPlan) -> Iterator[Any]:
        if when == "after":
            yield from lines(plan)
        plan.path.write_text(people("078"))
        if when == "before":
            yield from lines(plan)

    monkeypatch.setattr(ContactsPlan, "lines", changing)
    with JournalFile.open(tmp_path / "journal") as journal:
        with pytest.raises(PlanError, match="was changed while it was read"):
            journal.add_plan(plan_of(tmp_path, people("077")), {})
        assert list(journal.rows()) == []


def test_a_file_that_the_journal_knows_is_not_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with JournalFile.open(tmp_path / "journal") as journal:
        journal.add_plan(plan_of(tmp_path, people("077", "078"), split=1), {})
        plan = plan_of(tmp_path, people("077", "078"), split=1)
        monkeypatch.setattr(ContactsPlan, "lines", None)
        journal.add_plan(plan, {})
        assert [row.row_id for row in journal.commit([], claim=9, now=1.0)] == [1, 2]


def test_wire_lines_are_a_plan_of_their_own(tmp_path: Path) -> None:
    lines = lines_of(plan_of(tmp_path, people("077", "078", "079"), split=2))
    file = tmp_path / "again"
    file.write_bytes(b"".join(line.wire for line in lines))
    again = lines_of(ndjson_plan(file))
    assert [(line.key, line.content, line.campaign) for line in again] == [
        (line.key, line.content, line.campaign) for line in lines
    ]


def test_options_are_of_the_file_and_of_all_that_is_sent_but_hold_no_texts(tmp_path: Path) -> None:
    options: dict[str, Any] = {"opt_out_link_id": 7, "track_link_url": "https://golf.example", "split": 10}
    plan = plan_of(tmp_path, people("077"), **options)
    assert plan.is_positional
    before = plan.options()
    assert plan.options() == before
    assert not any(text in str(before) for text in ("Hello", "Golf", "golf", "077"))
    changes: list[dict[str, Any]] = [
        {"message": "Hallo"},
        {"sender": "Gold"},
        {"start": START + dt.timedelta(milliseconds=1)},
        {"split": 11},
        {"opt_out_link_id": 8},
        {"opt_out_link_id": None},
        {"track_link_url": None},
        {"track_link_url": "https://gold.example"},
        {"duplicates": "keep"},
        {"allow_braces": True},
        {"message": "Golf", "sender": "Hello"},
    ]
    for change in changes:
        assert plan_of(tmp_path, people("077"), **options | change).options() != before
    assert plan_of(tmp_path, people("077") + "\n", **options).options() != before
    assert plan_of(tmp_path, people("077"), **options).options() == before
    assert plan_of(tmp_path, people("077"), **options).options() != ndjson_options(tmp_path)


def ndjson_options(path: Path) -> Any:
    (path / "plan").write_bytes(b"{}")
    return ndjson_plan(path / "plan").options()


HEADERS: dict[str, tuple[str | bytes, str]] = {
    "nothing": ("", "the plan 'people.csv' is empty"),
    "blank lines": (
        "\n\n",
        (
            "the plan 'people.csv' must begin with a header that has the column phoneNumber, and may have name, custom1, "
            "custom2, contactGroupId: name the column of the numbers with --column phoneNumber=HEADER "
            '(columns={"phoneNumber": "HEADER"})'
        ),
    ),
    "no header": (
        "07700900001,hush\n",
        (
            "the plan 'people.csv' must begin with a header that has the column phoneNumber, and may have name, custom1, "
            "custom2, contactGroupId: name the column of the numbers with --column phoneNumber=HEADER "
            '(columns={"phoneNumber": "HEADER"})'
        ),
    ),
    "an unknown column": (
        "phoneNumber,hush\n",
        (
            "column 2 in the header of the plan 'people.csv' is neither phoneNumber nor name, custom1, custom2, "
            "contactGroupId: remove it, or name a column with --column NAME=HEADER (columns=), which ignores all that are "
            "not named"
        ),
    ),
    "a column without a name": (
        "phoneNumber,,name\n",
        (
            "column 2 in the header of the plan 'people.csv' is neither phoneNumber nor name, custom1, custom2, "
            "contactGroupId: remove it, or name a column with --column NAME=HEADER (columns=), which ignores all that are "
            "not named"
        ),
    ),
    "a column twice": ("phoneNumber,name,name\n", "the header of the plan 'people.csv' has a name twice: keep one"),
    "a column twice, in two spellings": (
        "Phone Number,phoneNumber\n",
        "the header of the plan 'people.csv' has a name twice: keep one",
    ),
    "JSON": (
        '{"key": "hush"}',
        "the plan 'people.csv' is JSON, not CSV: pass it as a plan, with a message in each line",
    ),
    "UTF-16 without a byte order mark": (
        people("077").encode("utf-16-le"),
        "the plan 'people.csv' is UTF-16 without a byte order mark: save it as UTF-8",
    ),
    "a header alone": ("phoneNumber\n\n", "the plan 'people.csv' holds no contacts, only a header"),
}


@pytest.mark.parametrize(("content", "expected"), HEADERS.values(), ids=HEADERS)
def test_a_file_that_is_not_a_csv_of_contacts_is_refused(tmp_path: Path, content: str | bytes, expected: str) -> None:
    with pytest.raises(PlanError) as caught:
        list(plan_of(tmp_path, content).lines())
    assert str(caught.value) == expected


SWALLOWED = "has two numbers: is a quote never closed? If not, write each cell on one line"
N = [f"0770090000{number}" for number in range(4)]
NO_CSV = "is not CSV from here on: is a quote never closed, or a quote inside a cell not doubled?"
ROWS: dict[str, tuple[str | bytes, list[str]]] = {
    "no number": ("phoneNumber,name\n,hush\n", ["line 2: phoneNumber: is missing"]),
    "a blank number": (people("077", " "), ["line 3: phoneNumber: must not be blank"]),
    "no number, but a group": (f"phoneNumber,contactGroupId\n,{GROUP}\n", ["line 2: phoneNumber: is missing"]),
    "an invalid group": (
        "phoneNumber,contactGroupId\n077,hush\n",
        ["line 2: contactGroupId: must be a UUID, such as 3fa85f64-5717-4562-b3fc-2c963f66afa6"],
    ),
    "a cell too many": (
        "phoneNumber,name\n077,hush,hush\n078,A\n079\n",
        [
            "line 2: has 3 cells, but the header has 2: does a cell contain a comma without quotes around it?",
            "line 4: has fewer cells than the header, 1 of 2: put a comma in place of each empty cell too",
        ],
    ),
    "a quote that is not closed": ('phoneNumber,name\n077,A\n078,"hush\n079,A\n', [f"line 3: {NO_CSV}"]),
    **{
        f"a quote that swallows rows, {name}": (content, [f"line {line}: {SWALLOWED}"])
        for name, line, content in (
            ("last cell", 2, f'phoneNumber,name\n{N[0]},"A\n{N[1]},hush\n{N[2]},B"\n{N[3]},C\n'),
            ("name in front", 2, f'name,phoneNumber\n"Ann,{N[0]}\nBob",{N[1]}\n'),
            ("cell between", 3, f'phoneNumber;name;custom1\n{N[3]};a;b\n{N[0]};"Ann;x\n{N[1]};Bob";y\n'),
            ("trailing cells", 2, f'phoneNumber,name\n{N[0]},"Ann\n{N[1]},Bob",\n'),
        )
    },
    "a quote that swallows rows of one cell": (
        f'phoneNumber\n"{N[0]}\n{N[1]}"\n',
        [f"line 2: {SWALLOWED}", f"line 2: phoneNumber: {UNREADABLE}"],
    ),
    "a quote in a cell": ('phoneNumber,name\n077,"hush" hush\n', [f"line 2: {NO_CSV}"]),
    "a header with an open quote": ('"phoneNumber', [f"line 1: {NO_CSV}"]),
    "Latin-1": (
        b"phoneNumber,name\n077,Zo" + b"\xeb\n",
        ["line 2: name: cannot be decoded from character 7 on: save the file as UTF-8 (in Excel: CSV UTF-8)"],
    ),
    "Windows-1252 with semicolons": (
        'phoneNumber;custom1;name\n077;"A;B";Zo\xeb\n'.encode("cp1252"),
        ["line 2: name: cannot be decoded from character 13 on: save the file as UTF-8 (in Excel: CSV UTF-8)"],
    ),
    "Windows-1252 in the header": (
        "phoneNumber;Pr\xe9nom\n077;x\n".encode("cp1252"),
        ["line 1: cannot be decoded from character 15 on: save the file as UTF-8 (in Excel: CSV UTF-8)"],
    ),
    "Windows-1252 in an endless cell": (
        b"phoneNumber,name\n077," + b"x" * 200_000 + b"\xeb\n",
        ["line 2: cannot be decoded from character 200005 on: save the file as UTF-8 (in Excel: CSV UTF-8)"],
    ),
    "UTF-16 with a lone surrogate": (
        "phoneNumber,name\n077,A\n078,\ud83d\n".encode("utf-16", "surrogatepass"),
        ["line 3: name: cannot be decoded from character 5 on: save the file as UTF-8 (in Excel: CSV UTF-8)"],
    ),
    "UTF-16 that is cut off within a character": (
        "phoneNumber\n07700900001\n0770090000".encode("utf-16") + b"2",
        ["line 3: phoneNumber: cannot be decoded from character 11 on: save the file as UTF-8 (in Excel: CSV UTF-8)"],
    ),
    "a cell beyond the header": (
        "phoneNumber;name;;\n077;A;;\n078;A;;hush\n",
        ["line 3: has 4 cells, but the header has 2: does a cell contain a semicolon without quotes around it?"],
    ),
    "a destroyed number, and what is none": (
        people("077", '"4,47701E+11"', "hush"),
        [
            f"line 3: phoneNumber: {DESTROYED}",
            f"line 4: phoneNumber: {UNREADABLE}",
        ],
    ),
    "a quote that swallows the file": ('phoneNumber,name\n077,"' + "hush\n" * 40_000, [f"line 2: {NO_CSV}"]),
    "an endless line": (
        "phoneNumber\n" + "7" * 1_100_000,
        ["line 2: is longer than 1,048,576 bytes: is a quote never closed?"],
    ),
    "a NUL far into the file": (
        people(*range(10_000, 12_000)) + "07\x00\n",
        ["line 2002: contains a NUL byte: is the file damaged?"],
    ),
    "lines of an old Mac": (
        "phoneNumber\r077\r078\r",
        ["line 1: contains a carriage return: save the file with LF or CRLF line endings"],
    ),
}


@pytest.mark.parametrize(("content", "expected"), ROWS.values(), ids=ROWS)
def test_a_bad_row_is_reported_by_its_line(tmp_path: Path, content: str | bytes, expected: list[str]) -> None:
    assert faults_of(plan_of(tmp_path, content)) == expected


ARGUMENTS: dict[str, tuple[dict[str, Any], str]] = {
    "a blank message": ({"message": " "}, "message must not be blank"),
    "no message": ({"message": None}, "message is missing"),
    "braces": (
        {"message": "Hi {name}"},
        (
            "message contains { or }: the API knows no placeholders, so every recipient would read the braces; "
            "remove them, or allow them (allow_braces) if they are meant"
        ),
    ),
    "half a surrogate": (
        {"message": "a\ud800"},
        "message contains a lone surrogate, which UTF-8 cannot encode",
    ),
    "a number for a sender": ({"sender": 7}, "sender must be text, in quotes, not int"),
    "a naive start": (
        {"start": dt.datetime(2031, 1, 1)},
        "start has no time zone, so it could mean any hour: pass tzinfo=, for example zoneinfo.ZoneInfo('Europe/London')",
    ),
    "text for a start": ({"start": "2031"}, "start must be a datetime, not str"),
    "text for an opt-out link": (
        {"opt_out_link_id": "7"},
        "opt_out_link_id must be a whole number, without quotes, that fits in 64 bits",
    ),
    "an invalid link": (
        {"track_link_url": "golf.example"},
        "track_link_url must be a link that begins with http:// or https://",
    ),
}


@pytest.mark.parametrize(("options", "expected"), ARGUMENTS.values(), ids=ARGUMENTS)
def test_a_text_that_cannot_be_sent_is_refused_at_once(tmp_path: Path, options: Any, expected: str) -> None:
    with pytest.raises(InvalidArgumentError) as caught:
        plan_of(tmp_path, people("077"), **options)
    assert str(caught.value) == expected


@pytest.mark.parametrize("options", [{"split": 0}, {"split": "5"}, {"duplicates": None}, {"allow_braces": 1}])
def test_an_option_that_cannot_be_is_refused(tmp_path: Path, options: Any) -> None:
    with pytest.raises(ConfigurationError, match=next(iter(options))):
        plan_of(tmp_path, people("077"), **options)


def test_braces_are_sent_as_they_stand_where_that_is_allowed(tmp_path: Path) -> None:
    [line] = lines_of(plan_of(tmp_path, people("077"), message="Hi {name}", allow_braces=True))
    assert orjson.loads(line.wire)["message"] == "Hi {name}"


def test_reprs_show_nothing_of_it(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, people("07700900001"), message="hush", sender="hush")
    assert "hush" not in repr([plan, *plan.lines()])
    assert "900001" not in repr([plan, *plan.lines()])


@pytest.mark.slow
def test_memory_is_that_of_a_split_and_a_few_bytes_a_number(tmp_path: Path) -> None:
    def peak(count: int) -> int:
        plan = plan_of(tmp_path, people(*(f"07{n * 7919 % 10**9:09}" for n in range(count))), split=100)
        tracemalloc.start()
        try:
            for line in plan.lines():
                assert not isinstance(line, BadLine)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    assert peak(60_000) < peak(2_000) + 60_000 * 60  # eight bytes, and their sorting; a set would take over 100


NUMBER = st.sampled_from(
    ["07700900001", "+447700900001", "+44 7700 900001", "447700900002", "07700900002", "12", " 12", "1"]
)


@given(st.lists(NUMBER | st.integers(447700900000, 447700900040).map(str) | st.integers(1, 10**15 - 1).map(str)))
def test_a_list_and_a_file_have_the_same_duplicates(numbers: list[str]) -> None:
    first: dict[str, int] = {}
    plainly = {
        at: earlier
        for at, number in enumerate(numbers)
        if (earlier := first.setdefault(to_international(number) or number.strip(), at)) != at
    }
    assert set(find_repeated(map(int, read_numbers(numbers)))) == {read_numbers(numbers)[at] for at in plainly}
    assert find_duplicates(read_numbers(numbers)) == plainly
