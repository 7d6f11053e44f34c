"""Compiling the arguments `filters=` and `sorts=` of lists."""

from __future__ import annotations

from typing import Any

import pytest

from campaigns_async import query
from campaigns_async.errors import QueryError
from campaigns_async.models import Campaign, Contact
from campaigns_async.query._parse import compile_filter, compile_sorts

C: Any = query.campaign
K: Any = query.contact
SECRET = "07700900123"


class TestFilters:
    def test_an_expression_is_sent_and_rows_are_checked_against_it(self) -> None:
        ready = compile_filter(query.campaign.sender == "Golf", Campaign)

        assert ready.text == "sender==Golf"
        assert ready.contradicts is not None
        assert ready.contradicts(Campaign("c1", sender="Tennis"))
        assert not ready.contradicts(Campaign("c1", sender="Golf"))

    def test_plain_text_is_checked_and_rows_are_checked_against_it(self) -> None:
        ready = compile_filter("NAME == Ann", Contact)

        assert ready.text == "NAME == Ann"
        assert ready.contradicts is not None
        assert ready.contradicts(Contact("k1", name="Bob"))

    def test_raw_text_is_neither(self) -> None:
        ready = compile_filter(query.raw("bogus==1"), Campaign)

        assert ready.text == "bogus==1"
        assert ready.contradicts is None

    @pytest.mark.parametrize("filters", [None, "", "  ", ",,", query.raw(""), query.raw(" ")])
    def test_an_empty_filter_is_not_sent(self, filters: Any) -> None:
        ready = compile_filter(filters, Campaign)

        assert ready.text is None
        assert ready.contradicts is None

    def test_its_repr_hides_values(self) -> None:
        assert SECRET not in repr(compile_filter(f"name=={SECRET}", Contact))

    @pytest.mark.parametrize(
        ("filters", "reason"),
        [
            (K.name == SECRET, "a filter on Contact for a list of Campaign"),
            ("name==x", "unknown field 'name'; the fields are id,"),
            (True, "a comparison returned a bool"),
            (C.sender, "a field alone is not a filter"),
            (C.sender.asc(), "belongs in sorts="),
            ([C.sender == SECRET], "combined with &"),
            (b"sender==x", "not bytes"),
        ],
    )
    def test_misuse_is_one_error(self, filters: Any, reason: str) -> None:
        with pytest.raises(QueryError, match=reason) as raised:
            compile_filter(filters, Campaign)

        assert raised.value.parameter == "filters"
        assert SECRET not in str(raised.value)


class TestSorts:
    @pytest.mark.parametrize(
        ("sorts", "text"),
        [
            (None, None),
            ("", None),
            ((), None),
            (",", None),
            (query.raw(""), None),
            ("-startDateTime", "-startDateTime"),
            ("status, -RECIPIENTCOUNT", "status, -RECIPIENTCOUNT"),
            (C.id.desc(), "-id"),
            ([C.start_date_time.desc(), C.id.asc()], "-startDateTime,id"),
            ((C.start_date_time.desc(), "id"), "-startDateTime,id"),
            (["-startDateTime", "id"], "-startDateTime,id"),
            ((sort for sort in [C.id.asc()]), "id"),
            (query.raw("bogus"), "bogus"),
        ],
    )
    def test_the_text_is_this(self, sorts: Any, text: str | None) -> None:
        assert compile_sorts(sorts, Campaign) == text

    @pytest.mark.parametrize(
        ("sorts", "reason"),
        [
            ("bogus", "^sorts: name 1: unknown field 'bogus'; the fields are"),
            (["id", "start_date_time"], "name 2: unknown field 'start_date_time'; did you mean 'startDateTime'"),
            ([C.id.asc(), K.name.asc()], "item 2 is a field of Contact for a list of Campaign"),
            ([C.id.asc(), C.sender], "item 2 must be a field's asc"),
            ([query.raw("id")], "item 1 must be"),
            (C.sender, r"asc\(\) or desc\(\), text, or a list"),
            (C.sender == SECRET, r"asc\(\) or desc\(\), text, or a list"),
            (5, "not int"),
            (b"id", "not int"),
        ],
    )
    def test_misuse_is_one_error(self, sorts: Any, reason: str) -> None:
        with pytest.raises(QueryError, match=reason) as raised:
            compile_sorts(sorts, Campaign)

        assert raised.value.parameter == "sorts"
        assert SECRET not in str(raised.value)


def test_an_error_names_the_caller_s_own_argument() -> None:
    with pytest.raises(QueryError, match=r"^campaign_filters: term 1: unknown field 'foo'") as raised:
        compile_filter("foo==1", Campaign, "campaign_filters")

    assert raised.value.parameter == "campaign_filters"
    with pytest.raises(QueryError, match=r"^campaign_sorts: name 1: unknown field 'foo'") as raised:
        compile_sorts("foo", Campaign, "campaign_sorts")

    assert raised.value.parameter == "campaign_sorts"
