"""The guide's table of effects says what the code decides."""

from __future__ import annotations

import itertools
import re

import pytest

from campaigns_async.effects import BodyForm, classify_attempt
from campaigns_async.values import Operation
from guides.blocks import table

OPERATIONS = {
    "create": [Operation.CREATE],
    "update, delete": [Operation.UPDATE, Operation.DELETE],
    "raw": [Operation.RAW_SEND, Operation.RAW_REPLACE],
}
ENDS = {
    "none, not sent": {"sent": False},
    "none, misconfigured": {"sent": False, "misconfigured": True},
    "none, sent": {"sent": True},
}


@pytest.mark.parametrize("row", table("request"), ids=lambda row: " ".join(row[:3]))
def test_each_line_is_what_the_code_decides(row: list[str]) -> None:
    request, responses, bodies, effect, then = row
    forms = [BodyForm[name] for name in re.findall("`([A-Z_]+)`", bodies)] or list(BodyForm)
    for operation, met, form in itertools.product(OPERATIONS[request], re.findall("`(.+?)`", responses), forms):
        if met in ENDS:
            outcome = classify_attempt(operation, None, form, **ENDS[met])
        else:
            outcome = classify_attempt(operation, int(met), form)
        assert outcome.effect.name == effect.strip("`"), (operation, met, form)
        assert outcome.read_back == then.startswith("read back"), (operation, met, form)
        assert outcome.retryable == then.startswith("sent again"), (operation, met, form)
        assert outcome.renew_key == ("once with another key" in then), (operation, met, form)
