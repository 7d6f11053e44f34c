"""The tables of the guides say what the code does."""

from __future__ import annotations

import re
from collections.abc import Callable
from inspect import Parameter, signature
from pathlib import Path
from typing import Any

import pytest
from click import Command

import campaigns_async
from campaigns_async import (
    Auth,
    CampaignsClient,
    CampaignsError,
    ConfigurationError,
    Effect,
    InvalidArgumentError,
    ReconcilePolicy,
    RetryPolicy,
    Timeouts,
)
from campaigns_async.campaigns import Campaigns
from campaigns_async.cli.export_command import export
from campaigns_async.export import Format, export_campaigns, export_contacts
from campaigns_async.export._options import find_format
from guides.blocks import code, table, tables

POLICIES = {"Timeouts": Timeouts, "RetryPolicy": RetryPolicy, "ReconcilePolicy": ReconcilePolicy}
NEEDED = {"max_waiting": {"overload": "raise"}}
"""Settings without which another has no meaning."""


def test_the_settings_are_all_there_with_their_defaults() -> None:
    shown = {code(cells[0])[0]: cells for cells in table("setting")}
    real: dict[str, Parameter] = {}
    for cls in (CampaignsClient, *POLICIES.values()):
        prefix = "" if cls is CampaignsClient else f"{cls.__name__}."
        real |= {f"{prefix}{name}": parameter for name, parameter in signature(cls).parameters.items()}
    assert list(shown) == list(real)
    for name, parameter in real.items():
        default = eval(code(shown[name][1])[0], {**POLICIES, "Auth": Auth})  # noqa: S307
        assert (type(default), default) == (type(parameter.default), parameter.default), name


@pytest.mark.parametrize("cells", table("setting"), ids=lambda cells: code(cells[0])[0])
def test_the_ranges_of_settings_are_enforced(cells: list[str]) -> None:
    name, span = code(cells[0])[0], cells[3]
    if found := re.match(r"(above|from) (\d+(?:\.\d+)?)", span):
        bound = float(found[2]) if "." in code(cells[1])[0] + found[2] else int(found[2])
        inside, outside = (bound, bound - 1) if found[1] == "from" else (bound + 1e-9, bound)
        build(name, inside)
        assert_refused(name, outside)
        if "`None`" not in span:
            assert_refused(name, None)
        else:
            build(name, None)
    elif found := re.match(r"(\d+) to (\d+)", span):
        some: Callable[[int], Any] = (lambda value: [value]) if name.endswith("statuses") else (lambda value: value)
        for bound, beyond in ((int(found[1]), int(found[1]) - 1), (int(found[2]), int(found[2]) + 1)):
            build(name, some(bound))
            assert_refused(name, some(beyond))
    elif name == "RetryPolicy.cap":
        RetryPolicy(base=3, cap=3)
        assert_refused(name, RetryPolicy().base / 2)
    elif name in ("auth", "update_method", "delete_method", "overload"):
        for choice in code(span):
            build(name, eval(choice, {"Auth": Auth}))  # noqa: S307
        assert_refused(name, "PATCH")
    elif span:
        assert_refused(name, 5)


def build(name: str, value: object) -> None:
    """Make something with one setting."""
    cls, _, field = name.rpartition(".")
    if cls:
        POLICIES[cls](**{field: value})
    else:
        CampaignsClient(**{"base_url": "http://localhost", "api_key": "key", **NEEDED.get(name, {}), name: value})  # type: ignore[arg-type]


def assert_refused(name: str, value: object) -> None:
    """Check that a setting refuses a value."""
    with pytest.raises(ConfigurationError, match=name):
        build(name, value)


def test_every_error_has_its_row_and_its_statuses() -> None:
    public = [getattr(campaigns_async, name) for name in campaigns_async.__all__]
    errors = {cls.__name__ for cls in public if isinstance(cls, type) and issubclass(cls, CampaignsError)}
    shown = {code(cells[0])[0]: cells[1] for cells in table("class")}
    assert set(shown) == errors
    for name, text in shown.items():
        cls = getattr(campaigns_async, name)
        assert ("`TimeoutError` too" in text) == issubclass(cls, TimeoutError), name
        assert ("`ValueError` too" in text) == issubclass(cls, ValueError), name


@pytest.mark.parametrize(("base", "said"), [("APIError", "nine"), ("TransportError", "four")])
def test_the_rows_below_a_base_are_its_own(base: str, said: str) -> None:
    names = [code(cells[0])[0] for cells in table("class")]
    count = {"nine": 9, "four": 4}[said]
    below = names[names.index(base) + 1 :][:count]
    cls = getattr(campaigns_async, base)
    assert f"The base of the next {said}" in dict(zip(names, (cells[1] for cells in table("class")), strict=True))[base]
    assert [name for name in names if name != base and issubclass(getattr(campaigns_async, name), cls)] == below


def test_every_effect_has_its_row() -> None:
    for rows in tables("`effect`"):
        assert [code(cells[0])[0] for cells in rows] == [f"Effect.{effect.name}" for effect in Effect]


def test_the_options_of_a_listing_are_all_there() -> None:
    shown = {code(cells[0])[0]: cells[1] for cells in table("option")}
    for listing in (Campaigns.list, Campaigns.contacts):
        options = {
            name: one for name, one in signature(listing).parameters.items() if one.kind is Parameter.KEYWORD_ONLY
        }
        assert list(shown) == list(options)
        for name, one in options.items():
            assert shown[name] in (f"`{one.default}`", "the client's")


def test_the_arguments_of_exports_are_all_there_with_their_defaults() -> None:
    shown = {code(cells[0])[0]: cells for cells in table("argument of an export")}
    real: dict[str, Parameter] = {}
    for function in (export_campaigns, export_contacts):
        keywords = [one for name, one in signature(function).parameters.items() if name not in ("client", "out")]
        for one in keywords:
            assert real.setdefault(one.name, one).default == one.default
    assert set(shown) == set(real)
    for name, one in real.items():
        default = eval(code(shown[name][2])[0])  # noqa: S307
        assert (type(default), default) == (type(one.default), one.default), name


def test_the_options_of_the_export_commands_are_theirs() -> None:
    commands: dict[str, Command] = export.commands
    contacts, campaigns = (
        {name: option for option in commands[command].params for name in (*option.opts, *option.secondary_opts)}
        for command in ("contacts", "campaigns")
    )
    for argument, shell, _, meaning in table("argument of an export"):
        for name in code(shell):
            if name == "CAMPAIGN_ID...":
                continue
            option = contacts[name]
            assert (name in campaigns) == (not meaning.startswith("contacts:")), name
            given = signature(export_contacts).parameters[code(argument)[0]].default
            if name in ("--page-size", "--prefetch", "--parallel", "--sort"):
                assert option.default == given


@pytest.mark.parametrize(
    ("name", "options"),
    [("page_size", {}), ("prefetch", {}), ("parallel", {"all_campaigns": True})],
)
async def test_the_ranges_of_exports_are_enforced(name: str, options: dict[str, Any]) -> None:
    (meaning,) = (cells[3] for cells in table("argument of an export") if code(cells[0])[0] == name)
    least, most = (int(bound.replace(",", "")) for bound in re.findall(r"([\d,]+) to ([\d,]+)", meaning)[0])
    client = CampaignsClient("http://localhost", "key")
    function: Any = export_contacts if options else export_campaigns
    for beyond in (least - 1, most + 1):
        with pytest.raises(InvalidArgumentError, match=name):
            await function(client, "out.csv", **options, **{name: beyond})
    for bound in (least, most):
        with pytest.raises(InvalidArgumentError, match="on_progress"):  # checked after it
            await function(client, "out.csv", **options, on_progress=5, **{name: bound})


def test_the_suffixes_of_exports_are_known() -> None:
    shown = {suffix: cells[1] for cells in table("suffix") for suffix in code(cells[0])}
    for suffix, said in shown.items():
        form, _ = find_format(Path(f"out{suffix}"), None)
        assert form.value in said.lower() or (form is Format.NDJSON and "JSON object a line" in said)
    assert {find_format(Path(f"out{suffix}"), None)[0] for suffix in shown} == set(Format)


def test_every_way_to_send_the_key_is_there() -> None:
    assert [code(cells[0])[0] for cells in table("`auth`")] == [f"Auth.{auth.name}" for auth in Auth]
