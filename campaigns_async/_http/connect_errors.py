"""The reasons why no connection was made, and the remedy for those that time does not heal."""

from __future__ import annotations

import os
import socket
import ssl

from campaigns_async._http.transport import FailureKind

_INSTALL = "install the CA that signed it, or name the CA's file in SSL_CERT_FILE"
_OTHER_HOST = "the server's certificate is for another host: check the host in base_url"
_BY_VERIFY_CODE = {  # X509_V_ERR_*, of OpenSSL's x509_vfy.h
    9: "the server's certificate is not valid yet: check the clock of this machine",
    10: "the server's certificate has expired: have it renewed, or check the clock of this machine",
    18: f"the server's certificate is self-signed and not trusted: {_INSTALL}",
    19: f"the server's certificate is signed by a CA that is not trusted: {_INSTALL}",
    20: f"the server's certificate is signed by a CA that is not known: {_INSTALL}",
    21: f"the server's certificate is signed by a CA that is not known: {_INSTALL}",
    23: "the server's certificate was revoked: have it replaced",
    62: _OTHER_HOST,
    64: _OTHER_HOST,
}
_PLAIN = "the server does not speak TLS at this port: check the scheme and the port in base_url"
_OTHER_VERSION = "no TLS version that both sides allow: have TLS 1.2 or later turned on at the server"
_BY_REASON = {  # of OpenSSL
    "WRONG_VERSION_NUMBER": _PLAIN,
    "HTTP_REQUEST": _PLAIN,
    "RECORD_LAYER_FAILURE": _PLAIN,
    "UNSUPPORTED_PROTOCOL": _OTHER_VERSION,
    "TLSV1_ALERT_PROTOCOL_VERSION": _OTHER_VERSION,
}
_CUT = (ssl.SSLEOFError, ssl.SSLZeroReturnError, ssl.SSLSyscallError)  # the handshake was cut: it may pass
_PASSING_REASONS = ("UNEXPECTED_EOF_WHILE_READING", "TLSV1_ALERT_INTERNAL_ERROR", "TLSV1_ALERT_USER_CANCELLED")
_NO_SUCH_HOST = (socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME))
_ARES_NO_SUCH_HOST = ((1,), (4,))
"""ARES_ENODATA and ARES_ENOTFOUND, of the resolver that aiohttp uses if aiodns is installed."""
_LONGEST_REASON = 100


def explain_connect_error(
    error: OSError, *, is_dns: bool, is_first_contact: bool, is_proxy: bool = False
) -> tuple[FailureKind, str]:
    """Return the kind of a failure to connect, and a description without a host, an address or a URL.

    Args:
        error: The error of the operating system, of TLS or of the resolver.
        is_dns: True if the host was being resolved.
        is_first_contact: True if no connection was ever made: a host that was found once is not misspelt, and the
            failure of its look-up may pass.
        is_proxy: True if the connection was to a proxy.
    """
    if isinstance(error, ssl.SSLCertVerificationError):
        code = getattr(error, "verify_code", None)
        other = f"the server's certificate was refused with code {code} of OpenSSL: have it replaced"
        return FailureKind.CERTIFICATE, _BY_VERIFY_CODE.get(code, other) if isinstance(code, int) else other
    if isinstance(error, ssl.SSLError):
        reason = getattr(error, "reason", None) or "no reason given"  # set by OpenSSL only
        if isinstance(error, _CUT) or reason in _PASSING_REASONS:
            return FailureKind.CONNECT, f"the TLS handshake was cut: {reason}"
        other = f"the TLS handshake failed with {reason}: check the TLS settings of the server"
        return FailureKind.TLS, _BY_REASON.get(reason, other)
    if is_dns and is_first_contact and _is_unknown_host(error):
        place = "the proxy's URL" if is_proxy else "base_url"
        return (
            FailureKind.UNKNOWN_HOST,
            f"the host in {place} is unknown: check its spelling, and the DNS of this machine",
        )
    return FailureKind.CONNECT, f"{_find_reason(error)}{' by the proxy' if is_proxy else ''}"


def explain_proxy_refusal(status: int) -> tuple[FailureKind, str]:
    """Return the kind of a proxy's refusal to connect, and a description."""
    if status == 407:
        return FailureKind.PROXY, "the proxy asks for a user and a password (407): put them into its URL"
    if status in (408, 429) or status >= 500:
        return FailureKind.CONNECT, f"the proxy answered {status}"
    return (
        FailureKind.PROXY,
        f"the proxy refused to connect ({status}): check its URL, and if it allows the host in base_url",
    )


def shorten(reason: str | None) -> str:
    """Return a reason of the operating system or a library, or nothing if it is too long for one."""
    return reason if reason and len(reason) <= _LONGEST_REASON else ""


def _find_reason(error: OSError) -> str:
    if error.errno is not None and error.errno > 0:
        return os.strerror(error.errno)  # asyncio's own text has the address
    return shorten(error.strerror) or type(error).__name__


def _is_unknown_host(error: OSError) -> bool:
    if isinstance(error, socket.gaierror):
        return error.errno in _NO_SUCH_HOST  # not EAI_AGAIN: the resolver says itself that it may pass
    cause = error.__cause__
    return cause is not None and cause.args[:1] in _ARES_NO_SUCH_HOST
