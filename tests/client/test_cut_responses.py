"""Responses to creates of which only a part can be read: it decides what is known of the create."""

from __future__ import annotations

import asyncio
import gzip

import aiohttp
import pytest
from support.made import QUICK, new_campaign
from support.raw_server import raw_server, read_request

from campaigns_async import CampaignsClient, DecodeError, Effect, OutcomeUnknownError, PermissionDeniedError
from campaigns_async._http.body_forms import find_body_form, find_cut_form
from campaigns_async._http.response import Response
from campaigns_async.effects import BodyForm

PARTS_OF_IDS = [b"", b'"', b'"abc', b"abc1", b'\xef\xbb\xbf"abc', b" \r\n", b'"3fa85f64-5717-4562-b3fc-2c963f66afa6"']
OTHERS = [
    b"<",
    b"<!doctype html><p>404",
    b" \n<html",
    b"{",
    b'{"id": "abc1',
    b"[",
    b"[1",
    b"Not found",
    b'"Error: 4',
    b"\xff",
]
ENDS = {
    "cut": b"Content-Length: 500\r\n\r\n%b",
    "cut chunks": b"Transfer-Encoding: chunked\r\n\r\n1F4\r\n%b",
}


@pytest.mark.parametrize("later", [False, True], ids=["in one packet", "later"])
@pytest.mark.parametrize("borrows", [False, True], ids=["own session", "borrowed session"])
@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize(
    ("part", "effect"),
    [*((part, Effect.APPLIED) for part in PARTS_OF_IDS), *((part, Effect.UNKNOWN) for part in OTHERS)],
    ids=str,
)
async def test_the_part_of_a_body_that_arrived_decides(
    part: bytes, effect: Effect, end: str, borrows: bool, later: bool
) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        head, rest = b"HTTP/1.1 201 Created\r\n", ENDS[end] % part
        if not part:
            rest = rest.removesuffix(b"1F4\r\n")
        if later:
            writer.write(head + rest.removesuffix(part))
            await writer.drain()
            await asyncio.sleep(0.01)
            writer.write(part)
        else:
            writer.write(head + rest)
        await writer.drain()
        writer.close()

    async with (
        raw_server(serve) as server,
        aiohttp.ClientSession() as session,
        CampaignsClient(server.url, "key", retry=QUICK, session=session if borrows else None) as client,
    ):
        with pytest.raises((DecodeError, OutcomeUnknownError)) as failed:
            await client.campaigns.create(new_campaign())
        assert failed.value.effect is effect
        assert isinstance(failed.value, DecodeError) == (effect is Effect.APPLIED)
        assert client.stats().attempts == 1


GZIPPED = gzip.compress(b"abc1", mtime=0)


@pytest.mark.parametrize("borrows", [False, True], ids=["own session", "borrowed session"])
@pytest.mark.parametrize(
    "body", [b"no gzip", GZIPPED[:4], GZIPPED[:-9], b"\x1f\x8b" + b"\xff" * 30, b'"abc1"'], ids=str
)
@pytest.mark.parametrize("length", ["whole", "cut", "until the connection closes"])
async def test_a_body_that_cannot_be_decompressed_proves_nothing(length: str, body: bytes, borrows: bool) -> None:
    line = {"whole": b"Content-Length: %d\r\n" % len(body), "cut": b"Content-Length: 500\r\n"}.get(length, b"")
    answer = b"HTTP/1.1 201 Created\r\nContent-Encoding: gzip\r\nConnection: close\r\n%b\r\n%b" % (line, body)
    async with (
        raw_server(answer) as server,
        aiohttp.ClientSession() as session,
        CampaignsClient(server.url, "key", retry=QUICK, session=session if borrows else None) as client,
    ):
        with pytest.raises(OutcomeUnknownError) as unknown:
            await client.campaigns.create(new_campaign())
        assert (unknown.value.effect, unknown.value.attempts) == (Effect.UNKNOWN, 1)


async def test_a_response_that_is_too_large_for_a_new_id_proves_nothing() -> None:
    answer = b"HTTP/1.1 201 Created\r\nContent-Length: 5000\r\n\r\n" + b"1" * 5000
    async with raw_server(answer) as server, CampaignsClient(server.url, "key", max_response_size=1024) as client:
        with pytest.raises(OutcomeUnknownError):
            await client.campaigns.create(new_campaign())


async def test_a_raw_post_whose_201_was_cut_in_json_was_carried_out() -> None:
    for part, error in ((b'{"id": "ab', DecodeError), (b"<html", OutcomeUnknownError)):
        answer = b"HTTP/1.1 201 Created\r\nContent-Length: 500\r\n\r\n" + part
        async with raw_server(answer) as server, CampaignsClient(server.url, "key") as client:
            with pytest.raises(error) as failed:
                await client.request("POST", "/api/SMSMessages", json={})
            assert failed.value.effect is (Effect.APPLIED if error is DecodeError else Effect.UNKNOWN)


@pytest.mark.parametrize("status", [201, 403])
@pytest.mark.parametrize("label", ["text/html", "text/html; charset=utf-8", "application/xhtml+xml"])
async def test_an_empty_body_that_is_labelled_as_html_is_no_answer_of_the_api(status: int, label: str) -> None:
    answer = f"HTTP/1.1 {status} Status\r\nContent-Type: {label}\r\nContent-Length: 0\r\n\r\n".encode()
    async with raw_server(answer) as server, CampaignsClient(server.url, "key") as client:
        with pytest.raises(OutcomeUnknownError) as unknown:
            await client.campaigns.create(new_campaign())
        assert unknown.value.cause_type is (DecodeError if status == 201 else PermissionDeniedError)


@pytest.mark.parametrize("body", [b"", b"  \n"])
def test_a_form_by_the_label_alone(body: bytes) -> None:
    assert find_body_form(Response(403, {"Content-Type": "Text/HTML"}, body)) is BodyForm.HTML
    assert find_body_form(Response(403, {"Content-Type": "text/plain"}, body)) is BodyForm.EMPTY
    assert find_cut_form({"Content-Type": "Text/HTML"}, body) is BodyForm.HTML
    assert find_cut_form({}, body) is BodyForm.CUT
    assert find_cut_form({}, b"a" * 201) is BodyForm.JSON
