"""A server that answers canned bytes by path, so fast that the client is the bottleneck.

It parses only the request line and Content-Length, keeps connections open, and accepts pipelined requests. An unknown
path is answered with 404, so that no benchmark measures errors by mistake. The server runs in a process of its own, needs
only the standard library, and ends with its standard input, and so with the process that started it.
"""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from urllib.parse import parse_qs

CAMPAIGN_ID = "c0ffee00-0000-4000-8000-000000000000"
"""The id of the campaign that has all pages of contacts."""

_ROOT = "/api/Campaigns"
_CONTACTS = re.compile(rf"{_ROOT}/{CAMPAIGN_ID[:-12]}(\d{{12}})/Contacts")
_CREATED = (
    b"HTTP/1.1 201 Created\r\n"
    b"Content-Type: application/json; charset=utf-8\r\nDate: Tue, 27 Jun 2023 03:10:04 GMT\r\nServer: Kestrel\r\n"
    b'Content-Length: 18\r\n\r\n"%016x"'
)
_NOT_FOUND = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"
_LENGTH_REQUIRED = b"HTTP/1.1 411 Length Required\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


def campaign_id_for(pages: int) -> str:
    """Return the id of the campaign that has the first `pages` pages of contacts."""
    return f"{CAMPAIGN_ID[:-12]}{pages:012}"


class Answers:
    """The canned bytes: a new id for each create, prebuilt pages for the listings."""

    def __init__(self, pages: int, page_size: int, contact_pages: int) -> None:
        self._created = 0
        self._page_size = page_size
        self._campaigns = [_items(_campaign, page, page_size) for page in range(pages)]
        self._contacts = [_items(_contact, page, page_size) for page in range(contact_pages)]

    def to(self, request_line: bytes) -> bytes:
        """Return the whole response to a request, headers included."""
        if request_line == b"POST /api/Campaigns HTTP/1.1":
            self._created += 1
            return _CREATED % self._created
        method, _, rest = request_line.decode("latin-1").partition(" ")
        path, _, query = rest.partition(" ")[0].partition("?")
        asked = parse_qs(query)
        if method != "GET" or asked.get("pageSize") != [str(self._page_size)]:
            return _NOT_FOUND
        listing, pages = self._listing(path)
        page = asked.get("page", [""])[0]
        if not (page.isdecimal() and int(page) > 0 and 0 < pages <= len(listing)):
            return _NOT_FOUND
        items = listing[int(page) - 1] if int(page) <= pages else b""
        return _page(int(page), pages, self._page_size, items)

    def _listing(self, path: str) -> tuple[list[bytes], int]:
        """Return the pages of the listing at a path, and the number of pages that it reports."""
        if path == _ROOT:
            return self._campaigns, len(self._campaigns)
        if (found := _CONTACTS.fullmatch(path)) is None:
            return [], 0
        return self._contacts, int(found[1]) or len(self._contacts)


class Connection(asyncio.Protocol):
    """A connection that cuts the stream into requests and answers them in order."""

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
        """Answer all requests that are complete."""
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
            next_request = end + 4 + length
            if len(received) < next_request:
                break
            answers.append(self._answers.to(head[: head.index(b" HTTP/") + 9]))
            received = received[next_request:]
        self._received = received
        if answers and self._latency:
            asyncio.get_running_loop().call_later(self._latency, self._transport.write, b"".join(answers))
        elif answers:
            self._transport.write(b"".join(answers))


@contextmanager
def run_answerer(
    *, pages: int, page_size: int, contact_pages: int | None = None, core: int | None = None, latency: float = 0.0
) -> Generator[str]:
    """Run an answerer in a process of its own during the block, and yield its URL.

    Args:
        pages: The number of pages of campaigns.
        page_size: The rows of a page; other sizes are answered with 404.
        contact_pages: The number of pages of contacts; None for as many as of campaigns.
        core: The processor to pin the process to; None leaves the choice to the system.
        latency: The seconds before each answer.
    """
    pin = "" if core is None else str(core)
    numbers = (pages, page_size, pages if contact_pages is None else contact_pages)
    command = [sys.executable, "-I", __file__, *map(str, numbers), pin, str(latency)]
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
    """Return the length of a request's body, or None if the request has no Content-Length but is chunked."""
    at = head.find(b"\r\ncontent-length:")
    if at < 0:
        return None if b"\r\ntransfer-encoding:" in head else 0
    end = head.find(b"\r\n", at + 17)
    return int(head[at + 17 : end if end >= 0 else None])


def _page(page: int, pages: int, page_size: int, items: bytes) -> bytes:
    before = f'{{"pageIndex":{page},"totalPages":{pages},"totalRecords":{pages * page_size},"items":['
    head = (
        "HTTP/1.1 200 OK\r\nContent-Type: application/json; charset=utf-8\r\n"
        "Date: Tue, 27 Jun 2023 03:10:04 GMT\r\nServer: Kestrel\r\n"
        f"Content-Length: {len(before) + len(items) + 2}\r\n\r\n{before}"
    )
    return b"%b%b]}" % (head.encode(), items)


def _items(row: Callable[[int], str], page: int, page_size: int) -> bytes:
    """Return the JSON of the rows of a page, counted from 0, without the brackets of the array."""
    return ",".join(map(row, range(page * page_size, (page + 1) * page_size))).encode()


def _campaign(number: int) -> str:
    start = f"2023-06-27T{number // 3600 % 24:02}:{number // 60 % 60:02}:{number % 60:02}.4921234Z"
    message = f"Our summer sale begins today: 20% off at the door with code {number:06}. Reply STOP to opt out."
    link = f'"https://example.com/t/{number}"' if number % 2 else "null"
    return (
        f'{{"id":"{number:08x}-5717-4562-b3fc-2c963f66afa6","startDateTime":"{start}","sender":"Sender{number % 7}",'
        f'"recipientCount":{number % 5000},"message":"{message}","status":{number % 6},'
        f'"optOutLinkId":{number % 100 if number % 3 else "null"},"trackLinkUrl":{link}}}'
    )


def _contact(number: int) -> str:
    town = f'"Town {number % 97}"' if number % 2 else "null"
    return (
        f'{{"id":"{number:08x}-9a1c-4d0e-8f00-1b2c3d4e5f60","phoneNumber":"+4477009{number:05}",'
        f'"name":"Name {number}","custom1":{town},"custom2":null}}'
    )


async def _serve(pages: int, page_size: int, contact_pages: int, latency: float) -> None:
    answers = Answers(pages, page_size, contact_pages)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(answers, latency), "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.to_thread(sys.stdin.read)


def main(pages: str, page_size: str, contact_pages: str, core: str = "", latency: str = "0") -> None:
    """Serve until standard input ends."""
    if core:
        os.sched_setaffinity(0, {int(core)})
    asyncio.run(_serve(int(pages), int(page_size), int(contact_pages), float(latency)))


if __name__ == "__main__":
    main(*sys.argv[1:])
