"""Filters and sorts, compared with answers of the library Sieve itself."""

from __future__ import annotations

import json
from datetime import timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, strategies as st

from campaigns_async.sandbox._rows import CAMPAIGN_COLUMNS, CONTACT_COLUMNS, Row
from campaigns_async.sandbox._sieve import SieveError, find, parse_term, sort

DATA: dict[str, Any] = json.loads((Path(__file__).parent / "data" / "sieve_cases.json").read_text("utf-8"))
COLUMNS = {"campaigns": CAMPAIGN_COLUMNS, "contacts": CONTACT_COLUMNS}
VECTORS: list[dict[str, Any]] = DATA["escape"]["vectors"]
NOT_SAYABLE: list[str] = [entry["value"] for entry in DATA["escape"]["notSayable"]]

UNPAGED = [case for case in DATA["cases"] if case["query"].keys() <= {"filters", "sorts"}]


def campaign_rows(*wires: dict[str, Any]) -> list[Row]:
    return [Row(wire) for wire in wires or DATA["datasets"]["campaigns"]]


def ids(rows: Any) -> list[str]:
    return [row.wire["id"] for row in rows]


def find_ids(filters: str | None = None, sorts: str | None = None, **options: Any) -> list[str]:
    return ids(find(campaign_rows(), filters, sorts, CAMPAIGN_COLUMNS, **options).rows)


def is_refused(filters: str) -> bool:
    return find(campaign_rows(), filters, None, CAMPAIGN_COLUMNS).failed != ""


@pytest.mark.parametrize("case", UNPAGED, ids=lambda case: case["id"])
def test_results_are_those_of_the_library(case: dict[str, Any]) -> None:
    rows = [Row(wire) for wire in DATA["datasets"][case["dataset"]]]
    query = case["query"]

    result = find(rows, query.get("filters"), query.get("sorts"), COLUMNS[case["dataset"]])

    assert ids(result.rows) == case["expect"]
    assert bool(result.failed) == case.get("ignored", False)


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: repr(vector["value"]))
def test_an_escaped_value_finds_only_itself(vector: dict[str, Any]) -> None:
    rows = [Row({"id": other["value"], "name": other["value"]}) for other in VECTORS]

    result = find(rows, f"name=={vector['escaped']}", None, CONTACT_COLUMNS)

    assert ids(result.rows) == [vector["value"]]


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: repr(vector["value"]))
def test_a_group_in_brackets_works_only_with_values_without_a_closing_bracket(
    vector: dict[str, Any],
) -> None:
    rows = [Row({"id": "x", "name": vector["value"]})]
    grouped = find(rows, f"(name|custom1)=={vector['escaped']}", None, CONTACT_COLUMNS)
    bare = find(rows, f"name|custom1=={vector['escaped']}", None, CONTACT_COLUMNS)

    assert (ids(grouped.rows) == ["x"] and not grouped.failed) is vector["bracketGroupOk"]
    assert ids(bare.rows) == ["x"]


@pytest.mark.parametrize("value", NOT_SAYABLE, ids=repr)
def test_a_value_that_cannot_be_expressed_is_not_found_by_escapes(value: str) -> None:
    rows = [Row({"id": "x", "name": value})]
    escaped = value.replace("\\", "\\\\").replace(",", "\\,").replace("|", "\\|").replace("==", "\\==")

    assert ids(find(rows, f"name=={escaped}", None, CONTACT_COLUMNS).rows) == []


@given(st.text(alphabet=st.characters(codec="utf-8", exclude_characters="\\,|<>=!@_()*"), min_size=1))
def test_text_without_special_characters_finds_itself(value: str) -> None:
    rows = [Row({"id": "x", "name": value})]
    filters = f"name=={value}"

    if value.strip() == value and value.lower() != "null":
        assert ids(find(rows, filters, None, CONTACT_COLUMNS).rows) == ["x"]


@given(st.text(alphabet="ab\\,|<>=!@_-()* n"))
def test_any_filter_is_applied_or_ignored(filters: str) -> None:
    result = find(campaign_rows(), filters, None, CAMPAIGN_COLUMNS)

    assert not result.failed or len(result.rows) == 12


class TestReading:
    def test_a_second_operator_ends_the_value(self) -> None:
        assert parse_term("message@=a==b").values == ("a",)

    def test_the_longest_operator_at_a_position_wins(self) -> None:
        assert parse_term("message!_-=*x").operator == "!_-=*"

    def test_a_term_without_an_operator_has_no_values(self) -> None:
        assert parse_term("sender|message").values is None

    def test_an_escaped_operator_is_unescaped_anywhere_in_the_value(self) -> None:
        assert parse_term("message==a\\<b\\<c").values == ("a<b<c",)

    def test_a_separator_after_an_even_number_of_backslashes_separates(self) -> None:
        assert parse_term("message==a\\\\|b\\|c").values == ("a\\", "b|c")

    @pytest.mark.parametrize(
        "filters",
        [
            "( sender==Acme",
            " (sender)==Acme",
            "(sender)",
            "(sender|message)==x)",
            "==5",
        ],
    )
    def test_invalid_brackets_and_names_are_errors(self, filters: str) -> None:
        assert is_refused(filters)


class TestValues:
    @pytest.mark.parametrize("value", ["100", "+100", " 100 ", "0x64", "#64", "&h64", "0X64"])
    def test_a_number_is_read_in_each_notation(self, value: str) -> None:
        assert find_ids(f"recipientCount=={value}") == ["c01"]

    @pytest.mark.parametrize("value", ["-1", "0xFFFFFFFF"])
    def test_a_negative_number_is_read_with_a_sign_or_in_two_s_complement(self, value: str) -> None:
        assert find_ids(f"optOutLinkId=={value}") == ["c11"]

    @pytest.mark.parametrize("value", ["", "1.0", "1e2", "1_000", "2147483648", "0x1FFFFFFFF", "0x", "٣", "one"])
    def test_a_value_that_is_not_a_32_bit_integer_is_an_error(self, value: str) -> None:
        assert is_refused(f"recipientCount=={value}")
        assert is_refused(f"optOutLinkId=={value}")

    @pytest.mark.parametrize("value", ["Completed", "COMPLETED", "5", "+5", "sending\\,cancelled"])
    def test_a_status_is_read_by_name_and_by_number(self, value: str) -> None:
        assert find_ids(f"status=={value}") == ["c02", "c07", "c08", "c11"]

    @pytest.mark.parametrize("filters", ["status==Done", "status==", "status>1", "status@=5", "status==*5"])
    def test_an_unknown_status_is_an_error(self, filters: str) -> None:
        assert is_refused(filters)

    @pytest.mark.parametrize(
        "value",
        [
            "2024-01-10T09:00",
            "2024/1/10 9:00",
            "01/10/2024 09:00:00",
            "2024-01-10T09:00:00Z",
            "2024-01-10T09:00:00.0000000Z",
            "2024-01-10T08:30-00:30",
            "2024-01-10T11:00 +02",
            "2024-01-10T11:00+0200",
        ],
    )
    def test_a_date_is_read_in_each_notation(self, value: str) -> None:
        assert find_ids(f"startDateTime=={value}") == ["c01"]

    @pytest.mark.parametrize(
        "value",
        [
            "2024",
            "2024-13-01",
            "2024-01-10T25:00",
            "2024-01-10T09:00+15:00",
            "0001-01-01T00:00+14:00",
            "tomorrow",
        ],
    )
    def test_a_value_that_is_not_a_date_is_an_error(self, value: str) -> None:
        assert is_refused(f"startDateTime=={value}")

    def test_an_empty_date_is_year_one_and_finds_nothing(self) -> None:
        assert find_ids("startDateTime==") == []
        assert not is_refused("startDateTime==")

    def test_a_month_alone_is_its_first_day(self) -> None:
        assert find_ids("startDateTime==2024-12") == ["c11"]

    def test_a_date_with_z_is_converted_to_the_server_s_time_zone(self) -> None:
        zone = timezone(timedelta(hours=1))

        assert find_ids("startDateTime==2024-01-10T08:00:00Z", zone=zone) == ["c01"]
        assert find_ids("startDateTime==2024-01-10T09:00:00", zone=zone) == ["c01"]

    def test_null_can_be_compared_with_optional_numbers(self) -> None:
        assert find_ids("optOutLinkId==*null") == ["c02", "c04", "c10"]
        assert len(find_ids("optOutLinkId!=null")) == 9
        assert find_ids("optOutLinkId>null") == []
        assert not is_refused("optOutLinkId>null")

    @pytest.mark.parametrize("filters", ["recipientCount==null", "status!=null", "optOutLinkId@=null"])
    def test_null_is_an_error_on_a_required_column(self, filters: str) -> None:
        assert is_refused(filters)


class TestCase:
    @pytest.mark.parametrize(
        ("stored", "asked", "same"),
        [
            ("straße", "STRASSE", False),
            ("straße", "STRAßE", True),
            ("ᾳ", "ᾼ", True),
            ("ı", "I", False),
            ("ſ", "S", False),
            ("ŉ", "ʼN", False),
            ("éa", "ÉA", True),
        ],
    )
    def test_characters_are_compared_one_by_one(self, stored: str, asked: str, same: bool) -> None:
        rows = [Row({"id": "x", "name": stored})]

        assert bool(find(rows, f"name==*{asked}", None, CONTACT_COLUMNS).rows) is same


class TestSorts:
    def test_text_is_sorted_without_regard_to_case_and_lower_first(self) -> None:
        rows = [Row({"id": name, "name": name}) for name in ("b", "A", "a", "B")]

        assert ids(sort(rows, "name", CONTACT_COLUMNS)) == ["a", "A", "b", "B"]

    def test_equal_rows_keep_their_order_descending_too(self) -> None:
        rows = [Row({"id": key, "name": "x"}) for key in "cab"]

        assert ids(sort(rows, "-name", CONTACT_COLUMNS)) == ["c", "a", "b"]

    @pytest.mark.parametrize("sorts", ["bogus", " id", "id ", "id ,sender", "-", "id==1"])
    def test_a_name_that_is_not_exact_is_an_error(self, sorts: str) -> None:
        with pytest.raises(SieveError):
            sort(campaign_rows(), sorts, CAMPAIGN_COLUMNS)

    def test_a_bad_sort_keeps_the_filters(self) -> None:
        result = find(campaign_rows(), "status==5", "bogus", CAMPAIGN_COLUMNS)

        assert ids(result.rows) == ["c02", "c07", "c08", "c11"]
        assert result.failed
