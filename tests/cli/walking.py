"""Every command there is, found by walking from the root: a new one cannot be forgotten."""

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
"""By its words: `("export", "contacts")`; the groups and the root too."""
LEAVES: dict[Words, click.Command] = {
    words: command for words, command in ALL.items() if not isinstance(command, click.Group)
}


def name_of(words: Words) -> str:
    """For the names of tests."""
    return "-".join(words) or "root"
