"""What schemathesis has to know of this API: values that no schema can say, and what a server may take beyond it.

No check is switched off. A failure is dropped only where the document leaves the server free, case by case.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

import jsonschema_rs
import schemathesis
from hypothesis import strategies as st
from schemathesis.core.failures import AcceptedNegativeData, Failure
from schemathesis.openapi.checks import AllowHeaderMismatch

# As ids these are campaigns like others, so the verbs of a campaign are rightly named beside the create's.
_FLAGS: Final = ("/api/Campaigns/true", "/api/Campaigns/false")
_VALID_NUMBER: Final = "07700900123"


def _write_time(moment: datetime, digits: int, offset: str) -> str:
    fraction = f".{moment.microsecond:06}0"[: digits + 1] if digits else ""
    return f"{moment:%Y-%m-%dT%H:%M:%S}".rjust(19, "0") + fraction + offset


schemathesis.openapi.format(
    "phone",  # Ofcom's numbers for fiction, in each notation that is taken
    st.builds(
        "{}7700900{:03}".format,
        st.sampled_from(("0", "44", "+44", "0044")),
        st.integers(min_value=0, max_value=999),
    ),
)
schemathesis.openapi.format(
    "date-time",  # .NET knows offsets up to 14 hours, no leap second, and years 1 to 9999 in UTC
    st.builds(
        _write_time,
        st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30)),
        st.integers(min_value=0, max_value=7),
        st.sampled_from(("Z", "+01:00", "-05:30", "+14:00", "-14:00")),
    ),
)


@schemathesis.hook
def map_body(context: schemathesis.HookContext, body: Any) -> Any:
    """Write whole numbers as such: JSON Schema takes 7.0 for an integer, JSON readers of typed languages do not."""
    if isinstance(body, dict) and isinstance(number := body.get("optOutLinkId"), float) and number.is_integer():
        return {**body, "optOutLinkId": int(number)}
    return body


@schemathesis.hook
def filter_failure(
    context: schemathesis.HookContext,
    failure: Failure,
    case: schemathesis.Case,
    response: schemathesis.Response,
) -> bool:
    """Whether a failure is one."""
    if isinstance(failure, AllowHeaderMismatch) and case.operation.path in _FLAGS:
        return bool(failure.missing_methods)
    if isinstance(failure, AcceptedNegativeData):
        return not (_may_leave_contacts_out(case) or _has_only_empty_parameters(response))
    return True


def _may_leave_contacts_out(case: schemathesis.Case) -> bool:
    """Whether only phone numbers are wrong, where contacts with such are to be left out."""
    body = case.body
    if case.operation.path != "/api/Campaigns/true" or not isinstance(body, dict):
        return False
    contacts = body.get("contacts")
    if not isinstance(contacts, list):
        return False
    mended = [
        {**contact, "phoneNumber": _VALID_NUMBER}
        if isinstance(contact, dict) and isinstance(contact.get("phoneNumber"), str | None)
        else contact
        for contact in contacts
    ]
    whole = case.operation.schema.raw_schema
    schema = {"$ref": "#/components/schemas/NewCampaign", "components": whole["components"]}
    validator = jsonschema_rs.Draft202012Validator(schema, validate_formats=True)
    return validator.is_valid({**body, "contacts": mended})


def _has_only_empty_parameters(response: schemathesis.Response) -> bool:
    """Whether each parameter that is no number is empty: that is none, as the document says."""
    query = parse_qs(urlsplit(response.request.url or "").query, keep_blank_values=True)
    given = [value for name in ("page", "pageSize") for value in query.get(name, [])[:1]]
    return "" in given and all(not value or (value.isdecimal() and int(value) > 0) for value in given)
