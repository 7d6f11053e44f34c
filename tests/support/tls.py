"""A certificate for localhost, and a server that has it."""

from __future__ import annotations

import asyncio
import shutil
import ssl
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from support.raw_server import Script


def run_openssl(*arguments: str) -> str:
    """Run openssl, and return what it prints."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("needs the program openssl")
    return subprocess.run((openssl, *arguments), check=True, capture_output=True, text=True).stdout


def hash_certificate(certificate: Path) -> str:
    """Return the hash by which OpenSSL finds a CA in a directory."""
    return run_openssl("x509", "-hash", "-noout", "-in", str(certificate)).strip()


def make_certificate(folder: Path) -> Path:
    """Make a self-signed certificate for localhost, with its key in the same file."""
    key, made, both = folder / "key.pem", folder / "cert.pem", folder / "both.pem"
    run_openssl(
        *("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
        *("-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"),
        *("-keyout", str(key), "-out", str(made)),
    )
    both.write_bytes(key.read_bytes() + made.read_bytes())
    return both


@asynccontextmanager
async def tls_server(certificate: Path, serve: Script) -> AsyncIterator[str]:
    """Run a server with this certificate, and yield its URL."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    asyncio.get_running_loop().set_exception_handler(lambda *_: None)  # asyncio logs failed handshakes
    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    try:
        yield f"https://localhost:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
