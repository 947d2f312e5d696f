"""``GET /openapi.json``: describes this API as OpenAPI 3.1, made of the contracts."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from importlib.metadata import version
from types import MappingProxyType

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from verbwire.contracts.schema.model import Catalog
from verbwire.http.avro_json.schema import JsonSchemas
from verbwire.http.base.requests import no_parameters
from verbwire.http.commands.body import MEDIA_TYPE
from verbwire.http.operations import openapi_paths
from verbwire.http.operations.openapi_parts import HEADERS, PARAMETERS, SCHEMAS, Json, problem_responses
from verbwire.messages import Kind

NOTHING: Mapping[str, Json] = MappingProxyType({})
_DESCRIPTION = (
    "Commands and queries by their full names; the short one does where no other is called so. Avro as JSON: 64-bit "
    "integers and decimals as text where numbers do not hold them, times RFC 3339."
)


def openapi(
    title: str,
    catalog: Catalog,
    rates: str = "",
    more: Mapping[str, Json] = NOTHING,
    by_cursor: Collection[str] = (),
) -> Json:
    """Return the document; the same contracts give the same one. Its version is a hash of theirs.

    `rates` says how much may be asked, `more` are paths of other parts, `by_cursor` the queries whose lists have no
    numbered pages: those of responders.
    """
    schemas = JsonSchemas()
    contracts = sorted(catalog, key=lambda each: each.name)
    paths: Json = {}
    for each in contracts:
        if each.kind is Kind.COMMAND:
            paths[f"/commands/{each.name}"] = openapi_paths.command(catalog, schemas, each)
            if each.schedulable:
                paths[f"/commands/{each.name}/scheduled/{{id}}"] = openapi_paths.cancellation(each)
        elif each.kind is Kind.QUERY and each.reply:
            paths[f"/queries/{each.name}"] = openapi_paths.query(
                catalog, schemas, each, numbered=each.name not in by_cursor
            )
    paths |= {"/outcomes/{token}": openapi_paths.outcome(), **openapi_paths.tables(), **openapi_paths.service(), **more}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": title,
            "version": catalog.version,
            "x-verbwire-version": version("verbwire"),
            "description": f"{_DESCRIPTION} {rates}".strip(),
        },
        "security": [{"bearer": []}],
        "paths": paths,
        "components": {
            "schemas": {**SCHEMAS, **dict(sorted(schemas.components.items()))},
            "parameters": PARAMETERS,
            "headers": HEADERS,
            "responses": problem_responses(),
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
        },
    }


class OpenApi:
    """Serves the document to authenticated principals."""

    def __init__(
        self,
        title: str,
        catalog: Catalog,
        rates: str = "",
        more: Mapping[str, Json] = NOTHING,
        by_cursor: Collection[str] = (),
    ) -> None:
        self._body = msgspec.json.encode(openapi(title, catalog, rates, more, by_cursor))

    @property
    def routes(self) -> Sequence[Route]:
        """The one path."""
        return [Route("/openapi.json", self.get)]

    def close(self) -> None:
        """Nothing to let go of."""

    async def get(self, request: Request) -> Response:
        """GET /openapi.json."""
        no_parameters(request)
        return Response(self._body, headers={"Cache-Control": "no-store"}, media_type=MEDIA_TYPE)
