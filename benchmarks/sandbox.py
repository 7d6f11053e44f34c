"""`python -m benchmarks.sandbox`: the speed at which the sandbox filters campaigns and creates new ones on one core.

The sandbox runs in a process of its own, pinned to one core. The client is pinned to another one, and writes bare HTTP
to connections that stay open, so that the sandbox is the bottleneck.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any, TypeAlias
from urllib.parse import quote, urlsplit

import msgspec
from attrs import frozen

from campaigns_async.sandbox import Sandbox
from campaigns_async.sandbox._rows import CAMPAIGN_COLUMNS, Row
from campaigns_async.sandbox._sieve import find

Stream: TypeAlias = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Measured: TypeAlias = tuple[str | int | float, ...]
Way: TypeAlias = tuple[Callable[[str, str], Awaitable[int]], Callable[[], float], str]

KEY = "benchmark"
_PEOPLE = 10
_PAGE = 50
_SORTS = "-startDateTime,id"
_FILTERS = (
    ("everything", ""),
    ("equality", "sender==Sender3"),
    ("contains, any case", "message@=*CODE 0123"),
    ("range of dates", "startDateTime>=2031-05-02T00:00:00,startDateTime<2031-05-09T00:00:00"),
    ("either of two names", "sender|message@=Sender3"),
)
_NOTATIONS = ("0{}", "+44{}", "44{}", "0044{}", "+44 {}", "0 {}", "(0){}", "+44-{}")
_LISTED = ("CPU, ms a request", "found", "in process", "and sorted", "over HTTP", "over HTTP, sorted")
_CREATED = ("creates", "CPU, µs each", "a CPU second", "a second by the clock")
_PACKAGES = ("aiohttp", "msgspec", "phonenumbers")


@frozen
class Size:
    """The amount of work: requests for each figure of the listings, and creates of a round."""

    rows: int = 100_000
    lists: int = 7
    creates: int = 5_000
    rounds: int = 5
    in_flight: int = 16


QUICK = Size(rows=15_000, lists=2, creates=64, rounds=2)


def main() -> None:
    """Measure and print, or serve for the process that measures."""
    options = _options()
    if options.serve is not None:
        asyncio.run(_serve(*options.serve))
        return
    size = QUICK if options.quick else Size()
    own, other = _cores()
    if own is not None:
        os.sched_setaffinity(0, {own})
    with run_sandbox(size.rows, core=other) as (url, cpu):
        listings = asyncio.run(_listings(url, cpu, size))
    creates = [asyncio.run(_creates(name, form, size, core=other)) for name, form in _numberings()]
    machine = _machine()
    print(", ".join(f"{name} {value}" for name, value in machine.items()))
    print(f"\n{size.rows:,} campaigns, a page of {_PAGE}, sorted by {_SORTS}; medians\n")
    print(_table(_LISTED, listings, ".1f"))
    print(f"\nCreates with {_PEOPLE} numbers each, {size.in_flight} in flight, the sandbox on one core; medians\n")
    print(_table(_CREATED, creates, ",.0f"))
    if options.json is not None:
        listed = [dict(zip(_LISTED, row, strict=True)) for row in listings]
        created = [dict(zip(_CREATED, row, strict=True)) for row in creates]
        written = {"machine": machine, "listings": listed, "creates": created}
        options.json.write_text(json.dumps(written, indent=1) + "\n", encoding="utf-8")


@contextmanager
def run_sandbox(rows: int, *, core: int | None = None) -> Iterator[tuple[str, Callable[[], float]]]:
    """Run a sandbox in a process of its own during the block.

    Args:
        rows: The number of campaigns that it starts with.
        core: The processor to pin it to; None leaves the choice to the system.

    Yields:
        The URL, and a function that returns the CPU seconds of the sandbox's process.
    """
    command = [sys.executable, "-m", "benchmarks.sandbox", "--serve", str(rows), str(-1 if core is None else core)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        into, out = process.stdin, process.stdout
        assert into is not None and out is not None

        def cpu() -> float:
            into.write("\n")
            into.flush()
            return float(out.readline())

        try:
            url = out.readline().strip()
            if not url:
                raise RuntimeError("the sandbox did not start: see what it wrote above")
            yield url, cpu
        finally:
            into.close()  # which ends it


async def _serve(rows: int, core: int) -> None:
    """Serve until standard input ends; answer each of its lines with the CPU seconds so far."""
    if core >= 0:
        os.sched_setaffinity(0, {core})
    async with Sandbox(map(_campaign, range(rows)), api_key=KEY) as sandbox:
        print(sandbox.url, flush=True)
        while await asyncio.to_thread(sys.stdin.readline):
            print(time.process_time(), flush=True)


async def _ask(stream: Stream, request: bytes, expected: int) -> bytes:
    """Send a request over a connection that stays open, and return the body of the response.

    Raises:
        RuntimeError: If the status is not the expected one: the measurement is void.
    """
    reader, writer = stream
    writer.write(request)
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    body = await reader.readexactly(int(head.partition(b"content-length:")[2].partition(b"\r")[0]))
    if int(head[9:12]) != expected:
        raise RuntimeError(f"status {head[9:12].decode()} rather than {expected}")
    return body


@asynccontextmanager
async def _connect(url: str, count: int = 1) -> AsyncIterator[list[Stream]]:
    where = urlsplit(url)
    streams = [await asyncio.open_connection(where.hostname, where.port) for _ in range(count)]
    try:
        yield streams
    finally:
        for _, writer in streams:
            writer.close()


async def _listings(url: str, cpu: Callable[[], float], size: Size) -> list[Measured]:
    rows = [Row(_campaign(number)) for number in range(size.rows)]
    async with _connect(url) as (stream,):

        async def in_process(filters: str, sorts: str) -> int:
            return len(find(rows, filters or None, sorts or None, CAMPAIGN_COLUMNS).rows)

        async def over_http(filters: str, sorts: str) -> int:
            target = f"/api/Campaigns?pageSize={_PAGE}&filters={quote(filters, safe='')}&sorts={sorts}"
            return int(msgspec.json.decode(await _ask(stream, _request("GET", target), 200))["totalRecords"])

        ways = [
            (ask, clock, sorts)
            for ask, clock in ((in_process, time.process_time), (over_http, cpu))
            for sorts in ("", _SORTS)
        ]
        return [await _listing(name, filters, ways, size.lists) for name, filters in _FILTERS]


async def _listing(name: str, filters: str, ways: Iterable[Way], times: int) -> Measured:
    print(name, "...", file=sys.stderr, flush=True)
    measured = [await _median_ms(partial(ask, filters, sorts), clock, times) for ask, clock, sorts in ways]
    if len({found for found, _ in measured}) > 1:
        raise RuntimeError(f"{name}: the ways found different numbers of rows")
    return name, measured[0][0], *(milliseconds for _, milliseconds in measured)


async def _median_ms(ask: Callable[[], Awaitable[int]], clock: Callable[[], float], times: int) -> tuple[int, float]:
    found = await ask()  # to warm up
    taken: list[float] = []
    for _ in range(times):
        began = clock()
        await ask()
        taken.append((clock() - began) * 1000)
    return found, median(taken)


def _numberings() -> Iterable[tuple[str, Callable[[int], str]]]:
    """Yield ways of giving phone numbers to people, who are counted from 0."""
    yield "different numbers, +447…", lambda person: f"+44{_mobile(person)}"
    yield "different numbers, eight notations", lambda person: _NOTATIONS[person % 8].format(_mobile(person))
    yield "different numbers, abroad", lambda person: f"+336{person:08}"
    yield "the same ten numbers", lambda person: f"+44{_mobile(person % _PEOPLE)}"


def _mobile(person: int) -> str:
    return f"77{person:08}"


async def _creates(name: str, form: Callable[[int], str], size: Size, *, core: int | None) -> Measured:
    """Measure one way of numbering on a new sandbox, which has not seen the numbers of another way."""
    print(name, "...", file=sys.stderr, flush=True)
    warm_up = size.in_flight
    requests = [_create(number, form) for number in range(warm_up + size.rounds * size.creates)]
    cpus: list[float] = []
    seconds: list[float] = []
    with run_sandbox(0, core=core) as (url, cpu):
        async with _connect(url, size.in_flight) as streams:
            await _in_flight(streams, requests[:warm_up])
            for first in range(warm_up, len(requests), size.creates):
                began, used = time.perf_counter(), cpu()
                await _in_flight(streams, requests[first : first + size.creates])
                cpus.append((cpu() - used) / size.creates)
                seconds.append((time.perf_counter() - began) / size.creates)
    return name, median(cpus) * 1e6, 1 / median(cpus), 1 / median(seconds)


async def _in_flight(streams: Sequence[Stream], requests: Iterable[bytes]) -> None:
    left = iter(requests)

    async def worker(stream: Stream) -> None:
        for request in left:
            await _ask(stream, request, 201)

    async with asyncio.TaskGroup() as group:
        for stream in streams:
            group.create_task(worker(stream))


def _create(number: int, form: Callable[[int], str]) -> bytes:
    people = range(number * _PEOPLE, (number + 1) * _PEOPLE)
    body = {
        "startDateTime": "2999-06-27T03:10:04.492Z",
        "sender": "Golf",
        "message": f"Our summer sale begins today: 20% off with code {number:06}. Reply STOP to opt out.",
        "contacts": [{"phoneNumber": form(person), "name": f"Name {person}"} for person in people],
    }
    return _request("POST", "/api/Campaigns", msgspec.json.encode(body))


def _request(method: str, target: str, body: bytes = b"") -> bytes:
    head = f"{method} {target} HTTP/1.1\r\nHost: sandbox\r\nAuthorization: Bearer {KEY}\r\n"
    if body:
        head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    return f"{head}\r\n".encode() + body


def _campaign(number: int) -> dict[str, Any]:
    return {
        "id": f"{number:08x}-5717-4562-b3fc-2c963f66afa6",
        "startDateTime": f"2031-05-{number % 28 + 1:02}T{number // 3600 % 24:02}:{number // 60 % 60:02}:00.000Z",
        "sender": f"Sender{number % 7}",
        "recipientCount": number % 5000,
        "message": f"Our summer sale begins today: 20% off at the door with code {number:06}. Reply STOP to opt out.",
        "status": number % 6,
        "optOutLinkId": number % 100 if number % 3 else None,
        "trackLinkUrl": f"https://example.com/t/{number}" if number % 2 else None,
    }


def _table(headings: tuple[str, ...], rows: Iterable[Measured], form: str) -> str:
    cells = [headings, *(tuple(format(cell, form if isinstance(cell, float) else "") for cell in row) for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = ["| " + " | ".join(map(str.ljust, line, widths)) + " |" for line in cells]
    return "\n".join([lines[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *lines[1:]])


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sandbox", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="little work: enough to see that it runs")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures to a file as well")
    parser.add_argument("--serve", type=int, nargs=2, help=argparse.SUPPRESS)
    return parser.parse_args()


def _cores() -> tuple[int | None, int | None]:
    """Return a processor for this process and one for the sandbox, or None for both if the system has no two to pin to."""
    if not hasattr(os, "sched_getaffinity"):
        return None, None
    first, *others = sorted(os.sched_getaffinity(0))
    return (first, others[-1]) if others else (None, None)


def _machine() -> dict[str, str | int]:
    packages = {name: version(name) for name in _PACKAGES}
    return {platform.python_implementation(): platform.python_version(), **packages, "cores": os.cpu_count() or 1}


if __name__ == "__main__":
    main()
