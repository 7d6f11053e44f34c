"""How far a walk has come, as JSON: kept beside the rows, and checked when it comes back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeGuard

from attrs import field, frozen

from campaigns_async.export.errors import ResumeError
from campaigns_async.export.ports import Json
from campaigns_async.values import Checkpoint


@frozen
class Taken:
    """A campaign whose contacts are being read."""

    campaign_id: str
    checkpoint: Checkpoint | None = field(default=None, repr=False)
    """Behind its rows that were written; None where none was."""


@frozen
class ContactsPosition:
    """How far a walk through the contacts of several campaigns has come."""

    source: int | Checkpoint | None = field(default=None, repr=False)
    """Behind the campaign that was taken last: how many of the ids that were given, or a place in the list of
    campaigns. None: none was taken."""
    taken: tuple[Taken, ...] = ()
    """Taken, in that order, and not done with."""
    done: int = 0
    """Campaigns done with, those that are gone among them."""
    gone: int = 0

    def as_json(self) -> dict[str, Json]:
        """As it is kept."""
        source = self.source
        return {
            "source": checkpoint_json(source) if isinstance(source, Checkpoint) else source,
            "taken": [
                [one.campaign_id, None if one.checkpoint is None else checkpoint_json(one.checkpoint)]
                for one in self.taken
            ],
            "done": self.done,
            "gone": self.gone,
        }

    @classmethod
    def of(cls, value: Json) -> ContactsPosition:
        """What was kept.

        Raises:
            ResumeError: It is none.
        """
        if not _is_object(value):
            raise _damaged()
        source, taken = value.get("source"), value.get("taken")
        if not _is_array(taken):
            raise _damaged()
        return cls(
            source=checkpoint_of(source) if _is_object(source) else _whole_or_none(source),
            taken=tuple(map(_taken, taken)),
            done=_whole(value.get("done")),
            gone=_whole(value.get("gone")),
        )


def checkpoint_json(checkpoint: Checkpoint) -> dict[str, Json]:
    """As it is kept."""
    return {
        "listing": checkpoint.listing,
        "pageSize": checkpoint.page_size,
        "page": checkpoint.page,
        "offset": checkpoint.offset,
        "rows": checkpoint.rows,
        "total": checkpoint.total,
        "tail": checkpoint.tail,
    }


def checkpoint_of(value: Json) -> Checkpoint:
    """What was kept.

    Raises:
        ResumeError: It is none.
    """
    if not _is_object(value):
        raise _damaged()
    tail = value.get("tail")
    if not _is_array(tail):
        raise _damaged()
    return Checkpoint(
        listing=_text(value.get("listing")),
        page_size=_whole(value.get("pageSize"), least=1),
        page=_whole(value.get("page"), least=1),
        offset=_whole(value.get("offset")),
        rows=_whole(value.get("rows")),
        total=_whole_or_none(value.get("total")),
        tail=tuple(map(_text, tail)),
    )


def _taken(value: Json) -> Taken:
    if not _is_array(value) or len(value) != 2:
        raise _damaged()
    campaign_id, checkpoint = value
    return Taken(_text(campaign_id), None if checkpoint is None else checkpoint_of(checkpoint))


def _whole(value: Json, *, least: int = 0) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise _damaged()
    return value


def _whole_or_none(value: Json) -> int | None:
    return None if value is None else _whole(value)


def _text(value: Json) -> str:
    if not isinstance(value, str):
        raise _damaged()
    return value


def _is_object(value: Json) -> TypeGuard[Mapping[str, Json]]:
    return isinstance(value, Mapping)


def _is_array(value: Json) -> TypeGuard[Sequence[Json]]:
    return isinstance(value, Sequence) and not isinstance(value, (str, bytes))


def _damaged() -> ResumeError:
    return ResumeError("what was noted of the export's progress cannot be read: begin anew")
