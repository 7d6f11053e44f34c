"""The OpenAPI 3.1 document of the API that the sandbox simulates."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from ._dotnet import read_json
from ._routing import Auth, DeleteMethod, UpdateMethod

_DOCUMENT: Final = Path(__file__).with_name("openapi.json")
_COMPONENTS: Final = Path(__file__).with_name("openapi_components.json")
_ONE: Final = "/api/Campaigns/{id}"
_SCHEMES: Final = {"bearer": "bearer", "header": "apiKeyHeader", "query": "apiKeyQuery"}
_EMPTY_BODY: Final = "Send no body: with a body, this method deletes nothing."

Part = dict[str, Any]
"""A part of the document."""


def build_document(*, url: str, update_method: UpdateMethod, delete_method: DeleteMethod, auth: Auth) -> Part:
    """Describe a sandbox, for readers, validators and generators of clients.

    Args:
        url: The URL of the sandbox, with its prefix.
        update_method: The HTTP method of updates.
        delete_method: The HTTP method of deletes.
        auth: The way in which the key must be sent.

    Returns:
        A new document, which the caller may change. It describes no faults and no quirks.
    """
    document: Part = {**read_json(_DOCUMENT.read_bytes()), "components": read_json(_COMPONENTS.read_bytes())}
    document["servers"][0]["url"] = url
    if auth != "any":
        scheme = _SCHEMES[auth]
        document["security"] = [{scheme: []}]
        schemes: Part = document["components"]["securitySchemes"]
        document["components"]["securitySchemes"] = {scheme: schemes[scheme]}
    path: Part = document["paths"][_ONE]
    _switch_methods(path, update=update_method, delete=delete_method)
    _fix_links(document, path)
    return document


def _switch_methods(path: Part, *, update: str, delete: str) -> None:
    put_update, delete_delete = path["put"], path["delete"]
    if update == "POST":
        del path["put"]
    if delete == "POST":
        del path["delete"]
    if update != "PUT" and delete != "DELETE":
        path["post"] = _combine(put_update, delete_delete)
    elif update != "PUT":
        path["post"] = _rename(put_update, update)
    elif delete != "DELETE":
        path["post"] = _delete_by_post(delete_delete, delete)


def _rename(operation: Part, switch: str) -> Part:
    """Return the operation for POST. Its id has a suffix if both methods are served, as ids are unique."""
    suffix = "ByPost" if switch == "both" else ""
    return {**operation, "operationId": operation["operationId"] + suffix}


def _delete_by_post(operation: Part, switch: str) -> Part:
    responses: Part = {**operation["responses"], "405": {"$ref": "#/components/responses/MethodNotAllowed"}}
    return {
        **_rename(operation, switch),
        "description": f"{operation['description']} {_EMPTY_BODY}",
        "responses": dict(sorted(responses.items())),
    }


def _combine(update: Part, delete: Part) -> Part:
    """Return one operation for two: with a body it updates, without one it deletes."""
    return {
        **update,
        "operationId": "updateOrDeleteCampaign",
        "summary": "Update a campaign, or delete it",
        "description": f"With a body: updates. {update['description']} Without a body: deletes. {delete['description']}",
        "requestBody": {**update["requestBody"], "required": False},
    }


def _fix_links(document: Part, path: Part) -> None:
    served = {path[method]["operationId"] for method in ("put", "post", "delete") if method in path}
    links: Part = document["components"]["links"]
    for link, name in (("UpdateCreated", "updateCampaign"), ("DeleteCreated", "deleteCampaign")):
        if name not in served:
            links[link]["operationId"] = "updateOrDeleteCampaign"
