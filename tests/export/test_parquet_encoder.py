"""Parquet has real types, and row groups that leave the encoder as their rows come."""

from __future__ import annotations

import gc
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from io import BytesIO
from typing import Any

import pytest
from hypothesis import given, strategies as st

from campaigns_async import Campaign, CampaignStatus, Contact
from campaigns_async.export import UnwritableValueError
from campaigns_async.export._encoders import GROUP_BYTES, GROUP_ROWS, Batch, ParquetEncoder
from campaigns_async.export._options import CAMPAIGN_COLUMNS, CONTACT_COLUMNS, Column

pytestmark = pytest.mark.slow
pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")

TEXTS = st.text(max_size=20)
VALUES = st.none() | TEXTS
CONTACTS = st.builds(Contact, TEXTS, VALUES, VALUES, VALUES, VALUES)


def opened(columns: Sequence[Column], batches: Iterable[Batch]) -> Any:
    encoder = ParquetEncoder(columns)
    return pq.ParquetFile(BytesIO(encoder.begin() + b"".join(map(encoder.encode, batches)) + encoder.end()))


def group_sizes(file: Any) -> list[int]:
    return [file.metadata.row_group(number).num_rows for number in range(file.num_row_groups)]


def contacts(count: int) -> list[Contact]:
    return [Contact(str(number), f"+4477009{number:05}") for number in range(count)]


@given(st.lists(st.sampled_from(CONTACT_COLUMNS), min_size=1, unique=True), st.lists(CONTACTS, max_size=5), VALUES)
def test_pyarrow_gets_exactly_the_values(columns: list[Column], rows: list[Contact], campaign_id: str | None) -> None:
    table = opened(columns, [Batch(rows, campaign_id), Batch(rows, "b")]).read()
    expected = [
        {column.name: of if column.name == "campaignId" else getattr(row, str(column.attribute)) for column in columns}
        for of in (campaign_id, "b")
        for row in rows
    ]
    assert table.to_pylist() == expected
    assert table.column_names == [column.name for column in columns]


def test_columns_have_real_types() -> None:
    schema = opened(CAMPAIGN_COLUMNS, []).schema_arrow
    assert dict(zip(schema.names, schema.types, strict=True)) == {
        "id": pa.string(),
        "startDateTime": pa.timestamp("us", tz="UTC"),
        "sender": pa.string(),
        "recipientCount": pa.int64(),
        "message": pa.string(),
        "status": pa.int64(),
        "optOutLinkId": pa.int64(),
        "trackLinkUrl": pa.string(),
    }


def test_dates_and_statuses_come_back() -> None:
    moments = [
        datetime.min.replace(tzinfo=UTC),
        datetime(2031, 6, 27, 9, 30, 0, 123, tzinfo=UTC),
        datetime.max.replace(tzinfo=UTC),
        None,
    ]
    statuses = [CampaignStatus.PENDING, CampaignStatus(99), CampaignStatus(-1), None]
    rows = [
        Campaign(str(number), moment, status=status)
        for number, (moment, status) in enumerate(zip(moments, statuses, strict=True))
    ]
    table = opened(CAMPAIGN_COLUMNS, [Batch(rows)]).read()
    assert table["startDateTime"].to_pylist() == moments
    assert table["status"].to_pylist() == [0, 99, -1, None]


@pytest.mark.parametrize("columns", [CAMPAIGN_COLUMNS, CONTACT_COLUMNS])
def test_no_rows_are_a_file_with_its_schema(columns: Sequence[Column]) -> None:
    for batches in ([], [Batch([])]):
        file = opened(columns, batches)
        assert (file.num_row_groups, file.read().num_rows) == (1, 0)
        assert file.schema_arrow.names == [column.name for column in columns]


def test_row_groups_are_given_out_as_they_come() -> None:
    encoder = ParquetEncoder(CONTACT_COLUMNS)
    pieces = [encoder.begin()]
    rows = contacts(1_000)
    pieces += [encoder.encode(Batch(rows, "c")) for _ in range(2 * GROUP_ROWS // 1_000 + 3)]
    assert pieces[0] == b"PAR1"
    assert [number for number, piece in enumerate(pieces) if piece] == [0, GROUP_ROWS // 1_000, 2 * GROUP_ROWS // 1_000]
    file = pq.ParquetFile(BytesIO(b"".join(pieces) + encoder.end()))
    assert group_sizes(file) == [GROUP_ROWS, GROUP_ROWS, 3_000]


@pytest.mark.parametrize(
    ("sizes", "groups"),
    [
        ([GROUP_ROWS - 1], [GROUP_ROWS - 1]),
        ([15_000, 15_000, 15_000], [30_000, 15_000]),
        ([GROUP_ROWS - 1, GROUP_ROWS + 1], [GROUP_ROWS, GROUP_ROWS]),
        ([90_000], [22_500] * 4),
    ],
)
def test_row_groups_are_neither_small_nor_large(sizes: list[int], groups: list[int]) -> None:
    rows = contacts(max(sizes))
    file = opened(CONTACT_COLUMNS, [Batch(rows[:size], "c") for size in sizes])
    assert group_sizes(file) == groups
    assert file.read()["id"].to_pylist() == [row.id for size in sizes for row in rows[:size]]


def test_long_texts_make_groups_of_fewer_rows() -> None:
    row = Contact("1", custom1="x" * (GROUP_BYTES // 64))
    encoder = ParquetEncoder(CONTACT_COLUMNS)
    given_out = [bool(encoder.begin() + encoder.encode(Batch([row] * 16, "c"))) for _ in range(9)]
    assert given_out == [True, False, False, True, False, False, False, True, False]
    large = opened(CONTACT_COLUMNS, [Batch([row] * 200, "c")])
    assert group_sizes(large) == [67, 67, 66]


def test_half_a_surrogate_pair_is_refused_by_its_place() -> None:
    rows = [Contact("1", name="😀"), Contact("2", name="half\ud83d")]
    with pytest.raises(UnwritableValueError, match=r"^contact '2': name contains a lone surrogate") as caught:
        ParquetEncoder(CONTACT_COLUMNS).encode(Batch(rows, "c"))
    assert caught.value.__context__ is None


@pytest.mark.parametrize("number", [2**63, -(2**63) - 1])
def test_a_number_that_int64_cannot_hold_is_refused_by_its_place(number: int) -> None:
    rows = [Campaign("1", recipient_count=2**63 - 1, opt_out_link_id=-(2**63)), Campaign("2", opt_out_link_id=number)]
    with pytest.raises(UnwritableValueError, match=r"^campaign '2': optOutLinkId is an integer of more than 64"):
        ParquetEncoder(CAMPAIGN_COLUMNS).encode(Batch(rows))


def test_a_refused_batch_leaves_nothing_behind() -> None:
    encoder = ParquetEncoder(CONTACT_COLUMNS)
    pieces = [encoder.begin(), encoder.encode(Batch([Contact("1")], "c"))]
    with pytest.raises(UnwritableValueError):
        encoder.encode(Batch([Contact("2"), Contact("\ud800")], "c"))
    pieces += [encoder.encode(Batch([Contact("3")], "c")), encoder.end()]
    assert pq.read_table(BytesIO(b"".join(pieces)))["id"].to_pylist() == ["1", "3"]


def test_an_encoder_may_be_dropped_in_the_middle() -> None:
    encoder = ParquetEncoder(CONTACT_COLUMNS)
    encoder.begin()
    encoder.encode(Batch(contacts(GROUP_ROWS + 1), "c"))
    encoder.encode(Batch(contacts(1), "c"))
    del encoder
    gc.collect()  # a warning would be an error
