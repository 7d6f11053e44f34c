"""Filters and sorts for lists, checked before they are sent (provider's documentation, Filtering and sorting).

```python
query.campaign.sender == "Golf"
query.campaign.message.contains("sale", ignore_case=True) & (query.campaign.recipient_count >= 100)
~query.contact.name.startswith("A")
sorts=[query.campaign.start_date_time.desc(), query.campaign.id.asc()]
```
"""

from __future__ import annotations

from typing import Final

from campaigns_async.query._conditions import Expression, Raw, Sort, raw
from campaigns_async.query._fields import (
    CampaignFields,
    ContactFields,
    DateField,
    IntField,
    OptionalIntField,
    StatusField,
    TextConditions,
    TextField,
    any_of,
)

campaign: Final = CampaignFields()
"""The fields of campaigns, named like the attributes of `Campaign`."""
contact: Final = ContactFields()
"""The fields of contacts, named like the attributes of `Contact`."""

__all__ = [
    "CampaignFields",
    "ContactFields",
    "DateField",
    "Expression",
    "IntField",
    "OptionalIntField",
    "Raw",
    "Sort",
    "StatusField",
    "TextConditions",
    "TextField",
    "any_of",
    "campaign",
    "contact",
    "raw",
]
