"""Plans in memory: campaigns in a list, or by their keys."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, cast

import attrs
import orjson

from campaigns_async.errors import InvalidArgumentError
from campaigns_async.jobs.errors import BadLine, PlanError
from campaigns_async.jobs.keys import key_fault
from campaigns_async.jobs.lines import CheckedLine, Line, Plan, digest
from campaigns_async.jobs.ndjson import Duplicates, Fault, Row, Rules, Wire, check
from campaigns_async.models import NewCampaign, NewContact
from campaigns_async.wire.codec import encode_model


class _Contents:
    """Digests of the campaigns that were found right and are sent as they are.

    Unlike a file they cannot change: who reads the plan again, to send it, need not check them again.
    """

    def __init__(self, count: int) -> None:
        self._digests = array("q", bytes(8 * count))
        self._known = bytearray(count)

    def add(self, index: int, content: int) -> None:
        self._digests[index] = content
        self._known[index] = 1

    def get(self, index: int) -> int | None:
        return self._digests[index] if self._known[index] else None


class _ListedLine(CheckedLine):
    __slots__ = ("_campaign", "_contents", "_rules")

    def __init__(self, index: int, key: str, campaign: NewCampaign, rules: Rules, contents: _Contents) -> None:
        super().__init__(index, index + 1, key)
        self._campaign = campaign
        self._rules = rules
        self._contents = contents

    @property
    def content(self) -> int:
        known = self._contents.get(self.index)
        if known is not None:
            return known
        content = super().content
        outcome = self._outcome_of()
        if not isinstance(outcome, list) and outcome.kept is None and _is_frozen(self._campaign):
            self._contents.add(self.index, content)
        return content

    def _check(self) -> Row | list[Fault]:
        try:
            body = encode_model(self._campaign)
        except InvalidArgumentError as error:
            return [(None, "", error.message)]
        return check(cast("Wire", orjson.loads(body)), self._rules)

    def _bad_content(self) -> bytes:
        return b""

    def campaign(self) -> NewCampaign:
        if self._contents.get(self.index) is not None:
            return self._campaign
        row = self._row()
        if row.kept is None:
            return self._campaign
        return attrs.evolve(self._campaign, contacts=[self._campaign.contacts[index] for index in row.kept])


def _is_frozen(campaign: NewCampaign) -> bool:
    """Whether it is what it says: a class made of one of ours could be another one the next time."""
    return type(campaign) is NewCampaign and set(map(type, campaign.contacts)) == {NewContact}


@attrs.frozen
class _ListedPlan:
    rows: tuple[tuple[object, NewCampaign], ...] = attrs.field(repr=lambda rows: f"<{len(rows)}>")
    rules: Rules
    positional: bool
    _contents: _Contents = attrs.field(
        init=False, repr=False, eq=False, default=attrs.Factory(lambda plan: _Contents(len(plan.rows)), takes_self=True)
    )

    def options(self) -> Mapping[str, str]:
        if not self.positional:
            return {"plan": "keys"}
        contents = b"".join(
            line.content.to_bytes(8, "big", signed=True) for line in self.lines() if isinstance(line, _ListedLine)
        )
        return {"plan": "positions", "contents": f"{digest(contents):x}"}

    def lines(self, wanted: Callable[[int], bool] | None = None) -> Iterator[Line | BadLine]:
        for index, (key, campaign) in enumerate(self.rows):
            if wanted is not None and not wanted(index):
                continue
            fault = key_fault(key)
            if fault is None and isinstance(key, str):
                yield _ListedLine(index, key, campaign, self.rules, self._contents)
            else:
                yield BadLine(index + 1, "key", fault or "")


def listed_plan(
    rows: Sequence[tuple[str, NewCampaign]] | Sequence[NewCampaign] | Mapping[str, NewCampaign],
    *,
    duplicates: Duplicates = "refuse",
    allow_braces: bool = False,
) -> Plan:
    """A plan in memory; `line 3` of its messages is the third row.

    Args:
        rows: Keys with campaigns; or campaigns alone, whose keys are then their places, from 1.
        duplicates: As for `ndjson_plan`.
        allow_braces: As for `ndjson_plan`.

    Raises:
        InvalidArgumentError: It holds something else, or can be read only once.
        PlanError: It holds no campaign.
        ConfigurationError: An option cannot be.
    """
    rules = Rules(duplicates, allow_braces)
    if isinstance(rows, Mapping):
        given: list[Any] = list(cast("Mapping[Any, Any]", rows).items())
    elif isinstance(rows, Sequence) and not isinstance(rows, (str, bytes, bytearray)):
        given = list(cast("Sequence[Any]", rows))
    else:
        raise InvalidArgumentError(_no_plan(rows))
    if not given:
        raise PlanError("the plan holds no campaign")
    positional = all(isinstance(row, NewCampaign) for row in given)
    if positional:
        given = [(str(place), row) for place, row in enumerate(given, 1)]
    for index, row in enumerate(given):
        if not (
            isinstance(row, (tuple, list)) and len(cast("list[Any]", row)) == 2 and isinstance(row[1], NewCampaign)
        ):
            raise InvalidArgumentError(f"row {index + 1} of the plan must be a pair of a key and a NewCampaign")
    return _ListedPlan(tuple((row[0], row[1]) for row in given), rules, positional)


def _no_plan(given: object) -> str:
    if isinstance(given, Iterator):
        return (
            "a plan is read more than once, and an iterator gives its rows only once: pass a list, or save it to a file"
        )
    if isinstance(given, NewCampaign):
        return "a plan is a list: pass [campaign], or pairs of keys and campaigns"
    return (
        "a plan must be a path, a list of (key, NewCampaign), a mapping of keys to NewCampaign, "
        f"or what ndjson_plan, contacts_plan and listed_plan return, not {type(given).__name__}"
    )
