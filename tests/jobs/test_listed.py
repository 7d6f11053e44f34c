"""Campaigns in memory as a plan: what cannot change is checked once."""

from __future__ import annotations

from typing import Any

import pytest
from support.made import new_campaign

from campaigns_async import NewCampaign, NewContact
from campaigns_async.jobs import listed
from campaigns_async.jobs.errors import BadLine, BadLineError
from campaigns_async.jobs.listed import listed_plan
from campaigns_async.jobs.ndjson import check


def test_campaigns_in_memory_are_checked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    checked: list[object] = []

    def counted(given: Any, rules: Any) -> Any:
        checked.append(given["sender"])
        return check(given, rules)

    monkeypatch.setattr(listed, "check", counted)
    twice = [NewContact("07700900100"), NewContact("+44 7700 900100")]
    news = [new_campaign(0), new_campaign(1, contacts=twice), new_campaign(2, size=0)]
    plan = listed_plan([(f"k{index}", new) for index, new in enumerate(news)], duplicates="drop")
    first = [(line.content, line.key) for line in plan.lines() if not isinstance(line, BadLine)]
    assert len(checked) == 3
    again = list(plan.lines())
    assert [(line.content, line.key) for line in again if not isinstance(line, BadLine)] == first
    assert len(checked) == 5, "what is wrong, or not sent as it stands, is looked at again"
    right, shortened, wrong = (line for line in again if not isinstance(line, BadLine))
    assert right.campaign() is news[0]
    assert len(shortened.campaign().contacts) == 1
    with pytest.raises(BadLineError):
        wrong.campaign()


def test_a_class_made_of_campaigns_is_not_taken_at_its_word() -> None:
    class Changing(NewCampaign):
        def __getattribute__(self, name: str) -> Any:
            return next(texts) if name == "message" else super().__getattribute__(name)

    texts = iter(f"Hello {index}" for index in range(100))
    given = new_campaign()
    new = Changing(given.start_date_time, given.sender, given.message, given.contacts)
    plan = listed_plan([("k", new)])
    contents = [line.content for _ in range(2) for line in plan.lines() if not isinstance(line, BadLine)]
    assert contents[0] != contents[1]
