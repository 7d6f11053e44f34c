"""The settings of aiohttp sessions: those of the client's own sessions, and those that a borrowed one must not have."""

from __future__ import annotations

import netrc
import os
import re
import ssl
from contextlib import suppress
from typing import Any, TypeAlias
from urllib.request import getproxies, proxy_bypass

import aiohttp
from yarl import URL

from campaigns_async.errors import ConfigurationError
from campaigns_async.settings import Auth

Tls: TypeAlias = ssl.SSLContext | bool | aiohttp.Fingerprint

_SOCKS = (
    "is a SOCKS proxy, which aiohttp does not speak: name an HTTP proxy, or pass a session of your own with the connector "
    "of the package aiohttp-socks: session=ClientSession(connector=ProxyConnector.from_url(...))"
)
_FRAMING = re.compile(
    r"(content-length|content-encoding|transfer-encoding|te|trailer|upgrade|x-http-method(-override)?|x-method-override)\Z",
    re.IGNORECASE,
)
_KEY_HEADERS = {Auth.BEARER: "Authorization", Auth.HEADER: "api-key"}
_LEAST = {"read_bufsize": 2**16, "max_line_size": 8190, "max_field_size": 8190, "max_headers": 128}
"""Limits of a session, with aiohttp's defaults: with less, no response could be read."""


def check_own(base_url: str, trust_env: bool, proxy: object, tls: Tls | None) -> tuple[URL | None, Tls]:
    """Return the proxy and the TLS settings of the client's own sessions.

    Raises:
        ConfigurationError: If a setting, or a variable of the environment, cannot be used.
    """
    url = None
    if proxy is not None:
        url = _read_proxy("proxy", str(proxy) if isinstance(proxy, URL) else proxy)
    elif trust_env:
        url = find_environment_proxy(base_url)
    if not isinstance(tls, Tls | None):
        raise ConfigurationError(
            f"ssl must be an ssl.SSLContext, an aiohttp.Fingerprint, True or False, not {type(tls).__name__}",
            parameter="ssl",
        )
    uses_tls = base_url.startswith("https:") or (url is not None and url.scheme == "https")
    return url, _read_environment_cas() if uses_tls and tls in (None, True) else tls is None or tls


def find_environment_proxy(base_url: str) -> URL | None:
    """Return the proxy that the environment names for a URL, as aiohttp's `trust_env` finds it; None without one."""
    url = URL(base_url)
    text = getproxies().get(url.scheme)
    if not text or (url.host is not None and proxy_bypass(url.host)):
        return None
    text = text if "://" in text else f"http://{text}"
    proxy = _read_proxy(f"{url.scheme.upper()}_PROXY in the environment", text, "trust_env")
    if proxy.raw_user is None and proxy.host is not None:
        with suppress(OSError, netrc.NetrcParseError):
            entry = netrc.netrc(os.environ.get("NETRC")).authenticators(proxy.host)
            proxy = proxy if entry is None else proxy.with_user(entry[0]).with_password(entry[2])
    return proxy


def _read_proxy(name: str, text: object, parameter: str = "proxy") -> URL:
    """Return the URL of a proxy. No message quotes it: it may have a password."""
    url = None
    with suppress(ValueError):
        url = URL(text) if isinstance(text, str) else None
    if url is not None and url.scheme.startswith("socks"):
        raise ConfigurationError(f"{name} {_SOCKS}", parameter=parameter)
    if url is None or url.scheme not in ("http", "https") or not url.host:
        form = "http://host:port, or http://user:password@host:port"
        raise ConfigurationError(f"{name} must be the URL of a proxy: {form}", parameter=parameter)
    return url


def _read_environment_cas() -> ssl.SSLContext | bool:
    """Return a TLS context with the CAs of SSL_CERT_FILE and SSL_CERT_DIR; True if neither is set.

    aiohttp has read them when it was imported, and OpenSSL ignores what it cannot read.
    """
    file, folders = os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR")
    if not file and not folders:
        return True
    if folders and not any(map(os.path.isdir, folders.split(os.pathsep))):
        raise ConfigurationError(f"SSL_CERT_DIR in the environment names no directory: {folders}", parameter="ssl")
    context = ssl.create_default_context()
    context.set_alpn_protocols(("http/1.1",))
    try:
        if file:
            context.load_verify_locations(cafile=file)
    except OSError as error:
        fault = (
            "has no certificate in PEM form" if isinstance(error, ssl.SSLError) else f"is unreadable: {error.strerror}"
        )
        raise ConfigurationError(f"SSL_CERT_FILE in the environment: {file} {fault}", parameter="ssl") from None
    return context


def check_borrowed(session: object, base_url: str, auth: Auth, **settings: object) -> None:
    """Raise an error for a session that could harm a request, or with a setting that the client would have to drop.

    Raises:
        ConfigurationError: If the session cannot be used, or if one of `settings` is given beside it.
    """
    for name, value in settings.items():
        if value is not None:
            raise ConfigurationError(
                f"{name} cannot be combined with session: set it in your own session", parameter=name
            )
    if not isinstance(session, aiohttp.ClientSession):
        raise ConfigurationError(
            f"session must be an aiohttp.ClientSession, not {type(session).__name__}", parameter="session"
        )
    if (fault := _find_fault(session, auth)) is not None:
        raise ConfigurationError(f"session must not {fault}", parameter="session")
    if (proxy := getattr(session, "_default_proxy", None)) is not None:
        _read_proxy("the proxy of session", str(proxy), "session")
    if session.trust_env:
        find_environment_proxy(base_url)


def _find_fault(session: aiohttp.ClientSession, auth: Auth) -> str | None:
    if "Expect" in session.headers:  # headers would leave before the body, and only the body marks a request as sent
        return "send the header Expect: the outcome of a create could not be known"
    for name in filter(_FRAMING.match, session.headers):
        return f"send the header {name}: it decides how the server reads the request"
    key_header = _KEY_HEADERS.get(auth)
    if key_header is not None and key_header in session.headers:
        return f"send the header {key_header}: the client sends the API key there. Pass another auth= to the client"
    if any(isinstance(each, aiohttp.DigestAuthMiddleware) for each in getattr(session, "_middlewares", ())):
        return "have a DigestAuthMiddleware: it sends a create twice"
    if auth is Auth.BEARER and getattr(session, "_default_auth", None) is not None:
        return (
            "have auth: the client sends the API key in the header Authorization. Pass auth=Auth.HEADER to the client"
        )
    return None


def find_request_options(session: aiohttp.ClientSession) -> dict[str, Any]:
    """Return the options of each request with which no limit of a borrowed session does harm."""
    limits = {name: getattr(session, f"_{name}") for name in _LEAST if hasattr(session, f"_{name}")}
    return {"auto_decompress": True, **{name: max(limits[name], _LEAST[name]) for name in limits}}


def prepare_borrowed(
    session: aiohttp.ClientSession, headers: dict[str, str], *, has_body: bool
) -> tuple[aiohttp.ClientMiddlewareType, ...]:
    """Complete the headers of a request through a borrowed session. Return the session's middlewares."""
    middlewares = tuple(getattr(session, "_middlewares", ()))
    if has_body:
        headers["Content-Type"] = "application/json"  # a session may have another one, or skip it
    if not session.trust_env or "Authorization" not in headers:
        return middlewares
    key = headers.pop("Authorization")  # with this header, aiohttp would refuse a request to a host that is in .netrc

    async def set_key(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
        request.headers["Authorization"] = key
        return await handler(request)

    return (set_key, *middlewares)
