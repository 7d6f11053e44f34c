"""Commands to go on with: what was given, exactly as a shell takes it."""

from __future__ import annotations

import shlex

import click
import pytest

from campaigns_async.cli._again import again
from campaigns_async.cli._wording import as_options
from campaigns_async.cli.console import PROGRAM

from .walking import LEAVES, Words


def called(words: Words, *given: str) -> click.Context:
    parent = click.Context(
        click.Group(words[0]), info_name=words[0], parent=click.Context(click.Group(), None, PROGRAM)
    )
    return LEAVES[words].make_context(words[-1], list(given), parent=parent)


CONTACTS = ("export", "contacts")


@pytest.mark.parametrize(
    "given",
    [
        ["c1", "c 2", "--out", "it's.csv", "--null", "", "--as-they-come", "--format", "csv"],
        ["--out", "-", "--all-campaigns", "--campaign-filter", "message@=a\\, b", "--rate", "2", "--in-order"],
        ["--ids-file", "-", "--out", "-x.csv", "--page-size", "7", "--excel-bom", "--auth", "query"],
        ["--out", "x.csv", "--", "-c1", "c2"],
    ],
)
def test_it_is_read_again_as_it_was(given: list[str]) -> None:
    context = called(CONTACTS, *given)
    line = shlex.split(again(context, "--resume", without={"resume", "restart"}))
    assert line[:3] == [PROGRAM, "export", "contacts"]
    assert called(CONTACTS, *line[3:]).params == {**context.params, "resume": True}


def test_a_value_can_be_veiled() -> None:
    context = called(CONTACTS, "c1", "--filter", "phoneNumber==07700900123", "--out", "x.csv")
    assert again(context, veiled={"filters"}) == f"{PROGRAM} export contacts c1 --out x.csv --filter ..."


def test_an_argument_can_be_dropped() -> None:
    context = called(CONTACTS, "c1", "c2", "c3", "--out", "x.csv", "--restart")
    line = again(context, without={"restart"}, dropping="c2")
    assert line == f"{PROGRAM} export contacts c1 c3 --out x.csv"


def test_options_that_may_be_repeated_are() -> None:
    context = called(("journal", "show"), "run", "--state", "failed", "--state", "sending")
    assert again(context) == f"{PROGRAM} journal show run --state failed --state sending"


def test_what_differs_is_told_in_options() -> None:
    said = (
        'of another kind (csv, fields, server differ): resume it, or begin anew with unfinished="restart" (--restart)'
    )
    assert as_options(said) == (
        "of another kind (--excel-bom, --escape-formulas or --null, --fields, --base-url differ): resume it, "
        "or begin anew with --restart"
    )
    assert "(--sort differs)" in as_options("of another kind (sorts differs)")
