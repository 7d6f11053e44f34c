"""Properties of the matching, for any campaign, any harmless change, and any candidates."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import attrs
from hypothesis import given, settings, strategies as st

from campaigns_async import Campaign, CampaignStatus, Contact, NewCampaign, NewContact
from campaigns_async._reconcile.assignment import Assignment
from campaigns_async._reconcile.matching import (
    Absent,
    Candidate,
    Found,
    SearchTarget,
    Unknown,
    Verdict,
    compare,
)
from campaigns_async._reconcile.recipients import Match

START = datetime(2031, 1, 11, 16, 0, 0, 492_000, tzinfo=UTC)
EDGE = timedelta(days=400)

mobiles = st.integers(0, 999_999_999).map(lambda n: f"447{n:09}")
foreign = st.integers(10_000_000, 99_999_999).map(lambda n: f"336{n}")
numbers = st.one_of(mobiles, foreign)
invalid = st.sampled_from(["12345", "n/a", "0207 946 0123", "0770090010", "07700***1"])
maybe_words = st.sampled_from([None, "", " ", "Ann", "Ben", "Zoë O’Hara", "Straße 1", "Ǆ ﬁ", "مريم", "王秀英", "12"])
characters = st.characters(codec="utf-8", exclude_categories=["Cs"])
fewer = settings(max_examples=40)  # for what draws many candidates


def decide(of: SearchTarget, candidates: Iterable[Candidate]) -> Verdict:
    """Return the verdict on one create."""
    assignment = Assignment({0: of})
    for each in candidates:
        assignment.add(each)
    return assignment.decide()[0]


def british(number: str) -> list[str]:
    rest = number[2:]
    return [
        "0" + rest,
        f"0{rest[:4]} {rest[4:]}",
        f"+44 (0){rest}",
        f"440{rest}",
        f"(0{rest[:4]}) {rest[4:7]}-{rest[7:]}",
    ]


def notations(number: str) -> st.SearchStrategy[str]:
    plain = [number, "+" + number, "00" + number, f"+{number[:2]} {number[2:6]}.{number[6:]}"]
    written = st.sampled_from(plain + (british(number) if number.startswith("447") else []))
    wide = str.maketrans("0123456789", "０１２３４５６７８９")
    return st.one_of(
        written, written.map(lambda text: text.translate(wide)), written.map(lambda text: f" {text}\u202c")
    )


@st.composite
def targets(draw: st.DrawFn, *, least: int = 1) -> SearchTarget:
    people = draw(st.lists(numbers, min_size=least, max_size=4))
    contacts = [
        NewContact(draw(notations(number)), draw(maybe_words), draw(maybe_words), draw(maybe_words))
        for number in people
    ]
    contacts += [NewContact(text) for text in draw(st.lists(invalid, min_size=0 if people else 1, max_size=2))]
    new = NewCampaign(
        START + timedelta(milliseconds=draw(st.integers(0, 10**9))),
        draw(st.sampled_from(["Golf", "PawsParlour", "Café Olé"])),
        draw(st.text(characters, min_size=1, max_size=40).filter(str.strip)),
        draw(st.permutations(contacts)),  # type: ignore[arg-type]
        draw(st.sampled_from([None, 0, 7])),
        draw(st.sampled_from([None, "https://x.example/a"])),
    )
    return SearchTarget(new, draw(st.sampled_from([None, True, False])))


def digits(text: str) -> str | None:
    """Parse a number that this file writes, by other means; None for one that a server may leave out."""
    plain = "".join(str(unicodedata.decimal(c)) if c.isdecimal() else c for c in text)
    plain = "".join(c for c in plain.replace("(0)", "") if c.isdigit())
    plain = plain.removeprefix("00") if plain.startswith("00") else plain
    plain = (
        "44" + plain[1:] if plain.startswith("0") else plain.replace("440", "44", 1) if plain[:3] == "440" else plain
    )
    return (
        plain
        if len(plain) in (11, 12) and plain[2:3] in "67" and "*" not in text and plain[:2] in ("44", "33")
        else None
    )


@st.composite
def provable_image(draw: st.DrawFn, of: SearchTarget) -> Candidate:
    """Draw a change that a server may make and that leaves the campaign provably ours."""
    new = of.new
    kept: list[Contact] = []
    keep_invalid = of.ignore_invalid_phone_numbers is False or draw(st.booleans())
    merged = draw(st.booleans())
    known: set[str] = set()
    for at, contact in enumerate(new.contacts):
        number = digits(contact.phone_number)
        if number is None:
            if keep_invalid:
                kept.append(Contact(str(at), contact.phone_number, contact.name, contact.custom1, contact.custom2))
            continue
        if merged and number in known:
            continue
        known.add(number)
        texts = [
            draw(st.sampled_from([text, None, text and f" {text}\t", text and unicodedata.normalize("NFD", text)]))
            for text in (contact.name, contact.custom1, contact.custom2)
        ]
        kept.append(Contact(str(at), draw(notations(number)), *texts))
    message = unicodedata.normalize(draw(st.sampled_from(["NFC", "NFD"])), new.message)
    campaign = Campaign(
        draw(st.sampled_from(["a", "b"])),
        draw(st.sampled_from([new.start_date_time, new.start_date_time.replace(microsecond=0)])),
        new.sender,
        draw(st.sampled_from([None, 0, len(kept), len(new.contacts)])),
        draw(st.sampled_from([message, message.replace("\r\n", "\n").replace("\n", "\r\n")])),
        draw(st.sampled_from([None, CampaignStatus.PENDING, CampaignStatus.SENDING, CampaignStatus(17)])),
        draw(st.sampled_from([new.opt_out_link_id, new.opt_out_link_id or None])),
        new.track_link_url or draw(st.sampled_from([None, ""])),
    )
    return Candidate(campaign, tuple(draw(st.permutations(kept))), complete=True)


@st.composite
def image(draw: st.DrawFn, of: SearchTarget) -> Candidate:
    """Draw a change that a server may make, after which the create stays unknown."""
    candidate = draw(provable_image(of))
    campaign, contacts = candidate.campaign, candidate.contacts or ()
    start = campaign.start_date_time
    assert start is not None
    moved = st.timedeltas(-EDGE, EDGE).map(lambda by: start + by)
    text = campaign.message or ""
    message = draw(st.sampled_from([text, text + " Reply STOP", text.strip(), text.upper(), "", None]))
    sender = campaign.sender or ""
    campaign = attrs.evolve(
        campaign,
        start_date_time=draw(st.one_of(st.none(), st.just(start), moved)),
        message=message,
        sender=draw(
            st.sampled_from([sender, sender.upper(), sender + " ", unicodedata.normalize("NFD", sender), None])
        ),
        opt_out_link_id=draw(st.sampled_from([campaign.opt_out_link_id, None, 3])),
        track_link_url=draw(st.sampled_from([campaign.track_link_url, None, "https://s.example/x"])),
        status=draw(st.sampled_from([None, *CampaignStatus])),
    )
    shown = [
        draw(st.sampled_from([contact, attrs.evolve(contact, phone_number=hide(contact))])) for contact in contacts
    ]
    opted_out = draw(st.integers(0, len(shown)))
    read = draw(st.sampled_from([None, tuple(shown[opted_out:]), contacts]))
    return Candidate(campaign, read, complete=draw(st.booleans()))


def hide(contact: Contact) -> str | None:
    number = contact.phone_number or ""
    return None if len(number) % 2 else number[:3] + "***" + number[-2:]


@st.composite
def to_others(draw: st.DrawFn, of: SearchTarget) -> Candidate:
    """Draw a campaign to other people, which may be like ours in all else, with its recipients listed in full."""
    ours = {digits(contact.phone_number) for contact in of.new.contacts}
    theirs = draw(st.lists(numbers.filter(lambda number: number not in ours), min_size=1, max_size=6))
    candidate = draw(provable_image(of))
    contacts = tuple([Contact(str(at), draw(notations(number))) for at, number in enumerate(theirs)])
    return attrs.evolve(
        candidate, campaign=attrs.evolve(candidate.campaign, recipient_count=len(contacts)), contacts=contacts
    )


def any_candidates(of: SearchTarget) -> st.SearchStrategy[list[Candidate]]:
    one = st.one_of(provable_image(of), image(of), to_others(of))
    return st.lists(one, max_size=5).map(
        lambda those: [attrs.evolve(c, campaign=attrs.evolve(c.campaign, id=str(at))) for at, c in enumerate(those)]
    )


@given(st.data())
def test_whatever_a_server_alters_it_is_never_another_s(data: st.DataObject) -> None:
    of = data.draw(targets(least=0))
    candidate = data.draw(image(of))
    assert compare(of, candidate) is not Match.NONE
    assert not isinstance(decide(of, [candidate]), Absent)


@given(st.data())
def test_with_any_fields_it_is_never_another_s_while_anybody_of_ours_or_nobody_is_listed(data: st.DataObject) -> None:
    of = data.draw(targets(least=0))
    candidate = data.draw(provable_image(of))
    altered = attrs.evolve(
        candidate.campaign,
        sender=data.draw(st.sampled_from([of.new.sender, "CasaTapas", None])),
        start_date_time=data.draw(st.sampled_from([None, of.start, of.start - EDGE])),
        message=data.draw(st.sampled_from([of.new.message, "Quite another message", None])),
        track_link_url=data.draw(st.sampled_from([None, "https://s.example/x"])),
    )
    kept = (candidate.contacts or ())[: data.draw(st.integers(0, 4))]
    added = tuple(Contact(f"m{at}", f"4479110001{at:02}") for at in range(data.draw(st.integers(0, 3))))
    if not kept and added:
        return
    count = data.draw(st.sampled_from([None, len(kept) + len(added)]))
    listed = Candidate(attrs.evolve(altered, recipient_count=count), (*kept, *added), complete=True)
    assert of.ignore_invalid_phone_numbers is False or compare(of, listed) is not Match.NONE


@given(st.data())
def test_with_harmless_changes_alone_it_is_found(data: st.DataObject) -> None:
    of = data.draw(targets())
    candidate = data.draw(provable_image(of))
    assert compare(of, candidate) is Match.CERTAIN
    assert decide(of, [candidate]) == Found(candidate.campaign.id)


@given(st.data())
def test_a_campaign_to_other_people_is_never_found(data: st.DataObject) -> None:
    of = data.draw(targets(least=0))
    candidate = data.draw(to_others(of))
    assert compare(of, candidate) is not Match.CERTAIN


@given(st.data())
def test_a_campaign_whose_contacts_were_not_all_read_excludes_nothing(data: st.DataObject) -> None:
    of = data.draw(targets(least=0))
    candidate = data.draw(st.one_of(to_others(of), image(of)))
    assert compare(of, attrs.evolve(candidate, complete=False)) is Match.POSSIBLE
    assert compare(of, attrs.evolve(candidate, contacts=None)) is Match.POSSIBLE


@fewer
@given(st.data())
def test_the_order_of_candidates_does_not_matter(data: st.DataObject) -> None:
    of = data.draw(targets(least=0))
    candidates = data.draw(any_candidates(of))
    same_ids = [attrs.evolve(c, campaign=attrs.evolve(c.campaign, id="x")) for c in candidates]
    for those in (candidates, same_ids):
        assert decide(of, data.draw(st.permutations(those))) == decide(of, those)


@fewer
@given(st.data())
def test_it_is_found_only_when_it_alone_is_likely(data: st.DataObject) -> None:
    of = data.draw(targets())
    candidates = data.draw(any_candidates(of))
    likeness = {c.campaign.id: compare(of, c) for c in candidates}
    plausible = {i for i in likeness if likeness[i] is not Match.NONE}
    verdict = decide(of, candidates)
    if isinstance(verdict, Found):
        assert plausible == {verdict.campaign_id}
        assert likeness[verdict.campaign_id] is Match.CERTAIN
    elif isinstance(verdict, Unknown):
        assert {campaign.id for campaign in verdict.candidates} == plausible != set()
    else:
        assert not plausible


@fewer
@given(st.data())
def test_one_candidate_more_never_turns_unknown_or_found_into_absent(data: st.DataObject) -> None:
    of = data.draw(targets(least=0))
    candidates = data.draw(any_candidates(of))
    more = data.draw(st.one_of(image(of), to_others(of)))
    before = decide(of, candidates)
    after = decide(of, [*candidates, more])
    if not isinstance(before, Absent):
        assert not isinstance(after, Absent)
    if isinstance(before, Unknown):
        assert isinstance(after, Unknown)
