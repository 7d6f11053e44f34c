"""Real processes that are killed while they export, as rows come and go: resumed, no row is lost or written twice.

A short form runs with the other tests; with KILLS set, that many exports, each killed again and again.
"""

from __future__ import annotations

import asyncio
import csv
import gzip
import io
import json
import os
import random
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from attrs import define, field
from support import export_child
from support.made import client_of, rows

from campaigns_async.export import UnfinishedExportError, export_campaigns
from campaigns_async.sandbox import RecordedRequest, Sandbox
from campaigns_async.sandbox._rows import Row

EXPORTS = int(os.environ.get("KILLS", "3"))
IS_LONG = "KILLS" in os.environ
_KILLS = 4
"""Of one export, at most; then it runs to its end."""
_RUNS = 12
"""How often it is run again at most, where the rows move too fast."""
_CASES = [
    ("contacts", "out.ndjson"),
    ("contacts", "out.csv"),
    ("campaigns", "out.csv.gz"),
    ("contacts", "out.ndjson.gz"),
    ("campaigns", "out.ndjson"),
]
"""What is exported, to which file."""

pytestmark = [
    pytest.mark.skipif(sys.platform == "win32", reason="there are no such signals"),
    pytest.mark.timeout(1800 if IS_LONG else 120),
]


@define
class Account:
    """Campaigns with contacts, which come and go before requests; each change shows in a total that was never sent."""

    dice: random.Random
    sandbox: Sandbox
    change: float
    """The part of the requests before which something changes."""
    stayed: set[tuple[str, str]] = field(factory=set)
    """Campaigns and contacts that were there all the time."""
    _totals: dict[str, set[int]] = field(factory=dict)
    _made: int = 0

    @classmethod
    def of(cls, seed: int, campaigns: int) -> Account:
        dice = random.Random(seed)
        sizes = [dice.choice([0, 1, 9, 10, 11, 40, 80]) for _ in range(9)] + [60] * 3
        given = {f"c{number:03}0": people(size) for number, size in enumerate(sizes)}
        listed = [*given, *(f"d{number:03}0" for number in range(campaigns))]
        sandbox = Sandbox([{"id": name, "sender": 'Go,"lf'} for name in listed], given, seed=1)
        account = cls(dice, sandbox, change=dice.choice([0, 0.05, 0.15]))
        account.stayed = {(name, row["id"]) for name, rows in given.items() for row in rows}
        account.stayed |= {("", name) for name in listed}
        sandbox.fault(when=account.before, status=500)
        sandbox.fault(delay=0.003)
        return account

    def before(self, request: RecordedRequest) -> bool:
        """Let rows come and go; never a fault."""
        if self.dice.random() < self.change:
            if request.operation == "list":
                self.move_campaigns()
            elif request.operation == "contacts":
                self.move_contacts(request.path.split("/")[3])
        return False

    def move_contacts(self, name: str) -> None:
        rows: Any = self.sandbox._state.store.get_contacts(name)
        if not rows:
            return
        more = self._more(name, len(rows))
        if more < 0:
            self.stayed.discard((name, rows.pop(self.dice.randrange(len(rows))).wire["id"]))
        for _ in range(more):
            rows.insert(self.dice.randrange(len(rows)), Row({"id": f"p{self._new()}"}))

    def move_campaigns(self) -> None:
        present = [row["id"] for row in self.sandbox.campaigns]
        more = self._more("", len(present))
        if more < 0:
            gone = self.dice.choice(present)
            self.sandbox.remove(gone)
            self.stayed = {(name, row) for name, row in self.stayed if gone not in (name, row)}
        for _ in range(more):
            self.sandbox.add({"id": f"d{self._new()}"})

    def _more(self, name: str, total: int) -> int:
        """Return the number of rows that come, -1 if one goes; the new total is one that never was before."""
        totals = self._totals.setdefault(name, {total})
        new = total - 1
        if new in totals or self.dice.random() < 0.5:
            new = max(totals) + self.dice.choice([1, 1, 2, 12])
        totals.add(new)
        return new - total

    def _new(self) -> str:
        self._made += 1
        return f"{self.dice.randrange(1000):04}x{self._made}"


def people(count: int) -> list[dict[str, Any]]:
    return [
        {"id": f"p{number:03}0", "phoneNumber": f"07700{number:06}", "name": 'O"Neil,\n' if number % 3 else None}
        for number in range(count)
    ]


@asynccontextmanager
async def child(sandbox: Sandbox, *arguments: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run the export, and kill it at the end if it still runs."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "support.export_child",
        *arguments,
        env={**os.environ, **sandbox.environment, "PYTHONPATH": str(Path(export_child.__file__).parents[1])},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def run_and_kill(process: asyncio.subprocess.Process, sandbox: Sandbox, dice: random.Random, most: int) -> bool:
    """Kill the process after at most `most` requests. Return False if it ended before."""
    until = len(sandbox.requests) + dice.randint(1, most)
    ended = asyncio.create_task(process.wait())
    arrived = asyncio.create_task(sandbox.wait_received(until))
    await asyncio.wait([ended, arrived], return_when=asyncio.FIRST_COMPLETED)
    arrived.cancel()
    await asyncio.wait([arrived])
    await asyncio.wait([ended], timeout=dice.choice([0, dice.random() * 0.02]))
    if not ended.done():
        process.send_signal(signal.SIGKILL)
    return await ended == -signal.SIGKILL


@pytest.mark.slow
@pytest.mark.parametrize("number", range(EXPORTS))
async def test_killed_again_and_again_it_writes_each_row_once(number: int, tmp_path: Path) -> None:
    kind, name = _CASES[number % len(_CASES)]
    account, out = Account.of(number, 400 if kind == "campaigns" else 60), tmp_path / name
    most = 12 if kind == "campaigns" else 40
    kills = 0
    async with account.sandbox as sandbox:
        for _ in range(_KILLS):
            async with child(sandbox, kind, str(out)) as process:
                if not await run_and_kill(process, sandbox, account.dice, most):
                    break
            kills += 1
            assert not out.exists(), "it appeared before it was whole"
        for _ in range(_RUNS):
            if out.exists():
                break
            async with child(sandbox, kind, str(out)) as process:
                output, _ = await process.communicate()
            assert process.returncode in (0, export_child.SHIFTED), output.decode()
        requests = list(sandbox.requests)
    assert kills
    rows = read_rows(out)
    found = [(row.get("campaignId", ""), row["id"]) for row in rows]
    assert len(found) == len(set(found)), "a row is there twice"
    stayed = {pair for pair in account.stayed if (pair[0] == "") == (kind == "campaigns")}
    assert stayed <= set(found)
    assert {path.name for path in tmp_path.iterdir()} == {name}
    for campaign in {campaign for campaign, _ in stayed}:
        mine = [row for row in found if row[0] == campaign and row in stayed]
        assert mine == sorted(mine)
    assert [row for row in found if row in stayed] == sorted(stayed)
    whole = {row["id"]: row for row in people(100)}
    for row in rows:
        if kind == "contacts" and row["id"] in whole:
            assert {name: row[name] or None for name in ("phoneNumber", "name")} == {
                name: whole[row["id"]][name] for name in ("phoneNumber", "name")
            }
    if not account.change:
        assert set(found) == stayed
        pages = [one for one in requests if one.query["pagesize"] != "1"]
        # Nothing that was written is fetched again: only what was on its way, or in hand, when it was killed.
        assert len(pages) <= len({(one.path, one.query["page"]) for one in pages}) + kills * (3 * 4 + 3 + 12)


@pytest.mark.slow
@pytest.mark.parametrize("rows_written", [False, True])
@pytest.mark.parametrize("name", ["out.csv", "out.ndjson.gz", "out.parquet"])
async def test_a_killed_export_is_cleaned_up_or_resumed_by_the_next(
    name: str, rows_written: bool, tmp_path: Path
) -> None:
    out = tmp_path / name
    async with Sandbox(rows(95)) as sandbox, client_of(sandbox) as client:
        stop = sandbox.fault(operation="list", nth=3 if rows_written else 1, hang=True)
        async with child(sandbox, "campaigns", str(out), "--unfinished", "refuse") as process:
            await sandbox.wait_received(stop.fault.nth)
            assert process.stdout is not None
            while rows_written and await process.stdout.readline() != b"written 20\n":
                pass
            process.kill()
            assert await process.wait() == -signal.SIGKILL
        stop.stop()
        left = {path.name: path.stat().st_size > 0 for path in tmp_path.iterdir()}
        is_resumable = rows_written and name != "out.parquet"
        assert left == {f"{name}.part": rows_written} | ({f"{name}.part.progress": True} if is_resumable else {})

        if is_resumable:
            with pytest.raises(UnfinishedExportError, match="--resume"):
                await export_campaigns(client, out)
        summary = await export_campaigns(client, out, unfinished="resume" if is_resumable else "refuse")

    assert (summary.rows, summary.resumed, summary.restarted) == (95, 20 if is_resumable else 0, False)
    assert [row["id"] for row in read_rows(out)] == [f"c{number:03}" for number in range(95)]
    assert {path.name for path in tmp_path.iterdir()} == {name}


def read_rows(path: Path) -> list[dict[str, Any]]:
    """The rows of a file."""
    if path.suffix == ".parquet":
        from pyarrow import parquet

        found: list[dict[str, Any]] = parquet.read_table(path).to_pylist()
        return found
    data = path.read_bytes()
    text = (gzip.decompress(data) if path.suffix == ".gz" else data).decode()
    if ".csv" in path.name:
        return list(csv.DictReader(io.StringIO(text, newline="")))
    assert text.endswith("\n")
    return [json.loads(line) for line in text.split("\n")[:-1]]
