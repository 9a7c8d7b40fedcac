"""Import of a file: its form, the preview of changes, and the confirmation; and exports."""

from typing import Any

from litestar import Controller, Request, Response, get, post
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath, FromQuery

from gateway.dashboard.forms import (
    EMPTY_FORM,
    FormState,
    read_form_fields,
    with_errors,
)
from gateway.dashboard.i18n import dashboard_texts
from gateway.dashboard.page_request import UNPROCESSABLE, PageRequest
from gateway.dashboard.pages.plant.common import (
    PLANT_URL,
    PlantPage,
    load_zone,
    provide_plant,
    read_plant_file,
)
from gateway.dashboard.training_log import translate_message
from gateway.identity.roles import Permission
from gateway.plant.assets.errors import (
    ImportBusy,
    ImportExpired,
    PlantChanged,
    PlantModelInvalid,
)
from gateway.plant.assets.ids import IMPORT
from gateway.plant.assets.plan import ImportMode
from gateway.plant.imports.exporting import MEDIA_TYPES, ExportFormat, export_file_name
from gateway.plant.imports.importing import ImportOptions
from gateway.plant.imports.previews import (
    find_import,
    import_json,
    import_notes,
    list_imports,
)
from infra import ids
from infra.errors import AppError
from models.problems import Problems

_SHOWN_IMPORTS = 10
_MAX_BODY_BYTES = 1 << 30


class PlantImportPages(Controller):
    """Handlers of `/dashboard/plant/import`, `/dashboard/plant/imports/…` and the export."""

    path = "/plant"
    dependencies = {"plant": Provide(provide_plant)}  # noqa: RUF012  # Litestar's

    @get("/import", name="dashboard:plant-import", permission=Permission.PLANT)
    async def show_form(self, plant: NamedDependency[PlantPage]) -> Response[str]:
        """Show the form and the latest imports."""
        return await _render(plant, EMPTY_FORM)

    @post("/import", permission=Permission.PLANT, request_max_body_size=_MAX_BODY_BYTES)
    async def preview(
        self,
        page: NamedDependency[PageRequest],
        plant: NamedDependency[PlantPage],
        request: Request[Any, Any, Any],
    ) -> Response[Any]:
        """Store the preview of a file and show it; or the problems of the file."""
        fields = await read_form_fields(request)
        values = {name: fields.get(name, "") for name in ("mode", "omit")}
        file = await read_plant_file(request)
        is_replace = values["mode"] == ImportMode.REPLACE
        mode = ImportMode.REPLACE if is_replace else ImportMode.MERGE
        try:
            options = ImportOptions(mode, bool(values["omit"]))
            row = await plant.importer.preview(page.account_id, page.actor, file, options)
        except PlantModelInvalid as error:
            return await _render(plant, FormState(values), error.problems, UNPROCESSABLE)
        except ImportBusy as error:
            return await _render(plant, with_errors(page, values, error), None, UNPROCESSABLE)
        return page.redirect(f"{PLANT_URL}/imports/{ids.format_id(IMPORT, row.id)}")

    @get("/imports/{plant_import:str}", name="dashboard:plant-preview")
    async def show_preview(
        self, plant: NamedDependency[PlantPage], plant_import: FromPath[str]
    ) -> Response[str]:
        """Show what an import changes or has changed."""
        return await _render_preview(plant, plant_import)

    @post("/imports/{plant_import:str}/confirm", permission=Permission.PLANT)
    async def confirm(
        self,
        page: NamedDependency[PageRequest],
        plant: NamedDependency[PlantPage],
        plant_import: FromPath[str],
    ) -> Response[Any]:
        """Apply a previewed import."""
        try:
            await plant.importer.confirm(page.account_id, page.actor, plant_import)
        except (PlantChanged, ImportExpired, ImportBusy) as error:
            return await _render_preview(plant, plant_import, error)
        return page.redirect(f"{PLANT_URL}/imports/{plant_import}")

    @get("/export", name="dashboard:plant-export")
    async def export(
        self,
        plant: NamedDependency[PlantPage],
        export_format: FromQuery[ExportFormat] = ExportFormat.CSV,
    ) -> Response[bytes]:
        """Return the plant model as a file."""
        content = await plant.importer.export(plant.page.account_id, export_format)
        name = export_file_name(export_format)
        headers = {"content-disposition": f'attachment; filename="{name}"'}
        return Response(content, media_type=MEDIA_TYPES[export_format], headers=headers)


async def _render(
    plant: PlantPage, form: FormState, problems: Problems | None = None, status: int = 200
) -> Response[str]:
    """Render the form with the problems of a file."""
    async with plant.database.transaction() as session:
        rows = await list_imports(session, plant.page.account_id, _SHOWN_IMPORTS)
        zone = await load_zone(session, plant.page.account_id)
    return plant.page.render(
        "plant/import.html",
        status=status,
        form=form,
        problems=problems,
        imports=[(row, ids.format_id(IMPORT, row.id)) for row in rows],
        zone=zone,
        most_bytes=plant.importer.limits.file_bytes,
    )


async def _render_preview(
    plant: PlantPage, plant_import: str, error: AppError | None = None
) -> Response[str]:
    """Render a preview, with the error of its confirmation."""
    async with plant.database.transaction() as session:
        row = await find_import(session, plant.page.account_id, plant_import)
        zone = await load_zone(session, plant.page.account_id)
    form = EMPTY_FORM if error is None else with_errors(plant.page, {}, error)
    notes = import_notes(row)
    return plant.page.render(
        "plant/preview.html",
        status=200 if error is None else UNPROCESSABLE,
        row=row,
        shown=import_json(row, plant.clock.now()),
        notes=[translate_message(note, dashboard_texts(plant.page.language)) for note in notes],
        zone=zone,
        form=form,
        may=plant.may_change,
    )
