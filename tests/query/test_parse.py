"""Filters and sorts in plain text."""

from __future__ import annotations

import pytest
from hypothesis import example, given, strategies as st

from campaigns_async._similar_names import find_similar
from campaigns_async.errors import QueryError
from campaigns_async.models import Campaign, Contact
from campaigns_async.query import _syntax
from campaigns_async.query._fields import columns_of
from campaigns_async.query._parse import check_sorts, parse_filters
from campaigns_async.sandbox import _sieve as server
from campaigns_async.sandbox._rows import CAMPAIGN_COLUMNS, Row

CAMPAIGNS = columns_of(Campaign)
SECRET = "07700900123"

VALUES = st.sampled_from(
    [
        "",
        "5",
        "+5",
        "-1",
        "0x10",
        "#FF",
        "&h1",
        "2147483648",
        "1.5",
        "null",
        "\\null",
        "Completed",
        "paused\\,1",
        "Done",
    ]
    + ["2024-01-10", "2024/1/10 9:00", "2024-01-10T09:00:00.1234567Z", "2024-01-10T9:00+0100", "2024-02-30", "2024"]
    + [
        "01/10/2024",
        "2024-01-10T25:00",
        "2024-01-10T09:00+15:00",
        "0001-01-01T00:00+14:00",
        "x|y",
        "1|2",
        "a==b",
        " ",
        ")",
    ]
)
NAMES = st.sampled_from(
    [*(column.wire for column in CAMPAIGNS.values()), "STATUS", "bogus", "sender|id", "(sender|status)"]
)
TERMS = st.tuples(NAMES, st.sampled_from([*_syntax.OPERATORS, "=", ""]), VALUES).map("".join)
FILTERS = st.lists(TERMS, max_size=3).map(",".join) | st.text(alphabet="idsen=!<>@_-*|,\\() 5", max_size=20)


class TestFilters:
    @pytest.mark.parametrize(
        "text",
        [
            "sender==Golf",
            "SENDER == Golf , Status==completed",
            "(sender|message)@=*acme",
            "recipientCount>=-1,recipientCount<0x10",
            "optOutLinkId==null|5",
            "startDateTime>=2024-01-31T09:00:00.1234567+01:00",
            "startDateTime<2024-1-31 9:00Z",
            "status==sending\\,cancelled",
            "message@=a\\,b\\|c\\==d",
            "message@=Done|null",
            "id==\\null",
            "(sender|message)==x",
            "",
            " ,,",
        ],
    )
    def test_a_text_that_the_server_understands_passes(self, text: str) -> None:
        parse_filters(text, Campaign)

    @pytest.mark.parametrize(
        ("text", "reason"),
        [
            (
                f"sender==Golf,{SECRET}==5",
                r"term 2: the text before == is not a field; the fields are id, startDateTime",
            ),
            (f"message@=on, {SECRET}", r"term 2 has no operator.* put a backslash before the comma"),
            ("trac\u212alinkurl==x", "the text before == is not a field; did you mean 'trackLinkUrl'"),
            ("==x", "the text before == is not a field"),
            ("sender", "term 1 has no operator"),
            (",,sender", "term 1 has no operator"),
            ("sender is Golf", "term 1 has no operator"),
            ("sender<Golf", "sender does not take <; it is text and takes ==, !=, @="),
            ("status>1", "status does not take >"),
            ("status==*1", r"status does not take ==\*"),
            ("recipientCount@=1", "takes ==, !=, <, <=, > and >="),
            ("(sender|recipientCount)@=1", "recipientCount does not take @="),
            ("(sender|recipientCount)==x", "recipientCount == needs a whole number"),
            (f"recipientCount=={SECRET}x", "recipientCount == needs a whole number of 32 bits"),
            ("recipientCount==99999999999", "needs a whole number of 32 bits"),
            ("recipientCount==", "needs a whole number"),
            ("recipientCount==1|", "needs a whole number"),
            ("recipientCount==null", "is never null"),
            ("status!=null", "is never null"),
            ("optOutLinkId>null", "needs a whole number of 32 bits, or null"),
            ("status==Done", "needs a status: its number, or a name such as Completed"),
            ("startDateTime>=", "a date with the year first"),
            ("startDateTime>=2024", "a date with the year first"),
            ("startDateTime>=31/01/2024", "a date with the year first"),
            ("startDateTime>=2024-02-30", "a date with the year first"),
            ("startDateTime>=2024-01-01T00:00+15:00", "a date with the year first"),
            ("startDateTime>=0001-01-01T00:00+14:00", "a date with the year first"),
            (f"message=={SECRET}>=5", "second operator, >=,"),
            (f"(sender|message)=={SECRET}(x)y", "brackets in its value after"),
            (f"(sender|message)=={SECRET}(x)", "begins and ends with a bracket"),
            (f"sender!={SECRET}|Zulu", "repeat the term"),
            ("message!@=*a|b", "repeat the term"),
            ("sender==\ud800", "contains a lone surrogate"),
        ],
    )
    def test_a_filter_that_the_server_would_ignore_or_misread_is_refused_without_quoting_it(
        self, text: str, reason: str
    ) -> None:
        with pytest.raises(QueryError, match=reason) as raised:
            parse_filters(text, Campaign)

        assert SECRET not in str(raised.value)

    @pytest.mark.parametrize(
        ("text", "reason"),
        [
            ("foo==1", "term 1: unknown field 'foo'; the fields are id, startDateTime, sender"),
            ("sendr==Golf", "term 1: unknown field 'sendr'; did you mean 'sender'?"),
            ("(sender|recipients)==1", "term 1: unknown field 'recipients'; did you mean 'recipientCount'?"),
            ("start_date_time>2024-01-01", "term 1: unknown field 'start_date_time'; did you mean 'startDateTime'?"),
            (" (sender)==x", "term 1: the text before == is not a field; did you mean 'sender'?"),
            ("sender=Golf", "term 1: unknown operator '='; did you mean '=='?"),
            ("sender: Golf", "term 1: unknown operator ':'; did you mean '=='?"),
            ("recipientCount=>5", "term 1: unknown operator '=>'; did you mean '>='?"),
            ("foo =! 5", "term 1: unknown operator '=!'; did you mean '!='?"),
            ("sender@Golf", "term 1: unknown operator '@'; write one of == != >"),
        ],
    )
    def test_the_wrong_field_or_operator_is_named(self, text: str, reason: str) -> None:
        with pytest.raises(QueryError) as raised:
            parse_filters(text, Campaign)

        assert str(raised.value).startswith(reason)
        assert "comma" not in str(raised.value)

    @pytest.mark.parametrize("text", ["name==Smith, Ann", "name==Smith,Ann=5", "name==Smith,Ann==5"])
    def test_a_comma_is_only_mentioned_after_one(self, text: str) -> None:
        with pytest.raises(QueryError, match=r"^term 2.*backslash before the comma$"):
            parse_filters(text, Contact)

    @pytest.mark.parametrize("text", ["status==1,foo==2", "recipientCount>1,000", "status==1,,sender"])
    def test_no_backslash_is_advised_after_a_value_that_is_no_text(self, text: str) -> None:
        with pytest.raises(QueryError, match=r"^term 2") as raised:
            parse_filters(text, Campaign)
        assert "backslash" not in str(raised.value)

    def test_names_are_those_of_the_list(self) -> None:
        assert parse_filters("name==Ann", Contact)
        with pytest.raises(QueryError, match="the fields are id, phoneNumber, name, custom1, custom2"):
            parse_filters("sender==Golf", Contact)

    @given(FILTERS)
    @example("status==Completed\\,+4")
    @example("optOutLinkId==#0x10")
    def test_nothing_passes_that_the_server_does_not_understand(self, text: str) -> None:
        try:
            terms = parse_filters(text, Campaign)
        except QueryError:
            return

        assert not server.find([Row({"id": "x"})], text, None, CAMPAIGN_COLUMNS).failed
        assert len(terms) == len(server.parse_filters(text))


class TestSorts:
    @pytest.mark.parametrize("text", ["id", "-startDateTime", "STATUS, -recipientCount", ",id,", "id,-id", "", " "])
    def test_a_text_that_the_server_understands_passes(self, text: str) -> None:
        check_sorts(text, Campaign)

    @pytest.mark.parametrize(
        ("text", "reason"),
        [
            (f"id,{SECRET}", "name 2: this is not a field; the fields are id,"),
            (" -id", "name 1: write id or -id, without blanks"),
            ("id ,sender", "name 1: write id or -id"),
            ("- id", "write id or -id"),
            ("+id", "write id or -id"),
            ("--id", "write id or -id"),
            ("id==1", "write id or -id"),
            ("startDateTime:desc", "write startDateTime or -startDateTime"),
            ("id,-", "name 2: this is not a field"),
            ("foo", "name 1: unknown field 'foo'; the fields are"),
            ("-start_date_time", "name 1: unknown field 'start_date_time'; did you mean 'startDateTime'?"),
            ("id,\ud800", "surrogate"),
        ],
    )
    def test_a_sort_that_the_server_would_ignore_is_refused(self, text: str, reason: str) -> None:
        with pytest.raises(QueryError, match=reason) as raised:
            check_sorts(text, Campaign)

        assert SECRET not in str(raised.value)

    @given(
        st.lists(st.sampled_from(["id", "-id", "Status", " id", "id ", "-", "", "--id", "bogus"]), max_size=4).map(
            ",".join
        )
    )
    def test_it_passes_exactly_where_the_server_understands_it(self, text: str) -> None:
        try:
            check_sorts(text, Campaign)
            passed = True
        except QueryError:
            passed = False

        assert server.find([], None, text, CAMPAIGN_COLUMNS).failed is not passed


@pytest.mark.parametrize("model", [Campaign, Contact])
def test_a_misspelled_field_suggests_the_field(model: type[Campaign | Contact]) -> None:
    fields = [column.wire for column in columns_of(model).values() if len(column.wire) > 2]
    for name in fields:
        snake = "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)
        slips = {f"{name[:at]}{name[at + 1 :]}" for at in range(len(name))}
        slips |= {f"{name[:at]}{name[at : at + 2][::-1]}{name[at + 2 :]}" for at in range(len(name))}
        for wrong in {*slips, snake, snake.replace("_", "-"), name.upper(), f"{name}s"} - {*fields}:
            similar = find_similar(wrong, fields)
            assert name in similar, wrong
            assert all(each[:6] == name[:6] for each in similar), wrong
