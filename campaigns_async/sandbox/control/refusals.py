"""What the control answers, and how it refuses: what is wrong, where, and what to do."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

import orjson

from ..answers import JSON, Answer

_PROBLEM: Final = "application/problem+json; charset=utf-8"
# Never any CORS headers: no other origin is to read an answer.
_HEADERS: Final[Mapping[str, str]] = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}


class Refused(Exception):
    """A request that is not carried out.

    Args:
        status: 400 to 499.
        what: What is wrong.
        where: Where in the request: ``path``, ``header Origin``, ``query limit``, ``body``.
        to_do: What to send instead.
        headers: Of the answer.
    """

    def __init__(
        self, status: int, what: str, *, where: str, to_do: str, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(what)
        self.answer: Final = Answer(
            status,
            orjson.dumps(
                {
                    "title": HTTPStatus(status).phrase,
                    "status": status,
                    "detail": what,
                    "where": where,
                    "do": to_do,
                }
            ),
            _PROBLEM,
            {**_HEADERS, **(headers or {})},
        )


def told(value: Any, status: int = 200) -> Answer:
    """An answer of JSON."""
    return Answer(status, orjson.dumps(value), JSON, _HEADERS)
