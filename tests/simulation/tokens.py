"""Tokens of creates in their contacts, and what a server does to them."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping
from typing import Any, Final

from attrs import frozen

from campaigns_async.settings import MarkerField
from simulation import kinds

_TOKEN: Final = re.compile(rb',"custom[12]":"[0-9a-f]{16,20}"')
_FILTER: Final = re.compile("filters=[^&]*custom[12][^&]*")
_SHARE: Final = 0.15


@frozen
class Marking:
    """The marker of a world.

    Attributes:
        field: The client's setting.
        kind: One of `kinds.MARKERS`; None without a marker.
    """

    field: MarkerField | None = None
    kind: str | None = None

    @property
    def is_shown(self) -> bool:
        """True if the server shows all that it is sent."""
        return self.kind != "marker dropped"

    @property
    def decides(self) -> bool:
        """True if the server shows the tokens."""
        return self.kind in ("marker kept", "marker not filtered")

    def store(self, contact: Mapping[str, Any]) -> dict[str, Any]:
        """Return a contact as the server stores it."""
        return {**contact} if self.kind != "marker dropped" else {**contact, "custom1": None, "custom2": None}

    def rewrite(self, query: str) -> str:
        """Return the query that the server understands."""
        return _FILTER.sub("", query) if self.kind == "marker not filtered" else query


NO_MARKER: Final = Marking()


def draw_marking(dice: random.Random) -> Marking:
    """Draw the marker of a seed, or none."""
    drawn = [kind for kind in kinds.MARKERS if kind in kinds.DRAWN]
    if not drawn or dice.random() >= _SHARE:
        return NO_MARKER
    fields: tuple[MarkerField, ...] = ("custom1", "custom2")
    return Marking(dice.choice(fields), dice.choice(drawn))


def strip_tokens(body: bytes) -> bytes:
    """Return the body of a create without its token: the content that its create was given."""
    return _TOKEN.sub(b"", body)
