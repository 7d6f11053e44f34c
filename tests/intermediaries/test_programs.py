"""The proxies' processes: a missing program is named with its package, and nothing is left running."""

from __future__ import annotations

import pytest

from intermediaries import programs
from intermediaries.programs import Program, Run, find_program


def shell(script: str) -> Program:
    return Program("sh", "dash", "it is up", lambda _directory, _port: ("-c", script))


def test_a_missing_program_fails_with_its_package() -> None:
    with pytest.raises(pytest.fail.Exception, match=r"no-such-proxy is missing .*apt-get install .* a-package"):
        find_program("no-such-proxy", "a-package")


async def test_a_process_that_is_left_running_fails_the_test_and_is_killed(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(programs, "_STOP", 0.2)
    with pytest.raises(pytest.fail.Exception, match=r"1 process\(es\) of sh did not stop"):
        async with run(shell("sleep 60 & echo it is up; wait")) as proxy:
            assert len(proxy.pids) == 2
    assert not proxy.pids


async def test_a_program_that_does_not_start_fails_with_its_output(run: Run) -> None:
    with pytest.raises(pytest.fail.Exception, match=r"sh did not start:\nunknown option"):
        async with run(shell("echo unknown option; exit 1")):
            pytest.fail("it has not started")


async def test_a_port_that_another_process_took_is_given_up(run: Run) -> None:
    taken_once = "test -e tried && echo it is up && exec sleep 60; touch tried; echo address already in use; exit 1"
    async with run(shell(taken_once)) as proxy:
        assert proxy.output == ["it is up"]
