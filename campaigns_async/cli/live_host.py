"""Tells the provider's live service from other servers, so that no trial reaches it."""

from __future__ import annotations

import re
import unicodedata
from typing import Final
from urllib.parse import unquote

_LIVE: Final = "dynamicmessaging"
"""The label in all of the provider's hosts, dynamicmessaging.co.uk and below."""


def is_live(url: str) -> bool:
    """Return True if a URL names the provider anywhere, in any spelling.

    The check refuses too much rather than too little: user names, paths (a proxy may pass them on) and queries count.
    """
    return _LIVE in _normalize(url)


def _normalize(url: str) -> str:
    """Return the URL without percent-encoding, case, look-alike letters, and what resolvers and browsers drop."""
    text, before = unquote(url), url
    while text != before:
        text, before = unquote(text), text
    text = unicodedata.normalize("NFKD", text).casefold()
    return re.sub(r"[^0-9a-z.:/@?#%-]", "", text)
