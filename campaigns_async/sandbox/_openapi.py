"""The OpenAPI 3.1 document of the API that the sandbox simulates."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from ._dotnet import read_json
from ._routing import Auth, DeleteMethod, UpdateMethod

_ONE: Final = "/api/Campaigns/{id}"
_SCHEMES: Final = {"bearer": "bearer", "header": "apiKeyHeader", "query": "apiKeyQuery"}
_EITHER: Final = "updateOrDeleteCampaign"
_EMPTY_BODY: Final = "Send no body: with a body, this method deletes nothing."

Part = dict[str, Any]


def build_document(*, url: str, update_method: UpdateMethod, delete_method: DeleteMethod, auth: Auth) -> Part:
    """Describe a sandbox, without its faults and quirks, in a new document."""
    main, components = (Path(__file__).with_name(f"openapi{name}.json").read_bytes() for name in ("", "_components"))
    document: Part = {**read_json(main), "components": read_json(components)}
    document["servers"][0]["url"] = url
    if auth != "any":
        scheme = _SCHEMES[auth]
        document["security"] = [{scheme: []}]
        schemes: Part = document["components"]["securitySchemes"]
        document["components"]["securitySchemes"] = {scheme: schemes[scheme]}
    _describe_methods(document, update_method, delete_method)
    return document


def _describe_methods(document: Part, update_method: UpdateMethod, delete_method: DeleteMethod) -> None:
    path, links = document["paths"][_ONE], document["components"]["links"]
    update, delete = path["put"], path["delete"]
    if update_method == "POST":
        del path["put"]
    if delete_method == "POST":
        del path["delete"]
    if update_method != "PUT" and delete_method != "DELETE":
        path["post"] = _combine(update, delete)
        if update_method == "POST":
            links["UpdateCreated"]["operationId"] = _EITHER
        if delete_method == "POST":
            links["DeleteCreated"]["operationId"] = _EITHER
    elif update_method != "PUT":
        path["post"] = _rename(update, update_method)
    elif delete_method != "DELETE":
        responses: Part = {**delete["responses"], "405": {"$ref": "#/components/responses/MethodNotAllowed"}}
        path["post"] = {
            **_rename(delete, delete_method),
            "description": f"{delete['description']} {_EMPTY_BODY}",
            "responses": dict(sorted(responses.items())),
        }


def _rename(operation: Part, switch: str) -> Part:
    """Return the operation for POST. Its id has a suffix if both methods are served, as ids are unique."""
    return {**operation, "operationId": operation["operationId"] + ("ByPost" if switch == "both" else "")}


def _combine(update: Part, delete: Part) -> Part:
    """Return one operation for two: with a body it updates, without one it deletes."""
    return {
        **update,
        "operationId": _EITHER,
        "summary": "Update a campaign, or delete it",
        "description": f"With a body: updates. {update['description']} Without a body: deletes. {delete['description']}",
        "requestBody": {**update["requestBody"], "required": False},
    }
