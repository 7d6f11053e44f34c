"""`python -m benchmarks.modules`: how many modules of the package one item enters on its way.

A reader who follows an item through the code opens this many files. The first item warms up: it pays for the imports and
fills the caches. The second one is counted: every module of the package whose code runs, in any thread, from the call to
its result. A create includes the construction of its campaign. A durable row is a `send` of a plan of one row, with the
planning and the journal. An export row is an export of one page. Code that attrs generates belongs to no file and is not counted.

Counted by this tracer:

| one item    | the first layout, of 215 modules | version 0.1.0 |
|-------------|----------------------------------|---------------|
| create      | 16                               | 19            |
| durable row | 38                               | 36            |
| export row  | 46                               | 35            |
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from inspect import CO_OPTIMIZED
from pathlib import Path
from types import FrameType

import msgspec
from attrs import field, frozen

import campaigns_async
from benchmarks import answerer
from benchmarks.rows import KEY
from benchmarks.table import format_markdown
from benchmarks.work import build_campaign, build_json
from campaigns_async import CampaignsClient
from campaigns_async.export import export_contacts
from campaigns_async.jobs import ndjson_plan, send

_PACKAGE = Path(campaigns_async.__file__).parent
_PAGE_SIZE = 100


@frozen
class Tracer:
    """A profile function that notes the files of the functions that are called.

    Attributes:
        files: The files, as Python names them in its code objects.
    """

    files: set[str] = field(factory=set[str])

    def __call__(self, frame: FrameType, event: str, _: object) -> None:
        """Note the file of a function that is called. An import runs the bodies of modules and classes: no functions."""
        if event == "call" and frame.f_code.co_flags & CO_OPTIMIZED:
            self.files.add(frame.f_code.co_filename)

    @contextmanager
    def trace(self) -> Iterator[None]:
        """Trace this thread, and each thread that starts within the block."""
        sys.setprofile(self)
        threading.setprofile(self)
        try:
            yield
        finally:
            threading.setprofile(None)
            sys.setprofile(None)

    def modules(self) -> list[str]:
        """Return the modules of the package among the files, as paths from the package."""
        paths = map(Path, self.files.copy())  # this code is traced too
        return sorted(path.relative_to(_PACKAGE).as_posix() for path in paths if path.is_relative_to(_PACKAGE))


def main() -> None:
    """Count and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.modules", description=__doc__)
    parser.add_argument("--names", action="store_true", help="print the names of the modules as well")
    options = parser.parse_args()
    counted = count_modules()
    print(format_markdown(("one item", "modules"), [(name, str(len(modules))) for name, modules in counted.items()]))
    if options.names:
        for name, modules in counted.items():
            print(f"\n{name}: {', '.join(modules)}")


def count_modules() -> dict[str, list[str]]:
    """Return the modules that a create, a durable row and an export row enter."""
    with answerer.run_answerer(pages=1, page_size=_PAGE_SIZE) as url, tempfile.TemporaryDirectory() as folder:
        return asyncio.run(_count(url, Path(folder)))


async def _count(url: str, folder: Path) -> dict[str, list[str]]:
    tracer = Tracer()
    # From the start, so that the threads that the first item leaves running are traced during the second.
    with tracer.trace():
        async with CampaignsClient(url, KEY) as client:
            return {name: await _modules_of(item, tracer) for name, item in _items(client, folder).items()}


async def _modules_of(item: Callable[[int], Awaitable[None]], tracer: Tracer) -> list[str]:
    await item(1)
    tracer.files.clear()
    await item(2)
    return tracer.modules()


def _items(client: CampaignsClient, folder: Path) -> dict[str, Callable[[int], Awaitable[None]]]:
    async def create(number: int) -> None:
        await client.campaigns.create(build_campaign(number))

    async def send_row(number: int) -> None:
        plan = folder / f"plan{number}.ndjson"
        plan.write_bytes(msgspec.json.encode({"key": "a", **build_json(number)}) + b"\n")
        summary = await send(
            client, ndjson_plan(plan), journal=folder / f"run{number}.sqlite", preflight=False, accept_altered=True
        )
        if not summary.ok or summary.created != 1:
            raise RuntimeError("the row was not created")

    async def export_page(number: int) -> None:
        out = folder / f"contacts{number}.ndjson"
        summary = await export_contacts(client, out, [answerer.campaign_id_for(1)], page_size=_PAGE_SIZE)
        if summary.rows != _PAGE_SIZE:
            raise RuntimeError("the page was not exported")

    return {"create": create, "durable row": send_row, "export row": export_page}


if __name__ == "__main__":
    main()
