"""The six operations over a real socket."""

from __future__ import annotations

import re
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from typing import Any

import aiohttp
import pytest

from campaigns_async.sandbox import Quirks, Sandbox

Open = Callable[..., aiohttp.ClientSession]
JSON = {"Content-Type": "application/json"}

SEED = {
    "id": "c1",
    "startDateTime": "2024-01-10T09:00:00.1234567Z",
    "sender": "Acme",
    "recipientCount": 1,
    "message": "Hi",
    "status": 5,
    "optOutLinkId": None,
    "trackLinkUrl": None,
}
PENDING = {**SEED, "status": 0}
CONTACT = {"id": "k1", "phoneNumber": "no number", "name": None, "custom1": None, "custom2": None}


def campaigns(count: int) -> list[dict[str, Any]]:
    return [{**SEED, "id": f"c{number}"} for number in range(1, count + 1)]


async def read(session: aiohttp.ClientSession, path: str, **query: str) -> Any:
    async with session.get(path, params=query) as answer:
        assert answer.status == 200
        return await answer.json()


async def status(session: aiohttp.ClientSession, method: str, path: str, **options: Any) -> int:
    async with session.request(method, path, **options) as answer:
        await answer.read()
        return answer.status


async def errors(session: aiohttp.ClientSession, path: str, **options: Any) -> dict[str, list[str]]:
    """Return the messages of a 400 by path."""
    async with session.post(path, **options) as answer:
        assert answer.status == 400
        assert answer.content_type == "application/problem+json"
        problem = await answer.json(content_type=None)
    assert problem["status"] == 400
    assert re.fullmatch(r"00-[0-9a-f]{32}-[0-9a-f]{16}-00", problem["traceId"])
    found: dict[str, list[str]] = problem["errors"]
    return found


class TestReading:
    async def test_a_seeded_campaign_is_returned_unchanged(self, open_session: Open) -> None:
        async with Sandbox([SEED]) as sandbox, open_session(sandbox) as http:
            assert await read(http, "/api/Campaigns/c1") == SEED

    async def test_a_page_has_the_totals(self, open_session: Open) -> None:
        async with Sandbox(campaigns(23)) as sandbox, open_session(sandbox) as http:
            page = await read(http, "/api/Campaigns", page="3")

        assert page["pageIndex"] == 3
        assert page["totalPages"] == 3
        assert page["totalRecords"] == 23
        assert [item["id"] for item in page["items"]] == ["c21", "c22", "c23"]

    async def test_an_empty_account_has_no_pages(self, http: aiohttp.ClientSession) -> None:
        page = await read(http, "/api/Campaigns")

        assert page == {"pageIndex": 1, "totalPages": 0, "totalRecords": 0, "items": []}

    async def test_contacts_are_paged_and_filtered(self, open_session: Open) -> None:
        contacts = [{**CONTACT, "id": f"k{number}", "name": "A" * number} for number in range(1, 4)]
        async with Sandbox([SEED], {"c1": contacts}) as sandbox, open_session(sandbox) as http:
            page = await read(http, "/api/Campaigns/c1/Contacts", filters="name@=AA", sorts="-id", pageSize="1")

        assert page == {"pageIndex": 1, "totalPages": 2, "totalRecords": 2, "items": [contacts[2]]}

    @pytest.mark.parametrize("path", ["/API/CAMPAIGNS", "/api/campaigns/", "/api/campaigns/c1/"])
    async def test_paths_match_in_any_case_and_with_a_trailing_slash(self, open_session: Open, path: str) -> None:
        async with Sandbox([SEED]) as sandbox, open_session(sandbox) as http:
            assert await status(http, "GET", path) == 200

    async def test_an_id_is_unquoted(self, open_session: Open) -> None:
        async with Sandbox([{**SEED, "id": "a b/ü"}]) as sandbox, open_session(sandbox) as http:
            assert (await read(http, "/api/campaigns/a%20b%2F%C3%BC"))["id"] == "a b/ü"

    async def test_parameter_names_match_in_any_case_and_the_first_value_counts(self, open_session: Open) -> None:
        async with Sandbox(campaigns(5)) as sandbox, open_session(sandbox) as http:
            page = await read(http, "/api/campaigns?PAGESIZE=2&Page=2&pagesize=5")

        assert [item["id"] for item in page["items"]] == ["c3", "c4"]

    @pytest.mark.parametrize(
        ("query", "names"),
        [
            ("page=0", ["Page"]),
            ("pageSize=-1", ["PageSize"]),
            ("page=x&pageSize=1.5", ["Page", "PageSize"]),
            ("pageSize=2147483648", ["PageSize"]),
        ],
    )
    async def test_an_invalid_page_is_refused(self, http: aiohttp.ClientSession, query: str, names: list[str]) -> None:
        async with http.get(f"/api/Campaigns?{query}") as answer:
            problem = await answer.json(content_type=None)

        assert answer.status == 400
        assert list(problem["errors"]) == names

    async def test_an_invalid_page_of_contacts_is_refused(self, open_session: Open) -> None:
        async with Sandbox([SEED]) as sandbox, open_session(sandbox) as http:
            assert await status(http, "GET", "/api/campaigns/c1/contacts?page=0") == 400

    async def test_an_empty_parameter_is_ignored(self, open_session: Open) -> None:
        async with Sandbox(campaigns(12)) as sandbox, open_session(sandbox) as http:
            page = await read(http, "/api/campaigns?page=&pageSize=&filters=&sorts=")

        assert len(page["items"]) == 10

    async def test_an_invalid_filter_returns_the_whole_list(self, open_session: Open) -> None:
        async with Sandbox(campaigns(12)) as sandbox, open_session(sandbox) as http:
            page = await read(http, "/api/campaigns", filters="bogus==1", page="2", pageSize="5")

        assert len(page["items"]) == page["totalRecords"] == 12

    @pytest.mark.slow
    async def test_a_filter_searches_a_hundred_thousand_campaigns(self, open_session: Open) -> None:
        async with Sandbox(campaigns(100_000)) as sandbox, open_session(sandbox) as http:
            page = await read(http, "/api/campaigns", filters="id_-=9999,status==5", sorts="-id")

        assert page["totalRecords"] == 10
        assert page["items"][0]["id"] == "c99999"


class TestCreating:
    async def test_a_campaign_is_created_and_its_id_is_json(
        self, http: aiohttp.ClientSession, new: dict[str, Any]
    ) -> None:
        async with http.post("/api/Campaigns", json=new) as answer:
            key = await answer.json()

        assert answer.status == 201
        assert answer.content_type == "application/json"
        assert re.fullmatch("[0-9a-f]{10}", key)
        assert await read(http, f"/api/campaigns/{key}") == {
            "id": key,
            "startDateTime": "2031-05-01T09:30:00.000Z",
            "sender": "Golf",
            "recipientCount": 2,
            "message": "Fore!",
            "status": 0,
            "optOutLinkId": None,
            "trackLinkUrl": None,
        }

    async def test_its_contacts_are_readable_and_have_ids(
        self, sandbox: Sandbox, http: aiohttp.ClientSession, new: dict[str, Any]
    ) -> None:
        async with http.post("/api/Campaigns", json=new) as answer:
            key = await answer.json()
        page = await read(http, f"/api/campaigns/{key}/contacts")

        ids = [item.pop("id") for item in page["items"]]
        assert len(set(ids)) == 2
        assert page["items"] == [
            {"phoneNumber": "07700900123", "name": "Ann", "custom1": "a", "custom2": "b"},
            {"phoneNumber": "+44 7700 900124", "name": None, "custom1": None, "custom2": None},
        ]
        assert [contact["id"] for contact in sandbox.contacts(key)] == ids

    async def test_a_generated_id_is_never_one_that_exists(
        self, sandbox: Sandbox, http: aiohttp.ClientSession, open_session: Open, new: dict[str, Any]
    ) -> None:
        await status(http, "POST", "/api/campaigns", json=new)
        taken = {**SEED, "id": sandbox.created[0]["id"]}

        async with Sandbox([taken], seed=7) as other, open_session(other) as http_to_other:
            await status(http_to_other, "POST", "/api/campaigns", json=new)
            assert len({campaign["id"] for campaign in other.campaigns}) == 2

    async def test_created_shows_a_campaign_as_it_was_created(
        self, sandbox: Sandbox, http: aiohttp.ClientSession, new: dict[str, Any]
    ) -> None:
        async with http.post("/api/Campaigns", json=new) as answer:
            key = await answer.json()
        await status(http, "PUT", f"/api/Campaigns/{key}", json={**new, "sender": "Tennis"})
        await status(http, "DELETE", f"/api/Campaigns/{key}")

        assert [campaign["sender"] for campaign in sandbox.created] == ["Golf"]
        assert len(sandbox.created[0]["contacts"]) == 2
        assert sandbox.campaigns == []

    @pytest.mark.parametrize("path", ["/api/Campaigns", "/api/campaigns/false", "/api/campaigns/False"])
    async def test_the_error_names_each_invalid_number(
        self, sandbox: Sandbox, http: aiohttp.ClientSession, new: dict[str, Any], path: str
    ) -> None:
        new["contacts"][1:] = [{"phoneNumber": "x"}, {"phoneNumber": "07700900124"}, {"name": "Bo"}]

        found = await errors(http, path, json=new)

        assert list(found) == ["Contacts[1].PhoneNumber", "Contacts[3].PhoneNumber"]
        assert sandbox.created == []

    async def test_true_leaves_out_invalid_numbers(
        self, sandbox: Sandbox, http: aiohttp.ClientSession, new: dict[str, Any]
    ) -> None:
        new["contacts"].insert(1, {"phoneNumber": "12"})

        assert await status(http, "POST", "/api/campaigns/TRUE", json=new) == 201
        assert sandbox.created[0]["recipientCount"] == 2
        assert len(sandbox.created[0]["contacts"]) == 2

    @pytest.mark.parametrize(
        "number",
        [
            "07700900123",
            "+44 7700-900123",
            "0044 7700 900123",
            "447700900123",
            "+12025550123",
            "+4915112345678",
            "07700\u00a0900123",
            "７７００９００１２３",
        ],
    )
    async def test_a_valid_number_is_accepted(
        self, http: aiohttp.ClientSession, new: dict[str, Any], number: str
    ) -> None:
        new["contacts"] = [{"phoneNumber": number}]

        assert await status(http, "POST", "/api/campaigns", json=new) == 201

    @pytest.mark.parametrize(
        "number",
        [
            "",
            "07700",
            "0770090012a",
            "12345",
            "4915112345678",
            "1234567",
            "1234567890123456",
            "0770090012",
            "077009001234",
            "9" * 251,
        ],
    )
    async def test_an_invalid_number_is_refused(
        self, http: aiohttp.ClientSession, new: dict[str, Any], number: str
    ) -> None:
        new["contacts"] = [{"phoneNumber": number}]

        assert list(await errors(http, "/api/campaigns", json=new)) == ["Contacts[0].PhoneNumber"]

    @pytest.mark.parametrize(
        ("change", "path"),
        [
            ({"startDateTime": None}, "StartDateTime"),
            ({"sender": " "}, "Sender"),
            ({"message": ""}, "Message"),
            ({"contacts": None}, "Contacts"),
            ({"startDateTime": "tomorrow"}, "$.startDateTime"),
            ({"startDateTime": "2024-02-30T00:00:00Z"}, "$.startDateTime"),
            ({"sender": 5}, "$.sender"),
            ({"optOutLinkId": "five"}, "$.optOutLinkId"),
            ({"optOutLinkId": True}, "$.optOutLinkId"),
            ({"optOutLinkId": 2**31}, "$.optOutLinkId"),
            ({"contacts": {}}, "$.contacts"),
            ({"contacts": [{"phoneNumber": "07700900123"}, 5]}, "$.contacts[1]"),
            ({"contacts": [{"phoneNumber": 7}]}, "$.contacts[0].phoneNumber"),
            (
                {"contacts": [{"phoneNumber": "07700900123", "contactGroupId": "g"}]},
                "$.contacts[0].contactGroupId",
            ),
        ],
    )
    async def test_an_error_has_the_path_of_the_field(
        self, http: aiohttp.ClientSession, new: dict[str, Any], change: dict[str, Any], path: str
    ) -> None:
        assert list(await errors(http, "/api/campaigns", json={**new, **change})) == [path]

    @pytest.mark.parametrize(("body", "path"), [(b"", ""), (b"{", "$"), (b"[]", "$"), (b"null", "$")])
    async def test_a_body_that_is_not_an_object_is_refused(
        self, http: aiohttp.ClientSession, body: bytes, path: str
    ) -> None:
        assert list(await errors(http, "/api/campaigns", data=body, headers=JSON)) == [path]

    async def test_field_names_match_in_any_case_and_unknown_fields_are_ignored(
        self, sandbox: Sandbox, http: aiohttp.ClientSession, new: dict[str, Any]
    ) -> None:
        shouted = {name.upper(): value for name, value in new.items()} | {
            "else": 1,
            "optOutLinkId": "7",
        }

        assert await status(http, "POST", "/api/campaigns", json=shouted) == 201
        assert sandbox.created[0]["optOutLinkId"] == 7

    async def test_a_content_type_that_is_not_json_is_refused(self, http: aiohttp.ClientSession) -> None:
        headers = {"Content-Type": "text/plain"}

        assert await status(http, "POST", "/api/campaigns", data=b"{}", headers=headers) == 415

    @pytest.mark.parametrize("chunked", [None, True])
    async def test_a_body_that_is_too_large_is_refused_and_not_carried_out(
        self, open_session: Open, new: dict[str, Any], chunked: bool | None
    ) -> None:
        new["message"] = "x" * 200_000
        async with Sandbox(max_body=100_000) as sandbox, open_session(sandbox) as http:
            answered = await status(http, "POST", "/api/campaigns", json=new, chunked=chunked)

            assert answered == 413
            assert sandbox.created == []
            assert not sandbox.requests[0].acted


class TestChanging:
    async def test_an_update_changes_its_fields_only(self, open_session: Open, new: dict[str, Any]) -> None:
        async with Sandbox([PENDING]) as sandbox, open_session(sandbox) as http:
            assert await status(http, "PUT", "/api/campaigns/c1", json=new) == 204
            assert sandbox.campaigns == [
                {
                    **PENDING,
                    "startDateTime": "2031-05-01T09:30:00.000Z",
                    "sender": "Golf",
                    "message": "Fore!",
                }
            ]

    async def test_an_update_without_a_required_field_is_refused(self, open_session: Open, new: dict[str, Any]) -> None:
        async with Sandbox([PENDING]) as sandbox, open_session(sandbox) as http:
            assert await status(http, "PUT", "/api/campaigns/c1", json={**new, "sender": ""}) == 400
            assert sandbox.campaigns == [PENDING]

    async def test_optional_fields_are_stored_and_removed(
        self, sandbox: Sandbox, http: aiohttp.ClientSession, new: dict[str, Any]
    ) -> None:
        more = {**new, "optOutLinkId": 7, "trackLinkUrl": "https://x.example"}
        async with http.post("/api/campaigns", json=more) as answer:
            key = await answer.json()
        assert sandbox.campaigns[0]["optOutLinkId"] == 7

        await status(http, "PUT", f"/api/campaigns/{key}", json=new)
        assert sandbox.campaigns[0]["optOutLinkId"] is None
        assert sandbox.campaigns[0]["trackLinkUrl"] is None

    @pytest.mark.parametrize(
        ("sent", "stored"),
        [
            ("2031-05-01", "2031-05-01T00:00:00.000Z"),
            ("2031-05-01T09:30", "2031-05-01T09:30:00.000Z"),
            ("2031-05-01T09:30:00.1239999", "2031-05-01T09:30:00.123Z"),
            ("2031-05-01T09:30:00+01:00", "2031-05-01T08:30:00.000Z"),
        ],
    )
    async def test_start_times_are_stored_in_utc(
        self,
        sandbox: Sandbox,
        http: aiohttp.ClientSession,
        new: dict[str, Any],
        sent: str,
        stored: str,
    ) -> None:
        assert await status(http, "POST", "/api/campaigns", json={**new, "startDateTime": sent}) == 201
        assert sandbox.created[0]["startDateTime"] == stored

    async def test_a_delete_removes_the_campaign_and_its_contacts(self, open_session: Open) -> None:
        async with Sandbox([PENDING], {"c1": [CONTACT]}) as sandbox, open_session(sandbox) as http:
            assert await status(http, "DELETE", "/api/campaigns/c1") == 204
            assert await status(http, "GET", "/api/campaigns/c1") == 404
            assert await status(http, "GET", "/api/campaigns/c1/contacts") == 404
            assert await status(http, "DELETE", "/api/campaigns/c1") == 404

    async def test_an_unknown_campaign_is_answered_with_a_problem(
        self, http: aiohttp.ClientSession, new: dict[str, Any]
    ) -> None:
        async with http.put("/api/campaigns/nobody", json=new) as answer:
            problem = await answer.json(content_type=None)

        assert answer.status == 404
        assert answer.content_type == "application/problem+json"
        assert problem["title"] == "Not Found"

    @pytest.mark.parametrize(
        ("method", "path", "allow"),
        [
            ("DELETE", "/api/campaigns", "GET, POST"),
            ("PATCH", "/api/campaigns/c1", "GET, PUT, DELETE"),
            ("POST", "/api/campaigns/c1", "GET, PUT, DELETE"),
            ("POST", "/api/campaigns/c1/contacts", "GET"),
        ],
    )
    async def test_the_answer_to_another_method_lists_the_methods(
        self, http: aiohttp.ClientSession, method: str, path: str, allow: str
    ) -> None:
        async with http.request(method, path) as answer:
            assert answer.status == 405
            assert answer.headers["Allow"] == allow

    async def test_both_may_be_served_under_post(self, open_session: Open, new: dict[str, Any]) -> None:
        async with (
            Sandbox([PENDING], update_method="POST", delete_method="POST") as sandbox,
            open_session(sandbox) as http,
        ):
            assert await status(http, "PUT", "/api/campaigns/c1", json=new) == 405
            assert await status(http, "DELETE", "/api/campaigns/c1") == 405
            assert await status(http, "POST", "/api/campaigns/c1", json=new) == 204
            assert sandbox.campaigns[0]["sender"] == "Golf"
            assert await status(http, "POST", "/api/campaigns/c1") == 204
            assert sandbox.campaigns == []

    async def test_a_delete_by_post_with_a_body_is_refused(self, open_session: Open, new: dict[str, Any]) -> None:
        async with Sandbox([PENDING], delete_method="POST") as sandbox, open_session(sandbox) as http:
            assert await status(http, "POST", "/api/campaigns/c1", json=new) == 405
            assert await status(http, "POST", "/api/campaigns/c1") == 204

    async def test_an_unknown_path_is_not_found(self, http: aiohttp.ClientSession) -> None:
        assert await status(http, "GET", "/api/elsewhere") == 404
        assert await status(http, "GET", "/") == 404


class TestKeys:
    @pytest.mark.parametrize(
        ("headers", "query"),
        [
            ({"Authorization": "Bearer k"}, {}),
            ({"Authorization": "bearer k"}, {}),
            ({"api-key": "k"}, {}),
            ({}, {"api-key": "k"}),
        ],
    )
    async def test_a_key_is_accepted_in_three_places(self, headers: dict[str, str], query: dict[str, str]) -> None:
        async with Sandbox(api_key="k") as sandbox, aiohttp.ClientSession(sandbox.url) as http:
            assert await status(http, "GET", "/api/campaigns", headers=headers, params=query) == 200

    @pytest.mark.parametrize("headers", [{}, {"Authorization": "Basic k"}, {"api-key": "other"}])
    async def test_a_request_without_the_key_gets_an_empty_401(self, headers: dict[str, str]) -> None:
        async with (
            Sandbox(api_key="k") as sandbox,
            aiohttp.ClientSession(sandbox.url) as http,
            http.get("/api/campaigns", headers=headers) as answer,
        ):
            assert answer.status == 401
            assert answer.headers["WWW-Authenticate"] == "Bearer"
            assert await answer.read() == b""

    async def test_the_key_can_be_changed_while_the_sandbox_runs(
        self, sandbox: Sandbox, http: aiohttp.ClientSession
    ) -> None:
        assert await status(http, "GET", "/api/campaigns") == 200
        sandbox.api_key = "another"
        assert await status(http, "GET", "/api/campaigns") == 401

    def test_each_sandbox_has_a_key_of_its_own(self) -> None:
        assert Sandbox().api_key != Sandbox().api_key


class TestQuirks:
    async def test_an_id_may_be_bare_text(self, open_session: Open, new: dict[str, Any]) -> None:
        async with (
            Sandbox(quirks=Quirks(bare_id=True)) as sandbox,
            open_session(sandbox) as http,
            http.post("/api/campaigns", json=new) as answer,
        ):
            assert answer.content_type == "text/plain"
            assert await answer.text() == sandbox.campaigns[0]["id"]

    async def test_a_list_may_come_in_an_array(self, open_session: Open) -> None:
        async with (
            Sandbox([SEED], quirks=Quirks(list_in_array=True)) as sandbox,
            open_session(sandbox) as http,
        ):
            (page,) = await read(http, "/api/campaigns")
            contacts = await read(http, "/api/campaigns/c1/contacts")

        assert page["items"] == [SEED]
        assert contacts["items"] == []

    @pytest.mark.parametrize(
        ("style", "text"),
        [
            ("milliseconds", "2024-01-10T09:00:00.123Z"),
            ("bare", "2024-01-10T09:00:00.123"),
            ("seven_digits", "2024-01-10T09:00:00.1234567Z"),
            ("offset", "2024-01-10T10:00:00.123+01:00"),
        ],
    )
    async def test_dates_may_have_another_form(self, open_session: Open, style: Any, text: str) -> None:
        async with (
            Sandbox([SEED], quirks=Quirks(dates=style)) as sandbox,
            open_session(sandbox) as http,
        ):
            assert (await read(http, "/api/campaigns/c1"))["startDateTime"] == text
            assert (await read(http, "/api/campaigns"))["items"][0]["startDateTime"] == text

    @pytest.mark.parametrize(
        ("style", "numbers"),
        [
            ("plus", ["+447700900123", "+12025550123"]),
            ("digits", ["447700900123", "12025550123"]),
            ("national", ["07700900123", "12025550123"]),
        ],
    )
    async def test_numbers_may_be_stored_in_another_notation(
        self, open_session: Open, new: dict[str, Any], style: Any, numbers: list[str]
    ) -> None:
        new["contacts"] = [{"phoneNumber": "07700 900123"}, {"phoneNumber": "001 202 555 0123"}]
        async with (
            Sandbox(quirks=Quirks(phones=style)) as sandbox,
            open_session(sandbox) as http,
        ):
            await status(http, "POST", "/api/campaigns", json=new)

        assert [contact["phoneNumber"] for contact in sandbox.created[0]["contacts"]] == numbers

    async def test_a_maximum_page_size_loses_rows_between_pages(self, open_session: Open) -> None:
        async with (
            Sandbox(campaigns(8), quirks=Quirks(max_page_size=3)) as sandbox,
            open_session(sandbox) as http,
        ):
            pages = [(await read(http, "/api/campaigns", page=page, pageSize="4"))["items"] for page in ("1", "2")]

        assert [[item["id"] for item in page] for page in pages] == [
            ["c1", "c2", "c3"],
            ["c5", "c6", "c7"],
        ]

    async def test_the_default_page_size_can_be_another(self, open_session: Open) -> None:
        async with (
            Sandbox(campaigns(8), quirks=Quirks(default_page_size=4)) as sandbox,
            open_session(sandbox) as http,
        ):
            assert (await read(http, "/api/campaigns"))["totalPages"] == 2

    async def test_a_message_may_be_stored_altered(self, open_session: Open, new: dict[str, Any]) -> None:
        async with (
            Sandbox([PENDING], quirks=Quirks(message_text=str.rstrip)) as sandbox,
            open_session(sandbox) as http,
        ):
            await status(http, "POST", "/api/campaigns", json={**new, "message": "created \n"})
            await status(http, "PUT", "/api/campaigns/c1", json={**new, "message": "updated  "})

            assert [campaign["message"] for campaign in sandbox.campaigns] == ["updated", "created"]

    @pytest.mark.parametrize(
        "options",
        [{"dates": "iso"}, {"phones": "07"}, {"default_page_size": 0}, {"max_page_size": 0}],
    )
    def test_an_invalid_quirk_is_refused(self, options: dict[str, Any]) -> None:
        with pytest.raises(ValueError, match=next(iter(options))):
            Quirks(**options)


class TestSwitches:
    async def test_both_methods_may_be_served(self, open_session: Open, new: dict[str, Any]) -> None:
        rows = [{**PENDING, "id": f"c{number}"} for number in range(4)]
        async with (
            Sandbox(rows, update_method="both", delete_method="both") as sandbox,
            open_session(sandbox) as http,
        ):
            assert await status(http, "PUT", "/api/campaigns/c0", json=new) == 204
            assert await status(http, "POST", "/api/campaigns/c1", json=new) == 204
            assert await status(http, "DELETE", "/api/campaigns/c2") == 204
            assert await status(http, "POST", "/api/campaigns/c3") == 204
            assert [campaign["sender"] for campaign in sandbox.campaigns] == ["Golf", "Golf"]
            async with http.patch("/api/campaigns/c0") as answer:
                assert answer.headers["Allow"] == "GET, PUT, POST, DELETE"

    @pytest.mark.parametrize("auth", ["bearer", "header", "query"])
    async def test_one_way_to_send_the_key_may_be_the_only_one(self, auth: Any) -> None:
        async with Sandbox(auth=auth, api_key="secret") as sandbox, aiohttp.ClientSession(sandbox.url) as http:
            found = {
                "bearer": await status(http, "GET", "/api/campaigns", headers={"Authorization": "Bearer secret"}),
                "header": await status(http, "GET", "/api/campaigns", headers={"api-key": "secret"}),
                "query": await status(http, "GET", "/api/campaigns?api-key=secret"),
            }
        assert found == {way: 200 if way == auth else 401 for way in found}

    def test_an_unknown_setting_is_refused(self) -> None:
        for wrong in ({"auth": "cookie"}, {"update_method": "PATCH"}, {"delete_method": "PUT"}):
            with pytest.raises(ValueError, match="must be"):
                Sandbox(**wrong)  # type: ignore[arg-type]

    @pytest.mark.parametrize("query", [{"filters": "bogus==1"}, {"filters": "recipientCount==x"}, {"sorts": "bogus"}])
    async def test_filters_that_would_be_ignored_may_be_refused(
        self, open_session: Open, query: dict[str, str]
    ) -> None:
        strict = Quirks(strict_filters=True)
        async with Sandbox(campaigns(3), {"c1": []}, quirks=strict) as sandbox, open_session(sandbox) as http:
            for path in ("/api/campaigns", "/api/campaigns/c1/contacts"):
                async with http.get(path, params=query) as answer:
                    assert answer.status == 400
                    errors: dict[str, list[str]] = (await answer.json(content_type=None))["errors"]
                assert list(errors) == list(query)
                ((message,),) = errors.values()
                assert ("unknown name" if "bogus" in str(query) or "contacts" in path else "a value") in message
            good = await read(http, "/api/campaigns", filters="sender==Acme", sorts="-id", pageSize="2")
            assert [item["id"] for item in good["items"]] == ["c3", "c2"]

    async def test_answers_have_a_date(self, http: aiohttp.ClientSession) -> None:
        async with http.get("/api/campaigns") as answer:
            assert parsedate_to_datetime(answer.headers["Date"]).tzinfo is not None
