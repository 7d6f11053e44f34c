"""Checkpoints of a walk through a listing: made, and checked when they come back."""

from __future__ import annotations

import hashlib

from campaigns_async.errors import InvalidArgumentError
from campaigns_async.values import Checkpoint


def digest(*parts: str | None) -> str:
    """A digest of what is listed; filters can hold phone numbers, a digest does not."""
    return hashlib.sha256(
        "\x00".join("" if part is None else f"={part}" for part in parts).encode("utf-8", "surrogatepass")
    ).hexdigest()[:16]


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
        raise InvalidArgumentError(
            "resume_from belongs to another listing: hand it to the same call with the same filters and sorts"
        )
    if page_size is not None and page_size != resume_from.page_size:
        raise InvalidArgumentError(f"resume_from belongs to page_size={resume_from.page_size}: leave page_size out")
    return resume_from
