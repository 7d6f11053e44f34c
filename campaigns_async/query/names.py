"""The fields by name, as the models have them."""

from __future__ import annotations

from typing import Final

from campaigns_async.query import columns
from campaigns_async.query.fields import DateField, IntField, OptionalIntField, StatusField, TextField


class CampaignFields:
    """The fields of campaigns."""

    __slots__ = ()

    id: Final = TextField((columns.CAMPAIGN_ID,))
    start_date_time: Final = DateField((columns.START_DATE_TIME,))
    sender: Final = TextField((columns.SENDER,))
    recipient_count: Final = IntField((columns.RECIPIENT_COUNT,))
    message: Final = TextField((columns.MESSAGE,))
    status: Final = StatusField((columns.STATUS,))
    opt_out_link_id: Final = OptionalIntField((columns.OPT_OUT_LINK_ID,))
    track_link_url: Final = TextField((columns.TRACK_LINK_URL,))


class ContactFields:
    """The fields of contacts."""

    __slots__ = ()

    id: Final = TextField((columns.CONTACT_ID,))
    phone_number: Final = TextField((columns.PHONE_NUMBER,))
    name: Final = TextField((columns.NAME,))
    custom1: Final = TextField((columns.CUSTOM1,))
    custom2: Final = TextField((columns.CUSTOM2,))
