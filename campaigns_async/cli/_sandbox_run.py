"""Runs `sandbox`: what was given becomes a sandbox, which serves till a signal comes."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, TypeVar

import click

from campaigns_async.cli.signals import Interrupted, run as run_loop

if TYPE_CHECKING:
    from campaigns_async.sandbox import Quirks, RateLimit, Sandbox

T = TypeVar("T")

_HOST: Final = re.compile(r"[0-9A-Za-z._:-]+")
_FLAGS: Final = {"true": True, "false": False}


def _flag(text: str) -> bool:
    if text not in _FLAGS:
        raise ValueError("must be true or false")
    return _FLAGS[text]


def _whole(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text)):
        raise ValueError("must be a whole number, 1 or more")
    return int(text)


def _one_of(*choices: str) -> Callable[[str], str]:
    def read(text: str) -> str:
        if text not in choices:
            raise ValueError(f"must be one of {', '.join(choices)}")
        return text

    return read


_QUIRKS: Final[Mapping[str, Callable[[str], object]]] = {
    "bare_id": _flag,
    "list_in_array": _flag,
    "dates": _one_of("milliseconds", "bare", "seven_digits", "offset"),
    "phones": _one_of("plus", "digits", "national"),
    "default_page_size": _whole,
    "max_page_size": _whole,
    "strict_filters": _flag,
}


def serve(
    *,
    port: int,
    host: str,
    api_key_file: Path | None,
    prefix: str,
    data: Path | None,
    faults: str | None,
    rate_limit: float | None,
    rate_limit_status: str | None,
    magic_recipients: bool,
    now: str | None,
    seed: int | None,
    auth: Literal["any", "bearer", "header", "query"],
    update_method: Literal["PUT", "POST", "both"],
    delete_method: Literal["DELETE", "POST", "both"],
    quirks: Sequence[str],
    as_json: bool,
) -> None:
    """Be a sandbox till a signal comes.

    Raises:
        click.ClickException: An option cannot be, or it cannot listen.
    """
    from campaigns_async.sandbox import Sandbox
    from campaigns_async.sandbox.control.fault_json import faults_from_json
    from campaigns_async.sandbox.control.inputs import Seeds, read_moment, read_seeds

    if not _HOST.fullmatch(host):
        raise click.UsageError("--host must be an address or a name, such as 127.0.0.1")
    seeds = Seeds((), {}) if data is None else _checked("--data", read_seeds, _json("--data", _file("--data", data)))
    given = [] if faults is None else _checked("--faults", faults_from_json, _json("--faults", _inline_or_file(faults)))
    made = Sandbox(
        seeds.campaigns,
        seeds.contacts,
        api_key=None if api_key_file is None else _key(api_key_file),
        host=host,
        port=port,
        prefix=_prefix(prefix),
        update_method=update_method,
        delete_method=delete_method,
        auth=auth,
        rate_limit=_limit(rate_limit, rate_limit_status),
        magic_recipients=magic_recipients,
        now=None if now is None else _checked("--now", lambda text: read_moment("it", text), now),
        seed=seed,
        quirks=_quirks(quirks),
        faults=given,
    )
    try:
        run_loop(lambda: _serve(made, port, as_json=as_json))
    except Interrupted:
        return


async def _serve(made: Sandbox, port: int, *, as_json: bool) -> None:
    try:
        await made.start()
    except (OSError, UnicodeError) as error:
        raise click.ClickException(_why_not(error, made.host, port)) from None
    try:
        _tell(made, as_json=as_json)
        await asyncio.Event().wait()
    finally:
        await made.stop()


def _tell(made: Sandbox, *, as_json: bool) -> None:
    from campaigns_async.sandbox.control.guard import is_loopback

    if not is_loopback(made.host):
        click.echo(
            f"warning: {made.host} can be reached from other machines, without encryption; "
            "whoever has the key can steer the sandbox",
            err=True,
        )
    control = f"{made.url}/_sandbox"
    places = {"url": made.url, "api_key": made.api_key, "control": control, "openapi": f"{control}/openapi.json"}
    if as_json:
        click.echo(json.dumps(places))
        return
    for name, place in places.items():
        click.echo(f"{name}: {place}")


def _why_not(error: OSError | UnicodeError, host: str, port: int) -> str:
    code = error.errno if isinstance(error, OSError) else None
    if code == errno.EADDRINUSE:
        return f"port {port} of {host} is in use: name another with --port, or 0 for any that is free"
    if code == errno.EACCES:
        return f"port {port} is not yours to use: name one from 1024 on with --port"
    # A positive number is the system's; what looks names up has its own, with its own words.
    why = os.strerror(code) if code is not None and code > 0 else getattr(error, "strerror", None)
    return f"cannot listen on {host}, port {port}: {why or 'no such name'}: look at --host"


def _checked(option: str, read: Callable[[Any], T], value: object) -> T:
    try:
        return read(value)
    except ValueError as error:
        raise click.UsageError(f"{option}: {error}") from None


def _json(option: str, content: bytes) -> object:
    import orjson

    try:
        parsed: object = orjson.loads(content)
    except orjson.JSONDecodeError as error:
        raise click.UsageError(f"{option} is no JSON: {error}") from None
    return parsed


def _inline_or_file(text: str) -> bytes:
    if text.lstrip().startswith(("[", "{")):
        return text.encode("utf-8", "surrogateescape")
    return _file("--faults", Path(text))


def _file(option: str, path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise click.UsageError(f"{option} cannot be read: {error.strerror or type(error).__name__}") from None


def _key(path: Path) -> str:
    from campaigns_async import ConfigurationError, checks

    try:
        # Neither the path nor the content is told: someone may have pasted the key itself.
        return checks.check_api_key("the key in --api-key-file", _file("--api-key-file", path).decode().strip())
    except UnicodeDecodeError:
        raise click.UsageError("--api-key-file is no text file") from None
    except ConfigurationError as error:
        raise click.UsageError(error.message) from None


def _prefix(prefix: str) -> str:
    from campaigns_async import checks

    if prefix and not (prefix.startswith("/") and checks.is_path(prefix)):
        raise click.UsageError("--prefix must be a path that begins with a slash, such as /tenant")
    return prefix


def _limit(rate: float | None, status: str | None) -> RateLimit | None:
    from campaigns_async.sandbox import RateLimit

    if rate is None:
        if status is not None:
            raise click.UsageError("--rate-limit-status goes with --rate-limit")
        return None
    if not 0 < rate < float("inf"):
        raise click.UsageError("--rate-limit must be more than 0 requests a second")
    return RateLimit(rate, status=503 if status == "503" else 429)


def _quirks(texts: Sequence[str]) -> Quirks:
    from campaigns_async.sandbox import Quirks

    fields: dict[str, Any] = {}
    for text in texts:
        name, sign, value = text.partition("=")
        name = name.replace("-", "_")
        read = _QUIRKS.get(name)
        if read is None:
            raise click.UsageError(f"--quirk has no such name; there are {', '.join(_QUIRKS)}")
        try:
            fields[name] = read(value if sign else "true" if read is _flag else "")
        except ValueError as error:
            raise click.UsageError(f"--quirk {name}: {error}") from None
    return Quirks(**fields)
