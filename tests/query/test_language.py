"""The server's language: what is written is read as it was meant, by a reader that shares nothing with the writer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, strategies as st

from campaigns_async import query
from campaigns_async.errors import QueryError
from campaigns_async.models import Campaign, Contact
from campaigns_async.query import _syntax
from campaigns_async.query._parse import check_sorts, parse_filters
from campaigns_async.sandbox import _sieve as server
from campaigns_async.sandbox._dotnet import BLANKS
from campaigns_async.sandbox._rows import CONTACT_COLUMNS, Row

DATA: dict[str, Any] = json.loads((Path(__file__).parent / "data" / "sieve_cases.json").read_text("utf-8"))
MODELS: dict[str, Any] = {"campaigns": Campaign, "contacts": Contact}
FILTERS = [case for case in DATA["cases"] if "filters" in case["query"]]
SORTS = [case for case in DATA["cases"] if "sorts" in case["query"]]
VECTORS: list[dict[str, Any]] = DATA["escape"]["vectors"]
NOT_SAYABLE: list[str] = [entry["value"] for entry in DATA["escape"]["notSayable"]]

# Understood by the server, but surely not as they look: a second operator, several values after a negation,
# brackets in a value after a group, no operator at all.
MISLEADING = {"prec-09", "esc-27", "esc-29", "or-13", "or-15", "or-26", "name-12"}

SPECIAL = st.text(alphabet="ab\\\\\\,|<>=!@_-*()nulNUL \n\t\u00a0é😀", max_size=24)
FRAGMENTS = st.lists(
    st.sampled_from([*_syntax.OPERATORS, "\\", "\\\\", ",", "|", "*", "null", "NULL", "(", ")", " ", "a", "\n", "ß"]),
    max_size=8,
).map("".join)
TEXTS = st.one_of(st.text(), SPECIAL, FRAGMENTS)

FIELD = query.contact.name
WAYS = {
    "==": FIELD.equals,
    "@=": FIELD.contains,
    "_=": FIELD.startswith,
    "_-=": FIELD.endswith,
}
HOLDS = {"==": str.__eq__, "@=": str.__contains__, "_=": str.startswith, "_-=": str.endswith}


def is_refused(case: dict[str, Any]) -> bool:
    return case.get("ignored", False) or case["id"] in MISLEADING


def meaning(term: server.Term) -> tuple[str | None, ...]:
    """Return the values as the sandbox's server reads them: None for null, and without the last backslash of `\\null`."""
    equality = term.operator.rstrip("*") in ("==", "!=")
    values: list[str | None] = []
    for value in term.values or ():
        if value.lower() == "null" and equality:
            values.append(None)
        else:
            values.append(value[1:] if value.lower() == "\\null" else value)
    return tuple(values)


def names_found(filters: str, texts: list[str]) -> list[str]:
    result = server.find([Row({"id": "x", "name": text}) for text in texts], filters, None, CONTACT_COLUMNS)
    assert not result.failed
    return [row.wire["name"] for row in result.rows]


def others(text: str) -> list[str]:
    """Return texts that a mistake in escaping would find in its place."""
    return [
        *(text + extra for extra in ("\\", " ", "x", "|", ",", "==", "*")),
        *(extra + text for extra in ("\\", " ", "x", "|", ",", "==", "*")),
        *(text.replace(char, "") for char in "\\ |,*=()"),
        *(text.replace("\\", "\\\\"), text.strip(), text.swapcase(), text[1:], text[:-1], ""),
        *(piece for separator in ("|", ",", "==") for piece in text.split(separator)),
    ]


@pytest.mark.parametrize("case", FILTERS, ids=lambda case: case["id"])
def test_a_filter_in_plain_text_passes_where_the_library_understood_it_as_it_looks(case: dict[str, Any]) -> None:
    text, model = case["query"]["filters"], MODELS[case["dataset"]]

    if is_refused(case):
        with pytest.raises(QueryError, match=r"^term \d"):
            parse_filters(text, model)
    else:
        parse_filters(text, model)


@pytest.mark.parametrize("case", SORTS, ids=lambda case: case["id"])
def test_a_sort_in_plain_text_passes_where_the_library_understood_it(case: dict[str, Any]) -> None:
    text, model = case["query"]["sorts"], MODELS[case["dataset"]]

    if case.get("ignored"):
        with pytest.raises(QueryError, match=r"^name \d"):
            check_sorts(text, model)
    else:
        check_sorts(text, model)


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: repr(vector["value"]))
def test_a_value_is_escaped_as_the_library_took_it(vector: dict[str, Any]) -> None:
    assert str(vector["value"] == FIELD) == f"name=={vector['escaped']}"


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: repr(vector["value"]))
def test_an_escaped_value_is_read_back(vector: dict[str, Any]) -> None:
    (reading,) = _syntax.parse(f"name=={vector['escaped']}")

    assert reading == _syntax.ParsedTerm(("name",), "==", (vector["value"],))


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: repr(vector["value"]))
def test_any_of_several_fields_takes_each_value(vector: dict[str, Any]) -> None:
    filters = str(query.any_of(FIELD, query.contact.custom1) == vector["value"])

    assert names_found(filters, [other["value"] for other in VECTORS]) == [vector["value"]]


@pytest.mark.parametrize("value", NOT_SAYABLE, ids=repr)
def test_a_value_that_cannot_be_expressed_is_refused_with_the_reason(value: str) -> None:
    with pytest.raises(QueryError, match=r"^name ==: the server's filter language cannot express this value: "):
        value == FIELD


@pytest.mark.parametrize("operator", _syntax.OPERATORS)
def test_each_operator_is_read_as_the_server_reads_it(operator: str) -> None:
    (reading,) = _syntax.parse(f"name{operator}x")
    (term,) = server.parse_filters(f"name{operator}x")

    assert (reading.names, reading.operator, reading.values) == (term.names, term.operator, term.values)


@given(filters=TEXTS)
@example("(a|b)==x(c)d")
@example("(a)==b==b")
@example("(==b)c==b")
@example("(a==b|c)==b")
@example("a==\\\\\\==b==c==d")
@example("a==x|\\\\null")
@example("a==b\\\\,c==d")
def test_any_text_is_read_as_the_server_reads_it(filters: str) -> None:
    readings = _syntax.parse(filters)
    try:
        terms = server.parse_filters(filters)
    except server.SieveError:
        assert any(reading.trouble == _syntax.BRACKET_AT_THE_END for reading in readings)
        return

    assert [(reading.names, reading.operator or "", reading.values) for reading in readings] == [
        (term.names, term.operator, meaning(term)) for term in terms
    ]


@given(text=TEXTS, way=st.sampled_from(list(WAYS)), any_case=st.booleans(), negate=st.booleans())
@example("\\null", "@=", False, False)
@example("x\\<y<z<a", "==", False, False)
@example("*a|b", "_=", True, True)
@example("-=*", "_=", False, False)
def test_any_text_is_read_back_by_the_server_as_itself_or_refused(
    text: str, way: str, any_case: bool, negate: bool
) -> None:
    try:
        expression = WAYS[way](text, ignore_case=any_case)
    except QueryError:
        return
    (term,) = server.parse_filters(str(~expression if negate else expression))

    positive = way + "*" * any_case
    assert term.names == ("name",)
    assert term.operator == (("!=" + "*" * any_case if way == "==" else f"!{positive}") if negate else positive)
    assert meaning(term) == (text,)


@given(text=TEXTS, way=st.sampled_from(list(WAYS)), negate=st.booleans())
@example("null", "==", False)
@example("", "==", True)
def test_any_text_finds_its_rows_and_no_others(text: str, way: str, negate: bool) -> None:
    try:
        expression = WAYS[way](text)
    except QueryError:
        return
    rows = [text, *others(text)]

    found = names_found(str(~expression if negate else expression), rows)

    assert found == [row for row in rows if HOLDS[way](row, text) is not negate]


@given(texts=st.lists(st.none() | TEXTS, min_size=1, max_size=4))
@example([" inner ", "x"])
@example(["x", " inner ", "y"])
@example(["*", "null", None])
def test_in_finds_each_of_its_values_and_its_negation_none(texts: list[str | None]) -> None:
    try:
        expression = FIELD.in_(*texts)
    except QueryError:
        return
    said = [text for text in texts if text is not None]
    rows = [*said, *(other for text in said for other in others(text))]

    assert names_found(str(expression), rows) == [row for row in rows if row in said]
    try:
        contrary = ~expression
    except QueryError:  # blanks that were inner ones
        return
    assert names_found(str(contrary), rows) == [row for row in rows if row not in said]
    assert ~contrary == FIELD.in_(*dict.fromkeys(texts)) or len(texts) == 1


@given(value=st.text(alphabet="ab ,|<>=!@_-*(é", min_size=1))
def test_all_is_sayable_but_backslashes_and_outer_blanks(value: str) -> None:
    stripped = value.strip()

    if stripped == value:
        assert names_found(str(value == FIELD), [value]) == [value]
    else:
        with pytest.raises(QueryError, match="blanks"):
            value == FIELD


@given(
    st.lists(
        st.tuples(
            st.sampled_from(list(WAYS)), TEXTS, st.booleans(), st.sampled_from(["name", "custom1", "phone_number"])
        ),
        min_size=1,
        max_size=6,
    )
)
def test_many_conditions_are_read_back_in_order(parts: list[tuple[str, str, bool, str]]) -> None:
    methods = {"==": "equals", "@=": "contains", "_=": "startswith", "_-=": "endswith"}
    meant: list[tuple[str, str]] = []
    whole: query.Expression | None = None
    for way, text, any_case, name in parts:
        try:
            part = getattr(getattr(query.contact, name), methods[way])(text, ignore_case=any_case)
        except QueryError:
            continue
        meant.append((way + "*" * any_case, text))
        whole = part if whole is None else whole & part

    if whole is not None:
        assert [(term.operator, *meaning(term)) for term in server.parse_filters(str(whole))] == meant


@given(st.text(alphabet="aIi\u0130ßſé", min_size=1))
def test_case_is_left_to_the_server(text: str) -> None:
    assert str(FIELD.equals(text, ignore_case=True)) == f"name==*{text}"


def test_the_blanks_are_those_that_the_server_trims() -> None:
    assert set(_syntax.BLANKS) == set(BLANKS)
