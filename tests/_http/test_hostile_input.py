"""A flood made to stall the reader: no pattern may try a text again and again.

Nothing is timed. A pattern of exponential or quadratic cost would need years or hours for these texts, and the shapes
that lead there are looked for in the patterns of the whole package.
"""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Awaitable, Callable, Iterator
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any

import orjson
import pytest
from support.made import new_campaign
from support.raw_server import answers

import campaigns_async
from campaigns_async import CampaignsClient, CampaignsError, Response, RetryPolicy

ONCE = RetryPolicy(attempts=1, base=0.001, cap=0.001)
SIZE = 200_000
LONGEST_HEADER = 8_000
"""aiohttp reads no longer ones."""


def patterns() -> Iterator[tuple[str, re.Pattern[str]]]:
    """Yield the compiled patterns of the package's modules, but for the sandbox's, which tests alone speak to."""
    for found in pkgutil.walk_packages(campaigns_async.__path__, "campaigns_async."):
        # The models' schemas need pydantic, which only the full run installs; they have no pattern.
        if "sandbox" not in found.name and not found.name.endswith(("__main__", "_pydantic_models")):
            for name, value in vars(importlib.import_module(found.name)).items():
                if isinstance(value, re.Pattern):
                    yield f"{found.name}.{name}", value


def children(tree: Any) -> Iterator[tuple[Any, Any]]:
    """Yield the nodes right below a node, through groups and branches."""
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


def has_nested_repeats(tree: Any, inside: bool = False) -> bool:
    """Return True if a repeat without an end is within another one."""
    for code, value in children(tree):
        if "REPEAT" in str(code):
            unbounded = value[1] is parser.MAXREPEAT
            if (inside and unbounded) or has_nested_repeats(value[2], inside or unbounded):
                return True
    return False


def test_the_search_for_has_nested_repeats_finds_them() -> None:
    for bad in (r"(a+)+", r"((a|b)*c)*", r"(?:a*b?)+\Z", r"(x(y(z+))*)*"):
        assert has_nested_repeats(parser.parse(bad)), bad
    for good in (r"a+b*", r"(a{1,9})+", r"(?:a|b)*", r"(?:a+){0,3}"):
        assert not has_nested_repeats(parser.parse(good)), good


def test_no_pattern_repeats_a_repeat() -> None:
    found = dict(patterns())
    assert len(found) >= 10
    assert [name for name, each in found.items() if has_nested_repeats(parser.parse(each.pattern, each.flags))] == []


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
Call = Callable[[CampaignsClient], Awaitable[object]]


def create(client: CampaignsClient) -> Awaitable[object]:
    return client.campaigns.create(new_campaign())


def list_all(client: CampaignsClient) -> Awaitable[object]:
    return client.campaigns.list().collect()


def get(client: CampaignsClient) -> Awaitable[object]:
    return client.campaigns.get("a")


ANSWERS: dict[str, tuple[Callable[[str], Response], Call]] = {
    "id": (lambda text: Response(201, {}, text.encode()), create),
    "quoted id": (lambda text: Response(201, {}, f'"{text}"'.encode()), create),
    "page": (lambda text: Response(200, {}, text.encode()), list_all),
    "status": (lambda text: Response(200, {}, orjson.dumps({"id": "a", "status": text})), get),
    "date": (lambda text: Response(200, {}, orjson.dumps({"id": "a", "startDateTime": text})), get),
    "status in a page": (
        lambda text: Response(200, {}, orjson.dumps({"items": [{"id": "a", "status": text}]})),
        list_all,
    ),
    "problem": (lambda text: Response(400, {}, text.encode()), create),
    "retry-after": (lambda text: Response(503, {"Retry-After": text[:LONGEST_HEADER]}, b""), get),
    "allow": (lambda text: Response(405, {"Allow": text[:LONGEST_HEADER]}, b""), get),
    "request id": (lambda text: Response(500, {"x-request-id": text[:LONGEST_HEADER]}, b""), get),
}


@pytest.mark.parametrize(("made", "call"), ANSWERS.values(), ids=ANSWERS)
@pytest.mark.slow
async def test_a_flood_from_the_server_is_read_or_refused(made: Callable[[str], Response], call: Call) -> None:
    async with answers() as server, CampaignsClient(server.url, "key", retry=ONCE) as client:
        for piece in PIECES:
            for end in ENDS:
                answer = made(piece * (SIZE // len(piece)) + end)
                server.answer(answer.status, answer.headers, answer.body)
                try:
                    await call(client)
                except CampaignsError as error:
                    assert len(str(error)) < 1000


@pytest.mark.slow
@pytest.mark.parametrize("piece", PIECES)
async def test_errors_by_the_thousand_are_read(piece: str) -> None:
    path = piece * (SIZE // len(piece))
    many = {f"{piece}{index}": ["a"] for index in range(20_000)}
    async with answers() as server, CampaignsClient(server.url, "key", retry=ONCE) as client:
        for said in ({path: ["a"]}, {"Contacts[3]": {path: {path: ["a"]}}}, many, [many]):
            server.answer(400, {}, orjson.dumps({"errors": said}))
            with pytest.raises(CampaignsError) as caught:
                await create(client)
            assert len(str(caught.value)) < 1000


def construct_client(base_url: str, key: str) -> None:
    CampaignsClient(base_url, key)


GIVEN: dict[str, Callable[[CampaignsClient, str], Awaitable[object] | None]] = {
    "campaign id": lambda client, text: client.campaigns.get(text),
    "path": lambda client, text: client.request("GET", f"/{text}"),
    "verb": lambda client, text: client.request(text, "/"),
    "filters": lambda client, text: client.campaigns.list(filters=text).collect(),
    "base url": lambda _, text: construct_client(f"http://host/{text}", "key"),
    "host": lambda _, text: construct_client(f"http://{text}", "key"),
    "key": lambda _, text: construct_client("http://host", text),
}


@pytest.mark.parametrize("call", GIVEN.values(), ids=GIVEN)
@pytest.mark.slow
async def test_a_flood_from_the_caller_is_sent_or_refused(
    call: Callable[[CampaignsClient, str], Awaitable[object] | None], unused_tcp_port: int
) -> None:
    async with CampaignsClient(f"http://127.0.0.1:{unused_tcp_port}", "key", retry=ONCE) as client:
        for piece in PIECES:
            for end in ENDS:
                try:
                    made = call(client, piece * (SIZE // len(piece)) + end)
                    if made is not None:
                        await made
                except CampaignsError:
                    pass
