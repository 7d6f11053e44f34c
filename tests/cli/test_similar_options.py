"""A wrong option suggests the option that was meant, and never an unrelated one."""

from __future__ import annotations

from collections.abc import Iterator

import click
import pytest

from campaigns_async._similar_names import find_similar

from .conftest import Command
from .walking import ALL, LEAVES, Words, name_of


def options_of(words: Words) -> list[str]:
    command = ALL[words]
    return [
        name
        for parameter in command.get_params(click.Context(command))
        if isinstance(parameter, click.Option)
        for name in (*parameter.opts, *parameter.secondary_opts)
        if name.startswith("--")
    ]


def stems(option: str) -> set[str]:
    return {word.removesuffix("s") for word in option[2:].split("-")}


def misspellings(option: str) -> Iterator[str]:
    name = option.removeprefix("--")
    for at, letter in enumerate(name):
        yield name[:at] + name[at + 1 :]
        yield name[:at] + letter + name[at:]
        yield name[:at] + name[at + 1 : at + 2] + letter + name[at + 2 :]
        if at and len(name) > 5 and letter != "-":
            yield f"{name[:at]}x{name[at + 1 :]}"
    yield name.replace("-", "_")
    yield name.replace("-", "")
    yield name.upper()
    yield f"{name}s"
    yield f"{name}-file"
    for word in name.split("-"):
        if len(name.split("-")) <= 3 and word != "no":
            yield word


@pytest.mark.parametrize("words", LEAVES, ids=name_of)
def test_every_option_is_suggested_for_its_misspellings(words: Words) -> None:
    names = options_of(words)
    taken = {name.removeprefix("--") for name in names}
    missed = {
        f"--{wrong} for {option}"
        for option in names
        for wrong in {*misspellings(option)} - taken
        if len(wrong) > 1 and option not in find_similar(f"--{wrong}", names)
    }
    assert missed == set()


@pytest.mark.parametrize("words", LEAVES, ids=name_of)
def test_a_misspelled_letter_suggests_no_second_option_that_shares_no_word(words: Words) -> None:
    names = options_of(words)
    for option in names:
        for wrong in misspellings(option):
            similar = set(find_similar(f"--{wrong}", names))
            if option in similar and len(option) > 7:
                assert all(stems(other) & stems(option) for other in similar), wrong


UNRELATED = [
    (("campaigns", "list"), "--date"),  # --rate
    (("campaigns", "list"), "--created"),  # --rate
    (("campaigns", "list"), "--delimiter"),  # --limit
    (("campaigns", "list"), "--port"),  # --sort
    (("campaigns", "list"), "--file-name"),  # --filter
    (("export", "campaigns"), "--count"),  # --out
    (("export", "campaigns"), "--start"),  # --restart
    (("export", "campaigns"), "--opt-out-link-id"),  # --out
    (("export", "contacts"), "--csv-file"),  # --ids-file
    (("export", "contacts"), "--ca"),  # --campaign-filter
    (("journal", "resolve"), "--rate"),  # --created
    (("journal", "show"), "--start"),  # --state
    (("sandbox",), "--sort"),  # --port
    (("sandbox",), "--date"),  # --data
    (("send",), "--all"),  # --allow-braces
    (("send",), "--output"),  # --opt-out-link-id
    (("send",), "--restart"),  # --start
    (("send",), "--title"),  # --settle
    (("send",), "--trace"),  # --track-link-url
]


@pytest.mark.parametrize(("words", "option"), UNRELATED, ids=lambda value: str(value))
def test_an_unrelated_option_is_not_suggested(words: Words, option: str) -> None:
    assert find_similar(option, options_of(words)) == []


@pytest.mark.parametrize(
    ("words", "option", "expected"),
    [
        (("campaigns", "list"), "--url", "; did you mean '--base-url'?"),
        (("campaigns", "list"), "--columns", "; did you mean '--fields'?"),
        (("export", "campaigns"), "--output", "; did you mean '--out'?"),
        (("send",), "--no-reconsile", "; did you mean '--no-reconcile'?"),
        (("sandbox",), "--method", "; did you mean '--update-method' or '--delete-method'?"),
    ],
)
def test_it_is_named_in_the_error(words: Words, option: str, expected: str, command: Command) -> None:
    ended = command(*words, option)
    assert ended.code == 2
    assert f"unknown option '{option}'{expected}" in ended.err
