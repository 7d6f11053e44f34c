"""The API that the sandbox plays, as an OpenAPI 3.1 document."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from ._dotnet import read_json
from ._routing import Auth, DeleteMethod, UpdateMethod

_DOCUMENT: Final = Path(__file__).with_name("openapi.json")
_COMPONENTS: Final = Path(__file__).with_name("openapi_components.json")
_ONE: Final = "/api/Campaigns/{id}"
_SCHEMES: Final = {"bearer": "bearer", "header": "apiKeyHeader", "query": "apiKeyQuery"}
_EMPTY_BODY: Final = "Send no body: with one, this verb deletes nothing."

# A part of the document is plain JSON.
Part = dict[str, Any]


def document(*, url: str, update_method: UpdateMethod, delete_method: DeleteMethod, auth: Auth) -> Part:
    """Describe a sandbox, for readers, for tools that check it and for generators of clients.

    Args:
        url: The URL where it listens, with its prefix.
        update_method: The verb of updates.
        delete_method: The verb of deletes.
        auth: The way in which the key is taken.

    Returns:
        A new document each time, free to be changed. It describes no faults and no quirks.
    """
    made: Part = {**read_json(_DOCUMENT.read_bytes()), "components": read_json(_COMPONENTS.read_bytes())}
    made["servers"][0]["url"] = url
    _keep_scheme(made, auth)
    _switch_verbs(made, update=update_method, delete=delete_method)
    return made


def _keep_scheme(made: Part, auth: str) -> None:
    if auth == "any":
        return
    taken = _SCHEMES[auth]
    made["security"] = [{taken: []}]
    schemes: Part = made["components"]["securitySchemes"]
    made["components"]["securitySchemes"] = {taken: schemes[taken]}


def _switch_verbs(made: Part, *, update: str, delete: str) -> None:
    path: Part = made["paths"][_ONE]
    put, by_delete = path["put"], path["delete"]
    if update == "POST":
        del path["put"]
    if delete == "POST":
        del path["delete"]
    if update != "PUT" and delete != "DELETE":
        path["post"] = _either(put, by_delete)
    elif update != "PUT":
        path["post"] = _renamed(put, update)
    elif delete != "DELETE":
        path["post"] = _deleted_by_post(by_delete, delete)
    _fix_links(made, path)


def _renamed(operation: Part, switch: str) -> Part:
    """Return the operation for POST. Names are unique, so it has another one where both verbs are served."""
    suffix = "ByPost" if switch == "both" else ""
    return {**operation, "operationId": operation["operationId"] + suffix}


def _deleted_by_post(operation: Part, switch: str) -> Part:
    responses: Part = {**operation["responses"], "405": {"$ref": "#/components/responses/MethodNotAllowed"}}
    return {
        **_renamed(operation, switch),
        "description": f"{operation['description']} {_EMPTY_BODY}",
        "responses": dict(sorted(responses.items())),
    }


def _either(put: Part, by_delete: Part) -> Part:
    """Return one operation for two: with a body it updates, without one it deletes."""
    return {
        **put,
        "operationId": "updateOrDeleteCampaign",
        "summary": "Update a campaign, or delete it",
        "description": f"With a body: updates. {put['description']} Without a body: deletes. {by_delete['description']}",
        "requestBody": {**put["requestBody"], "required": False},
    }


def _fix_links(made: Part, path: Part) -> None:
    served = {path[verb]["operationId"] for verb in ("put", "post", "delete") if verb in path}
    links: Part = made["components"]["links"]
    for link, name in (("UpdateCreated", "updateCampaign"), ("DeleteCreated", "deleteCampaign")):
        if name not in served:
            links[link]["operationId"] = "updateOrDeleteCampaign"
