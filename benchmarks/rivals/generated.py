"""Clients that generators write from the sandbox's OpenAPI document into a temporary directory."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

from campaigns_async.sandbox._openapi import build_document

OPENAPI_GENERATOR = "rival_openapi_generator"
OPENAPI_PYTHON_CLIENT = "rival_openapi_python_client"


@contextmanager
def generate_clients() -> Generator[None]:
    """Generate both clients, which can be imported by the names above during the block.

    Raises:
        CalledProcessError: If a generator failed; its reason is on standard error.
    """
    with tempfile.TemporaryDirectory() as folder:
        api = Path(folder, "openapi.json")
        described = build_document(url="http://127.0.0.1:8080", update_method="PUT", delete_method="DELETE", auth="any")
        api.write_text(json.dumps(described), encoding="utf-8")
        _openapi_generator(api, Path(folder))
        _openapi_python_client(api, Path(folder))
        sys.path.insert(0, folder)
        try:
            yield
        finally:
            sys.path.remove(folder)


def import_generated(package: str, name: str) -> ModuleType:
    """Import a module of a generated package."""
    return importlib.import_module(f"{package}.{name}")


def _openapi_generator(api: Path, folder: Path) -> None:
    """Run OpenAPI Generator, a jar that needs a Java runtime."""
    command = ["openapi-generator-cli", "generate", "-i", str(api), "-o", str(folder)]
    settings = ["-g", "python", "--library", "asyncio", "--package-name", OPENAPI_GENERATOR]
    subprocess.run([*command, *settings], check=True, stdout=subprocess.DEVNULL)


def _openapi_python_client(api: Path, folder: Path) -> None:
    command = ["openapi-python-client", "generate", "--path", str(api), "--meta", "none"]
    output = ["--output-path", str(folder / OPENAPI_PYTHON_CLIENT)]
    subprocess.run([*command, *output], check=True, stdout=subprocess.DEVNULL)
