"""Whether a request carries the sandbox's key."""

from __future__ import annotations

from hmac import compare_digest
from typing import Final, Literal

Auth = Literal["any", "bearer", "header", "query"]
AUTHS: Final = ("any", "bearer", "header", "query")


def carries_key(
    key: str, *, authorization: str | None, header: str | None, query: str | None, auth: Auth = "any"
) -> bool:
    """Whether one of three texts is the key, in a way that is taken.

    Args:
        key: What is asked for.
        authorization: The header of that name; None where it is missing.
        header: The header api-key.
        query: The parameter api-key.
        auth: Which of them is looked at.
    """
    scheme, _, token = (authorization or "").partition(" ")
    found = {"bearer": token.strip() if scheme.lower() == "bearer" else None, "header": header, "query": query}
    offered = found.values() if auth == "any" else (found[auth],)
    return any(text is not None and _is_same(text, key) for text in offered)


def _is_same(text: str, key: str) -> bool:
    # In constant time, as other machines may reach it. Bytes that are no UTF-8 come as surrogates.
    return compare_digest(text.encode("utf-8", "surrogatepass"), key.encode("utf-8", "surrogatepass"))
