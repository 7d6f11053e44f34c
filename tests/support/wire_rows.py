"""Rows as a server may send them: as documented, and malformed in every way."""

from __future__ import annotations

from typing import Any

import attrs
from hypothesis import strategies as st

from campaigns_async import CampaignStatus, DecodeError

FULL = {
    "id": "abc",
    "startDateTime": "2023-06-27T03:04:01.374Z",
    "sender": "Golf",
    "recipientCount": 12,
    "message": "Hi",
    "status": 3,
    "optOutLinkId": 7,
    "trackLinkUrl": "https://x.example",
}
PERSON = {"id": "p1", "phoneNumber": "447700900123", "name": "Ann", "custom1": "a", "custom2": "b"}

UTC_DATES = {
    "2023-06-27T03:04:01Z": 0,
    "2023-06-27T03:04:01": 0,
    "2023-06-27T03:04:01+00:00": 0,
    "2023-06-27T03:04:01-00:00": 0,
    "2023-06-27T04:04:01+01:00": 0,
    "2023-06-26T22:34:01-04:30": 0,
    "2023-06-27T03:04:01.3Z": 300_000,
    "2023-06-27T03:04:01.37Z": 370_000,
    "2023-06-27T03:04:01.374Z": 374_000,
    "2023-06-27T03:04:01.3741Z": 374_100,
    "2023-06-27T03:04:01.37412Z": 374_120,
    "2023-06-27T03:04:01.374123Z": 374_123,
    "2023-06-27T03:04:01.3741239Z": 374_123,
    "2023-06-27T03:04:01.9999999Z": 999_999,
    "2023-06-27T03:04:01.9999999": 999_999,
    "2023-06-27T04:04:01.9999999+01:00": 999_999,
    "2023-06-27 03:04:01": 0,
}
BAD_DATES = [
    "",
    " ",
    "soon",
    "27/06/2023",
    "2023-13-01T00:00:00Z",
    "2023-06-27T25:00:00Z",
    "2023-06-27T03:04:01.",
    "0000-00-00",
]
ODD: list[Any] = [
    None,
    "",
    "5",
    "paused",
    "\ud800",
    0,
    1,
    7,
    -1,
    2**64 - 1,
    True,
    False,
    0.0,
    1.0,
    2.0**70,
    [],
    ["a"],
    {},
]

json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from([*FULL, *PERSON, "x"]), inner),
    max_leaves=20,
)
dates = st.sampled_from([*UTC_DATES, *BAD_DATES, "0001-01-01T00:00:00+01:00", "9999-12-31T23:59:59.9999999-05:00"])
statuses = st.integers(-2, 7) | st.sampled_from([*CampaignStatus.__members__, "3", "-7", "paused", 2.0**70, 1.0, True])
odd_values = (
    json_values | dates | statuses | st.sampled_from(["\ud800", -(2**63), 2**64 - 1, "5", 0, False, "", [], {}])
)
odd_rows = json_values | st.one_of(
    [
        st.builds(
            lambda whole, changed, left_out: {name: v for name, v in (whole | changed).items() if name not in left_out},
            st.just(wire),
            st.dictionaries(st.sampled_from([*wire, "x"]), odd_values, max_size=2)
            | st.fixed_dictionaries({}, optional={"startDateTime": dates, "status": statuses}),
            st.sets(st.sampled_from(list(wire)), max_size=2) | st.just(set[str]()),
        )
        for wire in (FULL, PERSON)
    ]
)


def outcome(read: Any) -> tuple[object, ...]:
    """Return the result of reading rows: their types and those of their fields with the values, or the error."""
    try:
        rows = read()
    except DecodeError as error:
        assert error.__context__ is None
        return str(error), error.where
    fields = [attrs.astuple(row, recurse=False) for row in rows]
    return rows, [type(row) for row in rows], [[type(value) for value in row] for row in fields], repr(fields)
