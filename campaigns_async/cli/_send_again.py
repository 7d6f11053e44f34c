"""Commands to go on with, exactly as a shell takes them. No secrets: a key is in none of the options."""

from __future__ import annotations

import shlex
import shutil
import sys
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Final

import click
from click.core import ParameterSource

from campaigns_async.cli._root import PROGRAM

_NEVER_AGAIN: Final = frozenset({"dry_run", "retry_failed"})


def send_again(context: click.Context, *also: str, without: Collection[str] = ()) -> str:
    """The command that was called, with the options that were given, and no --dry-run or --retry-failed.

    Args:
        context: Of the call.
        also: Options to put in.
        without: Names of parameters to leave out.
    """
    words: list[str] = []
    for parameter in context.command.params:
        name = parameter.name or ""
        given = context.get_parameter_source(name) is ParameterSource.COMMANDLINE
        if given and name not in _NEVER_AGAIN and name not in without:
            words += _words(parameter, context.params.get(name))
    return shlex.join([*_program(), "send", *words, *also])


def journal_command(name: str, journal: Path, *arguments: str, key: str | None = None) -> str:
    """A command of `journal`."""
    file = path_word(journal)
    if key is None:
        words = [file, *arguments]
    elif key.startswith("-"):
        words = [*arguments, "--", file, key]
    else:
        words = [file, key, *arguments]
    return shlex.join([*_program(), "journal", name, *words])


def path_word(path: str | Path) -> str:
    """A path that is not taken for an option."""
    text = str(path)
    return f"./{text}" if text.startswith("-") else text


def _program() -> Iterator[str]:
    """As it was called: by its name, by its path, or as a module."""
    called = sys.argv[0]
    if Path(called).name == "__main__.py":
        yield from (sys.executable, "-m", "campaigns_async")
    elif Path(called).stem != PROGRAM or _is_found(called):
        yield PROGRAM
    else:
        yield called


def _is_found(called: str) -> bool:
    found = shutil.which(PROGRAM)
    return found is not None and Path(found).resolve() == Path(called).resolve()


def _words(parameter: click.Parameter, value: object) -> Iterator[str]:
    if not isinstance(parameter, click.Option):
        yield path_word(str(value))
    elif parameter.is_flag:
        yield max(parameter.opts if value else parameter.secondary_opts, key=len)
    else:
        yield from (max(parameter.opts, key=len), _text(value))


def _text(value: object) -> str:
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)
