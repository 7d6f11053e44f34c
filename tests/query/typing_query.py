"""Typing examples of filters and sorts. Never run: mypy and pyright check them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Never, assert_type

from campaigns_async import query
from campaigns_async.models import Campaign, CampaignStatus, Contact
from campaigns_async.query._fields import TextConditions
from campaigns_async.query._parse import CompiledFilter, compile_filter, compile_sorts

START = dt.datetime(2031, 5, 1, 9, 30, tzinfo=dt.UTC)


def conditions() -> None:
    assert_type(query.campaign.sender == "Golf", query.Expression)
    assert_type(query.campaign.sender != None, query.Expression)  # noqa: E711
    assert_type(query.campaign.id.in_("a", "b", None), query.Expression)
    assert_type(query.campaign.message.contains("sale", ignore_case=True), query.Expression)
    assert_type(query.campaign.message.equals("sale"), query.Expression)
    assert_type(query.campaign.recipient_count >= 100, query.Expression)
    assert_type(query.campaign.recipient_count >= 100, query.Expression)
    assert_type(query.campaign.opt_out_link_id.is_null(), query.Expression)
    assert_type(query.campaign.opt_out_link_id == None, query.Expression)  # noqa: E711
    assert_type(query.campaign.status == CampaignStatus.PAUSED, query.Expression)
    assert_type(query.campaign.status.in_(CampaignStatus.PAUSED, 42), query.Expression)
    assert_type(query.campaign.start_date_time < START, query.Expression)
    assert_type(~query.contact.name.startswith("A"), query.Expression)
    assert_type((query.contact.name == "Ann") & (query.contact.custom1 == "x"), query.Expression)
    assert_type(query.any_of(query.contact.name, query.contact.custom1), TextConditions)
    assert_type(query.any_of(query.contact.name) == "Ann", query.Expression)
    assert_type(str(query.contact.name == "Ann"), str)


def orders() -> None:
    assert_type(query.campaign.start_date_time.desc(), query.Sort)
    assert_type(query.campaign.id.asc(), query.Sort)


def ready() -> None:
    assert_type(compile_filter(query.campaign.sender == "Golf", Campaign), CompiledFilter[Campaign])
    assert_type(compile_filter("name==Ann", Contact).contradicts, Callable[[Contact], bool] | None)
    assert_type(compile_filter(query.raw("name==Ann"), Contact).text, str | None)
    assert_type(compile_sorts([query.campaign.id.asc(), "-sender"], Campaign), str | None)


def refuse() -> None:
    query.campaign.sender.contains(5)  # type: ignore[arg-type]
    query.campaign.sender.in_(5)  # type: ignore[arg-type]
    query.campaign.recipient_count > "100"  # type: ignore[operator]
    query.campaign.opt_out_link_id < None  # type: ignore[operator]
    query.campaign.start_date_time > 2031  # type: ignore[operator]
    query.campaign.recipient_count.contains("1")  # type: ignore[attr-defined]
    query.campaign.recipient_count.is_null()  # type: ignore[attr-defined]
    query.any_of(query.contact.name).asc()  # type: ignore[attr-defined]
    query.any_of(query.campaign.status)  # type: ignore[arg-type]
    query.campaign.bogus  # type: ignore[attr-defined]
    compile_filter(5, Campaign)  # type: ignore[arg-type]


def never() -> None:
    assert_type(query.campaign.sender < "Golf", Never)


def never_either() -> None:
    assert_type((query.contact.name == "Ann") | (query.contact.name == "Bob"), Never)
