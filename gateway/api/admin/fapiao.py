"""`/v1/admin/fapiao`: fapiao to issue, batches, results, files and tax codes."""

import base64
import binascii
from collections.abc import Mapping
from typing import Any

import msgspec
from litestar import Controller, Response, delete, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from sqlalchemy.ext.asyncio import AsyncSession

from billing.fapiao.batch_file import BatchFileProvider
from billing.fapiao.categories import load_categories
from billing.fapiao.issuing import (
    BATCH_ID_PREFIX,
    ExportedBatch,
    list_open_fapiaos,
    repeat_batch,
)
from billing.fapiao.layout import load_layout
from billing.fapiao.lines import Category
from billing.fapiao.provider import ProviderFile
from billing.fapiao.red_letters import request_due_red_letters
from gateway.access.admin_scopes import AdminScope
from gateway.api.admin.context import AdminRequest
from gateway.call.errors import ParameterInvalid
from gateway.operations.fapiao import (
    attach_file,
    change_category,
    export_requested,
    find_any_fapiao,
    import_results,
    reject_request,
)
from gateway.operations.fapiao_views import render_fapiao, render_fapiaos
from infra import ids


class NewFapiaoBatch(msgspec.Struct):
    """The legal entity to issue for, if several have requests; `batch` writes one again."""

    seller: str | None = None
    batch: str | None = None


class FapiaoResults(msgspec.Struct):
    """A result list (Excel or CSV) of the electronic tax platform, in base64."""

    name: str
    content: str


class FapiaoFile(msgspec.Struct):
    """The OFD or PDF file of an issued fapiao, in base64."""

    content: str


class FapiaoRejection(msgspec.Struct):
    """Why a fapiao is not issued; the customer sees it."""

    reason: str


class TaxCode(msgspec.Struct):
    """The tax code of a product, with 19 digits, and the item on the fapiao."""

    code: str
    item: str


_PATH = "/v1/admin/fapiao"
BODIES: Mapping[str, type[msgspec.Struct]] = {
    f"{_PATH}/batches": NewFapiaoBatch,
    f"{_PATH}/results": FapiaoResults,
    f"{_PATH}/{{fapiao}}/file": FapiaoFile,
    f"{_PATH}/{{fapiao}}/reject": FapiaoRejection,
    f"{_PATH}/categories/{{product}}": TaxCode,
}
_BATCH = msgspec.json.Decoder(NewFapiaoBatch)
_RESULTS = msgspec.json.Decoder(FapiaoResults)
_FILE = msgspec.json.Decoder(FapiaoFile)
_REJECTION = msgspec.json.Decoder(FapiaoRejection)
_TAX_CODE = msgspec.json.Decoder(TaxCode)
_MAX_FILE_BODY_BYTES = 16 << 20


class AdminFapiaoRoutes(Controller):
    """Fapiao of all accounts. `{fapiao}` is a serial number, fapiao number or id (`fp_…`)."""

    path = "/fapiao"

    @get("/", summary="List fapiao that wait to be issued", admin_scope=AdminScope.ACCOUNTS_READ)
    async def fapiao(self, admin: NamedDependency[AdminRequest]) -> dict[str, Any]:
        """Return the requested fapiao, and those in a batch without a result."""

        async def load(session: AsyncSession) -> list[dict[str, Any]]:
            """Return the fapiao as JSON."""
            return await render_fapiaos(session, await list_open_fapiaos(session))

        return {"object": "list", "data": await admin.read(load), "has_more": False}

    @post(
        "/batches",
        status_code=200,
        summary="Export requested fapiao as workbooks for the electronic tax platform",
        admin_scope=AdminScope.FAPIAO_WRITE,
    )
    async def export(self, admin_change: NamedDependency[AdminRequest]) -> Response[bytes]:
        """Export a batch, or write an earlier one again; the files are in base64."""
        body, clock = admin_change.decode(_BATCH), admin_change.clock
        batch_id = None if body.batch is None else ids.parse_id(BATCH_ID_PREFIX, body.batch)
        if body.batch is not None and batch_id is None:
            raise ParameterInvalid("`batch` must be a batch id (fpb_…).", param="batch")
        await request_due_red_letters(admin_change.database, clock)
        provider, by = BatchFileProvider(load_layout()), admin_change.actor.public_id or ""

        async def apply(session: AsyncSession) -> dict[str, Any]:
            """Export the batch and return its files."""
            if batch_id is not None:
                return _batch_json(await repeat_batch(session, provider, batch_id))
            place = (session, clock, admin_change.actor, provider, by)
            return _batch_json(await export_requested(*place, body.seller))

        return await admin_change.change(apply)

    @post(
        "/results",
        status_code=200,
        summary="Import a result list of the electronic tax platform",
        admin_scope=AdminScope.FAPIAO_WRITE,
        request_max_body_size=_MAX_FILE_BODY_BYTES,
    )
    async def import_list(self, admin_change: NamedDependency[AdminRequest]) -> Response[bytes]:
        """Record results; rows that do not match are listed."""
        body = admin_change.decode(_RESULTS)
        file = ProviderFile(body.name, _decode_base64(body.content))
        provider = BatchFileProvider(load_layout(), result=file)

        async def apply(session: AsyncSession) -> dict[str, Any]:
            """Import the list."""
            place = (session, admin_change.clock, admin_change.actor)
            report = await import_results(*place, provider)
            names = ("row", "serial", "problem")
            return {
                "object": "fapiao_results",
                "issued": len(report.issued),
                "rejected": len(report.rejected),
                "known": report.known,
                "problems": [dict(zip(names, one, strict=True)) for one in report.problems],
            }

        return await admin_change.change(apply)

    @get("/categories", summary="List tax codes of products", admin_scope=AdminScope.ACCOUNTS_READ)
    async def categories(self, admin: NamedDependency[AdminRequest]) -> dict[str, Any]:
        """Return the tax codes; `*` applies to all other products."""
        categories = await admin.read(load_categories)
        data = [
            {"product": product, "code": one.code, "item": one.item}
            for product, one in sorted(categories.items())
        ]
        return {"object": "list", "data": data, "has_more": False}

    @post(
        "/categories/{product:str}",
        status_code=200,
        summary="Set the tax code of a product",
        admin_scope=AdminScope.FAPIAO_WRITE,
    )
    async def set_category(
        self, admin_change: NamedDependency[AdminRequest], product: FromPath[str]
    ) -> Response[bytes]:
        """Set a tax code for fapiao requested from now on."""
        body = admin_change.decode(_TAX_CODE)
        return await _change_category(admin_change, product, Category(body.code, body.item))

    @delete(
        "/categories/{product:str}",
        status_code=200,
        summary="Remove the tax code of a product; the default applies again",
        admin_scope=AdminScope.FAPIAO_WRITE,
    )
    async def remove_category(
        self, admin_change: NamedDependency[AdminRequest], product: FromPath[str]
    ) -> Response[bytes]:
        """Remove a tax code."""
        return await _change_category(admin_change, product, None)

    @post(
        "/{fapiao:str}/file",
        status_code=200,
        summary="Store the OFD or PDF file of an issued fapiao",
        admin_scope=AdminScope.FAPIAO_WRITE,
        request_max_body_size=_MAX_FILE_BODY_BYTES,
    )
    async def store(
        self, admin_change: NamedDependency[AdminRequest], fapiao: FromPath[str]
    ) -> Response[bytes]:
        """Store a file for the customer."""
        content = _decode_base64(admin_change.decode(_FILE).content)

        async def apply(session: AsyncSession) -> dict[str, Any]:
            """Store the file and return its format."""
            row = await find_any_fapiao(session, fapiao)
            place = (session, admin_change.clock, admin_change.actor, row)
            return {"object": "fapiao_file", "format": await attach_file(*place, content)}

        return await admin_change.change(apply)

    @post(
        "/{fapiao:str}/reject",
        status_code=200,
        summary="Reject a fapiao that was not issued",
        admin_scope=AdminScope.FAPIAO_WRITE,
    )
    async def reject(
        self, admin_change: NamedDependency[AdminRequest], fapiao: FromPath[str]
    ) -> Response[bytes]:
        """Reject a fapiao; its amount can be requested again."""
        reason = admin_change.decode(_REJECTION).reason

        async def apply(session: AsyncSession) -> dict[str, Any]:
            """Reject the fapiao and return it."""
            row = await find_any_fapiao(session, fapiao)
            place = (session, admin_change.clock, admin_change.actor, row)
            return await render_fapiao(session, await reject_request(*place, reason))

        return await admin_change.change(apply)


async def _change_category(
    admin: AdminRequest, product: str, category: Category | None
) -> Response[bytes]:
    """Set or remove the tax code of a product and return it."""

    async def apply(session: AsyncSession) -> dict[str, Any]:
        """Change the tax code."""
        await change_category(session, admin.clock, admin.actor, product, category)
        code, item = (category.code, category.item) if category else (None, None)
        return {"object": "fapiao_category", "product": product, "code": code, "item": item}

    return await admin.change(apply)


def _batch_json(done: ExportedBatch) -> dict[str, Any]:
    """Return a batch with its files in base64."""
    return {
        "object": "fapiao_batch",
        "id": ids.format_id(BATCH_ID_PREFIX, done.batch.id),
        "fapiao": [row.serial for row in done.rows],
        "files": [
            {"name": file.name, "content": base64.b64encode(file.content).decode()}
            for file in done.files
        ],
    }


def _decode_base64(text: str) -> bytes:
    """Decode the content of a file. Raises ParameterInvalid."""
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise ParameterInvalid("`content` must be base64.", param="content") from None
