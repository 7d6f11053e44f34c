"""The error of a create whose outcome is unknown; beside `errors`, since it carries campaigns."""

from __future__ import annotations

from campaigns_async.effects import Effect
from campaigns_async.errors import CampaignsError
from campaigns_async.models import Campaign


class OutcomeUnknownError(CampaignsError):
    """A create may or may not have been carried out. Sending it again may text everyone twice.

    Attributes:
        cause_type: The class of the error because of which the outcome is unknown.
        status: The HTTP status, None where no complete answer came.
        request_id: As in `APIError`.
        retry_after: As in `APIError`: when the server may be asked again, not when the create may be repeated.
        candidates: After reconciling: campaigns on the server that may be this one, the likeliest first.
    """

    effect = Effect.UNKNOWN
    candidates: tuple[Campaign, ...] = ()

    def __init__(
        self,
        message: str,
        *,
        cause_type: type[BaseException],
        status: int | None = None,
        request_id: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.cause_type = cause_type
        self.status = status
        self.request_id = request_id
        self.retry_after = retry_after
