"""Commands to go on with, exactly as a shell takes them. No secrets: a key is in none of the options."""

from __future__ import annotations

import shlex
import shutil
import sys
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from campaigns_async.cli.console import PROGRAM


def again(
    context: click.Context,
    *also: str,
    without: Collection[str] = (),
    dropping: str | None = None,
    veiled: Collection[str] = (),
) -> str:
    """The command that was called, with the options that were given.

    Args:
        context: Of the call.
        also: Options to put in.
        without: Names of parameters to leave out.
        dropping: An argument to leave out, of those of which there can be several.
        veiled: Names of parameters whose values are shown as three dots, which no command takes for a value.
    """
    options: list[str] = []
    arguments: list[str] = []
    for parameter in context.command.params:
        name = parameter.name or ""
        if context.get_parameter_source(name) is not ParameterSource.COMMANDLINE or name in without:
            continue
        value = context.params.get(name)
        if isinstance(parameter, click.Option):
            options += _option_words(parameter, "..." if name in veiled else value)
        else:
            arguments += _argument_words(parameter, value, dropping)
    if any(word.startswith("-") for word in arguments):
        words = [*options, *also, "--", *arguments]
    else:
        words = [*arguments, *options, *also]
    return shlex.join([*program(), *_names(context), *words])


def path_word(path: str | Path) -> str:
    """A path that is not taken for an option."""
    text = str(path)
    return f"./{text}" if text.startswith("-") else text


def program() -> Iterator[str]:
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


def _names(context: click.Context) -> list[str]:
    """Of the command, those of its groups before it, and not the program's."""
    names: list[str] = []
    at: click.Context | None = context
    while at is not None and at.info_name != PROGRAM:
        names.insert(0, at.info_name or "")
        at = at.parent
    return names


def _option_words(option: click.Option, value: Any) -> Iterator[str]:
    if option.is_flag:
        yield max(option.opts if value else option.secondary_opts, key=len)
        return
    for each in value if option.multiple else [value]:
        yield from (max(option.opts, key=len), _text(each))


def _argument_words(argument: click.Parameter, value: Any, dropping: str | None) -> Iterator[str]:
    if argument.nargs == 1:
        yield path_word(value)  # all that are alone name files, but for a journal's key, which is never called again
    else:
        yield from (_text(each) for each in value if each != dropping)


def _text(value: object) -> str:
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)
