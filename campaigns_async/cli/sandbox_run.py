"""The run of `sandbox`: it builds a sandbox from the options, and serves until a signal."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import re
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from campaigns_async._similar_names import suggest
from campaigns_async.cli.arguments import check_setting, read_bytes, read_key
from campaigns_async.cli.console import print_note, print_output
from campaigns_async.cli.options import SANDBOX_QUIRKS
from campaigns_async.cli.signals import Interrupted, run as run_loop

if TYPE_CHECKING:
    from campaigns_async.sandbox import Quirks, RateLimit, Sandbox

_HOST: Final = re.compile(r"[0-9A-Za-z._:-]+")


def serve(
    *,
    host: str,
    api_key_file: Path | None,
    prefix: str,
    data: Path | None,
    faults: str | None,
    rate_limit: float | None,
    rate_limit_status: str | None,
    now: str | None,
    quirks: Sequence[str],
    as_json: bool,
    **given: Any,
) -> None:
    """Serve until a signal, with the values of the options; `given` are arguments of `Sandbox`."""
    from campaigns_async._checks import is_path
    from campaigns_async.sandbox import Sandbox
    from campaigns_async.sandbox._dotnet import read_json
    from campaigns_async.sandbox._payloads import Seeds, read_faults, structure

    if not _HOST.fullmatch(host):
        raise click.UsageError("--host must be an address or a name, such as 127.0.0.1")
    if prefix and not (prefix.startswith("/") and is_path(prefix)):
        raise click.UsageError("--prefix must be a path that begins with a slash, such as /tenant")
    seeds = Seeds()
    if data is not None:
        seeds = check_setting(lambda: structure(read_json(read_bytes("--data", data)), Seeds), "--data")
    sandbox = Sandbox(
        seeds.campaigns,
        seeds.contacts,
        api_key=None if api_key_file is None else read_key(api_key_file),
        host=host,
        prefix=prefix,
        rate_limit=_read_limit(rate_limit, rate_limit_status),
        now=None if now is None else check_setting(lambda: structure(now, datetime), "--now"),
        quirks=_read_quirks(quirks),
        faults=()
        if faults is None
        else check_setting(lambda: read_faults(read_json(_read_inline_or_file(faults))), "--faults"),
        **given,
    )
    with suppress(Interrupted):
        run_loop(lambda: _serve(sandbox, host, given["port"], as_json=as_json))


async def _serve(sandbox: Sandbox, host: str, port: int, *, as_json: bool) -> None:
    try:
        await sandbox.start()
    except (OSError, UnicodeError) as error:
        raise click.ClickException(_describe(error, host, port)) from None
    try:
        _print_places(sandbox, host, as_json=as_json)
        await asyncio.Event().wait()
    finally:
        await sandbox.stop()


def _print_places(sandbox: Sandbox, host: str, *, as_json: bool) -> None:
    from campaigns_async.sandbox._control import is_loopback

    if not is_loopback(host):
        print_note(
            f"warning: {host} can be reached from other machines, without encryption; "
            "everyone with the key can control the sandbox"
        )
    control = f"{sandbox.url}/_sandbox"
    places = {"url": sandbox.url, "api_key": sandbox.api_key, "control": control, "openapi": f"{control}/openapi.json"}
    print_output(json.dumps(places) if as_json else "\n".join(f"{name}: {place}" for name, place in places.items()))


def _describe(error: OSError | UnicodeError, host: str, port: int) -> str:
    code = error.errno if isinstance(error, OSError) else None
    if code == errno.EADDRINUSE:
        return f"port {port} of {host} is in use: choose another with --port, or 0 for any free port"
    if code == errno.EACCES:
        return f"port {port} needs more rights: choose one from 1024 on with --port"
    # A positive number is an errno. Name resolution has its own numbers and messages.
    why = os.strerror(code) if code is not None and code > 0 else getattr(error, "strerror", None)
    return f"cannot listen on {host}, port {port}: {why or 'no such name'}: check --host"


def _read_inline_or_file(faults: str) -> bytes:
    is_inline = faults.lstrip().startswith(("[", "{"))
    return faults.encode("utf-8", "surrogateescape") if is_inline else read_bytes("--faults", Path(faults))


def _read_limit(rate: float | None, status: str | None) -> RateLimit | None:
    from campaigns_async.sandbox import RateLimit

    if rate is None and status is not None:
        raise click.UsageError("--rate-limit-status goes with --rate-limit")
    if rate is not None and not 0 < rate < float("inf"):
        raise click.UsageError("--rate-limit must be more than 0 requests a second")
    return None if rate is None else RateLimit(rate, status=503 if status == "503" else 429)


def _read_quirks(texts: Sequence[str]) -> Quirks:
    from campaigns_async.sandbox import Quirks
    from campaigns_async.sandbox._payloads import read_texts

    given: dict[str, str] = {}
    for text in texts:
        name, sign, value = text.partition("=")
        name = name.replace("-", "_")
        if name not in SANDBOX_QUIRKS:
            raise click.UsageError(f"--quirk: unknown quirk {name!r}{suggest(name, SANDBOX_QUIRKS, 'quirks')}")
        given[name] = value if sign else "true"
    return check_setting(lambda: read_texts(given, Quirks), "--quirk")
