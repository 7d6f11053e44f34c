"""Real proxies: each one runs in the foreground, with its own configuration, in a directory of the test."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import signal
import socket
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from pathlib import Path
from types import MappingProxyType

import pytest
from attrs import define, field, frozen

_SYSTEM = "/usr/local/sbin:/usr/sbin:/sbin"
"""Folders of programs that are not in the PATH of an ordinary user."""
_START, _STOP = 30, 10
"""Seconds. Varnish compiles its configuration with a C compiler when it starts."""
_PORTS = 5
"""Ports to try: another process may take a free port before the proxy does."""
_RESPONSE = re.compile(r"([0-9]+) ([A-Z]+) ([0-9]+)")


@frozen
class Program:
    """A program of a Debian package.

    Attributes:
        name: The name of the executable.
        package: The name of the package.
        ready: A text that the program writes when it accepts connections.
        command: Writes the configuration into a directory, for a port. Returns the arguments of the program.
    """

    name: str
    package: str
    ready: str
    command: Callable[[Path, int], Sequence[str]]


@frozen
class Response:
    """A response of a proxy.

    Attributes:
        connection: A number of the client's connection.
        method: The method of the request.
        status: The status.
    """

    connection: str
    method: str
    status: int


@define(eq=False)
class Proxy:
    """A running proxy.

    Attributes:
        url: Its URL.
        directory: The directory that it runs in.
        process: Its first process.
        output: The lines that it has written.
    """

    url: str
    directory: Path
    process: asyncio.subprocess.Process
    output: list[str] = field(factory=list[str])

    @property
    def responses(self) -> list[Response]:
        """The responses that it has sent, in order. Varnish writes none."""
        lines = (_RESPONSE.fullmatch(line) for line in self.output)
        return [Response(found[1], found[2], int(found[3])) for found in lines if found]

    @property
    def pids(self) -> set[int]:
        """The process ids of the proxy, with its workers."""
        return _processes_in(self.directory)

    @property
    def workers(self) -> set[int]:
        """The process ids of the workers; of the only process if there is no worker."""
        return self.pids - {self.process.pid} or {self.process.pid}


Run = Callable[[Program], AbstractAsyncContextManager[Proxy]]
"""Runs a program in a directory of the test, on a free port."""


def find_program(name: str, package: str) -> str:
    """Return the path of an executable. Fail the test, with the package to install, if there is no such executable."""
    found = shutil.which(name, path=f"{os.environ.get('PATH', os.defpath)}:{_SYSTEM}")
    if found is None:
        pytest.fail(f"{name} is missing (on Debian: apt-get install --no-install-recommends {package})", pytrace=False)
    return found


@asynccontextmanager
async def run_proxy(program: Program, directory: Path) -> AsyncIterator[Proxy]:
    """Run a program on a free port. At the end, stop it, and fail if one of its processes is left."""
    path = find_program(program.name, program.package)
    directory = directory.resolve()  # as /proc shows it
    directory.mkdir()
    for _ in range(_PORTS):
        port = _free_port()
        process = await asyncio.create_subprocess_exec(
            path,
            *program.command(directory, port),
            cwd=directory,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C at the terminal stops the tests, which stop the proxy
        )
        proxy = Proxy(f"http://127.0.0.1:{port}", directory, process)
        is_ready = asyncio.get_running_loop().create_future()
        reading = asyncio.create_task(_read_output(proxy, program.ready, is_ready))
        try:
            if await asyncio.wait_for(is_ready, _START):
                yield proxy
                return
        finally:
            await _stop(proxy, reading)
        if not any("in use" in line for line in proxy.output):
            break
    pytest.fail(f"{program.name} did not start:\n" + "\n".join(proxy.output), pytrace=False)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


async def _read_output(proxy: Proxy, ready: str, is_ready: asyncio.Future[bool]) -> None:
    """Read the output until the last process that can write to it has ended."""
    assert proxy.process.stdout is not None
    try:
        async for line in proxy.process.stdout:
            proxy.output.append(line.decode(errors="replace").rstrip())
            if ready in proxy.output[-1] and not is_ready.done():
                is_ready.set_result(True)
    finally:
        if not is_ready.done():
            is_ready.set_result(False)


async def _stop(proxy: Proxy, reading: asyncio.Task[None]) -> None:
    stopping = asyncio.create_task(_terminate(proxy.process))
    try:
        async with asyncio.timeout(_STOP):
            await proxy.process.wait()
            await reading
            while proxy.pids:  # Varnish's worker ends when it misses its parent
                await asyncio.sleep(0.01)
    except TimeoutError:
        left = proxy.pids
        for pid in left:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        await proxy.process.wait()
        await reading
        output = "\n".join(proxy.output[-20:])
        pytest.fail(f"{len(left)} process(es) of {proxy.directory.name} did not stop:\n{output}", pytrace=False)
    finally:
        stopping.cancel()
        reading.cancel()


async def _terminate(process: asyncio.subprocess.Process) -> None:
    """Ask a process to end, again each second: Varnish may miss it while it starts a worker."""
    while process.returncode is None:
        with suppress(ProcessLookupError):
            process.terminate()
        with suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), 1)


def _processes_in(directory: Path) -> set[int]:
    """Return the ids of the processes whose working directory is in `directory`, but for zombies."""
    found: set[int] = set()
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            with suppress(OSError):  # it has ended, or belongs to another user
                where = (entry / "cwd").readlink()
                if where == directory or directory in where.parents:
                    found.add(int(entry.name))
    return found


def nginx(backend: str, *, server: str = "", http: str = "", location: str = "", share: int = 100) -> Program:
    """Build an nginx in front of a backend.

    Args:
        backend: The URL of the backend.
        server: Directives of the server.
        http: Directives outside of the server.
        location: Directives beside `proxy_pass`.
        share: The percentage of the POST requests in which `$hit` is 1. It is 0 in all other requests.
    """
    draw = f"{share}% 1; * 0;" if share < 100 else "* 1;"

    def command(directory: Path, port: int) -> Sequence[str]:
        address = backend.removeprefix("http://")
        user = "user root;" if os.geteuid() == 0 else ""  # its workers are nobody's, who may not write to `directory`
        paths = "".join(
            f"{name}_temp_path temp_{name};" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        (directory / "nginx.conf").write_text(f"""
            {user} daemon off; pid nginx.pid; error_log stderr notice; worker_processes 1;
            events {{ worker_connections 1024; }}
            http {{
                {paths}
                log_format short '$connection $request_method $status';
                access_log /dev/stdout short;
                split_clients $request_id $drawn {{ {draw} }}
                map $drawn$request_method $hit {{ default 0; 1POST 1; }}
                upstream backend {{ server {address} max_fails=0; server {address} max_fails=0; keepalive 8; }}
                {http}
                server {{
                    listen 127.0.0.1:{port};
                    {server}
                    location / {{
                        proxy_pass http://backend; proxy_http_version 1.1; proxy_set_header Connection "";
                        {location}
                    }}
                }}
            }}
        """)
        return "-p", f"{directory}/", "-c", "nginx.conf", "-e", "stderr"

    return Program("nginx", "nginx-light", "start worker process", command)


def varnish(backend: str, **parameters: float) -> Program:
    """Build a Varnish in front of a backend, with its built-in VCL.

    Args:
        backend: The URL of the backend.
        parameters: Parameters of `varnishd -p`.
    """

    def command(directory: Path, port: int) -> Sequence[str]:
        options = [f"-p{name}={value}" for name, value in parameters.items()]
        # No jail: it would run its compiler as another user, who may not write to `directory`.
        return (
            *("-j", "none", "-F", "-n", str(directory), "-a", f"127.0.0.1:{port}"),
            *("-b", backend.removeprefix("http://"), "-s", "malloc,8m", *options),
        )

    return Program("varnishd", "varnish", "Child starts", command)


def haproxy(
    backend: str,
    *,
    frontend: str = "",
    server: str = "",
    timeouts: Mapping[str, str] = MappingProxyType({}),
    share: int = 100,
) -> Program:
    """Build an HAProxy in front of a backend.

    Args:
        backend: The URL of the backend.
        frontend: Directives of the proxy, one a line.
        server: Options of the server.
        timeouts: Values of `timeout`, by name.
        share: The percentage of the requests in which the condition `drawn` is true.
    """

    def command(directory: Path, port: int) -> Sequence[str]:
        given = {"connect": "1s", "client": "10s", "server": "10s", **timeouts}
        waits = "\n".join(f"    timeout {name} {value}" for name, value in given.items())
        lines = "\n".join(f"    {line.strip()}" for line in frontend.splitlines())
        (directory / "haproxy.cfg").write_text(
            "global\n"
            "    log stdout format raw local0\n"
            "listen campaigns\n"
            f"    bind 127.0.0.1:{port}\n"
            "    mode http\n"
            "    log global\n"
            '    log-format "%cp %HM %ST"\n'
            f"    acl drawn rand(100) lt {share}\n"
            f"{waits}\n{lines}\n"
            f"    server backend {backend.removeprefix('http://')} {server}\n"
        )
        return "-W", "-db", "-f", "haproxy.cfg"

    return Program("haproxy", "haproxy", "Loading success", command)
