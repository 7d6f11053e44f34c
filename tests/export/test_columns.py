"""Columns bear the wire's names, and a wrong name is answered with the right ones."""

from __future__ import annotations

from typing import Any

import attrs
import pytest

from campaigns_async import Campaign, Contact, InvalidArgumentError
from campaigns_async.export.columns import CAMPAIGN_COLUMNS, CONTACT_COLUMNS, checked_columns, value_of, values_of
from campaigns_async.export.ports import Batch
from campaigns_async.wire.naming import camel

ALL_OF_CONTACTS = "There are campaignId, id, phoneNumber, name, custom1, custom2"


def test_the_columns_are_the_models_fields_by_the_wires_names() -> None:
    assert [column.attribute for column in CAMPAIGN_COLUMNS] == [field.name for field in attrs.fields(Campaign)]
    assert [column.attribute for column in CONTACT_COLUMNS[1:]] == [field.name for field in attrs.fields(Contact)]
    for column in (*CAMPAIGN_COLUMNS, *CONTACT_COLUMNS[1:]):
        assert column.attribute is not None
        assert column.name == camel(column.attribute)
    assert CONTACT_COLUMNS[0].name == "campaignId"


def test_values_are_the_rows_own_but_for_the_campaigns_id() -> None:
    batch = Batch([Contact("1", name="Ann"), Contact("2")], "c")
    read = {column.name: values_of(column, batch) for column in CONTACT_COLUMNS}
    assert (read["campaignId"], read["id"], read["name"]) == (["c", "c"], ["1", "2"], ["Ann", None])
    for column in CONTACT_COLUMNS:
        assert [value_of(column, batch, row) for row in batch.rows] == read[column.name]


def test_all_columns_stand_for_none_given() -> None:
    assert checked_columns(None, CAMPAIGN_COLUMNS) == CAMPAIGN_COLUMNS


def test_columns_stand_in_the_order_given() -> None:
    chosen = checked_columns(iter(["name", "campaignId", "id"]), CONTACT_COLUMNS)
    assert [column.name for column in chosen] == ["name", "campaignId", "id"]


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        (["id", "phone_number"], "fields: name 2 is no column: phoneNumber may be meant."),
        (["CAMPAIGNID"], "fields: name 1 is no column: campaignId may be meant."),
        (["phoneNumbr"], "fields: name 1 is no column: phoneNumber may be meant."),
        (["message"], "fields: name 1 is no column."),
        (["id", ""], "fields: name 2 is empty."),
        (["id", 5], "fields: name 2 must be text, not int."),
        ([], "fields names no column."),
        ("id", "fields must be a list of names, not str."),
        (5, "fields must be a list of names, not int."),
    ],
)
def test_a_wrong_name_is_answered_with_the_right_ones(fields: Any, told: str) -> None:
    with pytest.raises(InvalidArgumentError) as caught:
        checked_columns(fields, CONTACT_COLUMNS)
    assert caught.value.message == f"{told} {ALL_OF_CONTACTS}"


def test_a_name_given_twice_is_refused() -> None:
    with pytest.raises(InvalidArgumentError, match="name 3 is id again, which is name 1 already"):
        checked_columns(["id", "name", "id"], CONTACT_COLUMNS)


def test_a_wrong_name_is_not_quoted() -> None:
    with pytest.raises(InvalidArgumentError) as caught:
        checked_columns(["+447700900123"], CONTACT_COLUMNS)
    assert "7700" not in str(caught.value)
