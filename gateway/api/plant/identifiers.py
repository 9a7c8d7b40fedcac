"""`/v1/plant/identifiers`: register and read records under the account's prefixes, print labels."""

import asyncio
from collections.abc import Mapping
from typing import Any, Literal

import msgspec
from litestar import Controller, Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromQuery

from gateway.api.actors import key_actor
from gateway.api.pagination import PageLimit
from gateway.call.values import Principal
from gateway.operations.identifiers import IdentifierService, record_json
from gateway.plant.identifiers.csv_lines import lines_of_csv
from gateway.plant.identifiers.node.app import results_json
from gateway.wire.body import decode_body_strict

_PATH = "/v1/plant/identifiers"


class LabelRequest(msgspec.Struct):
    """Labels to print: identifiers with an optional text, as QR or Data Matrix on A4 sheets."""

    ids: list[str]
    texts: list[str] = []
    symbology: Literal["qr", "datamatrix"] = "qr"
    columns: int = 3
    rows: int = 8


_DECODER = msgspec.json.Decoder(LabelRequest)
BODIES: Mapping[str, type[msgspec.Struct]] = {f"{_PATH}/labels": LabelRequest}


class IdentifierRoutes(Controller):
    """The account's identifiers."""

    path = _PATH

    @get("/", summary="List identifiers")
    async def identifiers(
        self,
        principal: NamedDependency[Principal],
        identifiers: NamedDependency[IdentifierService],
        limit: PageLimit = 20,
        after: FromQuery[str | None] = None,
        text: FromQuery[str] = "",
    ) -> dict[str, Any]:
        """Return the newest versions of records in the order of their identifiers."""
        rows = await identifiers.list_page(principal.account_id, limit + 1, after, text)
        data = [record_json(row) for row in rows[:limit]]
        return {"object": "list", "data": data, "has_more": len(rows) > limit}

    @get("/prefixes", summary="List the account's prefixes")
    async def prefixes(
        self,
        principal: NamedDependency[Principal],
        identifiers: NamedDependency[IdentifierService],
    ) -> dict[str, Any]:
        """Return the prefixes under which the account registers identifiers, and their keys."""
        data = await identifiers.prefixes(principal.account_id)
        return {"object": "list", "data": data, "has_more": False}

    @post("/", status_code=200, summary="Register identifiers in bulk (JSON lines or CSV)")
    async def register(
        self,
        principal: NamedDependency[Principal],
        identifiers: NamedDependency[IdentifierService],
        request: Request[Any, Any, Any],
    ) -> Mapping[str, Any]:
        """Register one record per line and return one result per line.

        With `Content-Type: text/csv` the first row names the columns `id` and the fields.
        A line whose content is stored already changes nothing, so a file can be sent again.
        """
        actor = key_actor(principal, request)
        body = await request.body()
        if request.headers.get("content-type", "").partition(";")[0].strip() == "text/csv":
            body = await asyncio.to_thread(lines_of_csv, body)
        return results_json(await identifiers.register(actor, principal.account_id, body))

    @get("/record", summary="Retrieve an identifier with its versions")
    async def record(
        self,
        principal: NamedDependency[Principal],
        identifiers: NamedDependency[IdentifierService],
        id: FromQuery[str],
    ) -> dict[str, Any]:
        """Return the record of an identifier with all fields, and its earlier versions."""
        rows = await identifiers.versions(principal.account_id, id)
        earlier = [record_json(row) for row in rows[1:]]
        return {**record_json(rows[0]), "earlier_versions": earlier}

    @post("/labels", status_code=200, summary="Print labels as PDF")
    async def labels(
        self,
        principal: NamedDependency[Principal],
        identifiers: NamedDependency[IdentifierService],
        request: Request[Any, Any, Any],
    ) -> Response[bytes]:
        """Return a sheet of labels, at most 1,000, as PDF."""
        body = decode_body_strict(_DECODER, await request.body())
        place = (body.ids, body.texts, body.symbology, body.columns, body.rows)
        content = await identifiers.labels(principal.account_id, *place)
        headers = {"content-disposition": 'attachment; filename="labels.pdf"'}
        return Response(content, media_type="application/pdf", headers=headers)
