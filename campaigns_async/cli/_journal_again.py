"""Commands of `journal` to go on with."""

from __future__ import annotations

import shlex
from pathlib import Path

from campaigns_async.cli._again import path_word, program


def journal_command(name: str, journal: Path, *arguments: str, key: str | None = None) -> str:
    """A command of `journal`, exactly as a shell takes it."""
    file = path_word(journal)
    if key is None:
        words = [file, *arguments]
    elif key.startswith("-"):
        words = [*arguments, "--", file, key]
    else:
        words = [file, key, *arguments]
    return shlex.join([*program(), "journal", name, *words])
