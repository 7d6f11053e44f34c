"""A command ends in good order when it is interrupted."""

from __future__ import annotations

import asyncio
import os
import signal
import threading

import pytest

from campaigns_async.cli.signals import Interrupted, run


def test_it_gives_what_the_work_gives() -> None:
    async def work() -> int:
        return 7

    assert run(work) == 7


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_signal_cancels_the_work_which_may_tidy_up(number: int, code: int) -> None:
    steps: list[str] = []

    async def work() -> None:
        try:
            os.kill(os.getpid(), number)
            await asyncio.Event().wait()
        finally:
            steps.append("tidying up")
            await asyncio.sleep(0)
            steps.append("tidied up")

    with pytest.raises(Interrupted) as caught:
        run(work)
    assert caught.value.exit_code == code
    assert steps == ["tidying up", "tidied up"]


def test_a_second_signal_cuts_the_tidying_up_short() -> None:
    async def work() -> None:
        try:
            os.kill(os.getpid(), signal.SIGINT)
            await asyncio.Event().wait()
        finally:
            os.kill(os.getpid(), signal.SIGINT)
            await asyncio.Event().wait()

    with pytest.raises(Interrupted):
        run(work)


def test_what_goes_wrong_as_it_tidies_up_is_an_interruption_still() -> None:
    async def work() -> None:
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            await asyncio.Event().wait()
        finally:
            raise BrokenPipeError

    with pytest.raises(Interrupted) as caught:
        run(work)
    assert caught.value.exit_code == 143
    assert isinstance(caught.value.__cause__, BrokenPipeError)


def test_but_not_where_the_work_was_to_end_by_itself() -> None:
    signals: list[int] = []

    async def work() -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        while not signals:
            await asyncio.sleep(0)
        raise KeyError

    with pytest.raises(KeyError):
        run(work, first=signals.append)


def test_python_s_own_handler_is_back_afterwards() -> None:
    async def work() -> None:
        pass

    before = signal.getsignal(signal.SIGINT)
    run(work)
    assert signal.getsignal(signal.SIGINT) is before


def test_a_cancellation_of_its_own_is_no_interruption() -> None:
    async def work() -> None:
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        run(work)


def test_it_runs_where_no_signals_can_be_caught() -> None:
    results: list[int] = []

    async def work() -> None:
        results.append(1)

    thread = threading.Thread(target=run, args=(work,))
    thread.start()
    thread.join()
    assert results == [1]


def test_a_keyboard_interrupt_is_an_interruption_too() -> None:
    async def work() -> None:
        raise KeyboardInterrupt

    with pytest.raises(Interrupted) as caught:
        run(work)
    assert caught.value.exit_code == 130
