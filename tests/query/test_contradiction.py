"""Rows that contradict a filter, and rows that only seem to."""

from __future__ import annotations

import datetime as dt
import json
import unicodedata
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, strategies as st
from support.made import START
from support.properties import more_examples

from campaigns_async import query
from campaigns_async._http.codec import read_model
from campaigns_async.errors import QueryError
from campaigns_async.models import Campaign, CampaignStatus, Contact
from campaigns_async.query._conditions import Condition
from campaigns_async.query._contradiction import compile_contradiction
from campaigns_async.query._fields import columns_of
from campaigns_async.query._parse import parse_filters
from campaigns_async.sandbox import _sieve as server
from campaigns_async.sandbox._rows import CAMPAIGN_COLUMNS, CONTACT_COLUMNS, Row

DATA: dict[str, Any] = json.loads((Path(__file__).parent / "data" / "sieve_cases.json").read_text("utf-8"))
MODELS: dict[str, Any] = {"campaigns": Campaign, "contacts": Contact}
C: Any = query.campaign
K: Any = query.contact
HOUR = dt.timedelta(hours=1)
TEXT_TESTS: dict[str, Callable[[str, str], bool]] = {
    "equals": str.__eq__,
    "contains": str.__contains__,
    "startswith": str.startswith,
    "endswith": str.endswith,
}


def contradicts_text(text: str, row: Campaign | Contact) -> bool:
    """Return True if a row contradicts a filter in plain text."""
    return contradicts(parse_filters(text, type(row)), row)


def contradicts(filters: query.Expression | Sequence[Condition], row: Campaign | Contact) -> bool:
    """Return True if a row contradicts a filter."""
    return compile_contradiction(filters.conditions if isinstance(filters, query.Expression) else filters)(row)


def name_is(name: str | None) -> Contact:
    return Contact("k1", name=name)


def strip_accents(text: str) -> str:
    return "".join(char for char in unicodedata.normalize("NFKD", text) if not unicodedata.combining(char))


def one_letter(pair: str, letter: str) -> Callable[[str], str]:
    return lambda text: text.lower().replace(pair, letter)


COLLATIONS: dict[str, Callable[[str], str]] = {
    "binary": str,
    "case-blind": str.casefold,
    "upper": str.upper,
    "accent-blind": lambda text: strip_accents(text.lower()),
    "accent-blind, ß is ss": lambda text: strip_accents(text).casefold(),
    "composed": lambda text: unicodedata.normalize("NFC", text),
    "decomposed": lambda text: unicodedata.normalize("NFD", text),
    "trailing blanks do not count": lambda text: text.rstrip(),
    "punctuation does not count": lambda text: "".join(filter(str.isalnum, text.casefold())),
    "emoji do not count": lambda text: "".join(char for char in text if char < "\U00010000"),
    "Danish": lambda text: text.lower().replace("aa", "å").replace("æ", "ä"),
    "German phone book": lambda text: text.lower().replace("ä", "ae").replace("ß", "ss"),
    "Swedish": lambda text: strip_accents(text.lower().replace("w", "v")),
    "Lithuanian": lambda text: strip_accents(text.lower().replace("y", "i")),
    "Czech": one_letter("ch", "ȟ"),
    "Spanish": one_letter("ll", "ɫ"),
    "Turkish": lambda text: text.replace("i", "İ").replace("ı", "I").upper(),
    "Scandinavian letters apart": lambda text: text.lower().replace("ø", "o").replace("æ", "ae"),
}
LIKELY = st.text(alphabet="aAåáäæAaEeIiİıwvyYchlLsSßøo -!?'😀李я\u0308", max_size=8)


class TestPlainContradictions:
    @pytest.mark.parametrize(
        ("expression", "row"),
        [
            (C.id == "c1", Campaign("c2")),
            (C.sender == "Golf", Campaign("c1", sender="Tennis")),
            (C.sender == "Golf", Campaign("c1", sender="Golf2")),
            (C.sender == "Golf", Campaign("c1", sender="")),
            (C.sender == "", Campaign("c1", sender="Golf")),
            (C.sender.equals("golf", ignore_case=True), Campaign("c1", sender="Tennis")),
            (C.sender.in_("Golf", "Tennis"), Campaign("c1", sender="Chess")),
            (C.sender.in_("Golf", None), Campaign("c1", sender="Chess")),
            (~C.sender.in_("Golf", "Tennis"), Campaign("c1", sender="Tennis")),
            (C.sender != "Golf", Campaign("c1", sender="Golf")),
            (~C.sender.equals("golf", ignore_case=True), Campaign("c1", sender="GOLF")),
            (C.message.startswith("Hi"), Campaign("c1", message="Hello")),
            (C.message.endswith("bye"), Campaign("c1", message="Hello")),
            (~C.message.contains("sale"), Campaign("c1", message="Big sale now")),
            (~C.message.contains("ell"), Campaign("c1", message="Hello")),
            (~C.message.contains("ELL", ignore_case=True), Campaign("c1", message="Hello")),
            (~C.message.startswith("He"), Campaign("c1", message="Hello")),
            (~C.message.endswith("llo"), Campaign("c1", message="Hello")),
            (C.sender.is_null(), Campaign("c1", sender="Golf")),
            (C.opt_out_link_id.is_null(), Campaign("c1", opt_out_link_id=0)),
            (C.recipient_count == 5, Campaign("c1", recipient_count=6)),
            (C.recipient_count != 5, Campaign("c1", recipient_count=5)),
            (C.recipient_count > 5, Campaign("c1", recipient_count=5)),
            (C.recipient_count >= 5, Campaign("c1", recipient_count=4)),
            (C.recipient_count < 5, Campaign("c1", recipient_count=5)),
            (C.recipient_count <= 5, Campaign("c1", recipient_count=6)),
            (C.recipient_count.in_(5, 7), Campaign("c1", recipient_count=6)),
            (C.status == CampaignStatus.PAUSED, Campaign("c1", status=CampaignStatus.PENDING)),
            (C.status != 42, Campaign("c1", status=CampaignStatus(42))),
            (C.start_date_time < START, Campaign("c1", START + 16 * HOUR)),
            (C.start_date_time >= START, Campaign("c1", START - 16 * HOUR)),
            (C.start_date_time == START, Campaign("c1", START + 16 * HOUR)),
            (C.start_date_time == START, Campaign("c1", START - 16 * HOUR)),
            (query.any_of(K.name, K.custom1) == "Ann", Contact("k1", name="Bob", custom1="Eve")),
            ((C.sender == "Golf") & (C.status == 5), Campaign("c1", sender="Golf", status=CampaignStatus.PAUSED)),
        ],
        ids=str,
    )
    def test_is_one(self, expression: query.Expression, row: Campaign | Contact) -> None:
        assert contradicts(expression, row) is True
        assert contradicts_text(str(expression), row) is True

    @pytest.mark.parametrize(
        ("text", "row"),
        [
            ("STATUS == completed", Campaign("c1", status=CampaignStatus.PENDING)),
            ("status==sending\\,cancelled", Campaign("c1", status=CampaignStatus.CANCELLED)),
            ("recipientCount==0x10", Campaign("c1", recipient_count=10)),
            ("startDateTime>2031-05-03", Campaign("c1", START)),
            ("(sender|message)@=*golf", Campaign("c1", sender="Tennis", message="Hello")),
        ],
    )
    def test_is_one_in_plain_text(self, text: str, row: Campaign) -> None:
        assert contradicts_text(text, row)


class TestDoubts:
    @pytest.mark.parametrize(
        ("expression", "row"),
        [
            (C.sender == "Golf", Campaign("c1", sender="李雷")),
            (C.sender == "李雷", Campaign("c1", sender="Golf")),
            (C.sender == "Łódź", Campaign("c1", sender="Golf")),
            (C.sender == "Golf", Campaign("c1", sender="Łódź")),
            (C.sender == "Xé", Campaign("c1", sender="aé")),
            (C.sender == "éa", Campaign("c1", sender="éb")),
            (C.sender == "abéba", Campaign("c1", sender="aba")),
            (C.message.contains("sale"), Campaign("c1", message="Hello £5 🎉 ’world’")),
            (C.message.contains("été"), Campaign("c1", message="Hello")),
            (C.message.contains("日"), Campaign("c1", message="Hello")),
            (C.message.startswith("Hé"), Campaign("c1", message="Oh")),
            (C.message.startswith("Oh"), Campaign("c1", message="Hé")),
            (C.message.endswith("ébye"), Campaign("c1", message="Hello")),
            (C.message.endswith("bye"), Campaign("c1", message="éHello")),
            (C.sender == "Golf", Campaign("c1")),
            (C.sender != "Golf", Campaign("c1")),
            (~C.sender.is_null(), Campaign("c1")),
            (C.sender.is_null(), Campaign("c1")),
            (C.sender.is_null(), Campaign("c1", sender="")),
            (C.sender.is_null(), Campaign("c1", sender="NULL")),
            (C.sender == "null", Campaign("c1")),
            (C.sender == "Golf", Campaign("c1", sender="GOLF  ")),
            (C.sender == "Gölf", Campaign("c1", sender="golf")),
            (C.sender == "Golf", Campaign("c1", sender="Go\u0308lf")),
            (C.sender == "Müller", Campaign("c1", sender="mueller")),
            (C.sender == "Mu\u0308ller", Campaign("c1", sender="mueller")),
            (C.sender == "Aarhus", Campaign("c1", sender="Århus")),
            (C.sender == "Straße", Campaign("c1", sender="STRASSE")),
            (C.sender == "李雷", Campaign("c1", sender="??")),
            (C.sender == "K\u212a", Campaign("c1", sender="k?")),
            (C.sender == "Golf 😀", Campaign("c1", sender="Golf ??")),
            (C.sender == "½", Campaign("c1", sender="1/2")),
            (C.sender == "éxö", Campaign("c1", sender="èxo")),
            (C.sender != "Golf", Campaign("c1", sender="golf")),
            (C.sender != "Golf", Campaign("c1", sender="Golf ")),
            (~C.sender.equals("IT", ignore_case=True), Campaign("c1", sender="it")),
            (~C.sender.in_("Golf", "Tennis"), Campaign("c1", sender="golf")),
            (C.message.contains("golf"), Campaign("c1", message="Où est-ce ?")),
            (C.message.contains("it's"), Campaign("c1", message="IT’S ON")),
            (~C.message.contains(""), Campaign("c1", message="Hello")),
            (~C.message.contains("a"), Campaign("c1", message="Haag")),
            (~C.message.contains("c"), Campaign("c1", message="echo")),
            (~C.message.contains("e"), Campaign("c1", message="e\u0301")),
            (~C.message.startswith("c"), Campaign("c1", message="cha")),
            (~C.message.endswith("h"), Campaign("c1", message="ch")),
            (C.start_date_time < START, Campaign("c1", START + 15 * HOUR)),
            (C.start_date_time > START, Campaign("c1", START - 15 * HOUR)),
            (C.start_date_time == START, Campaign("c1", START + 15 * HOUR)),
            (C.start_date_time != START, Campaign("c1", START)),
            (C.start_date_time <= START, Campaign("c1", START.replace(tzinfo=None))),
            (C.recipient_count > 5, Campaign("c1")),
            (query.any_of(K.name, K.custom1) == "Ann", Contact("k1", name="Bob")),
            (query.any_of(K.name, K.custom1) != "Ann", Contact("k1", name="Ann", custom1="Bob")),
        ],
        ids=str,
    )
    def test_is_no_contradiction(self, expression: query.Expression, row: Campaign | Contact) -> None:
        assert contradicts(expression, row) is False

    def test_a_condition_on_nothing_contradicts_nothing(self) -> None:
        assert not contradicts((), Campaign("c1"))

    def test_a_row_or_a_condition_that_cannot_be_read_contradicts_nothing(self) -> None:
        strange: Any = Campaign("c1", start_date_time="soon", recipient_count="5", message=5)  # type: ignore[arg-type]

        assert not contradicts((C.start_date_time > START) & (C.recipient_count == 6) & (C.message == "6"), strange)
        assert not contradicts(
            [Condition((columns_of(Campaign)["recipientcount"],), "==", ("many",))], Campaign("c1", recipient_count=5)
        )


class TestRowsThatAServerFinds:
    @pytest.mark.parametrize(
        "case", [case for case in DATA["cases"] if "filters" in case["query"]], ids=lambda case: case["id"]
    )
    def test_none_that_the_library_found_is_contradicted(self, case: dict[str, Any]) -> None:
        model = MODELS[case["dataset"]]
        try:
            terms = parse_filters(case["query"]["filters"], model)
        except QueryError:
            return
        rows = [read_model(wire, model) for wire in DATA["datasets"][case["dataset"]]]

        assert not [row.id for row in rows if row.id in case["expect"] and contradicts(terms, row)]

    @given(
        stored=LIKELY,
        asked=LIKELY,
        way=st.sampled_from(list(TEXT_TESTS)),
        negate=st.booleans(),
        any_case=st.booleans(),
        collation=st.sampled_from(list(COLLATIONS)),
    )
    @more_examples(8)
    @example("Aa", "Å", "equals", False, False, "Danish")
    @example("haag", "a", "contains", True, False, "Danish")
    @example("ss", "ß", "equals", False, False, "accent-blind, ß is ss")
    @example("echo", "c", "contains", True, False, "Czech")
    @example("I", "i", "equals", True, True, "Turkish")
    @example("A", "a", "equals", True, True, "binary")
    @example("Wy", "vi", "startswith", False, False, "binary")
    def test_none_is_contradicted_whatever_the_collation(
        self, stored: str, asked: str, way: str, negate: bool, any_case: bool, collation: str
    ) -> None:
        try:
            expression = getattr(K.name, way)(asked, ignore_case=any_case)
        except QueryError:
            return
        fold = COLLATIONS[collation]
        cased = str.upper if any_case else str
        selected = TEXT_TESTS[way](cased(fold(stored)), cased(fold(asked))) is not negate

        assert not (selected and contradicts(~expression if negate else expression, name_is(stored)))

    @given(stored=LIKELY, asked=LIKELY, way=st.sampled_from(list(TEXT_TESTS)))
    @example("李", "李", "equals")
    @example("sale 😀", "sale 😀", "startswith")
    def test_none_is_contradicted_when_a_code_page_loses_letters(self, stored: str, asked: str, way: str) -> None:
        def lossy(text: str) -> str:
            return text.encode("cp1252", "replace").decode("cp1252")

        try:
            expression = getattr(K.name, way)(asked)
        except QueryError:
            return

        assert not (TEXT_TESTS[way](lossy(stored), lossy(asked)) and contradicts(expression, name_is(lossy(stored))))

    @given(data=st.data())
    @more_examples(2)
    def test_none_that_the_sandbox_finds_is_contradicted_in_any_zone(self, data: st.DataObject) -> None:
        expression = data.draw(EXPRESSIONS)
        wires = data.draw(st.lists(WIRES, min_size=1, max_size=6))
        zone = dt.timezone(dt.timedelta(hours=data.draw(st.integers(-14, 14))))
        rows = [Row({"id": str(index), **wire}) for index, wire in enumerate(wires)]

        found = server.find(rows, str(expression), None, CAMPAIGN_COLUMNS, zone)

        assert not found.failed
        terms = parse_filters(str(expression), Campaign)
        for row in found.rows:
            assert not contradicts(expression, read_model(row.wire, Campaign))
            assert not contradicts(terms, read_model(row.wire, Campaign))

    @given(
        name=LIKELY, way=st.sampled_from(list(TEXT_TESTS)), asked=LIKELY, any_case=st.booleans(), negate=st.booleans()
    )
    @more_examples(2)
    def test_none_that_the_sandbox_finds_by_text_is_contradicted(
        self, name: str, way: str, asked: str, any_case: bool, negate: bool
    ) -> None:
        try:
            expression = getattr(K.name, way)(asked, ignore_case=any_case)
        except QueryError:
            return
        expression = ~expression if negate else expression
        for variant in (
            name,
            asked,
            asked.upper(),
            asked.swapcase(),
            asked.casefold(),
            name + asked,
            asked + name,
            name.upper(),
        ):
            if server.find([Row({"id": "x", "name": variant})], str(expression), None, CONTACT_COLUMNS).rows:
                assert not contradicts(expression, name_is(variant))

    @given(
        offset=st.integers(-14, 14),
        seconds=st.integers(-3_000_000, 3_000_000),
        operator=st.sampled_from(["<", ">=", "==", "!="]),
    )
    def test_none_is_contradicted_when_z_is_taken_for_local_time(
        self, offset: int, seconds: int, operator: str
    ) -> None:
        zone = dt.timezone(dt.timedelta(hours=offset))
        wire = {"id": "x", "startDateTime": (START + dt.timedelta(seconds=seconds)).isoformat()}
        filters = f"startDateTime{operator}2031-05-01T09:30:00Z"

        if server.find([Row(wire)], filters, None, CAMPAIGN_COLUMNS, zone).rows:
            assert not contradicts_text(filters, read_model(wire, Campaign))


def _texts(field: Any) -> st.SearchStrategy[query.Expression]:
    words = st.sampled_from(["Golf", "golf", "GOLF ", "Gölf", "null", "", "a|b", "*", "Straße", "sale now"]).map(
        str.strip
    )
    one = st.builds(
        lambda way, text, any_case, negate: (
            ~getattr(field, way)(text, ignore_case=any_case)
            if negate
            else getattr(field, way)(text, ignore_case=any_case)
        ),
        st.sampled_from(list(TEXT_TESTS)),
        words,
        st.booleans(),
        st.booleans(),
    )
    several = st.lists(words | st.none(), min_size=1, max_size=3).map(lambda values: field.in_(*values))
    return one | several | several.map(lambda expression: ~expression) | st.just(field == None)  # noqa: E711


def _numbers(field: Any, values: st.SearchStrategy[Any], *, ordered: bool) -> st.SearchStrategy[query.Expression]:
    made: list[Callable[[Any], query.Expression]] = [
        lambda v: field == v,
        lambda v: field != v,
        lambda v: field.in_(v, v),
    ]
    if ordered:
        made += [lambda v: field < v, lambda v: field <= v, lambda v: field > v, lambda v: field >= v]
    return st.tuples(st.sampled_from(made), values).map(lambda pair: pair[0](pair[1]))


MOMENTS = st.integers(-60, 60).map(lambda hours: START + hours * HOUR)
EXPRESSIONS = st.lists(
    st.one_of(
        _texts(C.sender),
        _texts(query.any_of(C.sender, C.message)),
        _numbers(C.recipient_count, st.integers(-2, 2), ordered=True),
        _numbers(C.opt_out_link_id, st.integers(-2, 2), ordered=True),
        _numbers(C.status, st.sampled_from([*CampaignStatus, 9]), ordered=False),
        _numbers(C.start_date_time, MOMENTS, ordered=True),
    ),
    min_size=1,
    max_size=2,
).map(lambda parts: parts[0] & parts[1] if len(parts) > 1 else parts[0])
SOME_TEXT = st.sampled_from(
    ["Golf", "golf", " GOLF ", "Gölf", "null", "", "a|b", "**", "Strasse", "big sale now", None]
)
WIRES = st.fixed_dictionaries(
    {
        "sender": SOME_TEXT,
        "message": SOME_TEXT,
        "recipientCount": st.integers(-2, 2),
        "optOutLinkId": st.none() | st.integers(-2, 2),
        "status": st.integers(0, 9),
        "startDateTime": MOMENTS.map(lambda moment: moment.isoformat()),
    }
)
