"""Comparisons of models on a table with known results: list, form, figures."""

from typing import Any

import msgspec
from litestar import Controller, Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery

from billing.accounts.profiles import get_profile
from billing.dates import parse_time_zone
from gateway.access.authenticator import Authenticator
from gateway.call.errors import ParameterInvalid
from gateway.dashboard.errors import PageNotFound
from gateway.dashboard.forms import EMPTY_FORM, FormState, Upload, read_form_fields, read_upload
from gateway.dashboard.forms import with_errors as form_with_errors
from gateway.dashboard.i18n import dashboard_texts
from gateway.dashboard.page_request import UNPROCESSABLE, PageRequest
from gateway.dashboard.pages.access.active_keys import key_choices, list_active_keys, load_principal
from gateway.dashboard.pages.own_models.listing import MODELS_URL
from gateway.dashboard.training_log import translate_stored
from gateway.evaluations.comparisons import rows
from gateway.evaluations.comparisons.offers import (
    MAX_FILE_BYTES,
    ComparisonOffers,
    new_comparison,
)
from gateway.evaluations.comparisons.runner import ComparisonRunner
from gateway.evaluations.comparisons.views import comparison_json, notes_of
from gateway.identity.audit_log import record_audit_event
from gateway.identity.roles import Permission
from gateway.registry.files import EVALS_PURPOSE, create_file
from gateway.registry.files import PREFIX as FILE_PREFIX
from gateway.registry.variants import PUBLIC_ID_PREFIX, list_live_variants, pinned_id
from gateway.tables import EvaluationStatus
from gateway.wire.own_models.comparisons import (
    DEFAULT_STEPS,
    MAX_HORIZON,
    MAX_SEASON,
    ComparisonRequest,
    mapping_fields,
    validate_comparison_request,
)
from infra import ids
from infra.clock import Clock
from infra.database.database import Database
from infra.errors import AppError
from infra.translations import gettext_noop
from models.catalog import SPECIALIST_TASKS, Catalog, Task

COMPARISONS_URL = f"{MODELS_URL}/comparisons"
_PAGE_SIZE = 20
_FORM_OVERHEAD_BYTES = 1 << 20
_FIELDS = (
    *("first", "second", "target", "machine", "time", "key", "max_cost"),
    *("columns", "outputs", "labels", "horizon", "season"),
)
_TABLE_TASKS = SPECIALIST_TASKS - {Task.IMAGE_CLASSIFICATION}


class ComparisonPages(Controller):
    """Handlers of `/dashboard/models/comparisons`."""

    path = "/models/comparisons"

    @get("/", name="dashboard:comparisons")
    async def show_list(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        catalog: NamedDependency[Catalog],
        after: FromQuery[str | None] = None,
        model: FromQuery[str | None] = None,
    ) -> Response[str]:
        """Show the account's comparisons and the form, with a model of the address chosen."""
        form = FormState({"first": model or ""}) if model else EMPTY_FORM
        return await _render_list(page, database, clock, catalog, form, after=after)

    @post(
        "/",
        permission=Permission.CALL,
        request_max_body_size=MAX_FILE_BYTES + _FORM_OVERHEAD_BYTES,
    )
    async def create(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        catalog: NamedDependency[Catalog],
        authenticator: NamedDependency[Authenticator],
        comparison_offers: NamedDependency[ComparisonOffers],
        comparison_runner: NamedDependency[ComparisonRunner],
        request: Request[Any, Any, Any],
    ) -> Response[Any]:
        """Store the table, and queue the comparison that the form describes."""
        fields = await read_form_fields(request)
        try:
            upload = await _require_upload(request)
            parsed = _request_of(fields)
            principal = await load_principal(
                page, database, clock, authenticator, fields.get("key", "")
            )
            file = await _store(page, database, clock, upload)
            stated = msgspec.structs.replace(parsed, file=file)
            offer = await comparison_offers.create_offer(principal, stated)
            async with database.transaction() as session:
                row = await rows.create_comparison(session, clock, new_comparison(offer))
                name = ids.format_id(rows.COMPARISON_ID_PREFIX, row.id)
                details = {"models": row.models, "file": upload.filename}
                await record_audit_event(
                    session, clock, page.actor, page.account_id, "comparison.created", name, details
                )
        except PageNotFound:
            raise
        except AppError as error:
            if error.status >= 500:
                raise
            form = form_with_errors(page, {one: fields.get(one, "") for one in _FIELDS}, error)
            return await _render_list(page, database, clock, catalog, form, UNPROCESSABLE)
        comparison_runner.wake()
        return page.redirect(f"{COMPARISONS_URL}/{name}")

    @get("/{comparison:str}", name="dashboard:comparison")
    async def show_one(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        comparison: FromPath[str],
    ) -> Response[str]:
        """Show the figures of a comparison, or its progress."""
        return await _render_one(page, database, comparison, "own_comparison.html")

    @get("/{comparison:str}/progress", name="dashboard:comparison-progress")
    async def show_progress(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        comparison: FromPath[str],
    ) -> Response[str]:
        """Return the part of the page that replaces itself until the comparison has ended."""
        return await _render_one(page, database, comparison, "parts/own_comparison.html")


async def _require_upload(request: Request[Any, Any, Any]) -> Upload:
    """Return the uploaded table. Raises ParameterInvalid without one or if it is too large."""
    upload = await read_upload(request)
    if upload is None:
        raise ParameterInvalid(gettext_noop("Choose a table."), param="upload")
    if len(upload.content) > MAX_FILE_BYTES:
        raise ParameterInvalid(gettext_noop("The table is larger than 16 MiB."), param="upload")
    return upload


async def _store(page: PageRequest, database: Database, clock: Clock, upload: Upload) -> str:
    """Store the table as a file of the account, and return its id."""
    async with database.transaction() as session:
        file = await create_file(
            session, clock, page.account_id, upload.filename, upload.content, EVALS_PURPOSE
        )
    return ids.format_id(FILE_PREFIX, file.id)


def _request_of(fields: dict[str, str]) -> ComparisonRequest:
    """Return the comparison that a form describes, without its file. Raises ParameterInvalid."""
    target = fields.get("target", "").strip()
    if not target:
        raise ParameterInvalid(gettext_noop("Enter the column with the result."), param="target")
    request = ComparisonRequest(
        models=[fields.get("first", ""), fields.get("second", "")],
        file="",
        target=target[:200],
        machine=fields.get("machine", "").strip()[:200],
        time=fields.get("time", "").strip()[:200],
        max_cost=fields.get("max_cost", "").strip() or None,
        horizon=_steps_of(fields, "horizon", MAX_HORIZON),
        season=_steps_of(fields, "season", MAX_SEASON),
        **_mapping_of(fields),
    )
    return validate_comparison_request(request)


def _steps_of(fields: dict[str, str], name: str, most: int) -> int:
    """Return a number of steps, DEFAULT_STEPS if it is empty. Raises ParameterInvalid."""
    text = fields.get(name, "").strip()
    if not text:
        return DEFAULT_STEPS
    if not text.isdecimal() or not 1 <= int(text[:6]) <= most:
        raise ParameterInvalid(gettext_noop("Enter a whole number of steps."), param=name)
    return int(text)


def _mapping_of(fields: dict[str, str]) -> dict[str, Any]:
    """Return how a ready-made model is compared, if the second is one. Raises ParameterInvalid."""
    second = fields.get("second", "")
    ready_made = [] if second.startswith(PUBLIC_ID_PREFIX) else [second]
    columns, labels = (fields.get(name, "").splitlines() for name in ("columns", "labels"))
    return mapping_fields(ready_made, columns, fields.get("outputs", ""), labels)


async def _render_list(
    page: PageRequest,
    database: Database,
    clock: Clock,
    catalog: Catalog,
    form: FormState,
    status: int = 200,
    after: str | None = None,
) -> Response[str]:
    """Render the comparisons of the account and the form."""
    cursor = None if after is None else ids.parse_id(rows.COMPARISON_ID_PREFIX, after)
    keys = await list_active_keys(page, database, clock)
    async with database.transaction() as session:
        profile = await get_profile(session, page.account_id)
        found = await rows.list_comparisons(session, page.account_id, _PAGE_SIZE + 1, cursor)
        variants = await list_live_variants(session, page.account_id)
    own = [
        pinned_id(name, version)
        for name, one in sorted(variants.items())
        for version in sorted(one.versions, reverse=True)
    ]
    ready = [model.id for model in catalog.models.values() if model.task in _TABLE_TASKS]
    shown = found[:_PAGE_SIZE]
    last = ids.format_id(rows.COMPARISON_ID_PREFIX, shown[-1].id) if shown else None
    return page.render(
        "own_comparisons.html",
        status=status,
        form=form,
        comparisons=[(row, comparison_json(row)) for row in shown],
        own=[(name, name) for name in own],
        models=[(name, name) for name in (*own, *sorted(ready))],
        keys=key_choices(keys),
        may=page.viewer.has_permission(Permission.CALL),
        zone=parse_time_zone(profile.time_zone),
        first=COMPARISONS_URL if after else None,
        more=f"{COMPARISONS_URL}?after={last}" if len(found) > _PAGE_SIZE else None,
    )


async def _render_one(
    page: PageRequest, database: Database, comparison: str, template: str
) -> Response[str]:
    """Render a comparison with a template. Raises PageNotFound."""
    try:
        async with database.transaction() as session:
            profile = await get_profile(session, page.account_id)
            row = await rows.find_comparison(session, page.account_id, comparison)
    except rows.ComparisonNotFound as error:
        raise PageNotFound(error.message) from error
    return page.render(
        template,
        row=row,
        found=comparison_json(row),
        name=comparison,
        notes=[
            (
                one["model"],
                translate_stored(one["message"], one["sentence"], dashboard_texts(page.language)),
            )
            for one in notes_of(row)
        ],
        is_open=not EvaluationStatus(row.status).over,
        zone=parse_time_zone(profile.time_zone),
    )
