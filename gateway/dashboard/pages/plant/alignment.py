"""Automatic proposals of mappings: settings, what they cost, status, and trainings."""

from collections.abc import Mapping
from typing import Any

import msgspec
from litestar import Controller, Request, Response, get, post
from litestar.di import NamedDependency, Provide

from billing.accounts.accounts import ACCOUNT_ID_PREFIX, get_account
from billing.money import nano_from_text
from gateway.access.authenticator import Authenticator
from gateway.alignment.settings import (
    AlignmentNotFound,
    delete_alignment,
    find_alignment,
    find_schedule_of,
    set_alignment,
)
from gateway.alignment.views import alignment_json
from gateway.dashboard.error_messages import ERROR_MESSAGES
from gateway.dashboard.forms import EMPTY_FORM, FormState, read_form_fields, with_errors
from gateway.dashboard.page_request import UNPROCESSABLE, PageRequest
from gateway.dashboard.pages.access.active_keys import key_choices, list_active_keys, load_principal
from gateway.dashboard.pages.plant.common import (
    PLANT_URL,
    PlantPage,
    load_zone,
    provide_plant,
    version_name,
)
from gateway.identity.roles import Permission
from gateway.retraining.schedules import list_runs
from gateway.retraining.views import run_json
from gateway.tables import PlantAlignment
from gateway.wire.own_models.plant_alignment import DEFAULT_THRESHOLD, parse_alignment_settings
from infra import ids
from infra.errors import AppError
from models.catalog import Catalog, Meter, Task

_FIELDS = ("model", "budget", "training_budget", "confirmations", "key")
_ROWS = 1_000
_SECONDS = 60


class PlantAlignmentPages(Controller):
    """Handlers of `/dashboard/plant/alignment`."""

    path = "/plant/alignment"
    dependencies = {"plant": Provide(provide_plant)}  # noqa: RUF012  # Litestar's

    @get("/", name="dashboard:plant-alignment", permission=Permission.PLANT)
    async def show(
        self, plant: NamedDependency[PlantPage], catalog: NamedDependency[Catalog]
    ) -> Response[str]:
        """Show settings and status."""
        return await _render(plant, catalog, EMPTY_FORM)

    @post("/", permission=Permission.PLANT)
    async def set_settings(
        self,
        page: NamedDependency[PageRequest],
        plant: NamedDependency[PlantPage],
        catalog: NamedDependency[Catalog],
        authenticator: NamedDependency[Authenticator],
        request: Request[Any, Any, Any],
    ) -> Response[Any]:
        """Set model and budgets; the chosen key pays."""
        page.require_any_permission(Permission.CALL)
        fields = await read_form_fields(request)
        try:
            parsed = parse_alignment_settings(_body_of(fields))
            principal = await load_principal(
                page, plant.database, plant.clock, authenticator, fields.get("key", "")
            )
            async with plant.database.transaction() as session:
                await set_alignment(
                    session,
                    plant.clock,
                    catalog,
                    page.actor,
                    page.account_id,
                    principal.key_id,
                    parsed,
                )
        except AppError as error:
            if error.status >= 500 or error.status == 404:
                raise
            values = {name: fields.get(name, "") for name in _FIELDS}
            form = with_errors(page, {**values, "training.budget": ""}, error)
            return await _render(plant, catalog, form, UNPROCESSABLE)
        return page.redirect(f"{PLANT_URL}/alignment")

    @post("/delete", permission=Permission.PLANT)
    async def stop(
        self, page: NamedDependency[PageRequest], plant: NamedDependency[PlantPage]
    ) -> Response[Any]:
        """Stop proposals and trainings; does nothing if there are none."""
        async with plant.database.transaction() as session:
            try:
                await delete_alignment(session, plant.clock, page.actor, page.account_id)
            except AlignmentNotFound:
                pass
        return page.redirect(f"{PLANT_URL}/alignment")


def _body_of(fields: Mapping[str, str]) -> bytes:
    """Return the settings of a form as the API takes them; an empty training budget trains not."""
    body: dict[str, Any] = {
        "model": fields.get("model", ""),
        "budget": fields.get("budget", "").strip(),
    }
    training_budget = fields.get("training_budget", "").strip()
    if training_budget:
        count = fields.get("confirmations", "").strip()
        training: dict[str, Any] = {"budget": training_budget}
        if count:
            training["confirmations"] = int(count) if count.isdecimal() else count
        body["training"] = training
    return msgspec.json.encode(body)


def _reason(row: PlantAlignment) -> str:
    """Return why proposals wait, in English."""
    return ERROR_MESSAGES.get(row.code or "", row.message or "")


def _plain(amount: str) -> str:
    """Return an amount without zeros at its end, as people write it: `20` or `12.5`."""
    return amount.rstrip("0").rstrip(".") if "." in amount else amount


async def _render(
    plant: PlantPage, catalog: Catalog, form: FormState, status: int = 200
) -> Response[str]:
    """Render the settings with prices, status and the newest trainings."""
    page, account_id = plant.page, plant.page.account_id
    account = ids.format_id(ACCOUNT_ID_PREFIX, account_id)
    keys = await list_active_keys(page, plant.database, plant.clock)
    models = list(catalog.with_task(Task.ALIGNMENT))
    async with plant.database.transaction() as session:
        currency = (await get_account(session, account)).currency
        zone = await load_zone(session, account_id)
        try:
            row: PlantAlignment | None = await find_alignment(session, account_id)
        except AlignmentNotFound:
            row = None
        shown = None if row is None else await alignment_json(session, plant.clock, row)
        schedule = None if row is None else await find_schedule_of(session, row)
        runs = [] if schedule is None else await list_runs(session, schedule)
    training = None if shown is None else shown["training"]
    return page.render(
        "plant/alignment.html",
        status=status,
        form=form,
        row=row,
        shown=shown,
        training=training,
        runs=[(run, run_json(run)) for run in runs],
        in_use=None if shown is None else version_name(shown["model_in_use"]),
        paused=None if row is None or row.code is None else page.translate(_reason(row)),
        models=[(model.id, model.id) for model in models],
        keys=key_choices(keys),
        currency=currency,
        row_price=models[0].prices.get(currency, {}).get(Meter.ROWS, 0) * _ROWS,
        training_price=(
            models[0].prices.get(currency, {}).get(Meter.ADAPTATION_SECONDS, 0) * _SECONDS
        ),
        nano=nano_from_text,
        plain=_plain,
        threshold=DEFAULT_THRESHOLD,
        zone=zone,
        may_pay=page.viewer.has_permission(Permission.CALL),
    )
