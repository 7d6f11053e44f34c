"""The models in FastAPI: as response models, as bodies, and in the OpenAPI document."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID

import pytest

pytestmark = pytest.mark.slow
fastapi = pytest.importorskip("fastapi")
httpx = pytest.importorskip("httpx")
pydantic = pytest.importorskip("pydantic")

from campaigns_async import (  # noqa: E402
    Campaign,
    CampaignStatus,
    CampaignUpdate,
    Contact,
    NewCampaign,
    NewContact,
    Page,
)

START = datetime(2031, 6, 27, 9, 30, tzinfo=UTC)
CAMPAIGN = Campaign("a", START, "Golf", 3, "Hi", CampaignStatus.PAUSED)
NEW = NewCampaign(START, "Golf", "Hi", [NewContact("447700900123", "Ann", contact_group_id=UUID(int=7))], 7)


@pytest.fixture
def app() -> Any:
    app = fastapi.FastAPI()
    received: list[object] = []
    app.state.received = received

    @app.get("/campaign", response_model=Campaign)
    async def get() -> Campaign:
        return CAMPAIGN

    @app.get("/campaigns", response_model=list[Campaign])
    async def get_list() -> list[Campaign]:
        return [CAMPAIGN, Campaign("b", status=CampaignStatus(17))]

    @app.get("/page", response_model=Page[Contact])
    async def get_page() -> Page[Contact]:
        return Page(1, 1, 1, (Contact("c", "447700900123"),))

    @app.post("/campaign", response_model=NewCampaign)
    async def post(new: Annotated[NewCampaign, fastapi.Body()]) -> NewCampaign:
        received.append(new)
        return new

    @app.put("/campaign", response_model=None)
    async def put(changed: Annotated[CampaignUpdate, fastapi.Body()]) -> None:
        received.append(changed)

    return app


async def send(app: Any, method: str, path: str, **options: Any) -> Any:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://app") as client:
        return await client.request(method, path, **options)


async def test_models_are_returned_with_the_names_of_the_api(app: Any) -> None:
    response = await send(app, "GET", "/campaign")
    assert (response.status_code, response.json()) == (200, CAMPAIGN.to_dict())
    assert response.json()["startDateTime"] == "2031-06-27T09:30:00.000Z"
    assert [row["status"] for row in (await send(app, "GET", "/campaigns")).json()] == [3, 17]
    assert (await send(app, "GET", "/page")).json() == {
        "pageIndex": 1,
        "totalPages": 1,
        "totalRecords": 1,
        "items": [{"id": "c", "phoneNumber": "447700900123", "name": None, "custom1": None, "custom2": None}],
    }


async def test_models_are_read_from_bodies_and_what_is_wrong_is_422(app: Any) -> None:
    response = await send(app, "POST", "/campaign", json=NEW.to_dict())
    assert (response.status_code, response.json()) == (200, NEW.to_dict())
    assert app.state.received == [NEW]
    for wrong in (
        {"contacts": []},
        {"contacts": [{"phoneNumber": 447700900123}]},
        {"sender": " "},
        {"startDateTime": "2031-06-27T09:30:00"},
        {"sendr": "Golf"},
    ):
        assert (await send(app, "POST", "/campaign", json={**NEW.to_dict(), **wrong})).status_code == 422
    faults = (await send(app, "POST", "/campaign", json={**NEW.to_dict(), "contacts": [{"phone": "1"}]})).json()[
        "detail"
    ]
    assert [(fault["type"], fault["loc"]) for fault in faults] == [
        ("missing", ["body", "contacts", 0, "phoneNumber"]),
        ("extra_forbidden", ["body", "contacts", 0, "phone"]),
    ]
    update = {"startDateTime": "2031-06-27T09:30:00Z", "sender": "Golf", "message": "Hi"}
    assert (await send(app, "PUT", "/campaign", json=update)).status_code == 200
    assert app.state.received[1:] == [CampaignUpdate(START, "Golf", "Hi")]


async def test_the_openapi_document_describes_the_models(app: Any) -> None:
    response = await send(app, "GET", "/openapi.json")
    assert response.status_code == 200
    content = response.json()["paths"]["/campaign"]["get"]["responses"]["200"]["content"]
    schema = content["application/json"]["schema"]
    assert schema["required"] == ["id"]
    assert schema["properties"].keys() == CAMPAIGN.to_dict().keys()


MODELS = [CAMPAIGN, NEW, NEW.contacts[0], CampaignUpdate(START, "Golf", "Hi"), Contact("c"), Page(1, 1, 1, ())]


@pytest.mark.parametrize("model", MODELS, ids=lambda model: type(model).__name__)
def test_a_model_is_read_back_as_it_was_written(model: Any) -> None:
    adapter: Any = pydantic.TypeAdapter(type(model))
    assert adapter.validate_python(model) is model
    assert adapter.dump_python(model) == model.to_dict()
    assert adapter.validate_python(model.to_dict()) == model
    assert adapter.validate_json(adapter.dump_json(model)) == model
    assert adapter.json_schema()["title"] == type(model).__name__
