"""All errors of the SDK.

No message quotes what a caller or a server wrote: keys, phone numbers, names and messages must not reach a log through
an exception. What the server said is in attributes, for code to read.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Self

from attrs import field, frozen

from campaigns_async.effects import Effect
from campaigns_async.values import Checkpoint

NO_ERRORS: Mapping[str, tuple[str, ...]] = MappingProxyType({})
NO_CONTACT_ERRORS: Mapping[int, tuple[str, ...]] = MappingProxyType({})


@frozen
class Problem:
    """A problem document (RFC 9457, `application/problem+json`), as far as it could be read."""

    type: str | None = field(default=None, repr=False)
    title: str | None = field(default=None, repr=False)
    status: int | None = None
    detail: str | None = field(default=None, repr=False)
    trace_id: str | None = None
    errors: Mapping[str, tuple[str, ...]] = field(
        factory=dict[str, tuple[str, ...]], repr=lambda errors: f"<{len(errors)}>"
    )


class CampaignsError(Exception):
    """The base of all errors of this package.

    Attributes:
        method: The HTTP method of the request that raised it, None where there was none.
        path: Its path, without the query.
        attempts: Requests that went out to the server, the failing one included.
        elapsed: Seconds from the call to the error.
        effect: What is known of the request's effect.
        parameter: The name of the argument, setting or field that is to blame, None where there is none.
        hint: What to do about it, None where the message says it all. The message is complete without the hint.
    """

    method: str | None = None
    path: str | None = None
    attempts: int = 0
    elapsed: float = 0.0
    effect: Effect = Effect.NOT_SENT

    def __init__(self, message: str, *, parameter: str | None = None, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.parameter = parameter
        self.hint = hint

    def attach(self, *, method: str, path: str, attempts: int, elapsed: float, effect: Effect) -> Self:
        """Set the attributes of the request that raised the error, and return the error."""
        self.method, self.path = method, path
        self.attempts, self.elapsed, self.effect = attempts, elapsed, effect
        return self

    def __str__(self) -> str:
        if self.method is None:
            return self.message
        tries = "1 attempt" if self.attempts == 1 else f"{self.attempts} attempts"
        return f"{self.message} [{self.method} {self.path}, {tries}, {self.elapsed:.3g} s, {self.effect.name}]"

    def __reduce__(self) -> tuple[Any, ...]:
        # Exceptions pickle by calling their class with `args`, which fails for classes with keyword arguments.
        cause = self.__cause__ if isinstance(self.__cause__, CampaignsError) else None
        return _restore, (type(self), self.message, dict(self.__dict__), cause)


def _restore(
    cls: type[CampaignsError], message: str, state: dict[str, Any], cause: CampaignsError | None
) -> CampaignsError:
    error = cls.__new__(cls)
    error.args = (message,)  # by hand: the TimeoutErrors are OSErrors, whose __new__ leaves it to __init__
    error.__dict__.update(state)
    if cause is not None:
        error.__cause__ = cause
    return error


class ConfigurationError(CampaignsError, ValueError):
    """A setting is out of range or of the wrong type, or a client is used where it cannot work. Nothing was sent."""


class InvalidArgumentError(CampaignsError, ValueError):
    """An argument cannot be sent as it is; says which and why. Nothing was sent."""


class QueryError(CampaignsError, ValueError):
    """A filter or sort that the server cannot express, or would silently drop. Nothing was sent."""


class ClientClosedError(CampaignsError):
    """The client was closed before the request could go out. Nothing of it was sent."""


class PoolSaturatedError(CampaignsError):
    """More calls wait for a slot than `max_waiting` allows. Nothing was sent."""


class PagingError(CampaignsError):
    """A listing cannot be read to its end: the server repeats itself or never ends."""

    effect = Effect.APPLIED


class PageShiftedError(PagingError):
    """Rows came or went while a listing was read, and the place could not be found again.

    Attributes:
        checkpoint: After the last row that was returned; for `resume_from=`, once the list changes less.
    """

    def __init__(self, message: str, *, checkpoint: Checkpoint) -> None:
        super().__init__(message)
        self.checkpoint = checkpoint


class FilterIgnoredError(CampaignsError):
    """The server returned a row that plainly contradicts the filter: it silently dropped the filter.

    Trust none of the rows: they may be all rows of the account.
    """

    effect = Effect.APPLIED


class APIError(CampaignsError):
    """The server answered with a status other than success.

    Attributes:
        status: The HTTP status.
        problem: The problem document, None where the body held none.
        request_id: The server's id of the request, for its support; None where it named none.
        retry_after: Seconds that the server asked to wait, None where it did not.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int,
        problem: Problem | None = None,
        request_id: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.problem = problem
        self.request_id = request_id
        self.retry_after = retry_after


class ValidationFailedError(APIError):
    """The server refused what was sent (400, 422).

    Attributes:
        errors: The server's messages by its own path: `{"Contacts[3].PhoneNumber": ("…",)}`.
        contact_errors: The same by the contact's index, from 0.
    """

    errors: Mapping[str, tuple[str, ...]] = NO_ERRORS
    contact_errors: Mapping[int, tuple[str, ...]] = NO_CONTACT_ERRORS


class AuthenticationError(APIError):
    """The server did not accept the API key (401)."""


class PermissionDeniedError(APIError):
    """The API key may not do this (403)."""


class NotFoundError(APIError):
    """There is no such campaign (404)."""


class MethodNotAllowedError(APIError):
    """The server takes another HTTP method here (405); the message names the setting to try."""


class ConflictError(APIError):
    """The campaign cannot be changed any more (409)."""


class PayloadTooLargeError(APIError):
    """The request was too large for the server (413): send fewer contacts in a campaign."""


class ThrottledError(APIError):
    """The server asked to slow down (429; for reads also 503 with Retry-After)."""


class ServerError(APIError):
    """The server failed (5xx)."""


class TransportError(CampaignsError):
    """No complete answer was received."""


class ConnectionFailedError(TransportError):
    """A connection could not be made, or was lost; `effect` says if anything had gone out."""


class ConnectTimeoutError(ConnectionFailedError, TimeoutError):
    """No connection within `Timeouts.connect` seconds. Nothing was sent."""


class ReadTimeoutError(TransportError, TimeoutError):
    """The head of the answer, or the next byte of its body, did not come within `Timeouts.read` seconds."""


class DeadlineExceededError(TransportError, TimeoutError):
    """The call could not be finished within `Timeouts.deadline` seconds."""


class DecodeError(CampaignsError):
    """The body of a success cannot be read.

    Attributes:
        where: The place in the body: `$.items[3].status`.
        status: The HTTP status.
    """

    effect = Effect.APPLIED

    def __init__(self, message: str, *, where: str = "$", status: int | None = None) -> None:
        super().__init__(message)
        self.where = where
        self.status = status
