"""Plans: campaigns with keys, out of a file of NDJSON, a CSV of contacts, or the memory."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias, cast

import attrs
import orjson

from campaigns_async import checks
from campaigns_async.jobs.contacts import contacts_plan
from campaigns_async.jobs.errors import BadLine, PlanError
from campaigns_async.jobs.keys import key_fault
from campaigns_async.jobs.lines import LONGEST_LINE, CheckedLine, Line, Plan, head_of, named, opened, raw_lines
from campaigns_async.jobs.listed import listed_plan
from campaigns_async.jobs.ndjson import Duplicates, Fault, Row, Rules, Wire, check, no_json
from campaigns_async.models import NewCampaign

__all__ = ["AnyPlan", "BadLine", "Line", "Plan", "as_plan", "contacts_plan", "listed_plan", "ndjson_plan"]


AnyPlan: TypeAlias = (
    str | Path | Plan | Sequence[tuple[str, NewCampaign]] | Sequence[NewCampaign] | Mapping[str, NewCampaign]
)
"""What `as_plan` takes."""


class _NdjsonLine(CheckedLine):
    __slots__ = ("_given", "_raw", "_rules")

    def __init__(self, index: int, number: int, key: str, given: Wire, raw: bytes, rules: Rules) -> None:
        super().__init__(index, number, key)
        self._given = given
        self._raw = raw
        self._rules = rules

    def _check(self) -> Row | list[Fault]:
        given = self._given
        outcome = check(given, self._rules)
        if isinstance(outcome, Row):
            people: list[Wire] = given["contacts"]
            texts = sum(map(len, people))
            if outcome.wire["contacts"] is not people:  # else all that contacts hold is text
                texts -= sum(value is None for person in people for value in person.values())
            texts += sum([type(value) is str for value in given.values()])
            if _has_a_name_twice(self._raw, 2 * (sum(map(len, people)) + len(given) + texts)):
                return [
                    (None, "", "has a name twice in one object, and only one of its values could be sent: keep one")
                ]
        return outcome

    def _bad_content(self) -> bytes:
        return self._raw


def _has_a_name_twice(raw: bytes, quotes: int) -> bool:
    """Whether an object names a field twice: the reader took the last, and another may take the first.

    Args:
        raw: The line.
        quotes: Around all names and texts that were read; where the line has more, it had more of those.
    """
    if b"\\\\" not in raw and raw.count(b'"') - raw.count(b'\\"') == quotes:
        return False
    return _read_slowly(raw)


def _read_slowly(raw: bytes) -> bool:
    twice = False

    def held(pairs: list[tuple[str, object]]) -> None:
        nonlocal twice
        twice = twice or len(dict(pairs)) != len(pairs)

    try:
        json.loads(raw.decode(), object_pairs_hook=held)
    except RecursionError:
        return True  # what lies so deep is not what was read
    return twice


@attrs.frozen
class _NdjsonPlan:
    path: Path
    rules: Rules
    longest: int
    positional: bool = False

    def __attrs_post_init__(self) -> None:
        checks.check_int("max_line", self.longest, ge=1)
        self._look_at_the_head()

    def _look_at_the_head(self) -> None:
        head = head_of(self.path)
        first = head.split(b"\n", 1)[0].rstrip()
        if head.startswith(b"["):
            raise PlanError(f"{named(self.path)} is a JSON array: write one object a line, as jq -c '.[]' does")
        if first == b"{":
            raise PlanError(
                f"{named(self.path)} holds an object over several lines: write one object a line, as jq -c does"
            )
        if b"phoneNumber" in first and not first.startswith(b"{"):
            raise PlanError(
                f"{named(self.path)} is a CSV of contacts: give it to contacts_plan (--contacts), with a message"
            )

    def options(self) -> Mapping[str, str]:
        return {"plan": "keys"}

    def lines(self, wanted: Callable[[int], bool] | None = None) -> Iterator[Line | BadLine]:
        self._look_at_the_head()
        index = -1
        with opened(self.path) as file:
            for number, raw in raw_lines(file, self.longest):
                if raw is not None and (not raw or raw.isspace()):
                    continue
                index += 1
                if wanted is None or wanted(index):
                    yield self._line(index, number, raw)
        if index < 0:
            raise PlanError(f"{named(self.path)} holds no campaign: it takes one JSON object a line")

    def _line(self, index: int, number: int, raw: bytes | None) -> Line | BadLine:
        if raw is None:
            return BadLine(number, "", f"is longer than {self.longest:,} bytes: split the campaign into several")
        try:
            given: object = orjson.loads(raw)
        except orjson.JSONDecodeError as error:
            return BadLine(number, "", no_json(raw, error.pos))
        if not isinstance(given, dict):
            kind = "an array" if isinstance(given, list) else "a single value"
            return BadLine(number, "", f"is {kind}, and no JSON object: a campaign stands in braces, with its names")
        fields = cast("Wire", given)
        key: object = fields.get("key")
        fault = key_fault(key)
        if fault is not None or not isinstance(key, str):
            return BadLine(number, "key", fault or "")
        return _NdjsonLine(index, number, key, fields, raw, self.rules)


def ndjson_plan(
    path: str | Path, *, duplicates: Duplicates = "refuse", allow_braces: bool = False, max_line: int = LONGEST_LINE
) -> Plan:
    """A plan in a file of NDJSON: one campaign a line, with the wire's names and a `key` of the user's.

    Args:
        path: Of a file in UTF-8. Blank lines are passed over.
        duplicates: What becomes of a campaign with a number twice: refused, kept, or the later ones dropped.
        allow_braces: Take messages with { and }, which are sent as they stand.
        max_line: The longest line, in bytes.

    Raises:
        PlanError: The file cannot be read, or is plainly no NDJSON.
        ConfigurationError: An option cannot be.
    """
    return _NdjsonPlan(Path(path), Rules(duplicates, allow_braces), max_line)


def as_plan(plan: AnyPlan) -> Plan:
    """The plan that is meant.

    Args:
        plan: A plan; the path of an NDJSON file; or campaigns in memory, as `listed_plan` takes them.

    Raises:
        InvalidArgumentError: It is something else, or can be read only once.
        PlanError: It cannot be read, or holds no campaign.
    """
    if isinstance(plan, (str, Path)):
        return ndjson_plan(plan)
    if isinstance(plan, Plan):
        return plan
    return listed_plan(cast("Any", plan))
