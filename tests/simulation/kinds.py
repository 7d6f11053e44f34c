"""The kinds of worlds: what the server does to campaigns and lists, and what others do beside us.

`SIM_KINDS` names the kinds to draw, or none of them; without it all are drawn.
"""

from __future__ import annotations

import os
from typing import Final

ALTERED: Final = (
    "sender replaced",
    "sender cut",
    "accents lost",
    "text added",
    "text cut",
    "text replaced",
    "number added",
    "numbers masked",
    "people dropped",
    "start null",
    "start moved",
    "start now",
    "link shortened",
)
"""What a server does to a campaign that it stores."""
LISTS: Final = (
    "lagging lists",
    "lagging contacts",
    "stale lists",
    "capped totals",
    "capped pages",
    "refused order",
)
"""What lists show, beside or in place of what is there."""
FOREIGN: Final = (
    "foreign: other people",
    "foreign: few of ours",
    "foreign: half of ours before",
    "foreign: half of ours later",
    "foreign: gone",
)
"""Campaigns that others make, and delete."""
MARKERS: Final = ("marker kept", "marker dropped", "marker not filtered")
"""What a server does to the tokens in the contacts of creates."""
OTHERS: Final = ("late acts", "clock jumps")
JOURNALS: Final = (
    "journal restored",
    "journal without its log",
    "journal doubled",
    "lock file lost",
    "lock file lost in a run",
    "wrong account",
)
"""What people do to a journal between two runs or during one, and a run for another account."""
ALL: Final = (*ALTERED, *LISTS, *FOREIGN, *MARKERS, *OTHERS, *JOURNALS)


def _read_switch() -> frozenset[str]:
    text = os.environ.get("SIM_KINDS")
    return frozenset(ALL if text is None else filter(None, text.split(",")))


DRAWN: Final = _read_switch()
"""The kinds that are drawn."""
