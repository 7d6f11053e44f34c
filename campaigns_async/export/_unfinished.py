"""What becomes of an export that was cut off, and lies where another begins."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from attrs import frozen

from campaigns_async.export import _files, progress_log
from campaigns_async.export._files import Place
from campaigns_async.export.errors import ResumeError, UnfinishedExportError
from campaigns_async.export.options import Unfinished
from campaigns_async.export.part_file import PartFile
from campaigns_async.export.progress_log import Found, Mark, ProgressLog

_LONGEST_NAME: Final = 40


@frozen
class Opened:
    """The files of an export that can begin, or go on."""

    place: Place
    part: PartFile
    log: ProgressLog | None
    """None: nothing can be resumed."""
    mark: Mark | None
    """Where it goes on from."""
    started_over: bool


def open_files(
    place: Place, *, identity: Mapping[str, str], resumable: bool, unfinished: Unfinished, compact_at: int
) -> Opened | None:
    """Open what an export is written to; None: it was to be resumed, and is whole.

    Raises:
        UnfinishedExportError: A cut-off export lies there, and is to be refused.
        ResumeError: It is another one, or damaged.
        ExportInUseError: Another run writes it.
        ExportError: As `PartFile.open`.
        OSError: A file cannot be read or written.
    """
    part = PartFile.open(place.part, place.new_mode, make=False)
    if part is None:
        # The file is looked at behind that: a run that ends meanwhile renames the one to the other.
        # Had it died only then, its log is still there: to be left, since it could be that of a run that just begins.
        if unfinished == "resume" and place.real.exists():
            return None
        part = PartFile.open(place.part, place.new_mode, make=True)
        assert part is not None
    try:
        if place.mode is not None:
            part.give_mode(place.new_mode)
        return _taken_up(place, part, identity, unfinished, compact_at if resumable else None)
    except BaseException:  # interrupted too: the lock must not outlive this
        if part.is_new:
            part.remove()
        part.release()
        raise


def _taken_up(
    place: Place, part: PartFile, identity: Mapping[str, str], unfinished: Unfinished, compact_at: int | None
) -> Opened:
    mark: Mark | None = None
    had_content = part.size > 0
    if not part.is_new and unfinished != "restart":
        found = progress_log.read(place.log)
        # An empty file can be one that was just made where an old log lay: then the log is not its own.
        marks = found.marks if found is not None and (part.size or found.inode == part.inode) else ()
        if found is not None and (part.size or marks):
            if unfinished == "refuse":
                raise UnfinishedExportError(
                    'an unfinished export of this file is there: go on with unfinished="resume" (--resume), '
                    'or begin anew with unfinished="restart" (--restart)'
                )
            _check(found, identity)
            if compact_at is not None:
                mark = part.last_fitting(marks)
        elif part.size and unfinished == "refuse":  # a cut-off Parquet file, a log that was lost, or no file of ours
            raise UnfinishedExportError(
                "a .part of this name is there, and nothing says how far it came or whose it is: "
                'move it away, or begin anew with unfinished="restart" (--restart)'
            )
    log = None
    # What the log says must never be of more than the file holds for sure, nor of another file's content.
    if compact_at is not None:
        if mark is not None:
            part.sync()
        log = ProgressLog.begin(place.log, identity, part.inode, place.new_mode, mark, compact_at)
    else:
        _files.remove(place.log)
    try:
        part.cut(mark)
    except BaseException:  # interrupted too: no descriptor is left open
        if log is not None:
            log.close()
        raise
    started_over = unfinished == "resume" and not part.is_new and mark is None and had_content
    return Opened(place, part, log, mark, started_over)


def _check(found: Found, identity: Mapping[str, str]) -> None:
    restart = 'begin anew with unfinished="restart" (--restart)'
    if found.version is None:
        raise ResumeError(f"how far the unfinished export came cannot be read, its log is damaged: {restart}")
    if found.version != progress_log.VERSION:
        raise ResumeError(f"the unfinished export was made by another version of this package: {restart}")
    names = sorted(
        name if name.isidentifier() and len(name) <= _LONGEST_NAME else "others"
        for name in {*found.identity, *identity}
        if found.identity.get(name) != identity.get(name)
    )
    if names:
        raise ResumeError(
            f"the unfinished export is of another kind ({', '.join(dict.fromkeys(names))} "
            f"{'differs' if len(names) == 1 else 'differ'}): resume it with what it was begun with, or {restart}"
        )
