"""The server's own words for a refused row, without the row's texts, names and numbers, so that they can be kept."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from html import unescape
from itertools import islice
from typing import Final

from campaigns_async._http.campaign_rules import CAMPAIGN_NAMES, CONTACT_NAMES
from campaigns_async.errors import APIError
from campaigns_async.models import NewCampaign

_HIDDEN: Final = "<hidden>"
_LONGEST: Final = 300
_LONGEST_READ: Final = 2_000
_MOST_READ: Final = 20
_MOST_SHOWN: Final = 5
_PART: Final = 12
"""The length from which a part of a text, such as its beginning, is hidden too."""
_SHORTEST_NAME: Final = 3
_SHORTEST_WORD: Final = 4
_FIELDS: Final = {name.lower(): name for name in (*CAMPAIGN_NAMES, *CONTACT_NAMES)}
_NUMBERS: Final = (
    re.compile(r"\d{5,}"),
    # With separators it may be a phone number, or a date.
    re.compile(r"\+?(?<!\d)(?!\d{4}-\d\d-\d\d(?!\d))\d(?:[ \-./()]{0,3}\d){6,}"),
)


def describe_refusal(error: APIError, campaign: NewCampaign) -> str | None:
    """Return why the server refused a campaign, in its own words; None if it did not say.

    What the campaign contains is hidden, and so are numbers of five digits or more, whoever's they are.
    """
    said = list(islice(dict.fromkeys(_list_messages(error)), _MOST_READ))  # thousands of contacts may share a message
    masked = _mask("\n".join(_clean(_cut(message)) for _, message in said), campaign).split("\n")
    shown = dict.fromkeys(": ".join(filter(None, (place, text))) for (place, _), text in zip(said, masked, strict=True))
    reasons = [each for each in shown if each]
    text = "; ".join(reasons[:_MOST_SHOWN])
    is_cut = len(reasons) > _MOST_SHOWN or len(text) > _LONGEST
    return f"{text[:_LONGEST]}…" if is_cut else text or None


def _list_messages(error: APIError) -> Iterator[tuple[str, str]]:
    """Yield each message with its field, which is empty if it is not one of the API's: the server may quote anything."""
    problem = error.problem
    if problem is None:
        yield "", error.body_text or ""
        return
    for path, messages in problem.errors.items():
        place = _FIELDS.get(path.rpartition(".")[2].lower(), "")
        for message in messages or ("",):
            yield place, message
    if not any(map(any, problem.errors.values())):
        yield "", problem.detail or problem.title or ""


def _cut(text: str) -> str:
    # At a blank: half a value would not be recognised.
    return text if len(text) <= _LONGEST_READ else text[:_LONGEST_READ].rpartition(" ")[0]


def _clean(text: str) -> str:
    """Return a text on one line, in one notation, without control characters."""
    text = " ".join(unicodedata.normalize("NFKC", unescape(text)).split())
    return text if text.isprintable() else "".join(filter(str.isprintable, text))


def _mask(text: str, campaign: NewCampaign) -> str:
    """Return lines of text in which the campaign's values, and parts of them, are hidden."""
    hidden = bytearray(len(text))
    for pattern in _NUMBERS:
        for match in pattern.finditer(text):
            _hide(hidden, match)
    folded = "".join(lower if len(lower := letter.lower()) == 1 else letter for letter in text)  # of equal length
    for shared in map(_fold, (campaign.message, campaign.track_link_url)):
        for at in range(len(folded) - _PART + 1):
            if folded[at : at + _PART] in shared:
                hidden[at : at + _PART] = b"\1" * _PART
    for value in _find_values(folded, campaign):
        for match in re.finditer(rf"(?<!\w){re.escape(value)}(?!\w)", folded):
            _hide(hidden, match)
    return re.sub("\0+", _HIDDEN, "".join("\0" if hide else letter for letter, hide in zip(text, hidden, strict=True)))


def _find_values(folded: str, campaign: NewCampaign) -> set[str]:
    """Return the campaign's values that are in a text, and the words of contacts' values that are."""
    contacts = campaign.contacts
    names = {_fold(contact.name) for contact in contacts}
    others = {
        _fold(str(value or ""))
        for contact in contacts
        for value in (contact.phone_number, contact.custom1, contact.custom2, contact.contact_group_id)
    }
    found = {value for value in names | others | {_fold(campaign.message), _fold(campaign.sender)} if value in folded}
    words = set(re.findall(r"\w+", folded))
    for values, shortest in ((names, _SHORTEST_NAME), (others, _SHORTEST_WORD)):
        mentioned = words.intersection(re.findall(r"\w+", "\n".join(values)))
        found |= {word for word in mentioned if len(word) >= shortest}
    return {value for value in found if len(value) > 1}  # a single letter shows nothing


def _fold(value: str | None) -> str:
    return _clean(value).lower() if value else ""


def _hide(hidden: bytearray, match: re.Match[str]) -> None:
    hidden[match.start() : match.end()] = b"\1" * (match.end() - match.start())
