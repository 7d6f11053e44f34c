"""Real processes that are killed, stopped and cut off while they send: each campaign is on the server once.

A short form runs with the other tests; with KILLS set, that many kills, and longer cuts.
"""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from attrs import define, field
from support import kill_child

from campaigns_async.jobs import State, open_journal
from campaigns_async.sandbox import ThreadedSandbox

KILLS = int(os.environ.get("KILLS", "4"))
IS_LONG = "KILLS" in os.environ
ROWS = 2000 if IS_LONG else 600
_LATE = 0.1
"""Seconds that a gateway gives up before the server acts; less than the settling time."""
_RUNS = 6
"""How often it is run again after the last kill, at most: what does not arrive five times in a row stays planned."""

pytestmark = [
    pytest.mark.skipif(sys.platform == "win32", reason="there are no such signals"),
    pytest.mark.timeout(600 if IS_LONG else 120),
]


@define
class Job:
    """A plan, its journal, and the process that sends it."""

    sandbox: ThreadedSandbox
    folder: Path
    rows: int
    _environment: dict[str, str] = field(init=False)

    def __attrs_post_init__(self) -> None:
        # Read once: a sandbox that is stopped has no URL.
        self._environment = {**os.environ, **self.sandbox.environment}
        with (self.folder / "plan.ndjson").open("w") as file:
            for number in range(self.rows):
                line = {
                    "key": f"row {number}",
                    "startDateTime": "2031-05-01T09:30:00Z",
                    "sender": "Golf",
                    "message": message_of(number),
                    "contacts": [{"phoneNumber": phone_of(number)}],
                }
                file.write(json.dumps(line) + "\n")

    @contextmanager
    def process(self) -> Iterator[subprocess.Popen[str]]:
        """Run it, and kill it at the end if it still runs."""
        command = [sys.executable, kill_child.__file__, str(self.folder / "plan.ndjson"), str(self.folder / "journal")]
        with subprocess.Popen(
            command, env=self._environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        ) as child:
            try:
                yield child
            finally:
                child.kill()

    def wait_for_requests(self, count: int, child: subprocess.Popen[str]) -> bool:
        """Wait until `count` more requests have arrived; return False if the process ended before."""
        until = len(self.sandbox.requests) + count
        while child.poll() is None:
            try:
                self.sandbox.wait_received(until, timeout=0.2)
            except TimeoutError:
                continue
            return child.poll() is None
        return False

    def finish(self) -> None:
        """Run it until all is created."""
        for _ in range(_RUNS):
            with self.process() as child:
                output, _ = child.communicate(timeout=300 if IS_LONG else 60)
            if child.returncode == 0:
                break
            assert child.returncode == 3, output
        else:
            pytest.fail(f"not all is created: {output}")
        self.check()

    def check(self) -> None:
        """Check that each row is on the server once, and in the journal with its id."""
        created = self.sandbox.created
        sent = Counter((one["message"], *(person["phoneNumber"] for person in one["contacts"])) for one in created)
        assert sent == Counter((message_of(number), phone_of(number)) for number in range(self.rows))
        self.sandbox.assert_no_double_send()
        keys = {one["id"]: one["contacts"][0]["phoneNumber"] for one in created}
        with open_journal(self.folder / "journal") as journal:
            assert journal.counts()[State.CREATED] == self.rows
            rows = {row.key: row.campaign_id for row in journal.rows()}
        assert {key: keys[str(campaign_id)] for key, campaign_id in rows.items()} == {
            f"row {number}": phone_of(number) for number in range(self.rows)
        }


def phone_of(number: int) -> str:
    """Return the recipient of a row."""
    return f"07700{number:06}"


def message_of(number: int) -> str:
    """Return the text of a row. Many rows have the same one."""
    return f"Tee time {number % 7}"


@pytest.fixture
def sandbox() -> Iterator[ThreadedSandbox]:
    """Run a sandbox on a port to which it can return."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    with ThreadedSandbox(seed=1, port=port) as running:
        yield running


def spoil(sandbox: ThreadedSandbox) -> None:
    """Drop responses, and have a gateway give up before the server acts."""
    create = "create"
    sandbox.fault(operation=create, share=0.01, seed=1, drop="close", act=True)
    sandbox.fault(operation=create, share=0.01, seed=2, drop="close", act=False)
    sandbox.fault(operation=create, share=0.01, seed=3, drop="reset", act=True)
    sandbox.fault(operation=create, share=0.01, seed=4, drop="reset", act_after=_LATE)
    sandbox.fault(operation=create, share=0.01, seed=5, status=504, act_after=_LATE)
    sandbox.fault(operation=create, share=0.01, seed=6, status=504, act=True)
    sandbox.fault(operation=create, share=0.02, seed=7, status=429)
    sandbox.fault(operation=create, share=0.005, seed=8, body="<html>created</html>")
    sandbox.fault(operation="list", share=0.1, seed=9, status=503)
    sandbox.fault(operation="contacts", share=0.02, seed=10, drop="close")


@pytest.mark.slow
def test_killed_again_and_again_it_sends_each_once(sandbox: ThreadedSandbox, tmp_path: Path) -> None:
    spoil(sandbox)
    job, dice, kills = Job(sandbox, tmp_path, ROWS), random.Random(KILLS), 0
    while kills < KILLS:
        with job.process() as child:
            # Now and then it is killed before it has sent anything, or while it looks for what it had sent.
            if job.wait_for_requests(dice.randint(1, 2 * ROWS // (3 * KILLS)), child):
                child.send_signal(signal.SIGKILL)
            assert child.wait(30) == -signal.SIGKILL, "it ended before it could be killed"
        kills += 1
    job.finish()


@pytest.mark.slow
def test_stopped_for_longer_than_its_timeouts_it_sends_each_once(sandbox: ThreadedSandbox, tmp_path: Path) -> None:
    spoil(sandbox)
    job = Job(sandbox, tmp_path, ROWS // 3)
    with job.process() as child:
        for _ in range(3 if IS_LONG else 1):
            assert job.wait_for_requests(60, child)
            child.send_signal(signal.SIGSTOP)
            time.sleep(kill_child.READ_TIMEOUT + 0.5)
            child.send_signal(signal.SIGCONT)
        output, _ = child.communicate(timeout=60)
    assert child.returncode in {0, 3}, output
    job.finish()


@pytest.mark.slow
def test_cut_off_from_the_network_it_goes_on_and_sends_each_once(sandbox: ThreadedSandbox, tmp_path: Path) -> None:
    spoil(sandbox)
    job = Job(sandbox, tmp_path, ROWS // 3)
    with job.process() as child:
        assert job.wait_for_requests(80, child)
        sandbox.stop()
        time.sleep(10.0 if IS_LONG else 1.5)
        sandbox.start()
        output, _ = child.communicate(timeout=60)
    assert child.returncode == 0, output
    job.check()
