"""The document is valid for every setting, and the sandbox's answers over a socket match it exactly."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import attrs
import pytest

from campaigns_async.sandbox import Fault, Quirks, RateLimit, Sandbox
from campaigns_async.sandbox._openapi import build_document

pytestmark = pytest.mark.slow
schemas = pytest.importorskip("openapi_schema_validator")
specs = pytest.importorskip("openapi_spec_validator")

Document = Any

VERBS = ("get", "put", "post", "delete")
UPDATES, DELETES, WAYS = ("PUT", "POST", "both"), ("DELETE", "POST", "both"), ("any", "bearer", "header", "query")
SWITCHES = list(itertools.product(UPDATES, DELETES))
OPERATIONS = {
    "listCampaigns",
    "getCampaign",
    "listContacts",
    "createCampaign",
    "createCampaignIgnoringInvalidPhoneNumbers",
    "createCampaignValidatingPhoneNumbers",
    "updateCampaign",
    "deleteCampaign",
}

KEY = {"Authorization": "Bearer k"}
LARGEST = 2_000
SEED = {
    "id": "c0",
    "startDateTime": "2024-01-10T09:00:00.1234567Z",
    "sender": "Acme",
    "recipientCount": 1,
    "message": "Hi",
    "status": 0,
    "optOutLinkId": 7,
    "trackLinkUrl": "https://example.com/offer",
}
BEGUN = {**SEED, "id": "c1", "status": 1, "optOutLinkId": None, "trackLinkUrl": None}
CONTACT = {"id": "k1", "phoneNumber": "no number", "name": None, "custom1": None, "custom2": "b"}
UPDATE = {"startDateTime": "2099-05-01T09:30:00.000Z", "sender": "Golf", "message": "Fore!"}


def new(*numbers: str) -> dict[str, Any]:
    return {**UPDATE, "contacts": [{"phoneNumber": number} for number in numbers]}


@attrs.frozen
class Ask:
    """A request. On a path with an id it is for that campaign."""

    status: int
    id: str = "c0"
    options: dict[str, Any] = attrs.Factory(dict[str, Any])
    limit: RateLimit | None = None


@attrs.frozen
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes


LIMITS = [
    RateLimit(0.01, status=status, retry_after=retry_after) for status in (429, 503) for retry_after in (True, False)
]


def requests_of_all(**options: Any) -> list[Ask]:
    """Return requests whose answers are common to all operations."""
    limited = [Ask(limit.status, options=options, limit=limit) for limit in LIMITS]
    return [Ask(401, options={**options, "headers": {}}), *limited]


def requests_with_bodies(body: dict[str, Any]) -> list[Ask]:
    return [
        Ask(400, options={"json": {}}),
        Ask(400, options={"data": b"no json", "headers": {**KEY, "Content-Type": "application/json"}}),
        Ask(413, options={"json": {**body, "message": "x" * LARGEST}}),
        Ask(415, options={"data": b"text", "headers": {**KEY, "Content-Type": "text/plain"}}),
    ]


PAGES = [Ask(200), Ask(200, options={"params": {"page": "2", "pageSize": "1", "sorts": "-id"}})]
BAD_PAGES = [Ask(400, options={"params": {name: value}}) for name in ("page", "pageSize") for value in ("0", "x")]
CREATES = [
    Ask(201, options={"json": new("07700900123", "+447700900124")}),
    Ask(500, options={"json": new("07700900060")}),
    Ask(503, options={"json": new("07700900070")}),
    *requests_with_bodies(new()),
    *requests_of_all(json=new()),
]
UPDATING = [
    Ask(204, options={"json": UPDATE}),
    Ask(404, "none", {"json": UPDATE}),
    Ask(409, "c1", {"json": UPDATE}),
    *requests_with_bodies(UPDATE),
    *requests_of_all(json=UPDATE),
]
DELETING = [Ask(204), Ask(404, "none"), Ask(409, "c1"), *requests_of_all()]
ASKS = {
    "listCampaigns": [*PAGES, *BAD_PAGES, *requests_of_all()],
    "getCampaign": [Ask(200), Ask(404, "none"), *requests_of_all()],
    "listContacts": [*PAGES, *BAD_PAGES, Ask(404, "none"), *requests_of_all()],
    "createCampaign": CREATES,
    "createCampaignIgnoringInvalidPhoneNumbers": [*CREATES, Ask(201, options={"json": new("none")})],
    "createCampaignValidatingPhoneNumbers": [*CREATES, Ask(400, options={"json": new("none")})],
    "updateCampaign": UPDATING,
    "updateCampaignByPost": UPDATING,
    "deleteCampaign": DELETING,
    "deleteCampaignByPost": [*DELETING, Ask(405, options={"json": UPDATE})],
    "updateOrDeleteCampaign": [*UPDATING, *DELETING],
}


def describe(update: str = "PUT", delete: str = "DELETE", auth: str = "any") -> Document:
    return build_document(url="http://127.0.0.1:8080", update_method=update, delete_method=delete, auth=auth)


def operations(of: Document) -> Iterator[tuple[str, str, Any]]:
    """Yield the path, method and operation of each operation in a document."""
    for path, item in of["paths"].items():
        for verb in VERBS:
            if verb in item:
                yield path, verb, item[verb]


def names(of: Document) -> list[str]:
    return [operation["operationId"] for _, _, operation in operations(of)]


def resolve(of: Document, part: Any) -> Any:
    while "$ref" in part:
        found = of
        for name in part["$ref"].removeprefix("#/").split("/"):
            found = found[name]
        part = found
    return part


def validator(of: Document, schema: Any) -> schemas.OAS31Validator:
    """Return a validator that refuses fields which the document does not name."""
    components = json.loads(json.dumps(of["components"]))
    for known in components["schemas"].values():
        known.setdefault("additionalProperties", False)
    return schemas.OAS31Validator({**schema, "components": components}, format_checker=schemas.oas31_format_checker)


def assert_as_described(of: Document, operation: Any, answer: Answer) -> None:
    """Assert that an answer has exactly the documented headers and body."""
    response = resolve(of, operation["responses"][str(answer.status)])
    for name, header in response.get("headers", {}).items():
        said = resolve(of, header)
        assert name in answer.headers or not said.get("required")
        if name in answer.headers:
            value: Any = answer.headers[name]
            validator(of, said["schema"]).validate(int(value) if said["schema"]["type"] == "integer" else value)
    content = response.get("content")
    if content is None:
        assert answer.body == b""
        return
    kind = answer.headers["Content-Type"].partition(";")[0]
    validator(of, content[kind]["schema"]).validate(json.loads(answer.body))


@asynccontextmanager
async def running(update: str, delete: str) -> AsyncIterator[Sandbox]:
    sandbox = Sandbox(
        [SEED, BEGUN],
        {"c0": [CONTACT]},
        api_key="k",
        max_body=LARGEST,
        faults=[Fault(recipient="07700900060", status=500), Fault(recipient="07700900070", status=503)],
        update_method=update,  # type: ignore[arg-type]
        delete_method=delete,  # type: ignore[arg-type]
        seed=7,
    )
    async with sandbox:
        yield sandbox


async def ask(sandbox: Sandbox, verb: str, path: str, asked: Ask) -> Answer:
    """Send a request to a sandbox in its initial state."""
    sandbox.reset()
    path = path.replace("{id}", asked.id)
    options = {"headers": KEY, **asked.options}
    async with aiohttp.ClientSession(sandbox.url) as session:
        if asked.limit is not None:
            sandbox.rate_limit = asked.limit
            async with session.get("/api/Campaigns"):
                pass  # takes the only token
        async with session.request(verb, path, **options) as answer:
            return Answer(answer.status, dict(answer.headers), await answer.read())


class TestDocument:
    @pytest.mark.parametrize(("update", "delete", "auth"), list(itertools.product(UPDATES, DELETES, WAYS)))
    def test_it_is_valid_in_every_setting(self, update: str, delete: str, auth: str) -> None:
        specs.OpenAPIV31SpecValidator(describe(update, delete, auth)).validate()

    def test_it_has_the_six_operations_and_each_way_of_creating(self) -> None:
        assert sorted(names(describe())) == sorted(OPERATIONS)

    @pytest.mark.parametrize(("update", "delete"), SWITCHES)
    def test_each_operation_id_is_unique(self, update: str, delete: str) -> None:
        found = names(describe(update, delete))

        assert len(found) == len(set(found))

    @pytest.mark.parametrize(
        ("update", "delete", "verbs"),
        [
            ("PUT", "DELETE", {"put": "updateCampaign", "delete": "deleteCampaign"}),
            ("POST", "DELETE", {"post": "updateCampaign", "delete": "deleteCampaign"}),
            ("PUT", "POST", {"put": "updateCampaign", "post": "deleteCampaign"}),
            ("POST", "POST", {"post": "updateOrDeleteCampaign"}),
            (
                "both",
                "DELETE",
                {"put": "updateCampaign", "post": "updateCampaignByPost", "delete": "deleteCampaign"},
            ),
            ("PUT", "both", {"put": "updateCampaign", "post": "deleteCampaignByPost", "delete": "deleteCampaign"}),
            ("both", "POST", {"put": "updateCampaign", "post": "updateOrDeleteCampaign"}),
            ("POST", "both", {"post": "updateOrDeleteCampaign", "delete": "deleteCampaign"}),
            (
                "both",
                "both",
                {"put": "updateCampaign", "post": "updateOrDeleteCampaign", "delete": "deleteCampaign"},
            ),
        ],
    )
    def test_updates_and_deletes_have_the_methods_that_are_served(
        self, update: str, delete: str, verbs: dict[str, str]
    ) -> None:
        item = describe(update, delete)["paths"]["/api/Campaigns/{id}"]

        assert {verb: item[verb]["operationId"] for verb in VERBS if verb in item} == {"get": "getCampaign", **verbs}

    @pytest.mark.parametrize(("update", "delete"), SWITCHES)
    def test_links_from_a_create_name_existing_operations(self, update: str, delete: str) -> None:
        found = describe(update, delete)
        links = [resolve(found, link) for link in found["components"]["responses"]["Created"]["links"].values()]

        assert {link["operationId"] for link in links} <= set(names(found))
        assert {link["parameters"]["id"] for link in links} == {"$response.body"}

    def test_a_method_that_updates_and_deletes_needs_no_body(self) -> None:
        item = describe("both", "POST")["paths"]["/api/Campaigns/{id}"]

        assert item["put"]["requestBody"]["required"]
        assert not item["post"]["requestBody"]["required"]

    def test_it_names_the_server(self) -> None:
        found: Document = build_document(
            url="http://x:1/tenant", update_method="PUT", delete_method="DELETE", auth="any"
        )

        assert [server["url"] for server in found["servers"]] == ["http://x:1/tenant"]

    def test_each_document_is_a_new_one(self) -> None:
        describe()["paths"].clear()

        assert describe()["paths"]

    def test_the_example_page_has_the_stated_number_of_rows(self) -> None:
        size = describe()["components"]["parameters"]["pageSize"]["schema"]["default"]

        assert size == Quirks().default_page_size

    def test_examples_of_bodies_match_their_schemas(self) -> None:
        found = describe()
        bodies = [
            resolve(found, operation["requestBody"])
            for *_, operation in operations(found)
            if "requestBody" in operation
        ]
        answers = [
            resolve(found, answer) for *_, operation in operations(found) for answer in operation["responses"].values()
        ]
        kinds = [kind for part in bodies + answers for kind in part.get("content", {}).values()]
        examples = [
            (kind["schema"], example["value"]) for kind in kinds for example in kind.get("examples", {}).values()
        ]

        assert len(examples) > len(OPERATIONS)
        for schema, value in examples:
            validator(found, schema).validate(value)


class TestAnswers:
    @pytest.mark.parametrize(("update", "delete"), SWITCHES)
    async def test_every_answer_matches_the_document(self, update: str, delete: str) -> None:
        found = describe(update, delete)
        async with running(update, delete) as sandbox:
            for path, verb, operation in operations(found):
                for asked in requests_of(operation, verb):
                    answer = await ask(sandbox, verb, path, asked)

                    assert answer.status == asked.status, (path, verb, asked)
                    assert_as_described(found, operation, answer)

    @pytest.mark.parametrize(("update", "delete"), SWITCHES)
    def test_no_other_status_is_described(self, update: str, delete: str) -> None:
        for _, verb, operation in operations(describe(update, delete)):
            statuses = {str(asked.status) for asked in requests_of(operation, verb)}

            assert set(operation["responses"]) == statuses, operation["operationId"]

    async def test_a_created_campaign_and_its_contacts_match_the_document(self) -> None:
        found = describe()
        async with running("PUT", "DELETE") as sandbox, aiohttp.ClientSession(sandbox.url, headers=KEY) as session:
            async with session.post("/api/Campaigns", json=new("07700900123")) as answer:
                key = await answer.json()
            async with session.get(f"/api/Campaigns/{key}") as answer:
                validator(found, {"$ref": "#/components/schemas/Campaign"}).validate(await answer.json())
            async with session.get(f"/api/Campaigns/{key}/Contacts") as answer:
                page = await answer.json()

        validator(found, {"$ref": "#/components/schemas/ContactPage"}).validate(page)
        assert page["totalRecords"] == 1

    @pytest.mark.parametrize(
        "start", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "9999-12-31T23:59:59.99999999Z"]
    )
    async def test_a_start_beyond_the_calendar_is_refused_as_documented(self, start: str) -> None:
        asked = Ask(400, options={"json": {**new(), "startDateTime": start}})
        async with running("PUT", "DELETE") as sandbox:
            answer = await ask(sandbox, "POST", "/api/Campaigns", asked)

        assert answer.status == 400
        assert_as_described(describe(), describe()["paths"]["/api/Campaigns"]["post"], answer)

    @pytest.mark.parametrize("header", [b"Authorization: Bearer \xff", b"api-key: \xff"])
    async def test_a_key_that_is_not_ascii_is_refused_as_documented(self, header: bytes) -> None:
        async with running("PUT", "DELETE") as sandbox:
            reader, writer = await asyncio.open_connection(urlsplit(sandbox.url).hostname, urlsplit(sandbox.url).port)
            writer.write(b"GET /api/Campaigns HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" + header + b"\r\n\r\n")
            answer = await reader.read()
            writer.close()
            await writer.wait_closed()

        assert answer.startswith(b"HTTP/1.1 401 ")

    async def test_examples_of_filters_and_sorts_can_be_read(self) -> None:
        found = describe()
        texts = [
            (path, parameter["name"], example["value"])
            for path, _, operation in operations(found)
            for parameter in (resolve(found, part) for part in operation.get("parameters", ()))
            for example in parameter.get("examples", {}).values()
        ]
        assert {name for _, name, _ in texts} == {"filters", "sorts"}

        quirks = Quirks(strict_filters=True)
        async with Sandbox([SEED], api_key="k", quirks=quirks) as sandbox:
            for path, name, text in texts:
                answer = await ask(sandbox, "GET", path, Ask(200, options={"params": {name: text}}))
                assert answer.status == 200, text


class TestKeys:
    @pytest.mark.parametrize("auth", WAYS)
    async def test_the_key_is_accepted_in_the_documented_ways_only(self, auth: Any) -> None:
        found = describe(auth=auth)
        ways = {
            "bearer": {"headers": {"Authorization": "Bearer k"}},
            "apiKeyHeader": {"headers": {"api-key": "k"}},
            "apiKeyQuery": {"params": {"api-key": "k"}},
        }
        taken = set()
        async with Sandbox(api_key="k", auth=auth) as sandbox, aiohttp.ClientSession(sandbox.url) as session:
            for way, options in ways.items():
                async with session.get("/api/Campaigns", **options) as answer:
                    if answer.status == 200:
                        taken.add(way)

        assert taken == set(found["components"]["securitySchemes"])
        assert taken == {way for need in found["security"] for way in need}


class TestVerbs:
    @pytest.mark.parametrize(("update", "delete"), SWITCHES)
    async def test_the_answer_to_another_method_lists_the_documented_ones(self, update: str, delete: str) -> None:
        found = describe(update, delete)
        async with running(update, delete) as sandbox:
            for path, item in found["paths"].items():
                answer = await ask(sandbox, "PATCH", path, Ask(405))
                allowed = set(answer.headers["Allow"].lower().split(", "))
                verbs = {verb for verb in VERBS if verb in item}

                assert answer.status == 405
                # A campaign may have the id "true", so the methods of a campaign and of a create are listed.
                if path.endswith(("/true", "/false")):
                    verbs |= {verb for verb in VERBS if verb in found["paths"]["/api/Campaigns/{id}"]}
                assert allowed == verbs, path


def requests_of(operation: Any, verb: str) -> list[Ask]:
    """Return the requests for an operation. A delete by POST is also sent a body."""
    name = operation["operationId"]
    if name == "deleteCampaign" and verb == "post":
        name = "deleteCampaignByPost"
    return ASKS[name]
