"""Proxies between the client and the server, and the outcome of a create that goes through each of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final

from attrs import field, frozen

from campaigns_async import Effect
from intermediaries.programs import Program, haproxy, nginx, varnish
from intermediaries.truth import PROXY_WAITS, READ, SLOW


@frozen
class Scenario:
    """A proxy, and a fault of the server that creates meet.

    Attributes:
        proxy: Builds the proxy in front of a backend.
        effect: The effect of a create.
        created: Campaigns that the create makes.
        fault: The fields of the sandbox's fault; none without a fault.
        other_effect: The effect if the proxy notices the fault before it passes on the head of the response; None if it
            does not.
        stops: True if the first such response stops a run.
    """

    proxy: Callable[..., Program]
    effect: Effect
    created: int
    fault: Mapping[str, Any] = field(factory=dict[str, Any])
    stops: bool = False
    other_effect: Effect | None = None

    def build(self, backend: str, *, share: int = 100) -> Program:
        """Build the proxy. Without a fault of the server, `share` percent of the creates meet the proxy's own."""
        return self.proxy(backend) if self.fault else self.proxy(backend, share=share)


SLOW_RESPONSE: Final = {"delay": SLOW}
SLOWER_RESPONSE: Final = {"delay": READ + SLOW}
"""The client gives up before the proxy does."""
ACTS_LATE: Final = {"delay": SLOW, "drop": "close", "act_after": SLOW / 2}
"""The server carries the request out long after the proxy has given up."""
ACTS_AND_DROPS: Final = {"drop": "close", "act": True}
BODY_STALLS: Final = {"slow_body": SLOW}
BODY_CUT: Final = {"drop": "cut_body"}

_MS: Final = f"{PROXY_WAITS * 1000:.0f}ms"
_WAITS: Final = f"proxy_read_timeout {_MS};"
_HIT: Final = "if ($hit)"
_PAGE: Final = "<html><body>We will be back soon.</body></html>"

LATE: Final = {
    "nginx: late response": Scenario(partial(nginx, location=_WAITS), Effect.UNKNOWN, 1, SLOW_RESPONSE),
    "nginx: late act": Scenario(partial(nginx, location=_WAITS), Effect.UNKNOWN, 1, ACTS_LATE),
    "nginx: late response as a 503 with Retry-After": Scenario(
        partial(
            nginx,
            location=f"{_WAITS} error_page 504 =503 @busy;",
            server="location @busy { add_header Retry-After 0 always; return 503; }",
        ),
        Effect.UNKNOWN,
        1,
        SLOW_RESPONSE,
    ),
    "nginx: late response as a maintenance page": Scenario(
        partial(
            nginx,
            location=f"{_WAITS} error_page 502 504 =200 /maintenance;",
            server=f'location = /maintenance {{ internal; default_type text/html; return 200 "{_PAGE}"; }}',
        ),
        Effect.UNKNOWN,
        1,
        SLOW_RESPONSE,
    ),
    "nginx: late response as a 302": Scenario(
        partial(nginx, location=f"{_WAITS} error_page 504 =302 https://status.example/;"),
        Effect.UNKNOWN,
        1,
        SLOW_RESPONSE,
        stops=True,
    ),
    "nginx: later than the client waits": Scenario(nginx, Effect.UNKNOWN, 1, SLOWER_RESPONSE),
    "nginx: body stalls": Scenario(
        partial(nginx, location=f"{_WAITS} proxy_buffering off;"), Effect.APPLIED, 1, BODY_STALLS
    ),
    "varnish: late response": Scenario(
        partial(varnish, first_byte_timeout=PROXY_WAITS), Effect.UNKNOWN, 1, SLOW_RESPONSE
    ),
    "varnish: late act": Scenario(partial(varnish, first_byte_timeout=PROXY_WAITS), Effect.UNKNOWN, 1, ACTS_LATE),
    "varnish: later than the client waits": Scenario(varnish, Effect.UNKNOWN, 1, SLOWER_RESPONSE),
    "varnish: body stalls": Scenario(
        partial(varnish, between_bytes_timeout=PROXY_WAITS), Effect.APPLIED, 1, BODY_STALLS
    ),
    "haproxy: late response": Scenario(partial(haproxy, timeouts={"server": _MS}), Effect.UNKNOWN, 1, SLOW_RESPONSE),
    "haproxy: later than the client waits": Scenario(haproxy, Effect.UNKNOWN, 1, SLOWER_RESPONSE),
    "haproxy: late act": Scenario(partial(haproxy, timeouts={"server": _MS}), Effect.UNKNOWN, 1, ACTS_LATE),
}
"""The server, or the proxy, is late."""

LOST: Final = {
    "nginx: server drops": Scenario(nginx, Effect.UNKNOWN, 1, ACTS_AND_DROPS),
    "nginx: body cut": Scenario(nginx, Effect.APPLIED, 1, BODY_CUT),
    "nginx: closes without a response": Scenario(partial(nginx, server=f"{_HIT} {{ return 444; }}"), Effect.UNKNOWN, 0),
    "varnish: server drops": Scenario(varnish, Effect.UNKNOWN, 1, ACTS_AND_DROPS),
    "varnish: body cut": Scenario(varnish, Effect.APPLIED, 1, BODY_CUT, other_effect=Effect.UNKNOWN),
    "haproxy: server drops": Scenario(haproxy, Effect.UNKNOWN, 1, ACTS_AND_DROPS),
    "haproxy: body cut": Scenario(haproxy, Effect.APPLIED, 1, BODY_CUT),
    "haproxy: closes without a response": Scenario(
        partial(haproxy, frontend="http-request reject if METH_POST drawn"), Effect.UNKNOWN, 0
    ),
    "haproxy: drops the response": Scenario(
        partial(haproxy, frontend="http-response silent-drop if { status 201 } drawn"), Effect.UNKNOWN, 1
    ),
}
"""The response, or a part of it, is lost."""

REFUSED: Final = {
    "nginx: 403 before the server": Scenario(
        partial(nginx, server=f"{_HIT} {{ return 403; }}"), Effect.UNKNOWN, 0, stops=True
    ),
    "nginx: 413": Scenario(partial(nginx, location="client_max_body_size 10;"), Effect.REJECTED, 0),
    "haproxy: 403 after the server": Scenario(
        partial(haproxy, frontend="http-response deny deny_status 403 if { status 201 } drawn"),
        Effect.UNKNOWN,
        1,
        stops=True,
    ),
    "haproxy: 503 before the server": Scenario(
        partial(haproxy, frontend="http-request deny deny_status 503 if METH_POST drawn"), Effect.UNKNOWN, 0
    ),
    "haproxy: 503 after the server": Scenario(
        partial(haproxy, frontend="http-response deny deny_status 503 if { status 201 } drawn"), Effect.UNKNOWN, 1
    ),
    "haproxy: 429": Scenario(
        partial(haproxy, frontend="http-request deny deny_status 429 if METH_POST drawn"), Effect.REJECTED, 0
    ),
    "haproxy: late 429": Scenario(
        partial(haproxy, frontend="http-request tarpit deny_status 429 if METH_POST drawn", timeouts={"tarpit": _MS}),
        Effect.REJECTED,
        0,
    ),
}
"""The proxy refuses the create, or the response to it."""

FOREIGN: Final = {
    **{
        f"nginx: {status} to https": Scenario(
            partial(nginx, server=f"{_HIT} {{ return {status} https://$host$request_uri; }}"), effect, 0, stops=True
        )
        for status, effect in (
            (301, Effect.UNKNOWN),
            (302, Effect.UNKNOWN),
            (307, Effect.REJECTED),
            (308, Effect.REJECTED),
        )
    },
    **{
        f"haproxy: {status} to https": Scenario(
            partial(haproxy, frontend=f"redirect scheme https code {status} if drawn"), effect, 0, stops=True
        )
        for status, effect in ((303, Effect.UNKNOWN), (308, Effect.REJECTED))
    },
    **{
        f"{kind}": Scenario(proxy, Effect.UNKNOWN, 0)
        for kind, proxy in {
            "nginx: maintenance page": partial(
                nginx, server=f"default_type text/html; {_HIT} {{ return 200 '{_PAGE}'; }}"
            ),
            "nginx: healthy": partial(nginx, server=f"{_HIT} {{ return 200 healthy; }}"),
            "nginx: 204": partial(nginx, server=f"{_HIT} {{ return 204; }}"),
            "haproxy: 201 with another text": partial(
                haproxy,
                frontend="http-request return status 201 content-type text/plain string Created if METH_POST drawn",
            ),
            "haproxy: 200 with JSON": partial(
                haproxy,
                frontend='http-request return status 200 content-type application/json string {\\"id\\":1} if METH_POST drawn',
            ),
        }.items()
    },
}
"""Something else answers in the server's place."""

SCENARIOS: Final = {**LATE, **LOST, **REFUSED, **FOREIGN}
