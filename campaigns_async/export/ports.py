"""What the parts of an export ask of each other: a walk gives steps, an encoder makes bytes, a target keeps them."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Protocol, TypeAlias

from attrs import field, frozen

from campaigns_async.models import Campaign, Contact

Json: TypeAlias = bool | int | float | str | Sequence["Json"] | Mapping[str, "Json"] | None
"""What a JSON document can hold."""


@frozen
class Batch:
    """Rows of one kind, to be written one behind the other."""

    rows: Sequence[Campaign] | Sequence[Contact] = field(repr=lambda rows: f"<{len(rows)}>")
    campaign_id: str | None = None
    """Whose contacts they are; None for campaigns."""


@frozen
class Step:
    """What is to be written next, and how far the walk has come once it is."""

    batches: tuple[Batch, ...]
    position: Mapping[str, Json] = field(repr=False)
    """Enough to go on behind these batches."""
    total: int | None = None
    """Rows there are in all, as far as the server tells."""
    campaigns: int | None = None
    """Contacts of several campaigns: how many campaigns are done with, once these batches are written."""
    campaigns_total: int | None = None
    """Contacts of several campaigns: how many there are, as far as is known."""
    gone: int = 0
    """Contacts of several campaigns: how many were deleted before all their contacts were read, since the start."""


class Walk(Protocol):
    """Goes through what is exported; iterated once."""

    def steps(self) -> AsyncGenerator[Step, None]:
        """The steps, in the order in which they are to be written. Its `aclose` cancels what is under way."""
        ...


class Encoder(Protocol):
    """Turns batches into the bytes of a format. Text formats make whole lines."""

    def begin(self) -> bytes:
        """What stands before the first row."""
        ...

    def rows(self, batch: Batch) -> bytes:
        """The batch's rows; a format that groups them may give nothing yet.

        Raises:
            UnwritableValueError: The format cannot hold a value.
        """
        ...

    def end(self) -> bytes:
        """What stands behind the last row. Nothing comes after it."""
        ...


class Target(Protocol):
    """Where the bytes go."""

    async def write(self, data: bytes, position: Mapping[str, Json] | None) -> None:
        """Take whole rows. They are kept, together with the position behind them, before this returns.

        Args:
            data: May be empty.
            position: What a resumed run goes on from; None: nothing can be resumed from here.

        Raises:
            ExportWriteError: They could not be written.
        """
        ...

    async def finish(self) -> None:
        """All is written: let it appear under its name.

        Raises:
            ExportWriteError: It could not be made durable, or renamed.
        """
        ...

    async def aclose(self) -> None:
        """Give back what is held. A target that was not finished keeps what can be resumed. May be called again."""
        ...
