"""A server that answers canned bytes by path, so fast that whoever asks is the bottleneck.

It parses only what it must (the request line and Content-Length), keeps connections open, and takes pipelined
requests. What it does not know it answers with 404, so that no benchmark measures errors by mistake. It runs in a
process of its own, needs the standard library alone, and ends when its standard input does:
so with the process that started it.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from urllib.parse import parse_qs

CAMPAIGN_ID = "c0ffee00-0000-4000-8000-000000000001"
"""The campaign whose contacts can be listed."""

_ROOT = "/api/Campaigns"
_CREATED = (
    b"HTTP/1.1 201 Created\r\n"
    b"Content-Type: application/json; charset=utf-8\r\nDate: Tue, 27 Jun 2023 03:10:04 GMT\r\nServer: Kestrel\r\n"
    b'Content-Length: 18\r\n\r\n"%016x"'
)
_NOT_FOUND = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"
_LENGTH_REQUIRED = b"HTTP/1.1 411 Length Required\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


class Answers:
    """The canned bytes: a new id for each create, prebuilt pages for the listings."""

    def __init__(self, pages: int, page_size: int) -> None:
        self._created = 0
        self._page_size = str(page_size)
        self._pages: dict[tuple[str, str], bytes] = {}
        for path, row in ((_ROOT, _campaign), (f"{_ROOT}/{CAMPAIGN_ID}/Contacts", _contact)):
            for page in range(1, pages + 1):
                self._pages[path, str(page)] = _page(page, pages, page_size, row)

    def to(self, request_line: bytes) -> bytes:
        """The answer to a request: the whole of it, headers included."""
        if request_line == b"POST /api/Campaigns HTTP/1.1":
            self._created += 1
            return _CREATED % self._created
        method, _, rest = request_line.decode("latin-1").partition(" ")
        path, _, query = rest.partition(" ")[0].partition("?")
        asked = parse_qs(query)
        if method != "GET" or asked.get("pageSize") != [self._page_size]:
            return _NOT_FOUND
        return self._pages.get((path, asked.get("page", [""])[0]), _NOT_FOUND)


class Connection(asyncio.Protocol):
    """One connection: cuts the stream into requests and answers each in turn."""

    def __init__(self, answers: Answers, latency: float) -> None:
        self._answers = answers
        self._latency = latency
        self._received = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Answer all requests that are complete by now."""
        assert self._transport is not None
        received = self._received + data if self._received else data
        answers: list[bytes] = []
        while (end := received.find(b"\r\n\r\n")) >= 0:
            head = received[:end]
            length = _content_length(head.lower())
            if length is None:
                self._transport.write(b"".join(answers) + _LENGTH_REQUIRED)
                self._transport.close()
                return
            behind = end + 4 + length
            if len(received) < behind:
                break
            answers.append(self._answers.to(head[: head.index(b" HTTP/") + 9]))
            received = received[behind:]
        self._received = received
        if answers and self._latency:
            asyncio.get_running_loop().call_later(self._latency, self._transport.write, b"".join(answers))
        elif answers:
            self._transport.write(b"".join(answers))


@contextmanager
def running(*, pages: int, page_size: int, core: int | None = None, latency: float = 0.0) -> Iterator[str]:
    """An answerer in a process of its own, for as long as the block lasts; gives its URL.

    Args:
        pages: Pages of each listing.
        page_size: Rows a page; other sizes are answered with 404.
        core: The processor to pin it to; None leaves that to the system.
        latency: Seconds that it lets pass before each answer.
    """
    pin = "" if core is None else str(core)
    command = [sys.executable, "-I", __file__, str(pages), str(page_size), pin, str(latency)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None and process.stdout is not None
        try:
            port = process.stdout.readline().strip()
            if not port:
                raise RuntimeError("the answerer did not start: see what it wrote above")
            yield f"http://127.0.0.1:{port}"
        finally:
            process.stdin.close()  # which ends it


def _content_length(head: bytes) -> int | None:
    """The length of a request's body; None where it is told in another way."""
    at = head.find(b"\r\ncontent-length:")
    if at < 0:
        return None if b"\r\ntransfer-encoding:" in head else 0
    end = head.find(b"\r\n", at + 17)
    return int(head[at + 17 : end if end >= 0 else None])


def _page(page: int, pages: int, page_size: int, row: Callable[[int], dict[str, object]]) -> bytes:
    first = (page - 1) * page_size
    body = {
        "pageIndex": page,
        "totalPages": pages,
        "totalRecords": pages * page_size,
        "items": [row(number) for number in range(first, first + page_size)],
    }
    content = json.dumps(body, separators=(",", ":")).encode()
    head = (
        "HTTP/1.1 200 OK\r\nContent-Type: application/json; charset=utf-8\r\n"
        f"Date: Tue, 27 Jun 2023 03:10:04 GMT\r\nServer: Kestrel\r\nContent-Length: {len(content)}\r\n\r\n"
    )
    return head.encode() + content


def _campaign(number: int) -> dict[str, object]:
    return {
        "id": f"{number:08x}-5717-4562-b3fc-2c963f66afa6",
        "startDateTime": f"2023-06-27T{number // 3600 % 24:02}:{number // 60 % 60:02}:{number % 60:02}.4921234Z",
        "sender": f"Sender{number % 7}",
        "recipientCount": number % 5000,
        "message": f"Our summer sale begins today: 20% off at the door with code {number:06}. Reply STOP to opt out.",
        "status": number % 6,
        "optOutLinkId": number % 100 if number % 3 else None,
        "trackLinkUrl": f"https://example.com/t/{number}" if number % 2 else None,
    }


def _contact(number: int) -> dict[str, object]:
    return {
        "id": f"{number:08x}-9a1c-4d0e-8f00-1b2c3d4e5f60",
        "phoneNumber": f"+4477009{number:05}",
        "name": f"Name {number}",
        "custom1": f"Town {number % 97}" if number % 2 else None,
        "custom2": None,
    }


async def _serve(pages: int, page_size: int, latency: float) -> None:
    answers = Answers(pages, page_size)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(answers, latency), "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.to_thread(sys.stdin.read)


def main(pages: str, page_size: str, core: str = "", latency: str = "0") -> None:
    """Serve until standard input ends."""
    if core:
        os.sched_setaffinity(0, {int(core)})
    asyncio.run(_serve(int(pages), int(page_size), float(latency)))


if __name__ == "__main__":
    main(*sys.argv[1:])
