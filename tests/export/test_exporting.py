"""Complete exports over a real socket: the content of the file, refused arguments, and resumed exports."""

from __future__ import annotations

import asyncio
import csv
import errno
import gzip
import io
import json
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from support.made import client_of, rows

from campaigns_async import (
    CampaignsClient,
    FilterIgnoredError,
    InvalidArgumentError,
    NotFoundError,
    PageShiftedError,
    PermissionDeniedError,
    QueryError,
    query,
)
from campaigns_async.export import (
    ExportError,
    ExportInUseError,
    ExportProgress,
    ExportWriteError,
    Format,
    ResumeError,
    UnfinishedExportError,
    UnwritableValueError,
    export_campaigns,
    export_contacts,
)
from campaigns_async.sandbox import Sandbox

ALL = [f"c{number:03}" for number in range(95)]
FILES = pytest.mark.parametrize("name", ["out.csv", "out.ndjson", "out.jsonl", "out.csv.gz", "out.ndjson.gz"])


def read(path: Path) -> list[dict[str, Any]]:
    """Return the rows of a file; null is None."""
    data = path.read_bytes()
    text = (gzip.decompress(data) if path.suffix == ".gz" else data).decode()
    if ".csv" in path.name:
        return [{name: cell or None for name, cell in row.items()} for row in csv.DictReader(io.StringIO(text))]
    return [json.loads(line) for line in text.splitlines()]


def ids(path: Path) -> list[str]:
    if path.suffix == ".parquet":
        from pyarrow import parquet

        found: list[str] = parquet.read_table(path).column("id").to_pylist()
        return found
    return [row["id"] for row in read(path)]


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


# What is written


@FILES
async def test_campaigns_stand_in_the_file(name: str, tmp_path: Path) -> None:
    async with Sandbox(rows(95)) as sandbox, client_of(sandbox) as client:
        summary = await export_campaigns(client, tmp_path / name, page_size=10)
    assert ids(tmp_path / name) == ALL
    assert list(read(tmp_path / name)[0]) == [
        "id", "startDateTime", "sender", "recipientCount", "message", "status", "optOutLinkId", "trackLinkUrl",
    ]  # fmt: skip
    assert read(tmp_path / name)[7]["startDateTime"] == "2031-05-01T09:30:00Z"
    assert (summary.path, summary.rows, summary.resumed) == (tmp_path / name, 95, 0)
    assert (summary.campaigns, summary.deleted_campaigns, summary.restarted, summary.already_complete) == (
        None,
        0,
        False,
        False,
    )
    assert names(tmp_path) == {name}


async def test_contacts_stand_in_the_file_with_their_campaign(tmp_path: Path, contacts: Any) -> None:
    given = {"c000": contacts(3), "c001": contacts(25), "c002": [], "c003": contacts(1)}
    async with Sandbox(rows(4), given) as sandbox, client_of(sandbox) as client:
        out = tmp_path / "all.ndjson"
        summary = await export_contacts(client, out, all_campaigns=True, page_size=10)
        found = [(row["campaignId"], row["id"]) for row in read(out)]
        assert found == [(name, row["id"]) for name in given for row in given[name]]
        assert (summary.rows, summary.campaigns, summary.deleted_campaigns) == (29, 4, 0)
        some = await export_contacts(client, str(tmp_path / "some.csv"), iter(["c003", "c000"]))
        assert [row["campaignId"] for row in read(tmp_path / "some.csv")] == ["c003", "c000", "c000", "c000"]
        assert (some.campaigns, some.rows, some.path) == (2, 4, tmp_path / "some.csv")
        one = await export_contacts(client, tmp_path / "one.csv", ["c001"])
        assert (one.campaigns, one.rows) == (None, 25)


async def test_filters_sorts_and_fields_choose_what_is_written(tmp_path: Path, contacts: Any) -> None:
    async with Sandbox(rows(20), {"c003": contacts(5), "c004": contacts(5)}) as sandbox, client_of(sandbox) as client:
        await export_campaigns(
            client,
            tmp_path / "campaigns.csv",
            fields=["recipientCount", "id"],
            filters=query.campaign.recipient_count >= 15,
            sorts=iter(["-recipientCount"]),
        )
        assert read(tmp_path / "campaigns.csv") == [
            {"recipientCount": str(number), "id": f"c{number:03}"} for number in range(19, 14, -1)
        ]
        await export_contacts(
            client,
            tmp_path / "contacts.ndjson",
            all_campaigns=True,
            campaign_filters="recipientCount>=3,recipientCount<=4",
            campaign_sorts="-id",
            filters="phoneNumber_-=4",
            fields=["phoneNumber", "campaignId"],
        )
        assert read(tmp_path / "contacts.ndjson") == [
            {"phoneNumber": "07700000004", "campaignId": name} for name in ("c004", "c003")
        ]


@pytest.mark.parametrize(
    ("name", "whole"), [("out.csv", b'"id"\r\n'), ("out.ndjson", b""), ("out.csv.gz", b'"id"\r\n')]
)
async def test_no_rows_are_a_whole_file(name: str, whole: bytes, tmp_path: Path) -> None:
    async with Sandbox() as sandbox, client_of(sandbox) as client:
        summary = await export_campaigns(client, tmp_path / name, fields=["id"])
        none = await export_contacts(client, tmp_path / f"contacts.{name}", all_campaigns=True)
    data = (tmp_path / name).read_bytes()
    assert (gzip.decompress(data) if name.endswith(".gz") else data) == whole
    assert (summary.rows, summary.bytes_written) == (0, len(whole))
    assert (none.rows, none.campaigns) == (0, 0)


@pytest.mark.slow
async def test_parquet_is_whole_or_not_there(tmp_path: Path) -> None:
    from pyarrow import parquet

    async with Sandbox(rows(95)) as sandbox, client_of(sandbox) as client:
        stop = sandbox.fault(operation="list", nth=6, times=1, status=403)
        with pytest.raises(PermissionDeniedError):
            await export_campaigns(client, tmp_path / "out.parquet", page_size=10)
        assert stop.fired == 1
        assert not (tmp_path / "out.parquet").exists()
        (tmp_path / "out.parquet.part").write_bytes(b"what a killed run left")
        again = await export_campaigns(client, tmp_path / "out.parquet", page_size=10, unfinished="resume")
        none = await export_campaigns(client, tmp_path / "none.parquet", filters="id==nobody")
    assert (again.rows, again.resumed, again.restarted) == (95, 0, True)
    assert parquet.read_table(tmp_path / "out.parquet").column("id").to_pylist() == ALL
    assert parquet.read_table(tmp_path / "none.parquet").num_rows == none.rows == 0
    assert names(tmp_path) == {"out.parquet", "none.parquet"}


@pytest.mark.parametrize("name", ["out.csv", "out.ndjson.gz", pytest.param("out.parquet", marks=pytest.mark.slow)])
async def test_an_id_that_is_twice_on_a_page_is_written_once(name: str, tmp_path: Path) -> None:
    given = [{"id": f"p{number}"} for number in (0, 1, 1, 2, 0)]
    out = tmp_path / name
    async with Sandbox(rows(4), {"c000": given}) as sandbox, client_of(sandbox) as client:
        sandbox._state.store._rows.insert(2, sandbox._state.store._rows[1])
        campaigns = await export_campaigns(client, out, fields=["id"])
        found = {"campaigns": ids(out)}
        contacts = await export_contacts(client, out, ["c000"], fields=["id"])
        found["contacts"] = ids(out)

    assert found == {"campaigns": ["c000", "c001", "c002", "c003"], "contacts": ["p0", "p1", "p2"]}
    assert (campaigns.rows, contacts.rows) == (4, 3)


async def test_a_stream_gets_the_same_bytes_and_stays_open(tmp_path: Path) -> None:
    async with Sandbox(rows(95)) as sandbox, client_of(sandbox) as client:
        await export_campaigns(client, tmp_path / "out.csv", page_size=10)
        out = io.BytesIO()
        summary = await export_campaigns(client, out, format=Format.CSV, page_size=10)
    assert out.getvalue() == (tmp_path / "out.csv").read_bytes()
    assert (summary.path, summary.rows, summary.bytes_written) == (None, 95, len(out.getvalue()))


async def test_csv_for_excel_has_its_mark_and_its_apostrophes(tmp_path: Path) -> None:
    given = [{"id": "a", "sender": "=1+1", "message": ""}]
    async with Sandbox(given) as sandbox, client_of(sandbox) as client:
        await export_campaigns(client, tmp_path / "out.csv", fields=["sender", "message", "status"], excel=True)
    assert (tmp_path / "out.csv").read_bytes() == b'\xef\xbb\xbf"sender","message","status"\r\n"\'=1+1","",\r\n'


async def test_progress_is_told_after_each_write(tmp_path: Path, contacts: Any) -> None:
    told: list[ExportProgress] = []
    async with Sandbox(rows(3), {"c001": contacts(35)}) as sandbox, client_of(sandbox) as client:
        await export_contacts(
            client, tmp_path / "all.csv", all_campaigns=True, page_size=10, prefetch=0, on_progress=told.append
        )
        assert [one.rows for one in told] == sorted(one.rows for one in told)
        assert (told[-1].rows, told[-1].campaigns, told[-1].campaigns_total, told[-1].total) == (35, 3, 3, None)
        assert told[-1].bytes_written == (tmp_path / "all.csv").stat().st_size
        told.clear()
        await export_contacts(client, tmp_path / "one.csv", ["c001"], page_size=10, on_progress=told.append)
        assert {(one.total, one.campaigns) for one in told} == {(35, None)}


async def test_what_progress_raises_ends_the_export(tmp_path: Path, nothing_left: Any) -> None:
    def refuse(progress: ExportProgress) -> None:
        raise ZeroDivisionError

    async with Sandbox(rows(95)) as sandbox, client_of(sandbox) as client:
        with pytest.raises(ZeroDivisionError):
            await export_campaigns(client, tmp_path / "out.csv", page_size=10, on_progress=refuse)
        nothing_left(client)
        whole = await export_campaigns(client, tmp_path / "out.csv", unfinished="resume")
    assert whole.resumed >= 10
    assert ids(tmp_path / "out.csv") == ALL


# What is refused


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"filters": "sendr==Golf"}, r"^filters: term 1: unknown field"),
        ({"sorts": "-sendr"}, r"^sorts: name 1"),
        ({"fields": ["start_date_time"]}, "startDateTime"),
        ({"fields": "id"}, "list of names"),
        ({"fields": []}, "fields is empty"),
        ({"page_size": 0}, "page_size must be at least 1, not 0"),
        ({"page_size": 1_000_001}, "page_size must be at most 1000000"),
        ({"prefetch": -1}, "prefetch must be at least 0"),
        ({"prefetch": 1001}, "prefetch must be at most 1000"),
        ({"format": "xlsx"}, "format must be one of 'csv', 'ndjson', 'parquet'"),
        ({"unfinished": "go on"}, "unfinished must be one of 'refuse', 'resume', 'restart'"),
        ({"excel": "yes"}, "excel must be a bool, not str"),
        ({"excel": True, "format": Format.NDJSON}, "excel is for csv, and the format is ndjson"),
        ({"on_progress": 5}, "on_progress must be callable, not int"),
    ],
)
async def test_what_cannot_be_is_refused_before_anything_is_asked_or_made(
    options: dict[str, Any], said: str, tmp_path: Path, client: CampaignsClient, sandbox: Sandbox
) -> None:
    with pytest.raises((InvalidArgumentError, QueryError), match=said):
        await export_campaigns(client, tmp_path / "out.csv", **options)
    with pytest.raises((InvalidArgumentError, QueryError)):
        await export_contacts(client, tmp_path / "out.csv", ["c001"], **options)
    assert (names(tmp_path), list(sandbox.requests)) == (set(), [])


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, "either campaign_ids or all_campaigns"),
        ({"campaign_ids": ["a"], "all_campaigns": True}, "either campaign_ids or all_campaigns"),
        ({"campaign_ids": "abc"}, "must be an iterable of ids, not str"),
        ({"campaign_ids": []}, "campaign_ids is empty"),
        ({"campaign_ids": ["a", "b/c"]}, "item 2: campaign_id contains a slash"),
        ({"campaign_ids": ["a", 5]}, "item 2: campaign_id must be a str, not int"),
        ({"campaign_ids": ["a", "b", "a"]}, "item 3: is a, as is item 1"),
        ({"campaign_ids": ["a"], "campaign_filters": "sender==Golf"}, "without all_campaigns"),
        ({"campaign_ids": ["a"], "campaign_sorts": "-id"}, "without all_campaigns"),
        ({"all_campaigns": True, "campaign_filters": "phoneNumber==1"}, r"^campaign_filters: term 1: unknown field"),
        ({"all_campaigns": True, "campaign_sorts": "nothing"}, r"^campaign_sorts: name 1"),
        ({"all_campaigns": True, "parallel": 0}, "parallel must be at least 1"),
        ({"all_campaigns": True, "parallel": 1001}, "parallel must be at most 1000"),
    ],
)
async def test_contacts_of_what_cannot_be_are_refused(
    options: dict[str, Any], said: str, tmp_path: Path, client: CampaignsClient, sandbox: Sandbox
) -> None:
    with pytest.raises((InvalidArgumentError, QueryError), match=said):
        await export_contacts(client, tmp_path / "out.csv", **options)
    assert (names(tmp_path), list(sandbox.requests)) == (set(), [])


@pytest.mark.parametrize(
    ("out", "options", "said"),
    [
        (io.BytesIO(), {}, "pass format="),
        (io.BytesIO(), {"format": Format.CSV, "unfinished": "resume"}, "needs a file"),
        (io.StringIO(), {"format": Format.CSV}, "binary stream, not StringIO"),
        (5, {}, "a path or a binary stream, not int"),
        ("out.txt", {}, "suffix names no format"),
        ("out.parquet.gz", {}, "gz"),
    ],
)
async def test_a_place_that_cannot_be_is_refused(
    out: Any, options: dict[str, Any], said: str, client: CampaignsClient, sandbox: Sandbox
) -> None:
    with pytest.raises(InvalidArgumentError, match=said):
        await export_campaigns(client, out, **options)
    assert list(sandbox.requests) == []


async def test_a_folder_that_is_not_there_is_told_before_anything_is_asked(
    client: CampaignsClient, sandbox: Sandbox, tmp_path: Path
) -> None:
    with pytest.raises(ExportError):
        await export_campaigns(client, tmp_path / "nowhere" / "out.csv")
    assert list(sandbox.requests) == []


# Interrupted and resumed


async def cut_off(client: CampaignsClient, sandbox: Sandbox, out: Path, page: int = 6, **options: Any) -> None:
    """Export until a page is refused."""
    stop = sandbox.fault(when=lambda request: request.query["page"] == str(page), times=1, status=403)
    with pytest.raises(PermissionDeniedError):
        await export_campaigns(client, out, page_size=10, **options)
    assert stop.fired == 1


@FILES
async def test_it_goes_on_where_it_was_cut_off_and_fetches_no_page_again(name: str, tmp_path: Path) -> None:
    async with Sandbox(rows(95)) as sandbox, client_of(sandbox) as client:
        whole = tmp_path / f"whole.{name}"
        await export_campaigns(client, whole, page_size=10)
        await cut_off(client, sandbox, tmp_path / name)
        assert names(tmp_path) == {whole.name, f"{name}.part", f"{name}.part.progress"}
        asked = len(sandbox.requests)
        summary = await export_campaigns(client, tmp_path / name, page_size=33, unfinished="resume")
        pages = [one.query for one in sandbox.requests[asked:]]
        assert sorted(int(page["page"]) for page in pages if page["pagesize"] == "10") == [6, 7, 8, 9, 10]
    assert (summary.rows, summary.resumed) == (95, 50)
    assert read(tmp_path / name) == read(whole)
    assert names(tmp_path) == {name, whole.name}


async def test_one_that_lies_there_is_refused_till_it_is_said_what_to_do(tmp_path: Path) -> None:
    out = tmp_path / "out.csv"
    async with Sandbox(rows(95)) as sandbox, client_of(sandbox) as client:
        await cut_off(client, sandbox, out)
        asked = len(sandbox.requests)
        with pytest.raises(UnfinishedExportError):
            await export_campaigns(client, out, page_size=10)
        assert len(sandbox.requests) == asked
        anew = await export_campaigns(client, out, page_size=10, unfinished="restart")
    assert (anew.rows, anew.resumed) == (95, 0)
    assert ids(out) == ALL


async def test_a_complete_file_is_left_as_it_is_by_resume(tmp_path: Path) -> None:
    out = tmp_path / "out.csv"
    async with Sandbox(rows(95)) as sandbox, client_of(sandbox) as client:
        await export_campaigns(client, out)
        before, asked = out.stat(), len(sandbox.requests)
        summary = await export_campaigns(client, out, unfinished="resume")
        assert summary.already_complete
        assert (out.stat(), len(sandbox.requests)) == (before, asked)
        await export_campaigns(client, out, fields=["id"])
    assert out.read_bytes().startswith(b'"id"\r\n')


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"fields": ["id"]}, "fields"),
        ({"filters": "sender==Golf"}, "filters"),
        ({"sorts": "-id"}, "sorts"),
        ({"format": Format.NDJSON}, "format"),
        ({"excel": True}, "excel"),
    ],
)
async def test_another_export_does_not_go_on(options: dict[str, Any], named: str, tmp_path: Path) -> None:
    out = tmp_path / "out.csv"
    async with Sandbox(rows(95)) as sandbox, client_of(sandbox) as client:
        await cut_off(client, sandbox, out)
        with pytest.raises(ResumeError, match=named):
            await export_campaigns(client, out, unfinished="resume", **options)
        with pytest.raises(ResumeError, match="kind"):
            await export_contacts(client, out, ["c001"], unfinished="resume")
        async with Sandbox(rows(95)) as other, client_of(other) as stranger:
            with pytest.raises(ResumeError, match="server"):
                await export_campaigns(stranger, out, unfinished="resume")
        assert (await export_campaigns(client, out, unfinished="resume")).resumed == 50
    assert ids(out) == ALL


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"all_campaigns": True, "campaign_filters": "sender==Golf"}, "campaign_filters"),
        ({"all_campaigns": True, "campaign_sorts": "-id"}, "campaign_sorts"),
        ({"campaign_ids": ["c000"]}, "campaign_ids"),
    ],
)
async def test_contacts_of_others_do_not_go_on(
    options: dict[str, Any], named: str, tmp_path: Path, contacts: Any
) -> None:
    out = tmp_path / "out.csv"
    async with Sandbox(rows(2), {"c000": contacts(50)}) as sandbox, client_of(sandbox) as client:
        sandbox.fault(when=lambda request: request.query["page"] == "3", times=1, status=403)
        with pytest.raises(PermissionDeniedError):
            await export_contacts(client, out, all_campaigns=True, page_size=10)
        with pytest.raises(ResumeError, match=named):
            await export_contacts(client, out, unfinished="resume", **options)
        more = {"all_campaigns": True, "parallel": 2, "prefetch": 0, "page_size": 7}
        assert (await export_contacts(client, out, unfinished="resume", **more)).resumed == 20
    assert ids(out) == [f"p{number:06}" for number in range(50)]


async def test_no_secret_of_a_filter_stands_beside_the_file(tmp_path: Path) -> None:
    async with Sandbox(rows(95)) as sandbox, client_of(sandbox) as client:
        filters = query.campaign.message.contains("Message") & (query.campaign.sender != "SECRET")
        await cut_off(client, sandbox, tmp_path / "out.csv", filters=filters)
    assert b"SECRET" not in (tmp_path / "out.csv.part.progress").read_bytes()
    assert sandbox.api_key.encode() not in (tmp_path / "out.csv.part.progress").read_bytes()


async def test_two_at_once_are_refused(tmp_path: Path) -> None:
    async with Sandbox(rows(95)) as sandbox, client_of(sandbox) as client:
        hold = asyncio.Event()
        sandbox.fault(operation="list", nth=2, hold=hold)
        first = asyncio.create_task(export_campaigns(client, tmp_path / "out.csv", page_size=10))
        await sandbox.wait_received(2)
        for unfinished in ("refuse", "resume", "restart"):
            with pytest.raises(ExportInUseError):
                await export_campaigns(client, tmp_path / "out.csv", unfinished=unfinished)  # type: ignore[arg-type]
        hold.set()
        assert (await first).rows == 95


async def test_cut_off_before_the_first_row_it_has_one_line_of_names(tmp_path: Path, contacts: Any) -> None:
    out, ids = tmp_path / "out.csv", ["c000", "c001", "c002", "c003"]
    async with Sandbox(rows(4), {"c001": contacts(1), "c003": contacts(1)}) as sandbox, client_of(sandbox) as client:
        options: dict[str, Any] = {"fields": ["id"], "parallel": 1, "prefetch": 0}
        for stop in ("c001", "c002", "c003"):
            sandbox.fault(when=lambda request, stop=stop: stop in request.path, times=1, status=403)
            with pytest.raises(PermissionDeniedError):
                await export_contacts(client, out, ids, unfinished="resume", **options)
        await export_contacts(client, out, ids, unfinished="resume", **options)
    assert out.read_bytes() == b'"id"\r\n"p000000"\r\n"p000000"\r\n'


# Errors on the way


async def test_a_campaign_that_is_not_there_is_named_and_can_be_left_out(tmp_path: Path, contacts: Any) -> None:
    async with Sandbox(rows(2), {"c000": contacts(5)}) as sandbox, client_of(sandbox) as client:
        with pytest.raises(NotFoundError, match="campaign 2 of the 2 given, nobody, does not exist"):
            await export_contacts(client, tmp_path / "out.csv", ["c000", "nobody"], missing="error")
        assert not (tmp_path / "out.csv").exists()
        with pytest.raises(InvalidArgumentError, match="missing"):
            await export_contacts(client, tmp_path / "out.csv", ["c000"], missing="ignore")  # type: ignore[arg-type]
        named = ["nobody", "c000", "none"]
        summary = await export_contacts(client, tmp_path / "skipped.csv", named)
        assert (summary.rows, summary.campaigns, summary.deleted_campaigns) == (5, 3, 2)
        await export_contacts(client, tmp_path / "out.csv", ["c000"], unfinished="restart")
    assert len(ids(tmp_path / "out.csv")) == 5


async def test_a_server_that_drops_the_filter_ends_it(tmp_path: Path) -> None:
    async with Sandbox(rows(3, sender="Tennis")) as sandbox, client_of(sandbox) as client:
        everything = await client.request("GET", "/api/Campaigns")
        sandbox.fault(operation="list", status=200, body=everything.body, content_type="application/json")
        with pytest.raises(FilterIgnoredError):
            await export_campaigns(client, tmp_path / "out.csv", filters="sender==Golf")
    assert not (tmp_path / "out.csv").exists()


async def test_a_list_that_moves_too_fast_can_be_resumed_when_it_is_quieter(tmp_path: Path) -> None:
    async with Sandbox([{"id": f"m{number:04}"} for number in range(100)]) as sandbox, client_of(sandbox) as client:
        stayed = [row["id"] for row in sandbox.campaigns]

        def crowd_in(request: Any) -> bool:
            if 2 < len(sandbox.requests) < 40:
                for number in range(12):
                    sandbox.add({"id": f"a{len(sandbox.requests):04}-{number}"})
            return False

        sandbox.fault(when=crowd_in, status=500)
        with pytest.raises(PageShiftedError):
            await export_campaigns(client, tmp_path / "out.ndjson", page_size=10, prefetch=0)
        tries = 0
        while not (tmp_path / "out.ndjson").exists():
            tries += 1
            assert tries < 5
            with suppress(PageShiftedError):
                await export_campaigns(client, tmp_path / "out.ndjson", unfinished="resume")
    found = ids(tmp_path / "out.ndjson")
    assert len(found) == len(set(found))
    assert [row for row in found if row in set(stayed)] == stayed


async def test_a_value_that_cannot_be_written_ends_it_and_what_was_written_stays(tmp_path: Path) -> None:
    given = [*rows(25), {"id": "d", "sender": None}]
    async with Sandbox(given) as sandbox, client_of(sandbox) as client:
        with pytest.raises(UnwritableValueError, match="'d': sender has no value, and is the only column"):
            await export_campaigns(client, tmp_path / "out.csv", fields=["sender"], page_size=10, prefetch=0)
    assert (tmp_path / "out.csv.part").exists()
    assert not (tmp_path / "out.csv").exists()


class Full(io.BytesIO):
    """A stream that takes a number of bytes."""

    def write(self, data: Any) -> int:
        if self.tell() + len(data) > 3000:
            raise OSError(errno.ENOSPC, "No space left on device")
        return super().write(data)


async def test_a_full_disk_ends_it(nothing_left: Callable[[CampaignsClient], None]) -> None:
    async with Sandbox(rows(95)) as sandbox, client_of(sandbox) as client:
        with pytest.raises(ExportWriteError) as caught:
            await export_campaigns(client, Full(), format=Format.NDJSON, page_size=10, prefetch=1)
        nothing_left(client)
    assert caught.value.errno == errno.ENOSPC


class Slow(io.BytesIO):
    """A stream whose second write waits to be let go."""

    def __init__(self) -> None:
        super().__init__()
        self.go_on = threading.Event()
        self.writes = 0

    def write(self, data: Any) -> int:
        self.writes += 1
        if self.writes == 2:
            assert self.go_on.wait(30)
        return super().write(data)


async def test_a_slow_target_holds_back_the_walk(quiet: Any) -> None:
    async with Sandbox(rows(900)) as sandbox, client_of(sandbox) as client:
        out = Slow()
        export = asyncio.create_task(export_campaigns(client, out, format=Format.NDJSON, page_size=10, prefetch=2))
        asked = await quiet(sandbox)
        assert asked < 30
        assert out.writes == 2
        out.go_on.set()
        assert (await export).rows == 900


async def test_cancelled_at_any_moment_it_leaves_nothing_running_and_goes_on(
    tmp_path: Path, contacts: Any, nothing_left: Callable[[CampaignsClient], None]
) -> None:
    given = {"c000": contacts(25), "c002": contacts(7)}
    async with Sandbox(rows(3), given) as sandbox, client_of(sandbox) as client:
        whole = tmp_path / "whole.ndjson"
        await export_contacts(client, whole, all_campaigns=True)
        turns, ended, cut = 0, False, 0
        while not ended:
            out = tmp_path / f"{turns}.ndjson"
            task = asyncio.create_task(
                export_contacts(client, out, all_campaigns=True, page_size=10, parallel=2, prefetch=1)
            )
            for _ in range(turns):
                await asyncio.sleep(0)
            ended = not task.cancel()
            await asyncio.wait([task])
            nothing_left(client)
            cut += not out.exists()
            if not out.exists():
                await export_contacts(client, out, all_campaigns=True, unfinished="resume")
            assert read(out) == read(whole)
            turns += 1 + turns // 8
        assert cut > 10
    assert not [name for name in names(tmp_path) if "part" in name]


@pytest.mark.parametrize(
    ("sorts", "can_change"), [("id", False), ("-id,sender", False), ("startDateTime,id", True), (None, True)]
)
async def test_in_an_order_that_can_change_it_says_so(sorts: str | None, can_change: bool, tmp_path: Path) -> None:
    async with Sandbox(rows(3)) as sandbox, client_of(sandbox) as client:
        summary = await export_campaigns(client, tmp_path / "out.csv", sorts=sorts)
        assert summary.order_can_change is can_change
        summary = await export_contacts(client, tmp_path / "c.csv", all_campaigns=True, campaign_sorts=sorts)
        assert summary.order_can_change is can_change
        assert not (await export_contacts(client, tmp_path / "d.csv", ["c001"])).order_can_change
