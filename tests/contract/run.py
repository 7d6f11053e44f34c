"""Compare the sandbox with its OpenAPI document: `python -P -m contract.run`, with the folder `tests` on the path.

For each setting a sandbox is started in this process, and schemathesis sends it requests that the document allows
and forbids, by a fixed seed. Further arguments go to schemathesis.
"""

from __future__ import annotations

import asyncio
import os
import sys
import sysconfig
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import aiohttp
import attrs

from campaigns_async.sandbox import Auth, Sandbox

_KEY: Final = "contract-key"
_SEED: Final = 1
# Generated start times are before and after it, so that there are started campaigns as well.
_NOW: Final = datetime(2015, 1, 1, tzinfo=UTC)
_HEADERS: Final = {"any": f"Authorization: Bearer {_KEY}", "header": f"api-key: {_KEY}"}
# The only way that is not a header is set in schemathesis' configuration, under the scheme's name in the document.
_QUERY: Final = f'\n[auth.openapi.apiKeyQuery]\napi_key = "{_KEY}"\n'
_CAMPAIGN: Final = {
    "id": "abc123",  # the id of the document's examples
    "startDateTime": "2030-06-27T03:10:04.492Z",
    "sender": "Golf",
    "recipientCount": 1,
    "message": "Fore!",
    "status": 0,
    "optOutLinkId": 7,
    "trackLinkUrl": "https://example.com/offer",
}
_CONTACT: Final = {"id": "def456", "phoneNumber": "07700900123", "name": None, "custom1": None, "custom2": "b"}


@attrs.frozen
class Setting:
    """Options of a sandbox, and the number of requests of each kind."""

    examples: int
    switches: dict[str, Any] = attrs.Factory(dict[str, Any])
    auth: Auth = "any"
    prefix: str = ""


SETTINGS: Final = (
    Setting(50),
    Setting(20, {"update_method": "POST", "delete_method": "POST"}, auth="header", prefix="/tenant"),
    Setting(20, {"update_method": "both", "delete_method": "both"}),
    Setting(20, {"delete_method": "POST"}, auth="query"),
)


def seeds() -> list[dict[str, Any]]:
    """Return the campaigns from the start: one in each status, and that of the examples."""
    others = ({**_CAMPAIGN, "id": f"c{status}", "status": status, "optOutLinkId": None} for status in range(6))
    return [_CAMPAIGN, *others]


async def check(setting: Setting, folder: Path, arguments: list[str]) -> int:
    """Run schemathesis against one sandbox. Return 0 if it finds nothing."""
    sandbox = Sandbox(
        seeds(),
        {"abc123": [_CONTACT]},
        api_key=_KEY,
        prefix=setting.prefix,
        now=_NOW,
        seed=_SEED,
        auth=setting.auth,
        **setting.switches,
    )
    async with sandbox:
        path = folder / "openapi.json"
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"{sandbox.url}/_sandbox/openapi.json") as answer,
        ):
            path.write_bytes(await answer.read())
        plain = Path(__file__).with_name("schemathesis.toml").read_text(encoding="utf-8")
        config = folder / "schemathesis.toml"
        config.write_text(plain + (_QUERY if setting.auth == "query" else ""), encoding="utf-8")
        header = ("--header", _HEADERS[setting.auth]) if setting.auth in _HEADERS else ()
        command = [
            str(Path(sysconfig.get_path("scripts"), "st")),
            *("--config-file", str(config)),
            *("run", str(path), "--url", sandbox.url, *header),
            *("--seed", str(_SEED), "--max-examples", str(setting.examples), *arguments),
        ]
        environment = {**os.environ, "SCHEMATHESIS_HOOKS": "contract.hooks"}
        process = await asyncio.create_subprocess_exec(*command, cwd=folder, env=environment)
        status = await process.wait()
        statuses = sorted({request.status for request in sandbox.requests if request.status is not None})
        print(f"{setting}: {len(sandbox.requests)} requests, answered with {statuses}", flush=True)
    return status


def main(arguments: list[str]) -> int:
    """Run all settings, and return 1 if anything was found."""
    with tempfile.TemporaryDirectory() as folder:
        found = [asyncio.run(check(setting, Path(folder), arguments)) for setting in SETTINGS]
    return int(any(found))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
