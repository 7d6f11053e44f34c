"""Plans as tests look at them: each line with what would be sent."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
from attrs import frozen

from campaigns_async import NewCampaign
from campaigns_async.jobs import BadLine, Line, Plan
from campaigns_async.jobs.plans import PlanRow, decode_campaign, digest


@frozen
class Read:
    """A line that was read."""

    line: Line
    row: PlanRow

    @property
    def number(self) -> int:
        return self.line.number

    @property
    def key(self) -> str:
        return self.row.key

    @property
    def content(self) -> int:
        return digest(self.row.body)

    @property
    def dropped(self) -> int:
        return len(self.row.dropped)

    @property
    def campaign(self) -> NewCampaign:
        return decode_campaign(self.row.body)

    @property
    def wire(self) -> bytes:
        """The campaign and its key as a line of NDJSON."""
        return msgspec.json.encode({"key": self.key, **msgspec.json.decode(self.row.body)}) + b"\n"

    def locate(self, contact: int) -> tuple[int, str]:
        return self.line.locate(contact)


def read(lines: Iterable[Line | BadLine]) -> list[Read]:
    """Read the lines, none of which is bad."""
    found: list[Read] = []
    for line in lines:
        assert not isinstance(line, BadLine), line
        found.append(Read(line, line.read()))
    return found


def lines_of(plan: Plan) -> list[Read]:
    """Read the plan's lines, none of which is bad."""
    return read(plan.lines())
