"""Phone numbers: which are accepted, which are magic, and who would be texted twice."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import aiohttp
import phonenumbers
import pytest
from hypothesis import given, strategies as st
from support.made import START
from support.properties import more_examples

from campaigns_async.sandbox import Sandbox
from campaigns_async.sandbox._mobile_numbers import parse_mobile

Open = Callable[..., aiohttp.ClientSession]


def with_numbers(new: dict[str, Any], *numbers: str) -> dict[str, Any]:
    return {**new, "contacts": [{"phoneNumber": number} for number in numbers]}


async def post(http: aiohttp.ClientSession, new: dict[str, Any], path: str = "/api/campaigns") -> Any:
    async with http.post(path, json=new) as answer:
        await answer.read()
        return answer


class TestMagic:
    @pytest.mark.parametrize(("choice", "final"), [("0", 1), ("1", 5), ("2", 7), ("4", 1000), ("5", 1), ("9", 1)])
    async def test_a_magic_number_decides_the_final_status(
        self, open_session: Open, new: dict[str, Any], choice: str, final: int
    ) -> None:
        numbers = [f"07700 9000{choice}{any_digit}" for any_digit in range(10)]
        async with Sandbox(magic_recipients=True, now=START) as sandbox, open_session(sandbox) as http:
            assert (await post(http, with_numbers(new, *numbers, "07700900123"))).status == 201
            sandbox.clock.move(timedelta(days=1))

            assert [message["status"] for message in sandbox.messages] == [final] * 10 + [1]

    async def test_an_invalid_magic_number_is_named_or_left_out(self, open_session: Open, new: dict[str, Any]) -> None:
        mixed = with_numbers(new, "07700900123", "+447700900035")
        async with Sandbox(magic_recipients=True) as sandbox, open_session(sandbox) as http:
            async with http.post("/api/campaigns/false", json=mixed) as answer:
                assert list((await answer.json(content_type=None))["errors"]) == ["Contacts[1].PhoneNumber"]
            assert (await post(http, mixed, "/api/campaigns/true")).status == 201
            assert sandbox.created[0]["recipientCount"] == 1

    async def test_without_the_option_magic_numbers_are_ordinary(self, open_session: Open, new: dict[str, Any]) -> None:
        numbers = [f"077009000{choice}0" for choice in range(10)]
        async with Sandbox(now=START) as sandbox, open_session(sandbox) as http:
            assert (await post(http, with_numbers(new, *numbers))).status == 201
            assert sandbox.created[0]["recipientCount"] == 10


class TestFaultsByRecipient:
    async def test_creates_with_the_recipient_in_any_notation_meet_the_fault(
        self, open_session: Open, new: dict[str, Any]
    ) -> None:
        async with Sandbox() as sandbox, open_session(sandbox) as http:
            rule = sandbox.fault(recipient="07700 900123", status=500)
            statuses = [
                (await post(http, with_numbers(new, *numbers))).status
                for numbers in (["07700900124"], ["07700900124", "+44 7700 900123"], ["00447700900123"], [])
            ]
            async with http.get("/api/campaigns") as answer:
                assert answer.status == 200

        assert statuses == [201, 500, 500, 201]
        assert (rule.seen, rule.fired) == (2, 2)

    @pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"contacts": 4}', b'{"contacts": [1, null, {}]}'])
    async def test_a_body_without_recipients_does_not_meet_the_fault(self, open_session: Open, body: bytes) -> None:
        async with Sandbox() as sandbox, open_session(sandbox) as http:
            rule = sandbox.fault(recipient="07700 900123", status=500)
            headers = {"Content-Type": "application/json"}
            assert (await http.post("/api/campaigns", data=body, headers=headers)).status == 400
            assert rule.seen == 0

    async def test_field_names_match_in_any_case(self, open_session: Open, new: dict[str, Any]) -> None:
        async with Sandbox() as sandbox, open_session(sandbox) as http:
            sandbox.fault(recipient="07700 900123", status=500)
            assert (
                await post(http, {**new, "contacts": None, "CONTACTS": [{"PhoneNUMBER": "07700900123"}]})
            ).status == 500

    def test_a_recipient_must_be_a_phone_number_of_a_create(self) -> None:
        sandbox = Sandbox()
        with pytest.raises(ValueError, match="phone number"):
            sandbox.fault(recipient="12345", status=500)
        with pytest.raises(ValueError, match="create"):
            sandbox.fault(recipient="07700900123", operation="list", status=500)

    def test_no_repr_shows_the_recipient(self) -> None:
        assert "900123" not in repr(Sandbox().fault(recipient="07700900123", status=500))


class TestNumbers:
    @more_examples(12)
    @given(
        st.from_regex(r"[ (.+-]?(\+|00)?[ (]?(44)?[ ).-]?(\(0\)|0)?[ -]?7[0-9 ().-]{8,13}[ )+-]?", fullmatch=True)
        | st.text(alphabet="0123456789+ -().", max_size=18)
        | st.text(max_size=12)
    )
    def test_a_number_is_accepted_exactly_if_it_is_a_possible_mobile_number(self, text: str) -> None:
        try:
            number = phonenumbers.parse(text, "GB")
        except phonenumbers.NumberParseException:
            assert parse_mobile(text) is None
            return
        possible = phonenumbers.is_possible_number_for_type(number, phonenumbers.PhoneNumberType.MOBILE)
        assert (parse_mobile(text) is not None) is possible
        if possible:
            assert parse_mobile(text) == f"{number.country_code}{phonenumbers.national_significant_number(number)}"

    @given(st.integers(0, 999_999_999))
    def test_every_notation_of_a_british_number_has_the_same_digits(self, national: int) -> None:
        rest = f"7{national:09}"
        forms = {parse_mobile(prefix + rest) for prefix in ("0", "44", "+44", "0044", "+44 (0)", " 0")}
        assert forms == {"44" + rest}


class TestDoubleSends:
    async def test_the_same_text_to_the_same_person_twice_is_found(
        self, open_session: Open, new: dict[str, Any]
    ) -> None:
        async with Sandbox() as sandbox, open_session(sandbox) as http:
            await post(http, with_numbers(new, "07700900123", "07700900124", "07700900125"))
            sandbox.assert_no_double_send()
            await post(http, with_numbers(new, "+447700900123", "00447700900124", "07700900999"))

            first, second = (campaign["id"] for campaign in sandbox.created)
            with pytest.raises(AssertionError) as caught:
                sandbox.assert_no_double_send()
            assert str(caught.value) == (f"sent twice: campaigns {first} and {second} send the same text to 2 people")
            assert "900123" not in repr(sandbox.double_sends())

    async def test_one_campaign_can_text_a_person_twice(self, open_session: Open, new: dict[str, Any]) -> None:
        async with Sandbox() as sandbox, open_session(sandbox) as http:
            await post(http, with_numbers(new, "07700900123", "+447700900123"))
            with pytest.raises(AssertionError, match="texts 1 person twice"):
                sandbox.assert_no_double_send()

    @pytest.mark.parametrize("change", [{"message": "Four!"}, {"sender": "Tennis"}, {"contacts": []}])
    async def test_another_text_sender_or_person_is_no_double_send(
        self, open_session: Open, new: dict[str, Any], change: dict[str, Any]
    ) -> None:
        async with Sandbox() as sandbox, open_session(sandbox) as http:
            await post(http, new)
            assert (await post(http, {**new, **change})).status == 201
            sandbox.assert_no_double_send()

    async def test_a_retry_with_a_later_start_counts_within_the_span(
        self, open_session: Open, new: dict[str, Any]
    ) -> None:
        async with Sandbox() as sandbox, open_session(sandbox) as http:
            await post(http, new)
            await post(http, {**new, "startDateTime": "2031-05-02T09:29:59Z"})

            with pytest.raises(AssertionError, match="2 people"):
                sandbox.assert_no_double_send()
            sandbox.assert_no_double_send(within=timedelta(hours=23, minutes=59))
            await post(http, {**new, "startDateTime": "2031-04-30T09:30:01Z"})
            assert len(sandbox.double_sends()) == 2

    async def test_a_campaign_is_compared_with_the_one_that_starts_before_it(
        self, open_session: Open, new: dict[str, Any]
    ) -> None:
        async with Sandbox() as sandbox, open_session(sandbox) as http:
            for day in (3, 1, 2):
                await post(http, {**with_numbers(new, "07700900123"), "startDateTime": f"2031-05-0{day}T09:30:00Z"})
            third, first, second = (campaign["id"] for campaign in sandbox.created)

            found = sandbox.double_sends(within=timedelta(hours=25))

        assert {(one.first, one.second) for one in found} == {(first, second), (second, third)}

    async def test_deleted_refused_and_seeded_campaigns_do_not_count(
        self, open_session: Open, new: dict[str, Any]
    ) -> None:
        seeded = {"id": "s1", **{name: new[name] for name in ("startDateTime", "sender", "message")}}
        async with Sandbox([seeded], {"s1": new["contacts"]}) as sandbox, open_session(sandbox) as http:
            await post(http, new)
            async with http.delete(f"/api/campaigns/{sandbox.created[0]['id']}") as answer:
                assert answer.status == 204
            sandbox.fault(operation="create", times=1, status=500)
            await post(http, new)
            await post(http, new)
            sandbox.assert_no_double_send()

    async def test_a_campaign_changed_to_another_text_does_not_count(
        self, open_session: Open, new: dict[str, Any]
    ) -> None:
        async with Sandbox() as sandbox, open_session(sandbox) as http:
            await post(http, new)
            async with http.put(f"/api/campaigns/{sandbox.created[0]['id']}", json={**new, "message": "Other"}):
                pass
            await post(http, new)
            sandbox.assert_no_double_send()
