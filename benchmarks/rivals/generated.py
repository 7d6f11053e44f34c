"""Clients that generators make of the sandbox's OpenAPI document, into a directory that is thrown away."""

from __future__ import annotations

import importlib
import subprocess
import sys
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from importlib.resources import as_file, files
from pathlib import Path
from types import ModuleType

OPENAPI_GENERATOR = "rival_openapi_generator"
OPENAPI_PYTHON_CLIENT = "rival_openapi_python_client"


@contextmanager
def generated() -> Generator[None]:
    """Both clients, which can be imported by the names above as long as the block lasts.

    Raises:
        CalledProcessError: A generator failed; it has said why on standard error.
    """
    with (
        as_file(files("campaigns_async").joinpath("sandbox", "openapi.json")) as document,
        tempfile.TemporaryDirectory() as folder,
    ):
        _openapi_generator(document, Path(folder))
        _openapi_python_client(document, Path(folder))
        sys.path.insert(0, folder)
        try:
            yield
        finally:
            sys.path.remove(folder)


def module(package: str, name: str) -> ModuleType:
    """A module of a generated package."""
    return importlib.import_module(f"{package}.{name}")


def _openapi_generator(document: Path, folder: Path) -> None:
    """Needs a Java runtime: the generator is a jar."""
    command = ["openapi-generator-cli", "generate", "-i", str(document), "-o", str(folder)]
    settings = ["-g", "python", "--library", "asyncio", "--package-name", OPENAPI_GENERATOR]
    subprocess.run([*command, *settings], check=True, stdout=subprocess.DEVNULL)


def _openapi_python_client(document: Path, folder: Path) -> None:
    command = ["openapi-python-client", "generate", "--path", str(document), "--meta", "none"]
    output = ["--output-path", str(folder / OPENAPI_PYTHON_CLIENT)]
    subprocess.run([*command, *output], check=True, stdout=subprocess.DEVNULL)
