"""The state of an unfinished export, as it stands beside its rows."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final, cast

import msgspec
from attrs import field, frozen
from cattrs import BaseValidationError, Converter

from campaigns_async.export._walk import Position
from campaigns_async.export.export_errors import ResumeError
from campaigns_async.values import Checkpoint

RESTART: Final = 'restart with unfinished="restart" (--restart)'
_VERSION: Final = 3
_LONGEST_NAME: Final = 40


def _exactly(value: object, kind: type) -> Any:
    if type(value) is not kind:
        raise TypeError
    return value


_CONVERTER: Final = Converter(forbid_extra_keys=True)
_CONVERTER.register_structure_hook(int, _exactly)
_CONVERTER.register_structure_hook(str, _exactly)


@frozen
class State:
    """The content of `NAME.part.progress`."""

    identity: Mapping[str, str] = field(repr=False)
    """What the export is of, by the names of its options."""
    inode: int
    """The number of the part file."""
    offset: int
    """Bytes of the part file that are durable."""
    tail: int
    """CRC-32 of the last of these bytes, by which another file is detected."""
    rows: int
    position: Position = field(repr=False)
    """From where the export continues."""
    version: int = _VERSION

    def encode(self) -> bytes:
        """Return the state as JSON."""
        return msgspec.json.encode(_CONVERTER.unstructure(self))

    @classmethod
    def decode(cls, data: bytes) -> State:
        """Read a state.

        Raises:
            ResumeError: It is damaged, or of another version.
        """
        found: Any = None
        with suppress(msgspec.DecodeError, RecursionError, UnicodeDecodeError):
            found = msgspec.json.decode(data)
        version: object = cast("dict[str, object]", found).get("version") if isinstance(found, dict) else None
        if isinstance(version, int) and version != _VERSION:
            raise ResumeError(f"the unfinished export was made by another version of this package: {RESTART}")
        if version is not None:
            with suppress(BaseValidationError):
                state = _CONVERTER.structure(found, cls)
                position = state.position
                numbers = (state.offset, state.rows, position.done, position.deleted_campaigns)
                if min(numbers) >= 0 and _can_be(position.checkpoint) and _can_be(position.listing):
                    return state
        raise ResumeError(f"the state of the unfinished export is damaged: {RESTART}")


def _can_be(checkpoint: Checkpoint | None) -> bool:
    if checkpoint is None:
        return True
    numbers = (checkpoint.offset, checkpoint.rows, checkpoint.total or 0)
    return min(checkpoint.page_size, checkpoint.page) >= 1 and min(numbers) >= 0


def check_identity(found: Mapping[str, str], wanted: Mapping[str, str]) -> None:
    """Compare what an unfinished export is of with what is wanted.

    Raises:
        ResumeError: They differ; the message names the options, not their values.
    """
    names = sorted(
        name if name.isidentifier() and len(name) <= _LONGEST_NAME else "others"
        for name in {*found, *wanted}
        if found.get(name) != wanted.get(name)
    )
    if names:
        raise ResumeError(
            f"the unfinished export is another one ({', '.join(dict.fromkeys(names))} "
            f"{'differs' if len(names) == 1 else 'differ'}): resume it with the options that it began with, or {RESTART}"
        )
