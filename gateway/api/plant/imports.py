"""`/v1/plant/imports` and `/v1/plant/export`: import files with a preview, and export."""

from functools import partial
from typing import Any

from litestar import Controller, Request, Response, get, post
from litestar.datastructures import FormMultiDict
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery

from gateway.api.actors import key_actor
from gateway.api.pagination import PageLimit, bidirectional_page_json, parse_cursor
from gateway.api.plant.bodies import PATH
from gateway.api.plant.uploads import read_file, read_file_form
from gateway.call.errors import ParameterInvalid
from gateway.call.values import Principal
from gateway.plant.assets.ids import IMPORT
from gateway.plant.assets.plan import ImportMode
from gateway.plant.imports.exporting import MEDIA_TYPES, ExportFormat, export_file_name
from gateway.plant.imports.importing import ImportOptions, PlantImporter
from gateway.plant.imports.previews import find_import, import_json, list_imports
from infra.clock import Clock
from infra.database.database import Database

# Requests are limited here, and files by MAAS_PLANT_IMPORT_BYTES.
_MAX_BODY_BYTES = 1 << 30


class PlantImportRoutes(Controller):
    """Imports: a preview of the changes, then their confirmation within a day."""

    path = f"{PATH}/imports"

    @get("/", summary="List imports, newest first")
    async def imports(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        limit: PageLimit = 20,
        after: FromQuery[str | None] = None,
    ) -> dict[str, Any]:
        """Return a page of imports with their counts and first changes."""
        cursor = parse_cursor(IMPORT, after)
        async with database.transaction() as session:
            rows = await list_imports(session, principal.account_id, limit + 1, cursor)
        shown = partial(import_json, now=clock.now())
        return bidirectional_page_json(rows, limit, shown, backwards=False)

    @post(
        "/",
        status_code=200,
        summary="Preview an import of a CSV, Excel or JSON file",
        request_max_body_size=_MAX_BODY_BYTES,
    )
    async def preview(
        self,
        principal: NamedDependency[Principal],
        plant_importer: NamedDependency[PlantImporter],
        request: Request[Any, Any, Any],
    ) -> dict[str, Any]:
        """Check the file of a multipart form and return what it would change.

        Fields: `file`; `mode`, `merge` (default) or `replace`; `unknown_units`, `refuse` (default)
        or `omit`; `background`, `true` to get the import at once with the status `reading`, which
        becomes `previewed`, or `failed` with `problems`. Nothing changes before the confirmation.
        """
        form = await read_file_form(request, plant_importer.limits.file_bytes)
        file, options = read_file(form), parse_options(form)
        actor = key_actor(principal, request)
        act = plant_importer.begin if is_background(form) else plant_importer.preview
        return import_json(await act(principal.account_id, actor, file, options))

    @get("/{plant_import:str}", summary="Retrieve an import")
    async def one(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        plant_import: FromPath[str],
    ) -> dict[str, Any]:
        """Return an import with its status, counts and first changes, or the problems of its file.

        A file that is read in the background has the status `reading` first.
        """
        async with database.transaction() as session:
            row = await find_import(session, principal.account_id, plant_import)
        return import_json(row, clock.now())

    @post("/{plant_import:str}/confirm", status_code=200, summary="Apply a previewed import")
    async def confirm(
        self,
        principal: NamedDependency[Principal],
        plant_importer: NamedDependency[PlantImporter],
        request: Request[Any, Any, Any],
        plant_import: FromPath[str],
    ) -> dict[str, Any]:
        """Apply what the preview showed in one transaction; a repeated request changes nothing."""
        actor = key_actor(principal, request)
        row = await plant_importer.confirm(principal.account_id, actor, plant_import)
        return import_json(row)


class PlantExportRoutes(Controller):
    """The plant model as a file."""

    path = f"{PATH}/export"

    @get("/", summary="Export the plant model as CSV, Excel or JSON")
    async def export(
        self,
        principal: NamedDependency[Principal],
        plant_importer: NamedDependency[PlantImporter],
        export_format: FromQuery[ExportFormat] = ExportFormat.CSV,
    ) -> Response[bytes]:
        """Return the plant model; JSON has entities and relations too."""
        content = await plant_importer.export(principal.account_id, export_format)
        return file_response(content, export_format)


def file_response(content: bytes, export_format: ExportFormat) -> Response[bytes]:
    """Return an export as a download."""
    name = export_file_name(export_format)
    headers = {"content-disposition": f'attachment; filename="{name}"'}
    return Response(content, media_type=MEDIA_TYPES[export_format], headers=headers)


def is_background(form: FormMultiDict) -> bool:
    """Return whether the file is to be read after the request. Raises ParameterInvalid."""
    value = form.get("background") or "false"
    if value not in ("true", "false"):
        raise ParameterInvalid("`background` must be `true` or `false`.", param="background")
    return bool(value == "true")


def parse_options(form: FormMultiDict) -> ImportOptions:
    """Return the options of a form. Raises ParameterInvalid."""
    mode, units = form.get("mode") or "merge", form.get("unknown_units") or "refuse"
    if mode not in tuple(ImportMode):
        raise ParameterInvalid("`mode` must be `merge` or `replace`.", param="mode")
    if units not in ("refuse", "omit"):
        message = "`unknown_units` must be `refuse` or `omit`."
        raise ParameterInvalid(message, param="unknown_units")
    return ImportOptions(ImportMode(mode), units == "omit")
