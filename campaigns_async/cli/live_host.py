"""Keeps what is only for trying things out away from the provider's live service. Pure."""

from __future__ import annotations

import re
import unicodedata
from typing import Final
from urllib.parse import unquote

_LIVE: Final = "dynamicmessaging"
"""The label that all of the provider's hosts share: dynamicmessaging.co.uk and what is below it."""


def is_live(url: str) -> bool:
    """Whether a URL names the provider, however it is written and wherever in it.

    Meant to refuse rather too much: user names, paths (a proxy may pass them on) and queries count as well.
    """
    return _LIVE in _plain(url)


def _plain(url: str) -> str:
    """Without percent-encoding, case, look-alike letters, and what resolvers and browsers drop."""
    text, before = unquote(url), url
    while text != before:
        text, before = unquote(text), text
    text = unicodedata.normalize("NFKD", text).casefold()
    return re.sub(r"[^0-9a-z.:/@?#%-]", "", text)
