"""The faults of a create and their outcomes: one table for all ways to send."""

from __future__ import annotations

from typing import Any

from attrs import frozen

from campaigns_async import (
    APIError,
    CampaignsError,
    ConflictError,
    ConnectionFailedError,
    DecodeError,
    Effect,
    NotFoundError,
    OutcomeUnknownError,
    PayloadTooLargeError,
    PermissionDeniedError,
    ReadTimeoutError,
    ServerError,
    ThrottledError,
    ValidationFailedError,
)


@frozen
class Case:
    """A fault that every create meets, and the expected outcome."""

    fault: dict[str, Any]
    error: type[CampaignsError]
    effect: Effect
    attempts: int
    on_server: int
    cause: type[BaseException] | None = None


LIMITED = {"Retry-After": "0"}
CASES = {
    "refused (400)": Case({"status": 400}, ValidationFailedError, Effect.REJECTED, 1, 0),
    "refused (403)": Case({"status": 403}, PermissionDeniedError, Effect.REJECTED, 1, 0),
    "refused (404)": Case({"status": 404}, NotFoundError, Effect.REJECTED, 1, 0),
    "refused (409)": Case({"status": 409}, ConflictError, Effect.REJECTED, 1, 0),
    "refused (413)": Case({"status": 413}, PayloadTooLargeError, Effect.REJECTED, 1, 0),
    "refused (422)": Case({"status": 422}, ValidationFailedError, Effect.REJECTED, 1, 0),
    "refused (418)": Case({"status": 418}, APIError, Effect.REJECTED, 1, 0),
    **{
        f"redirected after it acted ({status})": Case(
            {"status": status, "headers": {"Location": "/"}, "act": True},
            OutcomeUnknownError,
            Effect.UNKNOWN,
            1,
            1,
            APIError,
        )
        for status in (301, 302, 303)
    },
    "redirected (307)": Case({"status": 307, "headers": {"Location": "/"}}, APIError, Effect.REJECTED, 1, 0),
    "redirected (308)": Case({"status": 308, "headers": {"Location": "/"}}, APIError, Effect.REJECTED, 1, 0),
    "throttled (429)": Case({"status": 429}, ThrottledError, Effect.REJECTED, 3, 0),
    "throttled (429, Retry-After)": Case({"status": 429, "headers": LIMITED}, ThrottledError, Effect.REJECTED, 3, 0),
    "a 503 with Retry-After": Case(
        {"status": 503, "headers": LIMITED, "act": True}, OutcomeUnknownError, Effect.UNKNOWN, 1, 1, ThrottledError
    ),
    "timed out (408)": Case({"status": 408}, OutcomeUnknownError, Effect.UNKNOWN, 1, 0, APIError),
    "failed (500)": Case({"status": 500}, OutcomeUnknownError, Effect.UNKNOWN, 1, 0, ServerError),
    "failed after it acted (500)": Case(
        {"status": 500, "act": True}, OutcomeUnknownError, Effect.UNKNOWN, 1, 1, ServerError
    ),
    "failed after it acted (502)": Case(
        {"status": 502, "act": True}, OutcomeUnknownError, Effect.UNKNOWN, 1, 1, ServerError
    ),
    "a bare 503": Case({"status": 503, "act": True}, OutcomeUnknownError, Effect.UNKNOWN, 1, 1, ServerError),
    "a gateway's 504": Case({"status": 504, "act": True}, OutcomeUnknownError, Effect.UNKNOWN, 1, 1, ServerError),
    "dropped before it acted": Case(
        {"drop": "close"}, OutcomeUnknownError, Effect.UNKNOWN, 1, 0, ConnectionFailedError
    ),
    "dropped after it acted": Case(
        {"drop": "close", "act": True}, OutcomeUnknownError, Effect.UNKNOWN, 1, 1, ConnectionFailedError
    ),
    "reset before it acted": Case({"drop": "reset"}, OutcomeUnknownError, Effect.UNKNOWN, 1, 0, ConnectionFailedError),
    "reset after it acted": Case(
        {"drop": "reset", "act": True}, OutcomeUnknownError, Effect.UNKNOWN, 1, 1, ConnectionFailedError
    ),
    "headers cut": Case({"drop": "cut_headers"}, OutcomeUnknownError, Effect.UNKNOWN, 1, 1, ConnectionFailedError),
    "body of the 201 cut": Case({"drop": "cut_body"}, DecodeError, Effect.APPLIED, 1, 1),
    "body of a 400 cut": Case(
        {"drop": "cut_body", "status": 400, "body": "x" * 100},
        OutcomeUnknownError,
        Effect.UNKNOWN,
        1,
        0,
        ConnectionFailedError,
    ),
    "a slow answer": Case(
        {"delay": 60, "act": True, "status": 504}, OutcomeUnknownError, Effect.UNKNOWN, 1, 1, ReadTimeoutError
    ),
    "an empty 201": Case({"status": 201, "act": True}, DecodeError, Effect.APPLIED, 1, 1),
    "a 200 of HTML": Case(
        {"status": 200, "act": True, "body": "<html>"}, OutcomeUnknownError, Effect.UNKNOWN, 1, 1, DecodeError
    ),
    "a 201 of HTML": Case(
        {"status": 201, "act": True, "body": "<html>"}, OutcomeUnknownError, Effect.UNKNOWN, 1, 1, DecodeError
    ),
    "a 201 of other JSON": Case(
        {"status": 201, "act": True, "body": '{"ok": true}'}, OutcomeUnknownError, Effect.UNKNOWN, 1, 1, DecodeError
    ),
    "a 204": Case({"status": 204, "act": True}, OutcomeUnknownError, Effect.UNKNOWN, 1, 1, DecodeError),
    "filtered by a firewall (403)": Case(
        {"status": 403, "act": True, "body": "<html>"}, OutcomeUnknownError, Effect.UNKNOWN, 1, 1, PermissionDeniedError
    ),
}
