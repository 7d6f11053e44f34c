"""Django and Celery, as the guide has them: real processes, one loop and one client in each."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import aiohttp
import pytest

from campaigns_async.sandbox import Sandbox, ThreadedSandbox
from guides.blocks import PYTHON
from guides.running import environment

pytestmark = pytest.mark.slow
SITE = """
from django.conf import settings
settings.configure(ROOT_URLCONF="shop", MIDDLEWARE=["shop.CampaignsErrors"], ALLOWED_HOSTS=["*"], SECRET_KEY="a")
from django.core.asgi import get_asgi_application
application = get_asgi_application()
"""
ORDER = {"start": "2031-06-27T09:30:00+00:00", "sender": "Golf", "message": "See you.", "numbers": ["07700 900123"]}


async def test_the_django_app_creates_reads_and_maps_errors(tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text(PYTHON["django_app"].source)
    (tmp_path / "site_of_shop.py").write_text(SITE)
    async with Sandbox() as sandbox:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "uvicorn", "site_of_shop:application", "--port", "0", "--lifespan", "off",
            cwd=tmp_path, env={**os.environ, **environment(sandbox)}, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        try:
            url = await find_url(process)
            async with aiohttp.ClientSession(url) as browser:

                async def post(**changed: object) -> tuple[int, str | None]:
                    async with browser.post("/campaigns", json={**ORDER, **changed}) as answer:
                        return answer.status, (await answer.json()).get("effect")

                assert await post() == (201, None)
                async with browser.get(f"/campaigns/{sandbox.created[0]['id']}") as answer:
                    assert (answer.status, (await answer.json())["recipients"]) == (200, 1)
                async with browser.get("/campaigns/other") as answer:
                    assert answer.status == 404
                for wrong in ({"numbers": []}, {"numbers": None}, {"start": "tomorrow"}, {"sender": None}):
                    assert await post(**wrong) == (422, None)
                for body, said in ((b"{}", "'start' is missing"), (b"no JSON", "not an order: Expecting value")):
                    async with browser.post("/campaigns", data=body) as answer:
                        assert answer.status == 422
                        assert (await answer.json())["error"].startswith(said)
                for status, expected in ((504, (502, "unknown")), (401, (502, "rejected")), (400, (422, "rejected"))):
                    sandbox.fault(times=1, status=status)
                    assert await post() == expected
        finally:
            process.terminate()
            await process.wait()
    assert len(sandbox.created) == 1


async def find_url(process: asyncio.subprocess.Process) -> str:
    """Return the URL that uvicorn reports."""
    assert process.stderr is not None
    async with asyncio.timeout(40):
        async for line in process.stderr:
            if b"running on " in line:
                return line.decode().split("running on ")[1].split()[0]
    pytest.fail("uvicorn did not start")


CONFIGURATION = """
from pathlib import Path
here = Path(__file__).parent
broker_url = "filesystem://"
broker_transport_options = {"polling_interval": 0.1, "data_folder_in": str(here / "queue"), "data_folder_out": str(here / "queue")}
result_backend = f"file://{here}/results"
worker_send_task_events = False
"""
CALLS = """
from invitations import invite
first, second = invite.delay("07700 900123"), invite.delay("07700 900456")
print(first.get(timeout=50), second.get(timeout=50))
try:
    invite.delay("07700 900789").get(timeout=50)
except Exception as error:
    print(" ".join(repr(error).split()))
"""


def test_celery_workers_have_one_client_each_and_repeat_no_unknown_create(tmp_path: Path) -> None:
    for name in ("queue", "results"):
        (tmp_path / name).mkdir()
    search = ', on_unknown="reconcile"'
    assert search in PYTHON["celery_app"].source
    # Without the search, which waits until the create is certainly absent.
    (tmp_path / "invitations.py").write_text(PYTHON["celery_app"].source.replace(search, ""))
    (tmp_path / "celeryconfig.py").write_text(CONFIGURATION)
    (tmp_path / "calls.py").write_text(CALLS)
    with ThreadedSandbox() as sandbox:
        sandbox.fault(recipient="07700 900789", status=403, body="<html>", content_type="text/html")
        env = {**os.environ, **sandbox.environment, "PYTHONPATH": str(tmp_path)}
        worker = subprocess.Popen(
            [sys.executable, "-m", "celery", "-A", "invitations", "worker", "--concurrency", "2", "--pool", "prefork",
             "--without-gossip", "--without-mingle", "--without-heartbeat"],
            cwd=tmp_path, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
        try:
            done = subprocess.run(
                [sys.executable, "calls.py"],
                cwd=tmp_path, env=env, capture_output=True, text=True, check=False, timeout=55,
            )  # fmt: skip
        finally:
            worker.terminate()
            try:
                said = worker.communicate(timeout=30)[0].decode()
            finally:
                with suppress(ProcessLookupError):
                    os.killpg(worker.pid, signal.SIGKILL)
        ids, error = done.stdout.splitlines() or ["", said]
        assert set(ids.split()) == {campaign["id"] for campaign in sandbox.created}, done.stderr + said
        assert "OutcomeUnknownError" in error
        assert len([request for request in sandbox.requests if request.operation == "create"]) == 3
        sandbox.assert_no_double_send()
    assert "Unclosed" not in said
