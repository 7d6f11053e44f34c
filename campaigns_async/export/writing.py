"""Has a walk's rows encoded and written, step by step."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import aclosing
from pathlib import Path
from typing import BinaryIO

from attrs import evolve

from campaigns_async.export.errors import ResumeError
from campaigns_async.export.options import Unfinished
from campaigns_async.export.ports import Encoder, Json, Step, Target, Walk
from campaigns_async.export.stream import StreamTarget
from campaigns_async.export.summary import ExportProgress, ExportSummary
from campaigns_async.export.target import FileTarget


async def written(
    out: Path | BinaryIO,
    *,
    walk: Callable[[Mapping[str, Json] | None], Walk],
    encoder: Encoder,
    resumable: bool,
    gzip: bool,
    identity: Mapping[str, str],
    unfinished: Unfinished,
    on_progress: Callable[[ExportProgress], object] | None,
) -> ExportSummary:
    """Write all that a walk gives, from where a cut-off export ended.

    Raises:
        ExportError: The file cannot be written, or the cut-off export cannot be resumed.
        CampaignsError: What the walk raises; what was written is kept.
    """
    began = time.monotonic()
    if not isinstance(out, Path):
        stream = StreamTarget(out)
        try:
            run = Run(stream, walk, encoder, None, resumable=False, on_progress=on_progress)
            await run.to_the_end()
        finally:
            await stream.aclose()
        return run.summary(None, began)
    file = await FileTarget.open(out, identity=identity, resumable=resumable, unfinished=unfinished, gzip=gzip)
    try:
        if file.already_whole:
            return ExportSummary(
                path=out,
                rows=0,
                resumed=0,
                campaigns=None,
                gone=0,
                bytes_written=0,
                started_over=False,
                already_whole=True,
                elapsed=time.monotonic() - began,
            )
        run = Run(file, walk, encoder, file.resumed, resumable=resumable, on_progress=on_progress)
        await run.to_the_end()
    finally:
        await file.aclose()
    return run.summary(out, began, started_over=file.started_over)


class Run:
    """One run of an export, from a position on.

    Args:
        target: Where it is written.
        walk: Makes the walk from its position.
        encoder: Makes the bytes.
        resumed: What was kept with the last write of the run before; None: there was none.
        resumable: Whether positions are to be kept.
        on_progress: Is told after each write.

    Raises:
        ResumeError: The position cannot be read.
    """

    def __init__(
        self,
        target: Target,
        walk: Callable[[Mapping[str, Json] | None], Walk],
        encoder: Encoder,
        resumed: Mapping[str, Json] | None,
        *,
        resumable: bool,
        on_progress: Callable[[ExportProgress], object] | None,
    ) -> None:
        self._resumed, position = (0, None) if resumed is None else _read(resumed)
        self._walk = walk(position)
        self._target = target
        self._encoder = encoder
        self._resumable = resumable
        self._on_progress = on_progress
        self._rows = self._resumed
        self._bytes = 0
        self._last: Step | None = None

    async def to_the_end(self) -> None:
        """Write all, and let it appear."""
        async with aclosing(self._walk.steps()) as steps:
            async for step in steps:
                await self._write(step)
                del step  # its rows need not wait for those of the next one
        end = (b"" if self._rows else self._encoder.begin()) + self._encoder.end()
        if end:
            await self._target.write(end, None)
            self._bytes += len(end)
        await self._target.finish()

    async def _write(self, step: Step) -> None:
        rows = self._rows + sum(len(batch.rows) for batch in step.batches)
        # With the first rows: by those that were kept, a resumed run knows that the beginning stands there.
        begin = self._encoder.begin() if rows and not self._rows else b""
        data = b"".join([begin, *map(self._encoder.rows, step.batches)])
        if data or self._resumable:
            await self._target.write(data, {"rows": rows, "walk": step.position} if self._resumable else None)
        self._rows, self._bytes, self._last = rows, self._bytes + len(data), evolve(step, batches=())
        if self._on_progress is not None:
            self._on_progress(
                ExportProgress(
                    rows=rows,
                    resumed=self._resumed,
                    total=step.total,
                    campaigns=step.campaigns,
                    campaigns_total=step.campaigns_total,
                    bytes_written=self._bytes,
                )
            )

    def summary(self, path: Path | None, began: float, *, started_over: bool = False) -> ExportSummary:
        """How it ended."""
        last = self._last
        return ExportSummary(
            path=path,
            rows=self._rows,
            resumed=self._resumed,
            campaigns=None if last is None else last.campaigns,
            gone=0 if last is None else last.gone,
            bytes_written=self._bytes,
            started_over=started_over,
            already_whole=False,
            elapsed=time.monotonic() - began,
        )


def _read(resumed: Mapping[str, Json]) -> tuple[int, Mapping[str, Json]]:
    rows, walk = resumed.get("rows"), resumed.get("walk")
    if isinstance(rows, bool) or not isinstance(rows, int) or rows < 0 or not isinstance(walk, Mapping):
        raise ResumeError("what was noted of the export's progress cannot be read: begin anew")
    return rows, walk
