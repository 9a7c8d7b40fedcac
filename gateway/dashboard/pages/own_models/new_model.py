"""The form for a new model: upload a table or images, confirm, see the price, start."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import msgspec
from litestar import Controller, Request, Response, get, post
from litestar.di import NamedDependency

from billing.tables import ApiKey
from gateway.access.authenticator import Authenticator
from gateway.dashboard.errors import PageNotFound
from gateway.dashboard.forms import (
    EMPTY_FORM,
    FormState,
    read_form_fields,
    read_upload,
    with_errors,
)
from gateway.dashboard.page_request import UNPROCESSABLE, PageRequest
from gateway.dashboard.pages.access.active_keys import key_choices, list_active_keys, load_principal
from gateway.dashboard.pages.own_models.listing import MODELS_URL
from gateway.dashboard.pages.own_models.ready_made_form import (
    CHOICE,
    LABELS,
    OUTPUT,
    ready_made_rows,
)
from gateway.dashboard.pages.own_models.schema_form import (
    KINDS,
    ROLES,
    SETTINGS,
    column_rows,
    schema_from_fields,
)
from gateway.fine_tuning.file_check import TrainingFileRejected
from gateway.fine_tuning.jobs import JOB_ID_PREFIX
from gateway.fine_tuning.new_jobs import create_offered_job
from gateway.fine_tuning.offers import JobOffer, JobOffers
from gateway.fine_tuning.runner import FineTuningRunner
from gateway.identity.audit_log import record_audit_event
from gateway.identity.roles import Permission
from gateway.registry import files
from gateway.tables import TrainingFile
from gateway.wire.fine_tuning import JobRequest, parse_job_request
from infra import ids
from infra.clock import Clock
from infra.database.database import Database
from infra.errors import AppError
from models.catalog import Catalog, Meter, Model
from models.own_columns import OWN_COLUMNS
from models.own_images import OWN_IMAGES
from models.problems import Problems

_FORM_OVERHEAD_BYTES = 1 << 20
_MAX_SHOWN_FILES = 50
_FIELDS = ("model", "file", "name", "key")


@dataclass(frozen=True, slots=True)
class _Choices:
    """What the form offers: files, models and keys."""

    files: Sequence[TrainingFile]
    models: Sequence[Model]
    keys: Sequence[ApiKey]


@dataclass(frozen=True, slots=True)
class _Offered:
    """The fields of the form with an uploaded file's id, the request, its offer and highest cost.

    key_id: the key that pays, in `currency`. cost_nano: None if the account has no such price.
    """

    fields: Mapping[str, str]
    request: JobRequest
    offer: JobOffer
    key_id: UUID
    currency: str
    cost_nano: int | None


class NewModelPages(Controller):
    """Handlers of `/dashboard/models/new`."""

    path = "/models/new"

    @get("/", name="dashboard:new-model", permission=Permission.CALL)
    async def show_form(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        catalog: NamedDependency[Catalog],
    ) -> Response[str]:
        """Show the empty form."""
        choices = await _load_choices(page, database, clock, catalog)
        return _render_form(page, choices, EMPTY_FORM)

    @post(
        "/check",
        status_code=200,
        permission=Permission.CALL,
        request_max_body_size=files.MAX_FILE_BYTES + _FORM_OVERHEAD_BYTES,
    )
    async def check(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        catalog: NamedDependency[Catalog],
        authenticator: NamedDependency[Authenticator],
        offers: NamedDependency[JobOffers],
        request: Request[Any, Any, Any],
    ) -> Response[str]:
        """Store an uploaded file, check it, and show its columns or images and the price."""
        fields = await read_form_fields(request)
        choices = await _load_choices(page, database, clock, catalog)
        try:
            uploaded = await _store_upload(database, clock, page.account_id, request)
            fields = {**fields, "file": uploaded or fields.get("file", "")}
            offered = await _offer(page, database, clock, authenticator, offers, fields)
        except PageNotFound:
            raise
        except AppError as error:
            return _render_error(page, choices, fields, error)
        if uploaded is not None:
            choices = await _load_choices(page, database, clock, catalog)
        return _render_form(page, choices, FormState(offered.fields), offered=offered)

    @post("/", permission=Permission.CALL, request_max_body_size=_FORM_OVERHEAD_BYTES)
    async def create(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        catalog: NamedDependency[Catalog],
        authenticator: NamedDependency[Authenticator],
        offers: NamedDependency[JobOffers],
        fine_tuning_runner: NamedDependency[FineTuningRunner],
        request: Request[Any, Any, Any],
    ) -> Response[Any]:
        """Create the job that was offered, and show it."""
        fields, account_id = await read_form_fields(request), page.account_id
        try:
            offered = await _offer(page, database, clock, authenticator, offers, fields)
            async with database.transaction() as session:
                row = await create_offered_job(
                    session, clock, account_id, offered.key_id, offered.request, offered.offer
                )
                details = {"model": row.model}
                await record_audit_event(
                    session, clock, page.actor, account_id, "model.trained", row.name, details
                )
        except PageNotFound:
            raise
        except AppError as error:
            choices = await _load_choices(page, database, clock, catalog)
            return _render_error(page, choices, fields, error)
        fine_tuning_runner.wake()
        return page.redirect(f"{MODELS_URL}/jobs/{ids.format_id(JOB_ID_PREFIX, row.id)}")


async def _store_upload(
    database: Database, clock: Clock, account_id: UUID, request: Request[Any, Any, Any]
) -> str | None:
    """Store the file of the form and return its id; None if none was chosen."""
    upload = await read_upload(request)
    if upload is None:
        return None
    async with database.transaction() as session:
        row = await files.create_file(session, clock, account_id, upload.filename, upload.content)
    return ids.format_id(files.PREFIX, row.id)


async def _offer(
    page: PageRequest,
    database: Database,
    clock: Clock,
    authenticator: Authenticator,
    offers: JobOffers,
    fields: Mapping[str, str],
) -> _Offered:
    """Validate the form and return the offer. Raises PageNotFound and the errors of an offer."""
    job_request = _parse_form(fields)
    principal = await load_principal(page, database, clock, authenticator, fields.get("key", ""))
    offer = await offers.create_offer(principal, job_request, {})
    prices = principal.model_prices[offer.model.id].prices
    price = prices.get(Meter.ADAPTATION_SECONDS)
    cost = None if price is None else price * offer.seconds
    return _Offered(fields, job_request, offer, principal.key_id, principal.currency, cost)


def _parse_form(fields: Mapping[str, str]) -> JobRequest:
    """Return the job that the form's fields describe. Raises ParameterInvalid."""
    schema = schema_from_fields(fields)
    values = {
        "model": fields.get("model", ""),
        "training_file": fields.get("file", ""),
        "suffix": fields.get("name", "").strip() or "default",
        **({} if schema is None else {"schema": schema}),
    }
    return parse_job_request(msgspec.json.encode(values))


async def _load_choices(
    page: PageRequest, database: Database, clock: Clock, catalog: Catalog
) -> _Choices:
    """Load the files, models and active keys that the form offers."""
    async with database.transaction() as session:
        stored = await files.list_files(
            session, page.account_id, _MAX_SHOWN_FILES, None, files.FINE_TUNE_PURPOSE
        )
    kinds = {*OWN_COLUMNS, *OWN_IMAGES}
    models = [model for model in catalog.models.values() if model.adapter in kinds]
    return _Choices(stored, models, await list_active_keys(page, database, clock))


def _render_error(
    page: PageRequest, choices: _Choices, fields: Mapping[str, str], error: AppError
) -> Response[str]:
    """Show the form again with an error; a rejected file with its problems."""
    if error.status >= 500:
        raise error
    shown = {name: fields.get(name, "") for name in _FIELDS}
    if isinstance(error, TrainingFileRejected):
        form = FormState(shown)
        return _render_form(page, choices, form, status=UNPROCESSABLE, rejected=error.problems)
    return _render_form(page, choices, with_errors(page, shown, error), status=UNPROCESSABLE)


def _render_form(
    page: PageRequest,
    choices: _Choices,
    form: FormState,
    status: int = 200,
    offered: _Offered | None = None,
    rejected: Problems | None = None,
) -> Response[str]:
    """Render the form with its choices, and the columns and price or the problems of the file."""
    schema = None if offered is None else offered.offer.file_check.schema
    return page.render(
        "own_model_new.html",
        status=status,
        form=form,
        files=[(ids.format_id(files.PREFIX, file.id), file.filename) for file in choices.files],
        models=choices.models,
        keys=key_choices(choices.keys),
        fields={name: form.value(name) for name in _FIELDS},
        offered=offered,
        currency=None if offered is None else offered.currency,
        settings={name: form.value(name) for name in SETTINGS},
        ready_made=[]
        if offered is None
        else ready_made_rows(offered.offer.ready_made, form.values),
        compared={name: form.value(name) for name in (CHOICE, OUTPUT, LABELS)},
        columns=[] if schema is None else column_rows(schema),
        roles=ROLES,
        kinds=KINDS,
        rejected=rejected,
    )
