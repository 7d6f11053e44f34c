"""Programs and short examples of the README and the guides run, and print what is shown."""

from __future__ import annotations

import asyncio
import csv
import gzip
import json
import shlex
import signal
import tomllib
from pathlib import Path
from typing import Any

import attrs
import pytest
from support.made import people, rows

from campaigns_async import CampaignsClient, FilterIgnoredError, NewCampaign, NewContact, ReconcilePolicy
from campaigns_async.sandbox import RecordedRequest, Sandbox
from guides.blocks import OUTPUTS, PYTHON, ROOT, find_block
from guides.running import (
    connect,
    environment,
    finish,
    run_program,
    save,
    save_files,
    start,
    type_in,
    type_in_setup,
)

SHORT = {name for name, block in PYTHON.items() if block.after}

# Programs


async def test_the_first_example_prints_what_is_shown(tmp_path: Path) -> None:
    returned, printed, complaint = await finish(await start(save(PYTHON["first"], tmp_path), cwd=tmp_path))
    assert (returned, complaint) == (0, "")
    assert printed == OUTPUTS["first"].text
    assert len(PYTHON["first"].text.split("async def main")[1].strip().splitlines()) <= 10


async def test_the_sandbox_is_where_the_environment_says(tmp_path: Path) -> None:
    block = find_block("mark: sandbox environment")
    settings = dict(line.removeprefix("export ").split("=") for line in block.text.splitlines())
    assert list(settings) == ["CAMPAIGNS_BASE_URL", "CAMPAIGNS_API_KEY"]
    shown = find_block("mark: sandbox")
    key, command = map(shlex.split, shown.text.splitlines())
    match key:
        case ["echo", text, ">", name]:
            (tmp_path / name).write_text(f"{text}\n")
        case _:
            pytest.fail(f"{key} is not how the key is put into a file")
    name, *arguments = command
    assert name in tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    at = arguments.index("--port") + 1
    assert settings["CAMPAIGNS_BASE_URL"] == f"http://127.0.0.1:{arguments[at]}"
    arguments[at] = "0"
    process = await start("-u", "-m", "campaigns_async", *arguments, cwd=tmp_path)
    try:
        assert process.stdout is not None
        line = (await asyncio.wait_for(process.stdout.readline(), 30)).decode().strip()
        url = line.removeprefix("url: ")
        assert url.startswith("http://127.0.0.1:")
        async with CampaignsClient(url, settings["CAMPAIGNS_API_KEY"]) as client:
            assert await client.campaigns.list().count() == 0
    finally:
        process.send_signal(signal.SIGINT)
        returned, _, complaint = await finish(process)
    assert (returned, complaint) == (0, "")


CONTACTS = {f"c{number:03}": people(number % 3) for number in range(250)}


def read_export(path: Path) -> list[tuple[str, str]]:
    """Return campaigns and numbers of the contacts in a gzipped NDJSON file."""
    rows = [json.loads(line) for line in gzip.decompress(path.read_bytes()).splitlines()]
    assert all(list(row) == ["campaignId", "phoneNumber", "name"] for row in rows)
    return [(row["campaignId"], row["phoneNumber"]) for row in rows]


def all_contacts() -> list[tuple[str, str]]:
    """Return the rows of an export of CONTACTS, in order."""
    return [(name, person["phoneNumber"]) for name in sorted(CONTACTS) for person in CONTACTS[name]]


@pytest.mark.slow
async def test_the_export_goes_on_where_it_was_stopped_and_writes_no_row_twice(tmp_path: Path) -> None:
    async with Sandbox(rows(250), CONTACTS) as sandbox:
        stop = sandbox.fault(operation="contacts", nth=130, times=1, status=403)
        returned, printed, complaint = await run_program("export", tmp_path, sandbox)
        assert (returned, stop.fired, "PermissionDeniedError" in complaint) == (1, 1, True)
        assert "campaigns so far\n" in printed
        assert read_files(tmp_path).keys() == {
            "export.py", "campaigns.csv", "contacts.ndjson.gz.part", "contacts.ndjson.gz.part.progress",
        }  # fmt: skip
        asked = len(sandbox.requests)
        returned, printed, complaint = await run_program("export", tmp_path, sandbox)
        assert (returned, complaint) == (0, "")
        again = [request.path for request in sandbox.requests[asked:] if request.operation == "contacts"]
        assert len(again) == len(set(again)) < 250 - 100
    assert printed.splitlines()[-2:] == ["campaigns.csv was there", "contacts.ndjson.gz 249 rows"]
    assert printed.splitlines()[-3] == "249 contacts of 250 campaigns so far"
    assert read_export(tmp_path / "contacts.ndjson.gz") == all_contacts()
    with (tmp_path / "campaigns.csv").open(newline="") as file:
        campaigns = list(csv.DictReader(file))
    assert [row["id"] for row in campaigns] == sorted(CONTACTS)
    assert campaigns[0]["startDateTime"] == "2031-05-01T09:30:00Z"
    assert read_files(tmp_path).keys() == {"export.py", "campaigns.csv", "contacts.ndjson.gz"}


@pytest.mark.slow
async def test_the_export_leaves_a_finished_one_as_it_is(tmp_path: Path) -> None:
    async with Sandbox(rows(3), {"c000": people(2)}) as sandbox:
        returned, _, complaint = await run_program("export", tmp_path, sandbox)
        assert (returned, complaint) == (0, "")
        before = read_files(tmp_path)
        asked = len(sandbox.requests)
        returned, printed, complaint = await run_program("export", tmp_path, sandbox)
        assert (returned, complaint) == (0, "")
        assert printed == "campaigns.csv was there\ncontacts.ndjson.gz was there\n"
        assert len(sandbox.requests) == asked
    assert read_files(tmp_path) == before


@pytest.mark.slow
async def test_the_export_touches_nothing_without_a_key(tmp_path: Path) -> None:
    async with Sandbox(rows(250), CONTACTS) as sandbox:
        sandbox.fault(operation="contacts", nth=100, times=1, status=403)
        await run_program("export", tmp_path, sandbox)
        before = read_files(tmp_path)
        assert before["contacts.ndjson.gz.part"]
        keyless = {**environment(sandbox), "CAMPAIGNS_API_KEY": ""}
        returned, _, complaint = await finish(await start(save(PYTHON["export"], tmp_path), cwd=tmp_path, **keyless))
    assert (returned, "ConfigurationError" in complaint) == (1, True)
    assert read_files(tmp_path) == before


def read_files(directory: Path) -> dict[str, bytes]:
    """Return the files of a directory."""
    return {path.name: path.read_bytes() for path in directory.iterdir()}


@pytest.mark.slow
async def test_the_durable_job_is_killed_and_started_again_until_all_are_created_once(tmp_path: Path) -> None:
    async with Sandbox() as sandbox:
        sandbox.fault(operation="create", nth=60, hang=True, times=1)
        process = await start(
            save(PYTHON["durable"], tmp_path, ("CampaignsClient()", "CampaignsClient(max_concurrency=4)")),
            cwd=tmp_path,
            **environment(sandbox),
        )
        await sandbox.wait_received(62, "create")
        process.kill()
        await finish(process)
        soon = "CampaignsClient(reconcile=ReconcilePolicy(settle=0.1, pause=0.05), timeouts=Timeouts(read=0.5))"
        quick = ("CampaignsClient()", soon)
        again = save(
            PYTHON["durable"],
            tmp_path,
            quick,
            ("import CampaignsClient,", "import ReconcilePolicy, Timeouts, CampaignsClient,"),
        )
        returned, printed, complaint = await finish(await start(again, cwd=tmp_path, **environment(sandbox)))
        assert (returned, printed, complaint) == (0, "200 created, 0 refused, 0 unknown\n", "")
        sandbox.assert_no_double_send()
        assert len(sandbox.created) == 200
    assert (tmp_path / "tee.sqlite").stat().st_mode & 0o077 == 0


@pytest.mark.slow
async def test_the_job_writes_the_outcome_of_each_create(tmp_path: Path) -> None:
    async with Sandbox() as sandbox:
        sandbox.fault(operation="create", nth=3, times=1, status=403)
        lost = sandbox.fault(operation="create", nth=9, times=1, drop="close", act=True)
        sandbox.fault(operation="create", nth=11, times=2, status=429)
        returned, printed, complaint = await run_program("fan_out", tmp_path, sandbox)
        created = {row["id"] for row in sandbox.created}
    assert (returned, complaint, lost.fired) == (0, "", 1)
    assert printed == "0 not_sent, 1 rejected, 0 unknown, 199 applied\n"
    outcomes = read_rows(tmp_path / "outcomes.ndjson")
    assert sorted(row["index"] for row in outcomes) == list(range(200))
    assert {row["id"] for row in outcomes if row["effect"] == "applied"} == created
    assert len(created) == 199


async def test_the_job_sends_nothing_if_there_are_outcomes_already(tmp_path: Path) -> None:
    (tmp_path / "outcomes.ndjson").write_text("{}\n")
    async with Sandbox() as sandbox:
        returned, _, complaint = await run_program("fan_out", tmp_path, sandbox)
        assert (returned, len(sandbox.requests)) == (1, 0)
    assert "FileExistsError" in complaint
    assert (tmp_path / "outcomes.ndjson").read_text() == "{}\n"


@pytest.mark.parametrize(
    ("number", "code_given"), [(signal.SIGINT, -signal.SIGINT), (signal.SIGTERM, 1)], ids=["Ctrl-C", "SIGTERM"]
)
@pytest.mark.slow
async def test_the_job_loses_no_outcome_when_it_is_interrupted(
    number: signal.Signals, code_given: int, tmp_path: Path
) -> None:
    async with Sandbox() as sandbox:
        sandbox.fault(operation="create", nth=41, hold=asyncio.Event())
        hasty = save(
            PYTHON["fan_out"],
            tmp_path,
            ("CampaignsClient()", "CampaignsClient(timeouts=Timeouts(grace=0.1))"),
            ("import CampaignsClient", "import Timeouts, CampaignsClient"),
        )
        process = await start(hasty, cwd=tmp_path, **environment(sandbox))
        await sandbox.wait_received(40 + 32)
        process.send_signal(number)
        returned, printed, _ = await finish(process)
        created = len(sandbox.created)
    outcomes = read_rows(tmp_path / "outcomes.ndjson")
    assert printed == "cut off with 32 unknown\n"
    assert returned == code_given
    assert sorted(row["effect"] for row in outcomes) == ["applied"] * 40 + ["unknown"] * 32
    assert created == len(outcomes) == len({row["index"] for row in outcomes})


def read_rows(path: Path) -> list[dict[str, Any]]:
    """Return the rows of an NDJSON file."""
    return [json.loads(line) for line in path.read_text().splitlines()]


# Short examples


@pytest.mark.parametrize("name", sorted(SHORT))
async def test_a_short_example_runs_and_prints_what_is_shown(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Sandbox() as sandbox:
        connect(sandbox, monkeypatch)
        monkeypatch.chdir(tmp_path)
        save_files(PYTHON[name].document, tmp_path)
        Path("campaigns.key").write_text(f"{sandbox.api_key}\n")
        async with type_in_setup("setup") as names:
            printed = await type_in(PYTHON[name], names)
    if name in OUTPUTS:
        order = sorted if "any order" in OUTPUTS[name].mark else list
        assert order(printed.splitlines()) == order(OUTPUTS[name].text.splitlines())


@pytest.mark.parametrize(
    ("fault", "printed"),
    [
        ({"status": 504}, "order 4711: may have been created; look before you send it again\n"),
        ({"drop": "close"}, "order 4711: may have been created; look before you send it again\n"),
        ({"status": 403}, "order 4711: nothing was created\n"),
        ({"status": 201, "act": True}, "order 4711: was created; its id could not be read\n"),
        ({"hold": asyncio.Event()}, "order 4711: may have been created; look before you send it again\n"),
    ],
    ids=["504", "dropped", "403", "no id", "cancelled"],
)
async def test_the_example_of_certainty_prints_what_is_known(
    fault: dict[str, Any], printed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Sandbox() as sandbox:
        connect(sandbox, monkeypatch)
        async with type_in_setup("setup") as names:
            lines: list[str] = []
            names["print"] = lambda line: lines.append(f"{line}\n")
            sandbox.fault(operation="create", **fault)
            typing = asyncio.create_task(type_in(PYTHON["certainty"], names))
            if "hold" in fault:
                await sandbox.wait_received(2, "create")
                typing.cancel()
            (error,) = await asyncio.gather(typing, return_exceptions=True)
    assert isinstance(error, BaseException)
    assert lines == [printed]


QUICKLY = ReconcilePolicy(settle=0.05, timeout=5, pause=0.02)


@pytest.mark.parametrize("act", [False, True])
async def test_the_example_of_reconciling_makes_one_campaign_of_an_unknown_create(
    act: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Sandbox() as sandbox:
        connect(sandbox, monkeypatch)
        async with type_in_setup("setup", reconcile=QUICKLY) as names:
            sandbox.fault(operation="create", times=1, status=504, act=act)
            printed = await type_in(PYTHON["reconciling"], names)
        first, second = sandbox.created
        assert printed == f"created as {second['id']}\n"
        assert first["id"] == names["campaign_id"]


async def test_the_example_of_reconciling_lists_the_candidates(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Sandbox() as sandbox:
        connect(sandbox, monkeypatch)
        async with type_in_setup("setup", reconcile=QUICKLY) as names:
            async with CampaignsClient() as someone:  # makes a copy that the client has not read
                await someone.campaigns.create(names["new"])
            sandbox.fault(operation="create", times=1, status=504, act=True)
            printed = await type_in(PYTHON["reconciling"], names)
        assert sorted(printed.splitlines()) == sorted(f"may be {row['id']}" for row in sandbox.created[1:])
        assert len(sandbox.created) == 3


async def test_the_example_of_shifting_resumes_when_the_list_changes_too_fast(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Sandbox(rows(250, startDateTime="2031-05-01T09:30:00Z")) as sandbox:
        connect(sandbox, monkeypatch)
        stable = [campaign["message"] for campaign in sandbox.campaigns]

        def crowd_in(request: RecordedRequest) -> bool:
            """Insert more than a page before all others, so that the place moves during the search for it."""
            if request.operation == "list" and 2 < len(sandbox.requests) < 40:
                for number in range(120):
                    key = f"{len(sandbox.requests)}-{number}"
                    sandbox.add({"id": key, "startDateTime": "2030-01-01T00:00:00Z", "message": f"new {key}"}, at=0)
            return False

        async with type_in_setup("setup") as names:
            sandbox.fault(when=crowd_in, status=500)
            tries = names["tries"] = []
            sleep = "await asyncio.sleep(5)"
            assert sleep in PYTHON["shifting"].text
            block = attrs.evolve(
                PYTHON["shifting"], text=PYTHON["shifting"].text.replace(sleep, "tries.append(shifted)")
            )
            printed = (await type_in(block, names)).splitlines()
    assert [line for line in printed if line in stable] == stable
    assert 1 <= len(tries) <= 2
    assert "begin again" not in printed


async def test_the_example_of_filters_fails_at_a_server_that_ignores_them(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Sandbox(rows(1, sender="Tennis")) as sandbox:
        connect(sandbox, monkeypatch)
        async with type_in_setup("setup") as names:
            everything = await names["client"].request("GET", "/api/Campaigns")
            sandbox.fault(operation="list", status=200, body=everything.body, content_type="application/json")
            with pytest.raises(FilterIgnoredError):
                await type_in(PYTHON["filters"], names)


async def test_the_example_of_catching_names_the_contacts(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Sandbox() as sandbox:
        connect(sandbox, monkeypatch)
        async with type_in_setup("setup") as names:
            names["new"] = add_contact(names["new"], "12")
            printed = await type_in(PYTHON["catching"], names)
    assert printed == "contact 2: The PhoneNumber field is not a valid phone number.\n"


def add_contact(new: NewCampaign, number: str) -> NewCampaign:
    """Return the campaign with one more contact."""
    return attrs.evolve(new, contacts=[*new.contacts, NewContact(number)])


async def test_the_environment_is_what_the_client_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    block = find_block("mark: live environment")
    for line in block.text.splitlines():
        variable, _, value = line.removeprefix("export ").partition("=")
        monkeypatch.setenv(variable, value)
        assert value in ("...", "https://api.sms.dynamicmessaging.co.uk")
    CampaignsClient()
