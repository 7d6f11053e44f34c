"""The root: its imports, and its messages for wrong arguments."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from campaigns_async import __version__
from campaigns_async.cli import app

from .conftest import Command


def python(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run code in a new interpreter."""
    return subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False)


HEAVY = ("aiohttp", "rich", "attr", "attrs", "cattrs", "msgspec", "tenacity")


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], [], ["no-such-command"]])
def test_the_root_loads_click_only(arguments: list[str]) -> None:
    done = python(
        "import sys\n"
        "from campaigns_async.cli import main\n"
        "try:\n    main(sys.argv[1:])\n"
        f"finally:\n    print('loaded:', [name for name in {HEAVY} if name in sys.modules], file=sys.stderr)",
        *arguments,
    )
    assert "loaded: []" in done.stderr


@pytest.mark.parametrize("package", ["click", "rich"])
def test_a_missing_extra_is_one_line_that_says_what_to_install(package: str) -> None:
    done = python(f"import sys\nsys.modules[{package!r}] = None\nfrom campaigns_async.cli import main\nmain(['demo'])")
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr == (
        f'campaigns-async: the command line needs {package}: install it with: pip install "campaigns-async[cli]"\n'
    )


def test_another_missing_module_is_not_taken_for_the_extra() -> None:
    done = python("import sys\nsys.modules['msgspec'] = None\nfrom campaigns_async.cli import main\nmain(['demo'])")
    assert done.returncode == 1
    assert "ModuleNotFoundError" in done.stderr


def test_ctrl_c_while_it_is_loading_is_one_line() -> None:
    done = python(
        "import sys\nfrom campaigns_async.cli import main\n"
        "class Loading:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'campaigns_async.cli.app':\n            raise KeyboardInterrupt\n"
        "sys.meta_path.insert(0, Loading())\nmain([])"
    )
    assert (done.returncode, done.stderr) == (130, "campaigns-async: interrupted\n")


def test_ctrl_c_within_a_command_is_one_line(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(app.root.commands["demo"], "callback", interrupted)
    ended = command("demo")
    assert ended.code == 130
    assert ended.err.strip() == "campaigns-async: interrupted"


def test_the_version_is_shown(command: Command) -> None:
    ended = command("--version")
    assert (ended.code, ended.out) == (0, f"campaigns-async, version {__version__}\n")


def test_the_module_runs_too() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "campaigns_async", "demo", "--concurrency", "0"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2


def test_the_help_lists_the_commands_with_their_own_summaries(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    for width in ("80", "50"):
        monkeypatch.setenv("COLUMNS", width)
        ended = command("--help")
        assert ended.code == 0
        shown = " ".join(ended.out.split())
        for name, found in app.root.commands.items():
            summary = " ".join((found.help or "").split("\n")[0].split())
            assert f" {name} {summary}" in shown


WRONG = {
    "an unknown command": (["dmeo"], "unknown command 'dmeo'; did you mean 'demo'?"),
    "an unknown option": (["demo", "--bogus"], "--bogus"),
    "a key as an argument": (["demo", "--api-key", "s3cret"], "--api-key"),
    "one argument too many": (["demo", "extra"], "extra"),
    "a concurrency of 0": (["demo", "--concurrency", "0"], "--concurrency"),
    "a concurrency in words": (["demo", "--concurrency", "many"], "--concurrency"),
    "a seed in words": (["demo", "--seed", "x"], "--seed"),
    "a URL without a key": (["campaigns", "list", "--base-url", "http://127.0.0.1:9"], "set CAMPAIGNS_API_KEY"),
    "no URL at all": (["campaigns", "list", "--base-url", "nowhere"], "--base-url must begin with"),
    "a URL with a password": (["campaigns", "list", "--base-url", "http://a:b@c"], "user name or password"),
    "no such key file": (
        ["campaigns", "list", "--base-url", "http://127.0.0.1:9", "--api-key-file", "s3cret"],
        "--api-key-file cannot be read",
    ),
}


@pytest.mark.parametrize(("arguments", "expected"), WRONG.values(), ids=WRONG)
def test_wrong_arguments_are_one_line_that_says_where_to_look(
    arguments: list[str], expected: str, command: Command
) -> None:
    ended = command(*arguments)
    assert ended.code == 2
    assert ended.out == ""
    assert expected in ended.err
    assert "--help" in ended.err
    assert ended.err.count("\n") == 1
    assert "s3cret" not in ended.err


KEY_FILES = {
    "an empty one": (b"", "is empty"),
    "two lines": (b"one\ntwo\n", "line break"),
    "UTF-16": ("s3cret".encode("utf-16"), "--api-key-file is UTF-16, as PowerShell and Notepad may write it"),
    "UTF-16 without a mark": ("s3cret".encode("utf-16-be"), "--api-key-file is UTF-16 without a byte order mark"),
    "binary": (b"s3cret" * 9 + b"\0", "--api-key-file is not text, but binary"),
    "Latin-1": (b"\ns3cret\xe9", "--api-key-file is not UTF-8 in line 2"),
}


@pytest.mark.parametrize(("content", "expected"), KEY_FILES.values(), ids=KEY_FILES)
def test_a_key_file_that_holds_no_key_is_refused(
    content: bytes, expected: str, tmp_path: Path, command: Command
) -> None:
    path = tmp_path / "key"
    path.write_bytes(content)
    ended = command("campaigns", "list", "--base-url", "http://127.0.0.1:9", "--api-key-file", path)
    assert ended.code == 2
    assert expected in ended.err
    assert ended.err.count("\n") == 1


def test_a_malformed_key_in_the_environment_is_refused(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAMPAIGNS_API_KEY", "s3cret key")
    ended = command("campaigns", "list", "--base-url", "http://127.0.0.1:9")
    assert ended.code == 2
    assert "CAMPAIGNS_API_KEY contains a blank" in ended.err
    assert "s3cret" not in ended.err
