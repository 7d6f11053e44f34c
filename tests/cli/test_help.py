"""`--help` of every command: it fits a terminal, is complete, and imports click alone."""

from __future__ import annotations

import re
import subprocess
import sys

import click
import pytest

from campaigns_async import __version__
from campaigns_async.cli import options, send_command
from campaigns_async.cli.options import SHARED_OPTIONS, Command, Group
from campaigns_async.effects import State
from campaigns_async.export import Format
from campaigns_async.settings import Auth

from .conftest import Command as Call
from .walking import ALL, LEAVES, Words, name_of

HEAVY = (
    "aiohttp", "asyncio", "attr", "attrs", "cattrs", "msgspec", "phonenumbers", "pyarrow", "rich", "tenacity",
)  # fmt: skip


def test_the_walk_finds_what_there_is() -> None:
    assert {("send",), ("journal", "show"), ("sandbox",), ("demo",), ("campaigns", "get")} <= LEAVES.keys()
    assert {("export", "campaigns"), ("export", "contacts"), ("campaigns", "list")} <= LEAVES.keys()


@pytest.mark.parametrize("words", ALL, ids=name_of)
def test_it_fits_a_terminal_of_80_columns(words: Words, command: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    for columns in ("80", "200"):
        monkeypatch.setenv("COLUMNS", columns)
        ended = command(*words, "--help")
        assert (ended.code, ended.err) == (0, "")
        assert max(map(len, ended.out.splitlines())) <= 80
        assert not re.search(r"--[a-z-]*-$", ended.out, re.MULTILINE)  # no option is broken at a hyphen
        assert "..." not in ended.out.partition("Commands:")[2]  # no summary is cut off


def test_every_command_that_asks_the_api_takes_rejected_statuses(command: Call) -> None:
    asking = [words for words in LEAVES if any(each.name == "base_url" for each in LEAVES[words].params)]
    assert {("send",), ("export", "contacts"), ("campaigns", "list")} <= {*asking}
    for words in asking:
        assert "--rejected-status" in command(*words, "--help").out
        for wrong in ("399", "600", "busy"):
            ended = command(*words, "--rejected-status", wrong)
            assert ended.code == 2
            assert "--rejected-status" in ended.err


def test_h_is_short_for_help_everywhere(command: Call) -> None:
    for words in ALL:
        assert command(*words, "-h") == command(*words, "--help")
        assert command(*words, "-h").out.startswith("Usage: ")


def needs_arguments(words: Words) -> bool:
    return words not in LEAVES or any(parameter.required for parameter in LEAVES[words].params)


@pytest.mark.parametrize("words", [words for words in ALL if needs_arguments(words)], ids=name_of)
@pytest.mark.parametrize("switches", [[], ["-q"], ["--no-color", "--debug"]], ids=" ".join)
def test_without_any_argument_a_command_that_needs_some_prints_its_help(
    words: Words, switches: list[str], command: Call
) -> None:
    ended = command(*words, *switches)
    assert ended == command(*words, "--help")
    assert (ended.code, ended.err) == (0, "")


@pytest.mark.parametrize("words", ALL, ids=name_of)
def test_the_version_can_be_asked_for_anywhere(words: Words, command: Call) -> None:
    expected = command("--version")
    assert expected.out == f"campaigns-async, version {__version__}\n"
    assert command(*words, "-V") == command(*words, "--version") == command("-V", *words) == expected


@pytest.mark.parametrize("words", ALL, ids=name_of)
@pytest.mark.slow
def test_it_imports_click_alone(words: Words) -> None:
    code = (
        "import sys\nfrom campaigns_async.cli import main\ntry:\n    main([*sys.argv[1:], '--help'])\n"
        f"finally:\n    print('loaded:', [name for name in {HEAVY} if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "loaded: []\n")
    assert done.stdout.startswith("Usage: campaigns-async")


@pytest.mark.parametrize("words", ALL, ids=name_of)
def test_each_says_what_it_does_and_what_its_options_are_for(words: Words) -> None:
    found = ALL[words]
    assert isinstance(found, (Command, Group))
    assert (found.help or "").split("\n")[0].endswith(".")
    params = found.get_params(click.Context(found))
    assert params[-len(SHARED_OPTIONS) :] == [*SHARED_OPTIONS]
    for option in params:
        assert not isinstance(option, click.Option) or option.help


def test_copies_of_slow_enumerations_are_equal_to_the_originals() -> None:
    assert list(options.AUTH_WAYS) == [way.value for way in Auth]
    assert list(options.EXPORT_FORMATS) == [form.value for form in Format]
    states = next(each for each in ALL["journal", "show"].params if each.name == "states")
    assert isinstance(states.type, click.Choice)
    assert set(states.type.choices) == {state.name.lower() for state in State}
    (split,) = (each for each in send_command.send.params if each.name == "split")
    assert isinstance(split, click.Option)
    assert str(options.DEFAULT_SPLIT) in (split.help or "")
