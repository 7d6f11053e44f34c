"""All commands, found by walking from the root, so that no new command is forgotten."""

from __future__ import annotations

from collections.abc import Iterator

import click

from campaigns_async.cli.app import root

Words = tuple[str, ...]


def _below(command: click.Command, context: click.Context, words: Words) -> Iterator[tuple[Words, click.Command]]:
    yield words, command
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            found = command.get_command(context, name)
            assert found is not None
            yield from _below(found, click.Context(found, info_name=name, parent=context), (*words, name))


ALL: dict[Words, click.Command] = dict(_below(root, click.Context(root), ()))
"""The commands by their words, such as `("export", "contacts")`, with the groups and the root."""
LEAVES: dict[Words, click.Command] = {
    words: command for words, command in ALL.items() if not isinstance(command, click.Group)
}


def name_of(words: Words) -> str:
    """Return the name of a command for the names of tests."""
    return "-".join(words) or "root"
