"""All errors of the SDK.

No message quotes a text of the caller or the server: keys, phone numbers, names and messages must not reach a log
through an exception. The server's texts are in attributes, for code to read.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Self

from attrs import field, frozen

from campaigns_async.effects import BodyForm, Effect
from campaigns_async.values import Checkpoint

NO_ERRORS: Mapping[str, tuple[str, ...]] = MappingProxyType({})
NO_CONTACT_ERRORS: Mapping[int, tuple[str, ...]] = MappingProxyType({})


@frozen
class Problem:
    """A problem document (RFC 9457, `application/problem+json`), as far as it could be read.

    Attributes:
        type: A URI of the kind of problem.
        title: The kind of problem, in words.
        status: The HTTP status, by the document.
        detail: The problem, in words.
        trace_id: The server's id of the request.
        errors: The messages by the server's own path: `{"Contacts[3].PhoneNumber": ("…",)}`.
    """

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
        method: The HTTP method of the failed request; None if there was no request.
        path: The path of the request, without the query.
        attempts: Requests that were sent to the server, the failed one included.
        elapsed: Seconds from the start of the call to the error.
        effect: What is known of the request's effect.
        http_status: The status of the server's response; None if there was no response.
        retry_after: Seconds that the server asked to wait; None if it did not ask.
        request_id: The server's id of the request, for the provider's support; None if the response had none.
        body_form: The form of the response's body, which shows who wrote the response; None if it was not looked at.
        parameter: The name of the wrong argument, setting or field; None if no name applies.
        hint: How to fix the error; None if there is no more to say. The message is complete without the hint.
    """

    method: str | None = None
    path: str | None = None
    attempts: int = 0
    elapsed: float = 0.0
    effect: Effect = Effect.NOT_SENT
    http_status: int | None = None
    retry_after: float | None = None
    request_id: str | None = None
    body_form: BodyForm | None = None

    def __init__(self, message: str, *, parameter: str | None = None, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.parameter = parameter
        self.hint = hint

    def attach(self, *, method: str, path: str, attempts: int, elapsed: float, effect: Effect) -> Self:
        """Set the attributes of the failed request, and return the error."""
        self.method, self.path = method, path
        self.attempts, self.elapsed, self.effect = attempts, elapsed, effect
        return self

    def copy_response(self, other: CampaignsError) -> None:
        """Set what another error knows of the server's response."""
        self.http_status, self.retry_after, self.request_id = other.http_status, other.retry_after, other.request_id
        self.body_form = other.body_form

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
    error.args = (message,)  # the TimeoutErrors are OSErrors, whose __new__ leaves `args` to __init__
    error.__dict__.update(state)
    if cause is not None:
        error.__cause__ = cause
    return error


class ConfigurationError(CampaignsError, ValueError):
    """A setting is out of range or of the wrong type, or a client is used in another event loop. Nothing was sent."""


class InvalidArgumentError(CampaignsError, ValueError):
    """An argument cannot be sent as it is; the message says which and why. Nothing was sent."""


class QueryError(CampaignsError, ValueError):
    """A filter or sort that the server cannot express, or would silently drop. Nothing was sent."""


class ClientClosedError(CampaignsError):
    """The client was closed before the request was sent. Nothing was sent."""


class PoolSaturatedError(CampaignsError):
    """As many calls as `max_waiting` allows are waiting for a slot already. Nothing was sent."""


class PagingError(CampaignsError):
    """A listing cannot be read to its end: the server repeats itself or never ends."""

    effect = Effect.APPLIED


class PageShiftedError(PagingError):
    """Rows were added or deleted while a listing was read, and the next row could not be found.

    Attributes:
        checkpoint: The position after the last row that was returned, for `resume_from=` once the list changes less.
    """

    def __init__(self, message: str, *, checkpoint: Checkpoint) -> None:
        super().__init__(message)
        self.checkpoint = checkpoint


class FilterIgnoredError(CampaignsError):
    """The server returned a row that contradicts the filter: it silently dropped the filter.

    Trust none of the rows: they may be all rows of the account.
    """

    effect = Effect.APPLIED


class APIError(CampaignsError):
    """The server's response has a status other than success.

    Attributes:
        status: The HTTP status, also in `http_status`.
        problem: The problem document; None if the body held none.
        body_text: The body, if it is plain text or text in JSON.
    """

    body_text: str | None = None

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
        self.http_status: int | None = status
        self.problem = problem
        self.request_id = request_id
        self.retry_after = retry_after


class ValidationFailedError(APIError):
    """The server refused what was sent (400, 422).

    Attributes:
        errors: The server's messages by its own path: `{"Contacts[3].PhoneNumber": ("…",)}`.
        contact_errors: The messages by the contact's index, from 0.
    """

    errors: Mapping[str, tuple[str, ...]] = NO_ERRORS
    contact_errors: Mapping[int, tuple[str, ...]] = NO_CONTACT_ERRORS


class AuthenticationError(APIError):
    """The server did not accept the API key (401)."""


class PermissionDeniedError(APIError):
    """The API key may not do this (403)."""


class NotFoundError(APIError):
    """There is no campaign with this id (404)."""


class MethodNotAllowedError(APIError):
    """The server expects another HTTP method (405); the message names the setting to change."""


class ConflictError(APIError):
    """The campaign can no longer be changed (409)."""


class PayloadTooLargeError(APIError):
    """The request is too large for the server (413): send fewer contacts in a campaign."""


class ThrottledError(APIError):
    """The server asked to slow down (429; for reads also 503 with Retry-After)."""


class ServerError(APIError):
    """The server failed (5xx)."""


class TransportError(CampaignsError):
    """No complete response was received."""


class ConnectionFailedError(TransportError):
    """A connection could not be made, or was lost. `effect` says whether anything was sent.

    Attributes:
        is_permanent: True if this will not pass by itself: a certificate, TLS or the host's name is wrong. The message
            says what to fix.
    """

    is_permanent: bool = False


class ConnectTimeoutError(ConnectionFailedError, TimeoutError):
    """No connection within `Timeouts.connect` seconds. Nothing was sent."""


class ReadTimeoutError(TransportError, TimeoutError):
    """The head of the response, or the next byte of its body, did not arrive within `Timeouts.read` seconds.

    Or the server read nothing of the request for that long.
    """


class DeadlineExceededError(TransportError, TimeoutError):
    """The call could not be finished within `Timeouts.deadline` seconds."""


class DecodeError(CampaignsError):
    """The body of a successful response cannot be read.

    Attributes:
        where: The place in the body: `$.items[3].status`.
    """

    effect = Effect.APPLIED

    def __init__(self, message: str, *, where: str = "$", status: int | None = None) -> None:
        super().__init__(message)
        self.where = where
        self.http_status = status

    @property
    def status(self) -> int | None:
        """The HTTP status, also in `http_status`."""
        return self.http_status
