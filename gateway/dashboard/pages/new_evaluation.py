"""The form for a new evaluation: choose questions and models, see the price, start."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import msgspec
from litestar import Controller, Request, Response, get, post
from litestar.di import NamedDependency

from billing.money import nano_from_text
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
from gateway.dashboard.pages.evaluations import EVALUATIONS_URL, run_name
from gateway.evaluations.errors import QuestionFileRejected
from gateway.evaluations.new_runs import create_run
from gateway.evaluations.offers import EvaluationOffer, EvaluationOffers, new_run
from gateway.evaluations.runner import EvaluationRunner
from gateway.evaluations.views import audit_details
from gateway.identity.audit_log import record_audit_event
from gateway.identity.roles import Permission
from gateway.registry import files
from gateway.registry.variants import list_live_variants
from gateway.tables import TrainingFile
from gateway.wire.evaluations import DEFAULT_MAX_TOKENS, RunRequest, parse_run_request
from infra import ids
from infra.clock import Clock
from infra.database.database import Database
from infra.errors import AppError
from models.catalog import Catalog, Task
from models.evaluation.question_file import MAX_FILE_BYTES
from models.problems import Problems

_FORM_OVERHEAD_BYTES = 64 << 10
_MAX_SHOWN_FILES = 50
_FIELDS = ("model", "against", "file", "max_tokens", "max_cost", "key")


@dataclass(frozen=True, slots=True)
class _Choices:
    """What the form offers: question files, models and keys of the account."""

    files: Sequence[TrainingFile]
    models: Sequence[str]
    keys: Sequence[ApiKey]


@dataclass(frozen=True, slots=True)
class _Quoted:
    """The form's fields with an uploaded file's id, the offer, and its quote as JSON."""

    fields: Mapping[str, str]
    offer: EvaluationOffer
    quote: Mapping[str, Any]


class NewEvaluationPages(Controller):
    """Handlers of `/dashboard/evaluations/new`."""

    path = "/evaluations/new"

    @get("/", name="dashboard:new-evaluation", permission=Permission.CALL)
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
        "/quote",
        status_code=200,
        permission=Permission.CALL,
        request_max_body_size=MAX_FILE_BYTES + _FORM_OVERHEAD_BYTES,
    )
    async def quote(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        catalog: NamedDependency[Catalog],
        authenticator: NamedDependency[Authenticator],
        evaluation_offers: NamedDependency[EvaluationOffers],
        request: Request[Any, Any, Any],
    ) -> Response[str]:
        """Store an uploaded file, check the questions, and show the price."""
        fields = await read_form_fields(request)
        try:
            uploaded = await _store_upload(database, clock, page.account_id, request)
            fields = {**fields, "file": uploaded or fields.get("file", "")}
            quoted = await _quote(page, database, clock, authenticator, evaluation_offers, fields)
        except PageNotFound:
            raise
        except AppError as error:
            if error.status >= 500:
                raise
            choices = await _load_choices(page, database, clock, catalog)
            return _render_error(page, choices, fields, error)
        choices = await _load_choices(page, database, clock, catalog)
        return _render_form(page, choices, FormState(quoted.fields), quoted=quoted)

    @post("/", permission=Permission.CALL)
    async def create(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        catalog: NamedDependency[Catalog],
        authenticator: NamedDependency[Authenticator],
        evaluation_offers: NamedDependency[EvaluationOffers],
        evaluation_runner: NamedDependency[EvaluationRunner],
        request: Request[Any, Any, Any],
    ) -> Response[Any]:
        """Create the run that was quoted, and show it."""
        fields, actor, account_id = await read_form_fields(request), page.actor, page.account_id
        try:
            quoted = await _quote(page, database, clock, authenticator, evaluation_offers, fields)
            async with database.transaction() as session:
                file = await files.find_file(session, account_id, quoted.offer.request.file)
                new = new_run(quoted.offer, file, file.filename)
                row = await create_run(session, clock, new)
                details, name = audit_details(row), run_name(row)
                await record_audit_event(
                    session, clock, actor, account_id, "evaluation.created", name, details
                )
        except PageNotFound:
            raise
        except AppError as error:
            if error.status >= 500:
                raise
            choices = await _load_choices(page, database, clock, catalog)
            return _render_error(page, choices, fields, error)
        evaluation_runner.wake()
        return page.redirect(f"{EVALUATIONS_URL}/{name}")


async def _store_upload(
    database: Database, clock: Clock, account_id: UUID, request: Request[Any, Any, Any]
) -> str | None:
    """Store the file of the form and return its id; None if none was chosen."""
    upload = await read_upload(request)
    if upload is None:
        return None
    async with database.transaction() as session:
        row = await files.create_file(
            session, clock, account_id, upload.filename, upload.content, files.EVALS_PURPOSE
        )
    return ids.format_id(files.PREFIX, row.id)


async def _quote(
    page: PageRequest,
    database: Database,
    clock: Clock,
    authenticator: Authenticator,
    offers: EvaluationOffers,
    fields: Mapping[str, str],
) -> _Quoted:
    """Validate the form and quote the run. Raises PageNotFound and the errors of an offer."""
    request = _parse_form(fields)
    principal = await load_principal(page, database, clock, authenticator, fields.get("key", ""))
    offer = await offers.create_offer(principal, request)
    return _Quoted(fields, offer, await offers.render_quote(offer))


def _parse_form(fields: Mapping[str, str]) -> RunRequest:
    """Return the run that the form's fields describe. Raises ParameterInvalid."""
    texts = {name: fields.get(name, "").strip() for name in _FIELDS}
    tokens = texts["max_tokens"]
    values = {
        "model": texts["model"],
        "file": texts["file"],
        "against": texts["against"] or None,
        "max_cost": texts["max_cost"] or None,
        "max_tokens": int(tokens) if tokens.isascii() and tokens.isdigit() else tokens,
    }
    return parse_run_request(msgspec.json.encode(values))


async def _load_choices(
    page: PageRequest, database: Database, clock: Clock, catalog: Catalog
) -> _Choices:
    """Load the question files, models and active keys that the form offers."""
    async with database.transaction() as session:
        stored = await files.list_files(
            session, page.account_id, _MAX_SHOWN_FILES, None, files.EVALS_PURPOSE
        )
        variants = await list_live_variants(session, page.account_id)
    shared = [model.id for model in catalog.with_task(Task.TEXT_GENERATION)]
    keys = await list_active_keys(page, database, clock)
    bases = [name for name, variant in variants.items() if variant.base_model_id in shared]
    return _Choices(stored, [*shared, *sorted(bases)], keys)


def _render_error(
    page: PageRequest, choices: _Choices, fields: Mapping[str, str], error: AppError
) -> Response[str]:
    """Show the form again with an error; a rejected file with its problems."""
    shown = {name: fields.get(name, "") for name in _FIELDS}
    if isinstance(error, QuestionFileRejected):
        return _render_form(
            page, choices, FormState(shown), status=UNPROCESSABLE, rejected=error.problems
        )
    return _render_form(page, choices, with_errors(page, shown, error), status=UNPROCESSABLE)


def _render_form(
    page: PageRequest,
    choices: _Choices,
    form: FormState,
    status: int = 200,
    quoted: _Quoted | None = None,
    rejected: Problems | None = None,
) -> Response[str]:
    """Render the form with its choices, and the quote or the problems of the file."""
    quote = None if quoted is None else quoted.quote
    return page.render(
        "evaluation_new.html",
        status=status,
        form=form,
        files=[(ids.format_id(files.PREFIX, file.id), file.filename) for file in choices.files],
        models=choices.models,
        keys=key_choices(choices.keys),
        fields=_FIELDS,
        max_tokens=DEFAULT_MAX_TOKENS,
        quote=quote,
        nano=nano_from_text,
        rejected=rejected,
    )
