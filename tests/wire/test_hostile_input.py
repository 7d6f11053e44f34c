"""A flood made to stall the reader: no pattern may try a text again and again.

Nothing is timed. A pattern of exponential or quadratic cost would need years or hours for these texts, and
the shapes that lead there are looked for in the patterns themselves.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from re import _parser as parser  # type: ignore[attr-defined]
from types import ModuleType
from typing import Any

import orjson
import pytest

from campaigns_async import CampaignsError, Operation, Response, checks
from campaigns_async.wire import (
    campaign_rules,
    codec,
    messages,
    naming,
    problems,
    requests,
    responses,
)
from campaigns_async.wire.messages import Request

MODULES: list[ModuleType] = [campaign_rules, checks, codec, messages, naming, problems, requests, responses]
PATTERNS = {
    f"{module.__name__}.{name}": value
    for module in MODULES
    for name, value in vars(module).items()
    if isinstance(value, re.Pattern)
}
SIZE = 200_000
NOW = datetime(2024, 1, 1, tzinfo=UTC)
REQUEST = Request(Operation.CREATE, "POST", "/api/Campaigns")


def children(tree: Any) -> Iterator[tuple[Any, Any]]:
    """The nodes right below one, through groups and branches."""
    for code, value in tree:
        name = str(code)
        if name == "SUBPATTERN":
            yield from children(value[-1])
        elif name == "BRANCH":
            for branch in value[1]:
                yield from children(branch)
        elif name in ("ASSERT", "ASSERT_NOT"):
            yield from children(value[1])
        else:
            yield code, value


def nested_repeats(tree: Any, inside: bool = False) -> bool:
    """Whether a repeat without an end lies within another."""
    for code, value in children(tree):
        if "REPEAT" in str(code):
            unbounded = value[1] is parser.MAXREPEAT
            if (inside and unbounded) or nested_repeats(value[2], inside or unbounded):
                return True
    return False


def test_the_search_for_nested_repeats_finds_them() -> None:
    for bad in (r"(a+)+", r"((a|b)*c)*", r"(?:a*b?)+\Z", r"(x(y(z+))*)*"):
        assert nested_repeats(parser.parse(bad)), bad
    for good in (r"a+b*", r"(a{1,9})+", r"(?:a|b)*", r"(?:a+){0,3}"):
        assert not nested_repeats(parser.parse(good)), good


def test_there_are_patterns_to_look_at() -> None:
    assert len(PATTERNS) >= 10


@pytest.mark.parametrize("pattern", PATTERNS.values(), ids=PATTERNS)
def test_no_pattern_repeats_a_repeat(pattern: re.Pattern[str]) -> None:
    assert not nested_repeats(parser.parse(pattern.pattern, pattern.flags))


PIECES = [
    "a",
    "0",
    "_",
    "-",
    ".",
    "%",
    "%2",
    "%2e",
    "/",
    "/.",
    "[",
    '"',
    "\\",
    " ",
    "contacts[",
    "contacts[1",
    ".contacts[",
    "$.",
    "custom",
    "1.",
    "_a",
    "{",
    "é",
    ",",
    ": ",
    "+",
]
ENDS = ["", "\x00"]
READERS: dict[str, Callable[[str], object]] = {
    "id": lambda text: responses.created_id(Response(201, {}, text.encode())),
    "quoted id": lambda text: responses.created_id(Response(201, {}, f'"{text}"'.encode())),
    "page": lambda text: responses.campaigns(Response(200, {}, text.encode())),
    "status": lambda text: codec.read_model({"id": "a", "status": text}, codec.Campaign),
    "date": lambda text: codec.read_model({"id": "a", "startDateTime": text}, codec.Campaign),
    "problem": lambda text: str(problems.error(REQUEST, Response(400, {}, text.encode()), now=NOW)),
    "retry-after": lambda text: problems.retry_after(Response(503, {"Retry-After": text}, b""), now=NOW),
    "allow": lambda text: str(problems.error(REQUEST, Response(405, {"Allow": text}, b""), now=NOW)),
    "request id": lambda text: problems.request_id(Response(500, {"x-request-id": text}, b""), None),
    "campaign id": requests.get,
    "campaign id by post": lambda text: requests.delete(text, "POST"),
    "raw path": lambda text: requests.raw("GET", f"/{text}"),
    "raw verb": lambda text: requests.raw(text, "/"),
    "base url": lambda text: checks.check_base_url("base_url", f"https://host/{text}"),
    "host": lambda text: checks.check_base_url("base_url", f"https://{text}"),
    "key": lambda text: checks.check_api_key("api_key", text),
}


@pytest.mark.parametrize("read", READERS.values(), ids=READERS)
def test_a_flood_of_anything_is_read_or_refused(read: Callable[[str], object]) -> None:
    for piece in PIECES:
        for end in ENDS:
            try:
                read(piece * (SIZE // len(piece)) + end)
            except CampaignsError as error:
                assert len(str(error)) < 1000


@pytest.mark.parametrize("piece", PIECES)
def test_errors_by_the_thousand_are_read(piece: str) -> None:
    path = piece * (SIZE // len(piece))
    many = {f"{piece}{index}": ["a"] for index in range(20_000)}
    for said in ({path: ["a"]}, {"Contacts[3]": {path: {path: ["a"]}}}, many, [many]):
        error = problems.error(REQUEST, Response(400, {}, orjson.dumps({"errors": said})), now=NOW)
        assert len(str(error)) < 1000
