"""`campaigns-async sandbox` as its user meets it: a process that is started, spoken to and stopped."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, get_args

import attrs
import pytest
from attrs import frozen

from campaigns_async.cli import options, sandbox_run
from campaigns_async.sandbox import Quirks
from campaigns_async.sandbox._dotnet import DateStyle
from campaigns_async.sandbox._mobile_numbers import PhoneStyle

from .conftest import Command

_PATIENCE = 10.0
"""Seconds; it should take one at most."""
NEW = {
    "startDateTime": "2031-05-01T09:30:00.000Z",
    "sender": "Golf",
    "message": "Fore!",
    "contacts": [{"phoneNumber": "07700900123"}],
}


@frozen
class Running:
    """A sandbox in a process of its own, and the places that it printed."""

    process: subprocess.Popen[str]
    places: dict[str, str]

    @property
    def port(self) -> int:
        return int(self.places["url"].split(":")[2].split("/")[0])

    def connect(self, host: str = "127.0.0.1") -> http.client.HTTPConnection:
        return http.client.HTTPConnection(host, self.port, timeout=_PATIENCE)

    def ask(
        self, method: str, path: str, body: Any = None, *, key: str | None = None, **headers: str
    ) -> tuple[int, Any]:
        """A status, and the body where that is JSON."""
        connection = self.connect()
        given = {"api-key": self.places["api_key"] if key is None else key, **headers}
        if body is not None:
            given["Content-Type"] = "application/json"
        connection.request(method, path, None if body is None else json.dumps(body), given)
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        return answer.status, json.loads(content) if content else None

    def stop(self, number: int = signal.SIGTERM) -> tuple[int, str, str]:
        """The exit code, and what was still said."""
        self.process.send_signal(number)
        out, err = self.process.communicate(timeout=_PATIENCE)
        return self.process.returncode, out, err


@contextmanager
def running(*arguments: str | Path, port: int = 0, **environment: str) -> Iterator[Running]:
    """Start one, and read where it is."""
    with subprocess.Popen(
        [sys.executable, "-m", "campaigns_async", "sandbox", "--port", str(port), *arguments],
        env={**os.environ, **environment},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        try:
            assert process.stdout is not None
            first = process.stdout.readline()
            if first.startswith("{"):
                yield Running(process, json.loads(first))
                return
            lines = [first, *(process.stdout.readline() for _ in range(3))]
            yield Running(process, dict(line.rstrip("\n").split(": ", 1) for line in lines))
        finally:
            process.kill()


class TestStarted:
    def test_it_tells_where_it_is_and_with_which_key(self) -> None:
        with running() as sandbox:
            assert list(sandbox.places) == ["url", "api_key", "control", "openapi"]
            assert sandbox.places["url"].startswith("http://127.0.0.1:")
            assert sandbox.places["control"] == f"{sandbox.places['url']}/_sandbox"
            assert sandbox.places["openapi"] == f"{sandbox.places['url']}/_sandbox/openapi.json"
            assert sandbox.ask("POST", "/api/Campaigns", NEW)[0] == 201
            assert sandbox.ask("GET", "/api/Campaigns", key="another")[0] == 401
            assert sandbox.ask("GET", "/_sandbox/openapi.json")[1]["servers"][0]["url"] == sandbox.places["url"]
            assert sandbox.stop() == (0, "", "")

    @pytest.mark.slow
    def test_or_in_one_line_of_json(self) -> None:
        with running("--json", "--prefix", "/tenant") as sandbox:
            assert list(sandbox.places) == ["url", "api_key", "control", "openapi"]
            assert sandbox.places["control"].endswith("/tenant/_sandbox")
            assert sandbox.ask("GET", "/tenant/api/Campaigns")[0] == 200
            assert sandbox.stop() == (0, "", "")

    def test_a_port_can_be_chosen(self, unused_tcp_port: int) -> None:
        with running(port=unused_tcp_port) as sandbox:
            assert sandbox.port == unused_tcp_port

    def test_the_live_key_is_not_read(self) -> None:
        with running(CAMPAIGNS_API_KEY="s3cret-live") as sandbox:
            assert sandbox.places["api_key"] != "s3cret-live"
            assert sandbox.ask("GET", "/api/Campaigns", key="s3cret-live")[0] == 401

    def test_a_key_can_come_from_a_file(self, tmp_path: Path) -> None:
        path = tmp_path / "key"
        path.write_text("a-key-of-mine\n")
        with running("--api-key-file", path) as sandbox:
            assert sandbox.ask("GET", "/api/Campaigns", key="a-key-of-mine")[0] == 200

    @pytest.mark.slow
    def test_bound_to_more_than_this_machine_it_warns_and_keeps_the_control_for_who_has_the_key(self) -> None:
        with running("--host", "0.0.0.0") as sandbox:  # noqa: S104 - to see it warn
            assert sandbox.ask("GET", "/_sandbox/journal")[0] == 200
            assert sandbox.ask("GET", "/_sandbox/journal", key="")[0] == 401
            code, out, err = sandbox.stop()
        assert (code, out) == (0, "")
        assert err.startswith("warning: 0.0.0.0 can be reached from other machines")
        assert err.count("\n") == 1


class TestOptions:
    def test_they_reach_the_sandbox(self, tmp_path: Path) -> None:
        data = tmp_path / "data.json"
        data.write_text(json.dumps({"campaigns": [{"id": "c1", "sender": "Acme"}], "contacts": {"c1": [{"id": "k1"}]}}))
        with running(
            "--data", data, "--now", "2031-01-01T00:00:00Z", "--auth", "header", "--update-method", "POST",
            "--delete-method", "both", "--magic-recipients", "--rate-limit", "1000", "--rate-limit-status", "503",
            "--quirk", "list_in_array", "--quirk", "default-page-size=1", "--quirk", "dates=bare",
            "--faults", '[{"operation": "get", "status": 502}, {"operation": "delete", "status": 418}]',
        ) as sandbox:  # fmt: skip
            (page,) = sandbox.ask("GET", "/api/Campaigns")[1]
            assert (page["items"], page["totalRecords"]) == ([{"id": "c1", "sender": "Acme"}], 1)
            assert sandbox.ask("GET", "/api/Campaigns/c1/Contacts")[1]["items"] == [{"id": "k1"}]
            assert sandbox.ask("GET", "/api/Campaigns/c1")[0] == 502
            assert sandbox.ask("DELETE", "/api/Campaigns/c1")[0] == 418
            assert sandbox.ask("POST", "/api/Campaigns/c1")[0] == 418
            assert sandbox.ask("PUT", "/api/Campaigns/c1", NEW)[0] == 405
            assert sandbox.ask("GET", f"/api/Campaigns?api-key={sandbox.places['api_key']}", key="")[0] == 401
            assert sandbox.ask("GET", "/_sandbox/clock")[1] == {"now": "2031-01-01T00:00:00.000000Z", "running": False}
            assert sandbox.ask("GET", "/_sandbox/rate-limit")[1] == {
                "requests_per_second": 1000, "burst": None, "status": 503, "retry_after": True,
            }  # fmt: skip
            invalid = {**NEW, "contacts": [{"phoneNumber": "07700900030"}]}
            assert sandbox.ask("POST", "/api/Campaigns", invalid)[0] == 400

    def test_faults_can_come_from_a_file(self, tmp_path: Path) -> None:
        path = tmp_path / "faults.json"
        path.write_text('[{"status": 503}]')
        with running("--faults", path) as sandbox:
            assert sandbox.ask("GET", "/api/Campaigns")[0] == 503

    @pytest.mark.slow
    def test_a_seed_makes_the_same_ids(self) -> None:
        ids: list[Any] = []
        for _ in range(2):
            with running("--seed", "5") as sandbox:
                ids.append(sandbox.ask("POST", "/api/Campaigns", NEW))
        assert ids[0] == ids[1]

    def test_each_quirk_that_a_command_line_can_say_has_its_name(self) -> None:
        assert set(options.SANDBOX_QUIRKS) == attrs.fields_dict(Quirks).keys() - {"message_text", "zone"}

    @pytest.mark.parametrize("text", [*get_args(DateStyle), *get_args(PhoneStyle)])
    def test_each_notation_can_be_chosen(self, text: str) -> None:
        name = "dates" if text in get_args(DateStyle) else "phones"
        assert getattr(sandbox_run._read_quirks([f"{name}={text}"]), name) == text

    def test_quirks_are_read(self) -> None:
        made = sandbox_run._read_quirks(["bare-id", "strict_filters=true", "list_in_array=false", "max_page_size=7"])
        assert made == Quirks(bare_id=True, strict_filters=True, max_page_size=7)


class TestStopped:
    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
    @pytest.mark.slow
    def test_it_stops_at_once_whatever_is_open(self, number: int) -> None:
        with running("--faults", '[{"operation": "list", "hang": true}]') as sandbox:
            kept = sandbox.connect()
            kept.request("GET", "/_sandbox/journal")
            kept.getresponse().read()
            hanging = sandbox.connect()
            hanging.request("GET", "/api/Campaigns", headers={"api-key": sandbox.places["api_key"]})
            half = socket.create_connection(("127.0.0.1", sandbox.port), timeout=_PATIENCE)
            half.sendall(b"POST /api/Campaigns HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{")
            while not sandbox.ask("GET", "/_sandbox/journal")[1]["total"]:
                pass

            assert sandbox.stop(number) == (0, "", "")

            with pytest.raises((http.client.HTTPException, ConnectionError)):
                hanging.getresponse()
            for connection in (kept, hanging, half):
                connection.close()

    def test_its_help_says_how_it_ends(self, command: Command) -> None:
        ended = command("sandbox", "--help")
        assert ended.code == 0
        assert "Exits with 0 then" in " ".join(ended.out.split())

    def test_its_help_loads_no_server(self) -> None:
        code = (
            "import sys\nfrom campaigns_async.cli import main\ntry:\n    main(['sandbox', '--help'])\n"
            "finally:\n    assert 'aiohttp' not in sys.modules"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")


class TestRefused:
    def test_a_port_in_use_is_one_line(self, command: Command) -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            ended = command("sandbox", "--port", str(port))
        assert (ended.code, ended.out) == (1, "")
        assert ended.err == (
            f"campaigns-async: port {port} of 127.0.0.1 is in use: choose another with --port, or 0 for any free port\n"
        )

    @pytest.mark.parametrize(
        ("host", "expected"),
        [
            ("192.0.2.1", "check --host"),
            ("no-such-host.invalid", "check --host"),
            ("x" * 70 + ".invalid", "check --host"),
        ],
    )
    def test_an_address_of_another_machine_is_one_line(self, command: Command, host: str, expected: str) -> None:
        ended = command("sandbox", "--port", "0", "--host", host)
        assert (ended.code, ended.out) == (1, "")
        assert expected in ended.err
        assert ended.err.count("\n") == 1

    def test_a_port_of_the_system_s_is_one_line(self, command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
        async def forbidden(*_: object) -> None:
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr("campaigns_async.sandbox.Sandbox.start", forbidden)
        ended = command("sandbox", "--port", "80")
        assert (ended.code, ended.out) == (1, "")
        assert ended.err == ("campaigns-async: port 80 needs more rights: choose one from 1024 on with --port\n")

    @pytest.mark.parametrize(
        ("arguments", "expected"),
        [
            (["--port", "65536"], "--port"),
            (["--host", ""], "--host must be an address"),
            (["--host", "a/b"], "--host must be an address"),
            (["--api-key", "s3cret"], "--api-key"),
            (["--api-key-file", "s3cret"], "--api-key-file cannot be read: No such file"),
            (["--api-key-file", "."], "--api-key-file cannot be read"),
            (["--rate-limit", "0"], "--rate-limit must be more than 0"),
            (["--rate-limit", "nan"], "--rate-limit must be more than 0"),
            (["--rate-limit", "1", "--rate-limit-status", "500"], "--rate-limit-status"),
            (["--rate-limit-status", "503"], "--rate-limit-status goes with --rate-limit"),
            (["--faults", "[{]"], "--faults: not JSON"),
            (["--faults", '[{"nht": 1}]'], "--faults: unknown name 'nht'; known are operation, nth,"),
            (["--faults", "no-such-file"], "--faults cannot be read: No such file"),
            (["--data", "no-such-file"], "--data cannot be read: No such file"),
            (["--prefix", "tenant"], "--prefix must be a path that begins with a slash"),
            (["--prefix", "/a?b"], "--prefix must be a path"),
            (["--now", "tomorrow"], "--now: must be a date and time with a zone"),
            (["--auth", "basic"], "--auth"),
            (["--update-method", "PATCH"], "--update-method"),
            (["--delete-method", "GET"], "--delete-method"),
            (["--quirk", "zone=UTC"], "--quirk: unknown quirk 'zone'; the quirks are bare_id, list_in_array,"),
            (["--quirk", "bare_id=yes"], "--quirk: must be true or false @ $.bare_id"),
            (["--quirk", "dates"], "--quirk: must be one of milliseconds, bare,"),
            (["--quirk", "max_page_size=0"], "--quirk: 'max_page_size' must be >= 1"),
            (["--seed", "x"], "--seed"),
            (["extra"], "extra"),
        ],
    )
    def test_a_wrong_option_is_one_line_that_says_where_to_look(
        self, arguments: list[str], expected: str, command: Command
    ) -> None:
        ended = command("sandbox", "--port", "0", *arguments)
        assert (ended.code, ended.out) == (2, "")
        assert expected in ended.err
        assert "--help" in ended.err
        assert ended.err.count("\n") == 1
        assert "s3cret" not in ended.err

    @pytest.mark.parametrize(
        ("content", "expected"),
        [(b"", "is empty"), (b"one\ntwo\n", "line break"), (b"\xff\xfe", "is UTF-16")],
    )
    def test_a_file_that_holds_no_key_is_refused(
        self, content: bytes, expected: str, tmp_path: Path, command: Command
    ) -> None:
        path = tmp_path / "key"
        path.write_bytes(content)
        ended = command("sandbox", "--port", "0", "--api-key-file", path)
        assert (ended.code, ended.out) == (2, "")
        assert expected in ended.err
        assert ended.err.count("\n") == 1

    def test_invalid_data_is_refused(self, tmp_path: Path, command: Command) -> None:
        path = tmp_path / "data.json"
        path.write_text('{"campaigns": [{"id": "c1"}, {"id": "c1"}]}')
        ended = command("sandbox", "--port", "0", "--data", path)
        assert (ended.code, ended.out) == (2, "")
        assert "--data: campaigns[1].id must differ from the ids before it" in ended.err
