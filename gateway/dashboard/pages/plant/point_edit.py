"""Change a point, replace its sensor under the same tag, or retire it."""

from collections.abc import Mapping
from typing import Any

from litestar import Controller, Request, Response, get, post
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath

from gateway.dashboard.forms import EMPTY_FORM, FormState, read_form_fields, with_errors
from gateway.dashboard.page_request import UNPROCESSABLE
from gateway.dashboard.pages.plant.common import PLANT_URL, PlantPage, provide_plant
from gateway.identity.roles import Permission
from gateway.plant.assets.errors import (
    PlantKeyTaken,
    PlantModelInvalid,
    PlantNodeNotFound,
    PlantNodeRetired,
)
from gateway.plant.assets.ids import POINT
from gateway.plant.assets.values import DataType
from gateway.plant.store.point_editing import replace_point, retire_point, update_point
from gateway.plant.store.queries import find_point
from infra import ids
from infra.errors import AppError
from infra.translations import gettext_noop


class PointNumberInvalid(AppError):
    """A limit of a point's form is not a number."""

    status = 400
    type = "invalid_request_error"
    code = "plant_number_invalid"


EDIT_ERRORS = (
    PlantModelInvalid,
    PlantKeyTaken,
    PlantNodeNotFound,
    PlantNodeRetired,
    PointNumberInvalid,
)


class PointEditPages(Controller):
    """Handlers of `/dashboard/plant/points/…/edit`."""

    path = "/plant"
    dependencies = {"plant": Provide(provide_plant)}  # noqa: RUF012  # Litestar's

    @get("/points/{point:str}/edit", name="dashboard:point-edit", permission=Permission.PLANT)
    async def show_point(
        self, plant: NamedDependency[PlantPage], point: FromPath[str]
    ) -> Response[str]:
        """Show the forms that change or replace a point."""
        return await _render_point(plant, point)

    @post("/points/{point:str}/edit", permission=Permission.PLANT)
    async def change_point(
        self,
        plant: NamedDependency[PlantPage],
        request: Request[Any, Any, Any],
        point: FromPath[str],
    ) -> Response[Any]:
        """Change a point, replace its sensor, or retire it."""
        fields = stripped(await read_form_fields(request))
        try:
            async with plant.database.transaction() as session:
                editing = plant.editing(session)
                row = await find_point(session, plant.page.account_id, point)
                if fields.get("step") == "retire":
                    row = await retire_point(editing, point)
                else:
                    change = replace_point if fields.get("step") == "replace" else update_point
                    row = await change(editing, point, point_values(fields))
        except EDIT_ERRORS as error:
            return await _render_point(plant, point, with_errors(plant.page, fields, error))
        return plant.page.redirect(f"{PLANT_URL}/points/{ids.format_id(POINT, row.id)}")


async def _render_point(
    plant: PlantPage, point: str, form: FormState = EMPTY_FORM
) -> Response[str]:
    """Render the forms of a point."""
    async with plant.database.transaction() as session:
        row = await find_point(session, plant.page.account_id, point)
    stored = {
        "name": row.name,
        "unit": row.unit,
        "data_type": row.data_type,
        "low": "" if row.low is None else f"{row.low:g}",
        "high": "" if row.high is None else f"{row.high:g}",
    }
    return plant.page.render(
        "plant/point_edit.html",
        status=UNPROCESSABLE if form.error or form.errors else 200,
        point=row,
        form=FormState({**stored, **form.values}, form.error, form.errors),
        data_types=list(DataType),
    )


def stripped(fields: Mapping[str, str]) -> dict[str, str]:
    """Return the fields of a form without spaces around their texts."""
    return {name: text.strip() for name, text in fields.items()}


def point_values(fields: Mapping[str, str]) -> dict[str, Any]:
    """Return the values of a point's form. Raises PointNumberInvalid."""
    text = fields.get("data_type", "")
    data_type = DataType(text) if text in tuple(DataType) else DataType.NUMBER
    return {
        "name": fields.get("name", ""),
        "unit": fields.get("unit", ""),
        "data_type": data_type,
        "low": _number(fields, "low"),
        "high": _number(fields, "high"),
    }


def _number(fields: Mapping[str, str], name: str) -> float | None:
    """Return the number of a field, None for an empty one. Raises PointNumberInvalid."""
    text = fields.get(name, "").replace(",", ".")
    try:
        return float(text) if text else None
    except ValueError:
        raise PointNumberInvalid(gettext_noop("Enter a number."), param=name) from None
