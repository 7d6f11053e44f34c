"""How commands talk to people: on stderr, a line at a time, and nothing that would steer a terminal."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress

import click


class WrongUse(click.ClickException):
    """One line, and the exit code of wrong use."""

    exit_code = 2


class Unread(click.ClickException):
    """Nobody reads the output any more; the exit code is that of a program which SIGPIPE ended."""

    exit_code = 141

    def __init__(self, message: str = "nobody reads the output any more") -> None:
        super().__init__(message)


class Ended(click.ClickException):
    """A run that ended before its time.

    Attributes:
        code: The exit code.
        then: What is told behind the line, a line each: what is kept, and how to go on.
    """

    def __init__(self, message: str, exit_code: int, then: Iterable[str] = ()) -> None:
        super().__init__(message)
        self.code = exit_code
        self.then = tuple(then)


def shown(text: str) -> str:
    """A text without what would steer a terminal or turn its letters around."""
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in text)


def tell(text: str) -> None:
    """A line on stderr, if anybody still reads it."""
    with suppress(OSError, ValueError):
        click.echo(text, err=True)


def unread(count: int, one: str) -> str:
    """That nobody reads the output any more, and how much of it went out."""
    so_far = f": {number_of(count, one)} or a few more went out" if count else ""
    return f"nobody reads the output any more{so_far}"


def unexpected(error: BaseException) -> str:
    """A line for an error that nobody expected. Not its text: it may quote what must not be shown."""
    why = f" ({error.strerror})" if isinstance(error, OSError) and error.strerror else ""
    return f"unexpected error: {type(error).__name__}{why}"


def number_of(count: int, one: str, many: str | None = None) -> str:
    """So many of them: `1 row`, `1,200 rows`."""
    return f"1 {one}" if count == 1 else f"{count:,} {many or f'{one}s'}"
