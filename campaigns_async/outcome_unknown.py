"""The error of a request whose outcome is unknown. Not in `errors`, which the models import: it holds campaigns."""

from __future__ import annotations

from campaigns_async.effects import Effect
from campaigns_async.errors import CampaignsError
from campaigns_async.models import Campaign


class OutcomeUnknownError(CampaignsError):
    """A create may or may not have been carried out. Sending it again may text everyone twice.

    An update or a delete raises it too, if the response was not as documented and reading the campaign proved nothing.

    Attributes:
        cause_type: The class of the error that left the outcome unknown.
        candidates: After reconciling: campaigns on the server that may be this one, the likeliest first.
        duplicate_id: The id in the response, if the server had given it to another create; else None.
        retry_after: Seconds that the server asked to wait. It says when to look again, not when to repeat the create.
    """

    effect = Effect.UNKNOWN
    candidates: tuple[Campaign, ...] = ()
    duplicate_id: str | None = None

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
        self.http_status = status
        self.request_id = request_id
        self.retry_after = retry_after

    @property
    def status(self) -> int | None:
        """The HTTP status, also in `http_status`; None if no complete response was received."""
        return self.http_status
