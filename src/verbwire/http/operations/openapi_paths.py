"""The operations of the OpenAPI document."""

from __future__ import annotations

from typing import Any

from verbwire.contracts.schema.bounds import bounded_key, bounds_of
from verbwire.contracts.schema.model import Catalog, Contract
from verbwire.engine.state.partition_state import CLOSED, PartitionState
from verbwire.http.avro_json.schema import JsonSchemas
from verbwire.http.operations.openapi_parts import (
    Json,
    content,
    header_refs,
    parameter_refs,
    problem_refs,
    problem_response,
    schema_ref,
)
from verbwire.messages import FORBIDDEN

_ANY = (400, 414, 431, 500)
_POST = (*_ANY, 401, 404, 408, 411, 413, 415, 429, 503)
_READ = (*_ANY, 401, 404, 429, 503)
_OPERATORS = (*_ANY, 401, 403, 429, 503)
_TEXT: Json = {"type": "string"}
_STATE: Json = {"type": "string", "enum": [each for each in PartitionState if each is not CLOSED]}
_OPERATOR = "For operators, with the scope `verbwire:operator`."
_COMPOUND = ("array", "map", "record")
_PARKED = "Keys in the partitions whose later records wait for an operator: they are not in the rows."
_FRESH = ("Position", "Freshness")
_TOLD = header_refs(Verbwire_Freshness="Freshness")
_COMPLETE = (
    "Whether all partitions are included, and have read what their inputs held when they were started; where a "
    "responder answers, its own word."
)
_NUMBER = "Null for a page asked for by cursor, or that ended before `page_size` because its rows are large."
_BEHIND = "Per partition that has not: how many records it still has to read, at least."
_OTHER_CODE = "By partition: which parts of the code changed, and at which offsets."
_COUNTS: Json = {"type": "object", "additionalProperties": {"type": "integer"}}


def command(catalog: Catalog, schemas: JsonSchemas, contract: Contract) -> Json:
    """Return ``POST /commands/{full name}``."""
    answered = contract.response != "none"
    later = ("At", "After") if contract.schedulable else ()
    headers = ("IdempotencyKey", *(("Prefer",) if answered else ()), "Ttl", *later, "Correlation")
    responses = {**problem_refs(*_POST), "202": _sent(), "403": problem_response(403, _refusal([FORBIDDEN]))}
    if answered:
        responses |= {**_answers(catalog, schemas, contract), **problem_refs(422, 504)}
    if contract.schedulable:
        responses["202"] = _taken(responses["202"])
    return {
        "post": {
            **_named(contract),
            "parameters": parameter_refs(*headers),
            "requestBody": {"required": True, "content": content(schemas.sent(contract))},
            "responses": _ordered(responses),
        }
    }


def cancellation(contract: Contract) -> Json:
    """Return ``DELETE /commands/{full name}/scheduled/{id}``."""
    done = {"type": "object", "properties": {"outcome": {"const": "cancelled"}, "id": _TEXT}, "required": ["outcome"]}
    key = {"name": "key", "in": "query", "required": True, "description": "The command's key.", "schema": _TEXT}
    return {
        "delete": {
            "operationId": f"cancel_{contract.name}",
            "tags": [contract.namespace],
            "summary": f"Cancel {contract.short}",
            "description": "Of a command that was sent for later: exactly one of cancelled and delivered becomes true.",
            "parameters": [_in_path("id", "The command's own."), key],
            "responses": _ordered({"200": _ok(done), **problem_refs(*_POST, 403, 409)}),
        }
    }


def _taken(response: Json) -> Json:
    """Return the 202 of a command that may be sent for later: then `Location` is where it is cancelled."""
    body = {"type": "object", "properties": {"outcome": {"const": "scheduled"}, "id": _TEXT}, "required": ["outcome"]}
    (media,) = response["content"]
    either = {"anyOf": [response["content"][media]["schema"], body]}
    return {**response, "content": {media: {**response["content"][media], "schema": either}}}


def query(catalog: Catalog, schemas: JsonSchemas, contract: Contract, *, numbered: bool = True) -> Json:
    """Return ``GET /queries/{full name}``; `numbered`: a page of its list may be asked for by number."""
    reply = catalog.contracts.get(contract.reply or "") or catalog.types[contract.reply or ""]
    schema = schemas.answered(reply)
    keyed = reply.key if isinstance(reply, Contract) else ()
    own = [_parameter(schemas, contract, field, field["name"] in keyed) for field in contract.schema["fields"]]
    number = [("Page", "page")] if numbered else []
    paging = [*number, ("PageSize", "page_size"), ("Cursor", "cursor")] if contract.many else []
    common = parameter_refs(*(part for part, name in paging if name not in contract.fields), *_FRESH)
    body = _list({"query": {"const": contract.name}}, schema) if contract.many else schema
    told = None if contract.many else _TOLD
    security: Json = {"security": [{}, {"bearer": []}]} if contract.public else {}
    return {
        "get": {
            **_named(contract),
            **security,
            "parameters": [*own, *common],
            "responses": _ordered({"200": _ok(body, headers=told), **problem_refs(*_READ, 403)}),
        }
    }


def outcome() -> Json:
    """Return ``GET /outcomes/{token}``."""
    ends = ["accepted", "rejected", "failed", "expired"]
    known: Json = {
        "type": "object",
        "properties": {
            "outcome": {"enum": ends},
            "id": _TEXT,
            "reply": {"description": "Of an accepted command, where its contract names one; else null."},
            "code": {"type": "string", "description": "Of a rejected one."},
            "reason": _TEXT,
            "details": {"type": "object", "additionalProperties": _TEXT},
        },
        "required": ["outcome", "id"],
    }
    told = _ok(known, "The outcome, whichever it is.", header_refs(Verbwire_Position="Position"))
    pending = {
        "description": "Not known yet.",
        "headers": header_refs(Retry_After="RetryAfter"),
        "content": content(schema_ref("Pending")),
    }
    return _get(
        "outcome",
        "The outcome of a command",
        "Principals see the outcomes of their own commands, operators see all.",
        {"200": told, "202": pending, **problem_refs(*_READ, 410)},
        [_in_path("token", "The last part of the `Location` of a 202.")],
    )


def tables() -> Json:
    """Return the paths of tables."""
    table = {
        "type": "object",
        "properties": {
            "name": _TEXT,
            "row": _TEXT,
            "key": {"type": "array", "items": _TEXT},
            "complete": {"type": "boolean", "description": _COMPLETE},
            "missing_partitions": {"type": "array", "items": {"type": "integer"}},
            "behind": {**_COUNTS, "description": _BEHIND},
            "states": {"type": "object", "additionalProperties": _STATE, "description": "State, by partition."},
            "stopped": {"type": "object", "additionalProperties": _TEXT, "description": "Why, by partition."},
            "other_code": {"type": "object", "additionalProperties": _TEXT, "description": _OTHER_CODE},
            "generation": {"type": "integer", "description": "Of a table that may be rebuilt: which one answers."},
            "dead_letters": {"type": "integer", "description": "Dead letters among the records that it has read."},
            "parked": {
                "type": "object",
                "additionalProperties": {"type": "object", "additionalProperties": {"type": "integer"}},
                "description": "By partition: how many keys and records are parked, and since when, in milliseconds.",
            },
        },
        "required": ["name", "row", "key", "complete", "missing_partitions", "behind", "stopped", "dead_letters"],
    }
    listed = {"type": "object", "properties": {"tables": {"type": "array", "items": table}}, "required": ["tables"]}
    name, key = _in_path("name", "The table, or any end of its name that is unique."), _in_path("key", "Of the row.")
    row = {"type": "object", "description": "As the contract of its row says."}
    page = _list({"table": _TEXT}, row)
    filters = f"{_OPERATOR} Further parameters are the table's own: its index, ranges of it, search and sort."
    return {
        "/tables": _get("tables", "All tables", _OPERATOR, {"200": _ok(listed), **problem_refs(*_OPERATORS)}),
        "/tables/{name}": _get(
            "table",
            "Rows of a table",
            filters,
            {"200": _ok(page), **problem_refs(*_READ, 403)},
            [name, *parameter_refs("Page", "PageSize", "Cursor", *_FRESH)],
        ),
        "/tables/{name}/{key}": _get(
            "row",
            "One row of a table",
            _OPERATOR,
            {"200": _ok(row, headers=_TOLD), **problem_refs(*_READ, 403)},
            [name, key, *parameter_refs(*_FRESH)],
        ),
    }


def service() -> Json:
    """Return the paths by which a worker is watched."""
    status = _ok({"type": "object", "properties": {"status": _TEXT}, "required": ["status"]})
    health = {"200": status, **problem_refs(*_ANY, 503)}
    readiness: Json = {
        "type": "object",
        "properties": {
            "status": _TEXT,
            "stopped": {"type": "object", "description": "By group, the partitions that are stopped."},
            "behind": {
                "type": "object",
                "description": "By group and partition, how many records are still to be read.",
            },
        },
        "required": ["status", "stopped", "behind"],
    }
    ready = {**health, "200": _ok(readiness)}
    metrics = {"description": "Prometheus' text format.", "content": content(_TEXT, "text/plain")}
    jobs = _ok({"type": "object", "properties": {"jobs": {"type": "array"}}, "required": ["jobs"]})
    document = _ok({"type": "object"}, "This document.")
    return {
        "/health/live": _open(_get("live", "Whether this process can go on", "", health)),
        "/health/ready": _open(_get("ready", "Whether this worker serves", "", ready)),
        "/jobs": _get("jobs", "What jobs are doing now", _OPERATOR, {"200": jobs, **problem_refs(*_OPERATORS)}),
        "/metrics": _get("metrics", "Counters", _OPERATOR, {"200": metrics, **problem_refs(*_OPERATORS)}),
        "/openapi.json": _get("openapi", "This API", "", {"200": document, **problem_refs(*_ANY, 401, 429)}),
    }


def _answers(catalog: Catalog, schemas: JsonSchemas, contract: Contract) -> Json:
    """What a receiver answers."""
    reply = schemas.answered(catalog.contracts[contract.reply]) if contract.reply else {"type": "null"}
    accepted = {
        "type": "object",
        "properties": {"outcome": {"const": "accepted"}, "id": _TEXT, "reply": reply},
        "required": ["outcome", "id", "reply"],
    }
    headers = header_refs(Verbwire_Position="Position", Preference_Applied="PreferenceApplied")
    pending = {
        "description": "Kafka has it; the outcome is not known yet.",
        "headers": header_refs(Location="Location", Retry_After="RetryAfter", Preference_Applied="PreferenceApplied"),
        "content": content(schema_ref("Pending")),
    }
    return {
        "200": _ok(accepted, "The aggregate accepted it; its events are committed.", headers),
        "202": pending,
        "409": problem_response(409, _refusal(sorted(contract.rejections))),
    }


def _refusal(codes: list[str]) -> Json:
    properties: Json = {
        "outcome": {"const": "rejected"},
        "id": _TEXT,
        "details": {"type": "object", "additionalProperties": _TEXT},
    }
    if codes:
        properties["code"] = {"enum": codes}
    return {"type": "object", "properties": properties, "required": ["outcome", "id", "details"]}


def _sent() -> Json:
    body = {
        "type": "object",
        "properties": {"outcome": {"const": "none"}, "id": _TEXT},
        "required": ["outcome", "id"],
    }
    return {"description": "Kafka has it; it has no outcome.", "content": content(body)}


def _parameter(schemas: JsonSchemas, contract: Contract, field: Json, is_key: bool) -> Json:
    parameter: Json = {"name": field["name"], "in": "query", "required": "default" not in field}
    if field.get("doc"):
        parameter["description"] = field["doc"]
    branches = field["type"] if isinstance(field["type"], list) else [field["type"]]
    present = [branch for branch in branches if branch != "null"]
    bounds = bounds_of(field, bounded_key(contract.schema))
    if is_key and present == ["string"]:
        bounds = {"minLength": 1, **bounds}  # no row has an empty key
    schema = schemas.types(contract, present, bounds)
    compound = len(present) > 1 or (isinstance(present[0], dict) and present[0]["type"] in _COMPOUND)
    return {**parameter, **({"content": content(schema)} if compound else {"schema": schema})}


def _list(head: Json, row: Json) -> Json:
    properties = {
        **head,
        "page": {"type": ["integer", "null"], "description": _NUMBER},
        "page_size": {"type": "integer"},
        "rows": {"type": "array", "items": row},
        "complete": {"type": "boolean", "description": _COMPLETE},
        "missing_partitions": {"type": "array", "items": {"type": "integer"}},
        "behind": {**_COUNTS, "description": _BEHIND},
        "parked": {"type": "integer", "description": _PARKED},
        "positions": {"type": "object", "description": "Per partition and topic: the next offset to be applied."},
        "next": {"type": ["string", "null"], "description": "Path and query of the rest of the list; null at its end."},
    }
    return {"type": "object", "properties": properties, "required": list(properties)}


def _named(contract: Contract) -> Json:
    doc = str(contract.schema.get("doc") or "").strip()
    facts = [f"Requires: {', '.join(sorted(contract.requires))}."] if contract.requires else []
    return {
        "operationId": contract.name,
        "tags": [contract.namespace],
        "summary": contract.short,
        "description": " ".join([*([doc] if doc else []), *facts]),
    }


def _get(id: str, summary: str, description: str, responses: Json, parameters: list[Json] | None = None) -> Json:
    operation: dict[str, Any] = {"operationId": id, "tags": ["verbwire"], "summary": summary}
    if description:
        operation["description"] = description
    if parameters:
        operation["parameters"] = parameters
    return {"get": {**operation, "responses": _ordered(responses)}}


def _open(path: Json) -> Json:
    path["get"]["security"] = []
    return path


def _ok(schema: Json, description: str = "The answer.", headers: Json | None = None) -> Json:
    return {"description": description, **({"headers": headers} if headers else {}), "content": content(schema)}


def _in_path(name: str, description: str) -> Json:
    return {"name": name, "in": "path", "required": True, "description": description, "schema": _TEXT}


def _ordered(responses: Json) -> Json:
    return {status: responses[status] for status in sorted(responses)}
