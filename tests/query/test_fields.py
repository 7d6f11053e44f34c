"""Fields and expressions: what is sent, and what is refused before it is."""

from __future__ import annotations

import copy
import datetime as dt
import pickle
import subprocess
import sys
from collections.abc import Callable
from enum import IntEnum, StrEnum
from typing import Any
from zoneinfo import ZoneInfo

import attrs
import pytest
from hypothesis import given, strategies as st
from support.made import START

from campaigns_async import query
from campaigns_async._field_rules import camel
from campaigns_async.errors import CampaignsError, QueryError
from campaigns_async.models import Campaign, CampaignStatus, Contact
from campaigns_async.query import _syntax
from campaigns_async.query._conditions import NEGATED, OPPOSITES
from campaigns_async.query._fields import columns_of

C: Any = query.campaign
K: Any = query.contact
SECRET = "07700900123 Ann"


class Sender(StrEnum):
    GOLF = "Golf"


class Other(IntEnum):
    ONE = 1


class Broken(dt.tzinfo):
    def utcoffset(self, when: dt.datetime | None) -> dt.timedelta:
        raise RuntimeError(SECRET)


class TestWhatIsSent:
    @pytest.mark.parametrize(
        ("expression", "text"),
        [
            (C.sender == "Golf", "sender==Golf"),
            (C.sender != "Golf", "sender!=Golf"),
            (C.sender == "", "sender=="),
            (C.sender == Sender.GOLF, "sender==Golf"),
            (C.message.contains("sale, 20% off", ignore_case=True), "message@=*sale\\, 20% off"),
            (C.message.startswith("*"), "message_= *"),
            (C.message.endswith("d"), "message_-=d"),
            (C.sender.equals("golf", ignore_case=True), "sender==*golf"),
            (C.sender.equals("null", ignore_case=True), "sender==*\\null"),
            (C.message.contains("null"), "message@=null"),
            (C.id.in_("a", "b|c"), "id==a|b\\|c"),
            (C.id.in_("a", None, ""), "id==a|null|"),
            (C.track_link_url.is_null(), "trackLinkUrl==null"),
            (C.track_link_url == None, "trackLinkUrl==null"),  # noqa: E711
            (C.track_link_url != None, "trackLinkUrl!=null"),  # noqa: E711
            (C.opt_out_link_id.is_null(), "optOutLinkId==null"),
            (C.opt_out_link_id.in_(1, None), "optOutLinkId==1|null"),
            (C.opt_out_link_id < -1, "optOutLinkId<-1"),
            (C.recipient_count >= 100, "recipientCount>=100"),
            (C.recipient_count < 100, "recipientCount<100"),
            (C.recipient_count.in_(7, 12), "recipientCount==7|12"),
            (C.recipient_count == 2**31 - 1, "recipientCount==2147483647"),
            (C.status == CampaignStatus.PAUSED, "status==3"),
            (C.status != 42, "status!=42"),
            (C.status.in_(CampaignStatus.PENDING, CampaignStatus(9)), "status==0|9"),
            (C.start_date_time > START, "startDateTime>2031-05-01T09:30:00"),
            (C.start_date_time <= START.replace(microsecond=120_000), "startDateTime<=2031-05-01T09:30:00.12"),
            (C.start_date_time == START.replace(microsecond=1), "startDateTime==2031-05-01T09:30:00.000001"),
            (C.start_date_time < dt.datetime(987, 1, 1, tzinfo=dt.UTC), "startDateTime<0987-01-01T00:00:00"),
            (
                C.start_date_time < dt.datetime(2031, 7, 1, 0, 30, tzinfo=ZoneInfo("Europe/London")),
                "startDateTime<2031-06-30T23:30:00",
            ),
            (K.phone_number.startswith("+44"), "phoneNumber_=+44"),
            (query.any_of(K.name, K.custom1) == "a)b", "name|custom1==a)b"),
            (query.any_of(K.name, K.name).contains("x"), "name@=x"),
            ((C.sender == "a") & (C.status == 5) & (C.message != "b"), "sender==a,status==5,message!=b"),
        ],
        ids=str,
    )
    def test_an_expression_is_this_text(self, expression: query.Expression, text: str) -> None:
        assert str(expression) == text

    @pytest.mark.parametrize(
        ("expression", "text"),
        [
            (~(C.sender == "Golf"), "sender!=Golf"),
            (~(C.sender != "Golf"), "sender==Golf"),
            (~C.sender.equals("Golf", ignore_case=True), "sender!=*Golf"),
            (~C.sender.is_null(), "sender!=null"),
            (~K.name.startswith("A"), "name!_=A"),
            (~K.name.endswith("A", ignore_case=True), "name!_-=*A"),
            (~K.name.contains("A"), "name!@=A"),
            (~(C.recipient_count < 5), "recipientCount>=5"),
            (~(C.recipient_count >= 5), "recipientCount<5"),
            (~(C.recipient_count > 5), "recipientCount<=5"),
            (~C.sender.in_("a", "b"), "sender!=a,sender!=b"),
            (~~C.sender.in_("a", "b"), "sender==a|b"),
            (~(query.any_of(K.name, K.custom1) == "x"), "name!=x,custom1!=x"),
            (~~(query.any_of(K.name, K.custom1) == "x"), "name|custom1==x"),
            (~~query.any_of(K.name, K.custom1).in_("x", "y"), "name|custom1==x|y"),
            (~(query.any_of(K.name, K.custom1) != "x"), "name==x,custom1==x"),
        ],
        ids=str,
    )
    def test_a_negation_is_this_text(self, expression: query.Expression, text: str) -> None:
        assert str(expression) == text

    def test_conditions_that_would_be_parsed_otherwise_together_are_refused(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        expression = (C.sender == "a") & (C.message == "b")
        right = _syntax.parse
        monkeypatch.setattr(_syntax, "parse", lambda text: right(text)[:1])

        with pytest.raises(QueryError, match="cannot express these conditions together"):
            str(expression)

    def test_each_operator_has_one_opposite(self) -> None:
        assert {OPPOSITES[OPPOSITES[operator]] == operator for operator in OPPOSITES} == {True}
        assert len(NEGATED) == 8

    @pytest.mark.parametrize(("sort", "text"), [(C.id.asc(), "id"), (C.start_date_time.desc(), "-startDateTime")])
    def test_a_sort_is_this_text(self, sort: query.Sort, text: str) -> None:
        assert str(sort) == text

    @given(st.datetimes(timezones=st.timezones() | st.just(dt.UTC), allow_imaginary=False))
    def test_a_date_is_the_same_moment_in_utc(self, moment: dt.datetime) -> None:
        try:
            text = str(C.start_date_time == moment).removeprefix("startDateTime==")
        except QueryError as error:
            assert "out of range" in str(error)
            return

        assert dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC) == moment.astimezone(dt.UTC)
        assert not text.endswith("Z")
        assert "." not in text or not text.endswith("0")


class TestNames:
    @pytest.mark.parametrize(("fields", "model"), [(C, Campaign), (K, Contact)])
    def test_the_fields_are_those_of_the_model_by_the_server_s_names(self, fields: Any, model: Any) -> None:
        names = [attribute.name for attribute in attrs.fields(model)]

        assert [name for name in dir(fields) if not name.startswith("_")] == sorted(names)
        assert [getattr(fields, name).asc().column.wire for name in names] == [camel(name) for name in names]
        assert [getattr(fields, name).asc().column.name for name in names] == names
        assert list(columns_of(model)) == [camel(name).lower() for name in names]

    def test_an_unknown_field_is_an_attribute_error(self) -> None:
        with pytest.raises(AttributeError, match="bogus"):
            C.bogus

    def test_a_field_cannot_be_replaced(self) -> None:
        with pytest.raises(AttributeError):
            C.sender = C.message
        with pytest.raises(AttributeError):
            C.sender.columns = ()


class TestMisuse:
    @pytest.mark.parametrize(
        ("made", "reason"),
        [
            (lambda: C.sender == 5, "sender ==: the value must be text"),
            (lambda: C.sender == b"x", "must be text"),
            (lambda: C.sender == "\ud800", "contains a lone surrogate"),
            (lambda: C.sender == f" {SECRET}", "blanks at its beginning or end"),
            (lambda: C.sender == f"{SECRET}\u3000", "blanks at its beginning or end"),
            (lambda: C.sender.contains("\\null"), "the text null"),
            (lambda: C.sender == f"{SECRET}\\<a<b<c", "a backslash before an operator"),
            (lambda: C.sender.contains(None), "is_null"),
            (lambda: C.sender.contains("x", ignore_case=1), "ignore_case must be a bool"),
            (lambda: C.sender.in_(), "at least one value"),
            (lambda: C.sender.in_(["a"]), "must be text"),
            (lambda: C.sender.in_("a", f"{SECRET} "), "blanks"),
            (lambda: ~K.name.in_("x", f" {SECRET} ", "y"), "blanks"),
            (lambda: C.sender == C.message, "cannot compare two fields"),
            (lambda: C.sender < "a", "text has no < and >"),
            (lambda: C.sender >= "a", "text has no < and >"),
            (lambda: C.sender > "a", "text has no < and >"),
            (lambda: C.status > CampaignStatus.PAUSED, "a status has no < and >"),
            (lambda: C.status == "Paused", r"must be a CampaignStatus, such as CampaignStatus\.PENDING"),
            (lambda: C.status == Other.ONE, "must be a CampaignStatus, not Other"),
            (lambda: C.status == True, "must be a CampaignStatus"),  # noqa: E712
            (lambda: C.status == 2**31, "32 bits"),
            (lambda: C.status == None, "never null"),  # noqa: E711
            (lambda: C.recipient_count == "100", "must be a whole number"),
            (lambda: C.recipient_count == 1.0, "must be a whole number"),
            (lambda: C.recipient_count == True, "not bool"),  # noqa: E712
            (lambda: C.recipient_count > 2**31, "32 bits"),
            (lambda: C.recipient_count == None, "never null"),  # noqa: E711
            (lambda: C.recipient_count.in_(1, None), "never null"),
            (lambda: C.opt_out_link_id > None, "must be a whole number"),
            (lambda: C.start_date_time == dt.datetime(2031, 5, 1), "no time zone"),
            (lambda: C.start_date_time == START.date(), "must be a datetime, not date"),
            (lambda: C.start_date_time == "2031-05-01", "must be a datetime, not str"),
            (lambda: C.start_date_time == START.replace(tzinfo=Broken()), "a time zone that fails"),
            (lambda: C.start_date_time == dt.datetime.max.replace(tzinfo=dt.timezone(-dt.timedelta(hours=1))), "range"),
            (lambda: C.start_date_time.contains("2031"), "has no contains"),
            (lambda: C.recipient_count.startswith("1"), "has no startswith"),
            (lambda: C.recipient_count.is_null(), "has no is_null"),
            (lambda: C.status.equals(1), "has no equals"),
            (lambda: query.any_of(K.name, K.custom1).desc(), "has no desc"),
            (lambda: query.any_of(), "one or more text fields"),
            (lambda: query.any_of("name"), "one or more text fields"),
            (lambda: query.any_of(C.status), "one or more text fields"),
            (lambda: query.any_of(C.sender, K.name), "not of both"),
            (lambda: (C.sender == "a") & (K.name == "b"), "one on Contact"),
            (lambda: (C.sender == "a") & "b==c", "between a condition and str"),
            (lambda: "b==c" & (C.sender == "a"), "between a condition and str"),
            (lambda: (C.sender == "a") & True, "brackets around each comparison"),
            (lambda: C.sender == "a" & C.message == "b", "brackets around each comparison"),
            (lambda: C.sender == "a" | C.message == "b", "brackets around each comparison"),
            (lambda: (C.sender == "a") | (C.sender == "b"), "there is no |"),
            (lambda: "a" | (C.sender == "b"), "there is no |"),
            (lambda: (C.sender == "a") and (C.sender == "b"), "write & rather than `and`"),
            (lambda: not (C.sender == "a"), "~ rather than"),
            (lambda: 1 < C.recipient_count < 5, "chained comparison"),
            (lambda: "a" in [C.sender], "`in`"),
            (lambda: ~((C.sender == "a") & (C.message == "b")), "an OR between them"),
            (lambda: ~((C.sender == "a") & (C.sender != "b")), "an OR between them"),
            (lambda: ~((query.any_of(K.name, K.custom1) == "a") & (K.name == "b")), "an OR between them"),
            (
                lambda: ~(query.any_of(K.name, K.id).in_("a") & query.any_of(K.name, K.id).in_("b")),
                "an OR between them",
            ),
            (lambda: ~((K.name == "a") & (K.custom1 == "b")), "an OR between them"),
            (lambda: query.Expression(()), "needs a condition"),
            (lambda: query.raw(5), "takes text"),
        ],
    )
    def test_is_one_error_that_says_why(self, made: Callable[[], object], reason: str) -> None:
        with pytest.raises(QueryError, match=reason) as raised:
            made()

        assert isinstance(raised.value, (CampaignsError, ValueError))
        assert SECRET not in str(raised.value)
        assert raised.value.__cause__ is None
        assert raised.value.__context__ is None or raised.value.__suppress_context__

    def test_an_operator_that_is_not_there_can_be_asked_for(self) -> None:
        assert not hasattr(C.recipient_count, "contains")
        assert not hasattr(C.recipient_count, "bogus")
        assert hasattr(C.sender, "contains")


class TestValuesOfPython:
    def test_a_repr_hides_values(self) -> None:
        expression = (K.name == SECRET) & K.phone_number.in_(SECRET, None)

        assert repr(expression) == "<Expression on Contact: name ==, phoneNumber ==>"
        assert SECRET not in repr(expression.conditions)
        assert SECRET not in repr(query.raw(f"name=={SECRET}"))
        assert repr(K.name) == "<TextField name>"
        assert repr(K.name.desc()) == "Sort(column=name, descending=True)"

    def test_expressions_are_values(self) -> None:
        one, same, other = K.name == "a", K.name == "a", K.name == "b"

        assert (one == same) is True
        assert (one == other) is False
        assert len({one, same, other}) == 2
        assert hash(K.name) == hash(query.contact.name)

    @pytest.mark.parametrize("value", [(C.sender == "a") & (C.status == 5), C.id.desc(), query.raw("x==y")], ids=str)
    def test_they_pickle_and_copy(self, value: object) -> None:
        assert pickle.loads(pickle.dumps(value)) == value
        assert copy.deepcopy(value) == value

    def test_fields_pickle(self) -> None:
        assert str(pickle.loads(pickle.dumps(C.sender)) == "a") == "sender==a"
        assert str(copy.copy(C.sender) == "a") == "sender==a"

    def test_raw_is_its_text(self) -> None:
        assert str(query.raw("anything at all,")) == "anything at all,"

    def test_importing_it_does_not_import_the_client(self) -> None:
        code = "import sys, campaigns_async.query; print([m for m in ('aiohttp', 'cattrs', 'tenacity') if m in sys.modules])"
        said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout

        assert said == "[]\n"
