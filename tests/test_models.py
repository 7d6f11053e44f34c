"""Models: values that pickle, print safely, and keep what they do not know."""

from __future__ import annotations

import copy
import json
import pickle
from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID

import attrs
import pytest

from campaigns_async import (
    Campaign,
    CampaignStatus,
    CampaignUpdate,
    InvalidArgumentError,
    NewCampaign,
    NewContact,
    Page,
)

START = datetime(2024, 5, 6, 7, 8, 9, tzinfo=UTC)
COPIES = {
    "pickle": lambda value: pickle.loads(pickle.dumps(value)),
    "oldest pickle": lambda value: pickle.loads(pickle.dumps(value, 0)),
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
}


@pytest.mark.parametrize("copied", COPIES.values(), ids=COPIES)
@pytest.mark.parametrize("number", [0, 5, 6, 17, -3, 2**63, -(2**70)])
def test_a_status_keeps_its_number_when_copied(number: int, copied: object) -> None:
    status = CampaignStatus(number)
    again = copied(status)  # type: ignore[operator]
    assert again == status == number
    assert type(again) is CampaignStatus
    assert (again.name, again.value, int(again), hash(again)) == (status.name, number, number, hash(number))


def test_an_unknown_status_is_none_of_the_known_ones() -> None:
    assert CampaignStatus(17).name == "UNKNOWN_17"
    assert CampaignStatus(17) not in list(CampaignStatus)
    assert len(CampaignStatus) == 6
    assert f"{CampaignStatus(17)} {CampaignStatus(17)!r}" == "17 <CampaignStatus.UNKNOWN_17: 17>"


@pytest.mark.parametrize("value", ["PENDING", "0", None, 1.5, b"1", ()])
def test_a_status_is_made_of_nothing_but_a_number(value: object) -> None:
    with pytest.raises(ValueError, match="is not a valid CampaignStatus"):
        CampaignStatus(value)  # type: ignore[arg-type]


def test_a_campaign_gives_the_update_that_changes_nothing() -> None:
    campaign = Campaign("a", START, "Golf", 3, "Hi", CampaignStatus.PAUSED, 7, "https://x.example")
    assert campaign.to_update() == CampaignUpdate(START, "Golf", "Hi", 7, "https://x.example")


@pytest.mark.parametrize("missing", ["start_date_time", "sender", "message"])
def test_a_campaign_without_a_field_that_an_update_must_have_gives_none_and_names_it(missing: str) -> None:
    campaign = attrs.evolve(Campaign("a", START, "Golf", message="Hi"), **{missing: None})
    with pytest.raises(InvalidArgumentError, match=rf"did not return its {missing}\Z") as caught:
        campaign.to_update()
    assert isinstance(caught.value, ValueError)


def test_contacts_may_be_any_iterable_and_become_a_tuple() -> None:
    contacts = [NewContact("1"), NewContact("2")]
    assert NewCampaign(START, "Golf", "Hi", iter(contacts)).contacts == tuple(contacts)


def test_a_repr_hides_values_and_shows_where_there_is_none() -> None:
    new = NewCampaign(START, "Golf", "Hi", [NewContact("1", "Ann"), NewContact("2")])
    assert repr(new) == (
        f"NewCampaign(start_date_time={START!r}, sender=<hidden>, message=<hidden>, contacts=<2>, opt_out_link_id=None, "
        "track_link_url=None)"
    )
    assert repr(new.contacts[0]) == (
        "NewContact(phone_number=<hidden>, name=<hidden>, custom1=None, custom2=None, contact_group_id=None)"
    )
    assert repr(Campaign("a", message="Hi")).startswith("Campaign(id='a', start_date_time=None, sender=None, ")
    assert "message=<hidden>" in repr(Campaign("a", message="Hi"))


def test_a_dict_of_a_model_is_ready_for_json_and_has_the_names_of_the_api() -> None:
    contact = NewContact("447700900123", "Ann", contact_group_id=UUID(int=7))
    summer = START.astimezone(timezone(timedelta(hours=1)))
    assert json.loads(json.dumps(NewCampaign(summer, "Golf", "Hi", [contact], 7).to_dict())) == {
        "startDateTime": "2024-05-06T07:08:09.000Z",
        "sender": "Golf",
        "message": "Hi",
        "contacts": [
            {
                "phoneNumber": "447700900123",
                "name": "Ann",
                "custom1": None,
                "custom2": None,
                "contactGroupId": "00000000-0000-0000-0000-000000000007",
            }
        ],
        "optOutLinkId": 7,
        "trackLinkUrl": None,
    }
    campaign = Campaign("a", START, "Golf", 3, "Hi", CampaignStatus.PAUSED)
    assert json.loads(json.dumps(Page(1, 1, None, (campaign,)).to_dict())) == {
        "pageIndex": 1,
        "totalPages": 1,
        "totalRecords": None,
        "items": [
            {
                "id": "a",
                "startDateTime": "2024-05-06T07:08:09.000Z",
                "sender": "Golf",
                "recipientCount": 3,
                "message": "Hi",
                "status": 3,
                "optOutLinkId": None,
                "trackLinkUrl": None,
            }
        ],
    }
    assert type(campaign.to_dict()["status"]) is int
    assert CampaignUpdate(START, "Golf", "Hi").to_dict().keys() == NewCampaign(
        START, "Golf", "Hi", [contact]
    ).to_dict().keys() - {"contacts"}


def test_models_are_values_they_compare_hash_pickle_and_do_not_change() -> None:
    new = NewCampaign(START, "Golf", "Hi", [NewContact("1", "Ann")])
    again = pickle.loads(pickle.dumps(new))
    assert again == new
    assert hash(again) == hash(new)
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        new.sender = "Tennis"  # type: ignore[misc]
