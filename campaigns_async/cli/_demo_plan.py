"""The plan that the demo carries out: NDJSON, as `send` reads it, of campaigns that can be told apart on a server."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from attrs import field, frozen

from campaigns_async.cli._demo_content import Content, content_of_new, digits
from campaigns_async.jobs.errors import BadLine, BadLineError, PlanError
from campaigns_async.jobs.plan import ndjson_plan
from campaigns_async.models import NewCampaign

SHIPPED: Final = Path(__file__).with_name("demo_plan.ndjson")

_NUMBER: Final = re.compile(r"[0-9]{8,15}")
_SHOWN: Final = 20


@frozen
class PlanRow:
    """A campaign of the plan."""

    line: int
    """From 1."""
    key: str = field(repr=False)
    campaign: NewCampaign
    content: Content = field(repr=False)
    """What tells it from every other row."""


def read_plan(path: Path) -> tuple[PlanRow, ...]:
    """Read and check a plan file. Blank lines are passed over.

    Raises:
        PlanError: Lines are wrong, or there are none, or the file cannot be read.
    """
    rows: list[PlanRow] = []
    bad: list[BadLine] = []
    keys: dict[str, int] = {}
    contents: dict[Content, int] = {}
    for line in ndjson_plan(path, allow_braces=True).lines():
        if isinstance(line, BadLine):
            bad.append(line)
            continue
        number = line.number
        try:
            campaign = line.campaign()
        except BadLineError as error:
            bad += error.bad
            continue
        row = PlanRow(number, line.key, campaign, content_of_new(campaign))
        rows.append(row)
        bad += (BadLine(number, where, reason) for where, reason in _contact_faults(campaign))
        if (first := keys.setdefault(row.key, number)) != number:
            bad.append(BadLine(number, "key", f"stands in line {first} too; each needs one of its own"))
        if (first := contents.setdefault(row.content, number)) != number:
            reason = f"is the same campaign as line {first}: on the server nobody could tell them apart"
            bad.append(BadLine(number, "", reason))
    if bad:
        what = "1 fault" if len(bad) == 1 else f"{len(bad)} faults"
        raise PlanError(f"the plan has {what}", tuple(bad[:_SHOWN]), len(bad))
    return tuple(rows)


def _contact_faults(campaign: NewCampaign) -> Iterator[tuple[str, str]]:
    """What the demo cannot do with contacts that could be sent."""
    for index, contact in enumerate(campaign.contacts):
        if not _NUMBER.fullmatch(digits(contact.phone_number)):
            yield f"contacts[{index}].phoneNumber", "is no phone number, such as 07700900123 or +447700900123"
        if contact.contact_group_id is not None:
            yield f"contacts[{index}].contactGroupId", "is nothing that the demo can compare: leave it out"
