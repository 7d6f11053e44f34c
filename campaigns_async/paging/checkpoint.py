"""Where a walk through a listing stands: small, and it pickles."""

from __future__ import annotations

import hashlib

from attrs import frozen

from campaigns_async.errors import InvalidArgumentError


@frozen
class Checkpoint:
    """Rows handed out so far; hand it to `resume_from=` of the same call to go on behind them."""

    listing: str
    """A digest of what is listed, so that it is not taken up by another listing."""
    page_size: int
    page: int = 1
    """The page that holds the next row, from 1."""
    offset: int = 0
    """Rows of that page that were handed out."""
    rows: int = 0
    """Rows handed out in all."""


def digest(*parts: str | None) -> str:
    """A digest of what is listed; filters can hold phone numbers, a digest does not."""
    return hashlib.sha256("\x00".join("" if part is None else f"={part}" for part in parts).encode()).hexdigest()[:16]


def checked(resume_from: object, listing: str, page_size: int | None, default: int) -> Checkpoint:
    """The checkpoint to begin at.

    Raises:
        InvalidArgumentError: It is none, belongs to another listing, or to another page size.
    """
    if resume_from is None:
        return Checkpoint(listing, default if page_size is None else page_size)
    if not isinstance(resume_from, Checkpoint):
        raise InvalidArgumentError(f"resume_from must be a Checkpoint, not {type(resume_from).__name__}")
    if resume_from.listing != listing:
        raise InvalidArgumentError("resume_from belongs to another listing: same call, filters and sorts, please")
    if page_size is not None and page_size != resume_from.page_size:
        raise InvalidArgumentError(f"resume_from belongs to page_size={resume_from.page_size}: leave page_size out")
    return resume_from
