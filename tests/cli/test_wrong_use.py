"""Each command with a wrong argument: one line on stderr that helps, exit code 2, and nothing else."""

from __future__ import annotations

import click
import pytest

from .conftest import Command, Ended
from .walking import ALL, LEAVES, Words, name_of

SECRET = "k3y-in-ps"


def needed(words: Words) -> list[str]:
    """Return invented values of the arguments that a command needs."""
    given: list[str] = []
    for parameter in LEAVES[words].params:
        if parameter.required and isinstance(parameter, click.Option):
            given += [parameter.opts[0], "x.csv"]
        elif parameter.required:
            given.append(parameter.type.choices[0] if isinstance(parameter.type, click.Choice) else "x")
    return given


def assert_one_line(ended: Ended, words: Words, expected: str = "") -> None:
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.count("\n") == 1
    path = " ".join(["campaigns-async", *words])
    assert ended.err.startswith(f"{path}: ")
    assert ended.err.endswith(f" (see: {path} --help)\n")
    assert len(ended.err) > len(f"{path}:  (see: {path} --help)\n") + 10
    assert expected in ended.err
    assert SECRET not in ended.err
    assert "\x1b" not in ended.err


@pytest.mark.parametrize("words", ALL, ids=name_of)
def test_an_unknown_option(words: Words, command: Command) -> None:
    assert_one_line(command(*words, "--no-such-option"), words, "--no-such-option")


@pytest.mark.parametrize("words", ALL, ids=name_of)
def test_a_key_as_an_argument_is_not_repeated(words: Words, command: Command) -> None:
    assert_one_line(command(*words, "--api-key", SECRET), words, "--api-key")
    assert_one_line(command(*words, f"--api-key={SECRET}"), words, "--api-key")


@pytest.mark.parametrize("words", ALL, ids=name_of)
def test_control_characters_are_not_repeated(words: Words, command: Command) -> None:
    assert_one_line(command(*words, "--a\x1b[2J\nb"), words)


@pytest.mark.parametrize("words", [words for words in ALL if words not in LEAVES], ids=name_of)
def test_an_unknown_command(words: Words, command: Command) -> None:
    names = ", ".join(each[-1] for each in ALL if each[:-1] == words and each)
    expected = f"unknown command 'no-such-command'; the commands are {names}"
    assert_one_line(command(*words, "no-such-command"), words, expected)
    similar = names.split(", ")[0]
    expected = f"unknown command '{similar}x'; did you mean '{similar}'?"
    assert_one_line(command(*words, f"{similar}x"), words, expected)


@pytest.mark.parametrize(
    ("words", "option", "suggested"),
    [
        (("send",), "--jurnal", "--journal"),
        (("send",), "--dry", "--dry-run"),
        (("campaigns", "list"), "--filters", "--filter"),
        (("campaigns", "list"), "--api-key", "--api-key-file"),
        (("campaigns", "list"), "--colour", "--no-color"),
        (("campaigns", "list"), "--no-such-option", None),
        (("campaigns", "list"), "--recipient", None),
    ],
)
def test_only_a_similar_option_is_suggested(words: Words, option: str, suggested: str | None, command: Command) -> None:
    ended = command(*words, *needed(words), option)
    assert_one_line(ended, words, f"unknown option '{option}'")
    assert ("did you mean" in ended.err) == (suggested is not None)
    if suggested is not None:
        assert f"; did you mean '{suggested}'? (see" in ended.err


def test_an_option_before_the_command_that_belongs_after_it_is_explained(command: Command) -> None:
    assert_one_line(command("--base-url", "x", "send"), (), "a command's own options go after its name")


@pytest.mark.parametrize("words", [words for words in LEAVES if needed(words)], ids=name_of)
def test_a_missing_argument(words: Words, command: Command) -> None:
    optional = next(
        (
            each
            for each in LEAVES[words].params
            if isinstance(each, click.Option) and each.is_flag and not each.required
        ),
        None,
    )
    if optional is not None:
        assert_one_line(command(*words, optional.opts[0]), words, "Missing ")


@pytest.mark.parametrize(
    "words",
    [words for words, found in LEAVES.items() if not any(each.nargs == -1 for each in found.params)],
    ids=name_of,
)
def test_an_argument_too_many(words: Words, command: Command) -> None:
    assert_one_line(command(*words, *needed(words), "one", "too-many"), words, "too-many")


NUMBERS = [
    (words, option.opts[0])
    for words, found in LEAVES.items()
    for option in found.params
    if isinstance(option.type, (click.types.IntParamType, click.types.FloatParamType))
]


@pytest.mark.parametrize(("words", "option"), NUMBERS, ids=lambda value: str(value))
def test_a_number_in_words(words: Words, option: str, command: Command) -> None:
    assert_one_line(command(*words, *needed(words), option, "many"), words, option)


CHOICES = [
    (words, option.opts[0])
    for words, found in LEAVES.items()
    for option in found.params
    if isinstance(option.type, click.Choice) and isinstance(option, click.Option)
]


@pytest.mark.parametrize(("words", "option"), CHOICES, ids=lambda value: str(value))
def test_a_value_that_is_not_a_choice(words: Words, option: str, command: Command) -> None:
    assert_one_line(command(*words, *needed(words), option, "no-such"), words, option)
