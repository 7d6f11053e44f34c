"""Who may use the control: no page of another site, and from other machines only who has the key."""

from __future__ import annotations

import re
from collections.abc import Mapping
from ipaddress import ip_address
from typing import Final

from ..keys import carries_key
from .refusals import Refused

# Of a host with an address in brackets, or a name; then the port.
_HOST: Final = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([0-9A-Za-z._-]+))(?::[0-9]{1,5})?")
_OWN_SITES: Final = frozenset({"same-origin", "none"})
_NOT_THIS_PAGE: Final = "open the control itself in the browser, or call it from a program"


def is_loopback(host: str) -> bool:
    """Whether a host, without a port or brackets, is this machine and no other."""
    if host.lower() == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def header(headers: Mapping[str, str], name: str) -> str | None:
    """A header, whatever the case of its name; None when it is missing."""
    wanted = name.lower()
    return next((value for key, value in headers.items() if key.lower() == wanted), None)


def check(headers: Mapping[str, str], query: Mapping[str, str], *, host: str, api_key: str) -> None:
    """Let a request pass.

    Args:
        headers: Of the request.
        query: Its parameters.
        host: The address that the sandbox is bound to.
        api_key: Asked for only when that address can be reached from other machines.

    Raises:
        Refused: 403 where a browser sends it for another site; 401 without the key.
    """
    _check_site(headers)
    if not is_loopback(host):
        _check_key(headers, query, api_key)
        return
    # A name of someone else's that leads here (DNS rebinding) makes his page one of the same origin.
    found = _HOST.fullmatch(header(headers, "Host") or "")
    if found is None or not is_loopback(found[1] or found[2]):
        raise Refused(
            403,
            "the control answers to this machine's own names only",
            where="header Host",
            to_do="ask for localhost, 127.0.0.1 or [::1], or bind the sandbox to another address",
        )


def _check_site(headers: Mapping[str, str]) -> None:
    origin = header(headers, "Origin")
    if origin is not None and origin.lower() != f"http://{header(headers, 'Host') or ''}".lower():
        raise Refused(403, "the control takes nothing from other sites", where="header Origin", to_do=_NOT_THIS_PAGE)
    site = header(headers, "Sec-Fetch-Site")
    if site is not None and site.lower() not in _OWN_SITES:
        raise Refused(
            403, "the control takes nothing from other sites", where="header Sec-Fetch-Site", to_do=_NOT_THIS_PAGE
        )


def _check_key(headers: Mapping[str, str], query: Mapping[str, str], api_key: str) -> None:
    if not carries_key(
        api_key,
        authorization=header(headers, "Authorization"),
        header=header(headers, "api-key"),
        query=header(query, "api-key"),
    ):
        raise Refused(
            401,
            "from where other machines can reach it, the control asks for the sandbox's key",
            where="header Authorization",
            to_do="send the key as Authorization: Bearer KEY, as api-key: KEY, or as ?api-key=KEY",
            headers={"WWW-Authenticate": "Bearer"},
        )
