"""What the sandbox answers, as an OpenAPI 3.1 document."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import orjson

_WHOLE: Final = Path(__file__).with_name("openapi.json")
_ONE: Final = "/api/Campaigns/{id}"
_SCHEMES: Final = {"bearer": "bearer", "header": "apiKeyHeader", "query": "apiKeyQuery"}
_EMPTY_BODY: Final = "Send no body: with one, this verb deletes nothing."

# The document's parts are plain JSON, whose values nobody but this module looks into.
Part = dict[str, Any]


def document(*, url: str, update_method: str, delete_method: str, auth: str) -> dict[str, object]:
    """Describe a sandbox, for readers, for tools that check it and for generators of clients.

    Args:
        url: Where it listens, with its prefix.
        update_method: Under which verb updates are served: "PUT", "POST" or "both".
        delete_method: Under which verb deletes are served: "DELETE", "POST" or "both".
        auth: In which way the key is taken: "bearer", "header", "query" or "any".

    Returns:
        A new document each time, free to be altered. It says nothing of faults and quirks.

    Raises:
        ValueError: A switch is set to what it does not know.
    """
    _check("update_method", update_method, ("PUT", "POST", "both"))
    _check("delete_method", delete_method, ("DELETE", "POST", "both"))
    _check("auth", auth, ("any", *_SCHEMES))
    made: Part = orjson.loads(_WHOLE.read_bytes())
    made["servers"][0]["url"] = url
    _take_keys(made, auth)
    _switch_verbs(made, update=update_method, delete=delete_method)
    return made


def _check(name: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(choices)}, not {value!r}")


def _take_keys(made: Part, auth: str) -> None:
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
    _mend_links(made, path)


def _renamed(operation: Part, switch: str) -> Part:
    """The same under POST; a name is there once, so where both verbs are served it has another."""
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
    """One operation for two: with a body it updates, without one it deletes."""
    return {
        **put,
        "operationId": "updateOrDeleteCampaign",
        "summary": "Update a campaign, or delete it",
        "description": f"With a body: updates. {put['description']} Without a body: deletes. {by_delete['description']}",
        "requestBody": {**put["requestBody"], "required": False},
    }


def _mend_links(made: Part, path: Part) -> None:
    served = {path[verb]["operationId"] for verb in ("put", "post", "delete") if verb in path}
    links: Part = made["components"]["links"]
    for link, name in (("UpdateCreated", "updateCampaign"), ("DeleteCreated", "deleteCampaign")):
        if name not in served:
            links[link]["operationId"] = "updateOrDeleteCampaign"
