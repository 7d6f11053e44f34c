"""Hooks for schemathesis: values that no schema can describe, and requests that a server may accept beyond it.

No check is switched off. A failure is dropped only in cases that the document leaves open.
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

# As ids these are campaigns like others, so the methods of a campaign are rightly listed beside the create's.
_FLAGS: Final = ("/api/Campaigns/true", "/api/Campaigns/false")
_VALID_NUMBER: Final = "07700900123"


def _write_time(moment: datetime, digits: int, offset: str) -> str:
    fraction = f".{moment.microsecond:06}0"[: digits + 1] if digits else ""
    return f"{moment:%Y-%m-%dT%H:%M:%S}".rjust(19, "0") + fraction + offset


schemathesis.openapi.format(
    "phone",  # Ofcom's numbers for fiction, in each accepted notation
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
    """Write whole numbers as integers: JSON Schema accepts 7.0 as an integer, JSON readers of typed languages do not."""
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
    """Return True if a failure is one."""
    if isinstance(failure, AllowHeaderMismatch) and case.operation.path in _FLAGS:
        return bool(failure.missing_methods)
    if isinstance(failure, AcceptedNegativeData):
        return not (_may_leave_contacts_out(case) or _has_only_empty_parameters(response))
    return True


def _may_leave_contacts_out(case: schemathesis.Case) -> bool:
    """Return True if only phone numbers are invalid, and the operation leaves contacts with invalid numbers out."""
    body = case.body
    if case.operation.path != "/api/Campaigns/true" or not isinstance(body, dict):
        return False
    contacts = body.get("contacts")
    if not isinstance(contacts, list):
        return False
    corrected = [
        {**contact, "phoneNumber": _VALID_NUMBER}
        if isinstance(contact, dict) and isinstance(contact.get("phoneNumber"), str | None)
        else contact
        for contact in contacts
    ]
    whole = case.operation.schema.raw_schema
    schema = {"$ref": "#/components/schemas/NewCampaign", "components": whole["components"]}
    validator = jsonschema_rs.Draft202012Validator(schema, validate_formats=True)
    return validator.is_valid({**body, "contacts": corrected})


def _has_only_empty_parameters(response: schemathesis.Response) -> bool:
    """Return True if each parameter that is not a number is empty. The document allows empty parameters."""
    query = parse_qs(urlsplit(response.request.url or "").query, keep_blank_values=True)
    given = [value for name in ("page", "pageSize") for value in query.get(name, [])[:1]]
    return "" in given and all(not value or (value.isdecimal() and int(value) > 0) for value in given)
