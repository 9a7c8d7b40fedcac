"""Predictions for a table: choose a model, upload the table, download the predictions.

The rows are calls of `/v1/predictions`, billed to one of the account's keys: one, or one for each
length of series.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from litestar import Controller, Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromQuery

from gateway.access.api_keys import PREFIX as KEY_PREFIX
from gateway.access.authenticator import Authenticator
from gateway.call.tags import TAGS_HEADER
from gateway.call.values import Principal, SignedInCaller
from gateway.dashboard.errors import PageNotFound
from gateway.dashboard.forms import FormState, read_form_fields, read_upload, with_errors
from gateway.dashboard.i18n import dashboard_texts
from gateway.dashboard.page_request import UNPROCESSABLE, PageRequest
from gateway.dashboard.pages.access.active_keys import key_choices, list_active_keys, load_principal
from gateway.dashboard.pages.own_models.call_queue import CallQueue
from gateway.dashboard.pages.own_models.prediction_calls import (
    AnsweredCall,
    TableCall,
    join_answers,
    plan_calls,
    render_answers,
)
from gateway.dashboard.pages.own_models.prediction_table import (
    HORIZON,
    DecisionForm,
    TableNotPredicted,
    read_answer,
    read_instances,
)
from gateway.dashboard.training_log import translate_message
from gateway.identity.audit_log import record_audit_event
from gateway.identity.roles import Permission
from gateway.inference.endpoints.predictions import PREDICTIONS
from gateway.inference.parsing import Parser
from gateway.inference.pipeline import Pipeline
from gateway.inference.pipeline_client import PipelineClient
from gateway.registry.variants import list_live_variants
from gateway.upstream.declared_inputs import fetch_declared_inputs
from gateway.upstream.model_metadata import ModelMetadata
from infra import ids
from infra.clock import Clock
from infra.database.database import Database
from infra.errors import AppError
from infra.translations import gettext_noop
from models.adaptation import TrainingFileInvalid
from models.catalog import SPECIALIST_TASKS, Catalog, Task
from models.decisions.costs import FALSE_ALARM, LIMIT, MISS
from models.own_columns import OWN_COLUMNS

MAX_TABLE_BYTES = 8 << 20
_FORM_OVERHEAD_BYTES = 1 << 20
_TAGS = {TAGS_HEADER: b"source=table"}
# A table has no images, and no texts to align.
_TABLE_TASKS = SPECIALIST_TASKS - {Task.IMAGE_CLASSIFICATION}
_FIELDS = ("model", "machine", HORIZON, "key", FALSE_ALARM, MISS, "act_on", LIMIT)


class PredictionPages(Controller):
    """Handlers of `/dashboard/models/predict`."""

    path = "/models/predict"

    @get("/", name="dashboard:model-predict", permission=Permission.CALL)
    async def show_form(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        catalog: NamedDependency[Catalog],
        model: FromQuery[str | None] = None,
    ) -> Response[str]:
        """Show the form, with the model of the address chosen."""
        form = FormState({"model": model or ""})
        return await _render_form(page, database, clock, catalog, form)

    @post(
        "/",
        status_code=200,
        permission=Permission.CALL,
        request_max_body_size=MAX_TABLE_BYTES + _FORM_OVERHEAD_BYTES,
    )
    async def predict(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        catalog: NamedDependency[Catalog],
        authenticator: NamedDependency[Authenticator],
        parser: NamedDependency[Parser],
        model_metadata: NamedDependency[ModelMetadata],
        pipeline: NamedDependency[Pipeline],
        request: Request[Any, Any, Any],
    ) -> Response[Any]:
        """Predict the uploaded table and return the predictions as CSV."""
        fields = await read_form_fields(request)
        try:
            content = await _read_upload(request)
            principal = await load_principal(
                page, database, clock, authenticator, fields.get("key", "")
            )
            client = PipelineClient(pipeline, clock)
            csv = await _predict(
                client, parser, model_metadata, principal, fields, content, page.language
            )
        except PageNotFound:
            raise
        except AppError as error:
            if error.status >= 500:
                raise
            form = with_errors(page, {name: fields.get(name, "") for name in _FIELDS}, error)
            return await _render_form(page, database, clock, catalog, form, UNPROCESSABLE)
        async with database.transaction() as session:
            details = {"model": fields["model"]}
            subject = ids.format_id(KEY_PREFIX, principal.key_id)
            await record_audit_event(
                session, clock, page.actor, page.account_id, "model.predicted", subject, details
            )
        headers = {"content-disposition": 'attachment; filename="predictions.csv"'}
        return Response(csv, media_type="text/csv", headers=headers)


async def _read_upload(request: Request[Any, Any, Any]) -> bytes:
    """Return the uploaded table. Raises TableNotPredicted without one or if it is too large."""
    upload = await read_upload(request)
    if upload is None:
        raise TableNotPredicted(gettext_noop("Choose a table."), param="upload")
    if len(upload.content) > MAX_TABLE_BYTES:
        raise TableNotPredicted(gettext_noop("The table is larger than 8 MiB."), param="upload")
    return upload.content


async def _predict(
    client: PipelineClient,
    parser: Parser,
    model_metadata: ModelMetadata,
    principal: Principal,
    fields: Mapping[str, str],
    content: bytes,
    language: str,
) -> bytes:
    """Return the predictions as CSV. Raises the errors of table, model and call."""
    model, machine = fields.get("model", ""), fields.get("machine", "").strip()
    resolved = parser.resolve_model(model, None, PREDICTIONS, principal)
    inputs = await fetch_declared_inputs(model_metadata, resolved, principal.account_id)
    if inputs is None:
        raise TableNotPredicted(
            gettext_noop("The model is not responding. Try again in a moment."), param="model"
        )
    try:
        found = await asyncio.to_thread(
            read_instances, content, inputs, machine, fields.get(HORIZON, "").strip()
        )
    except TrainingFileInvalid as error:
        raise TableNotPredicted(str(error), param="upload") from error
    decision = DecisionForm(*(fields.get(one, "") for one in (FALSE_ALARM, MISS, "act_on", LIMIT)))
    caller = SignedInCaller(principal.account_id, principal.key_id)
    calls = await asyncio.to_thread(plan_calls, model, found, decision.costs())
    answers = join_answers(found, await _send(client, caller, calls))
    texts = dashboard_texts(language)
    return render_answers(machine, answers, lambda note: translate_message(note, texts))


async def _send(
    client: PipelineClient, caller: SignedInCaller, calls: Sequence[TableCall]
) -> list[AnsweredCall]:
    """Make the calls and return their answers."""
    queue = CallQueue(calls)
    while (call := queue.next) is not None:
        response = await client.post(PREDICTIONS, caller, _TAGS, call.body)
        queue.record(read_answer(response.status, response.body))
    return queue.answered


async def _render_form(
    page: PageRequest,
    database: Database,
    clock: Clock,
    catalog: Catalog,
    form: FormState,
    status: int = 200,
) -> Response[str]:
    """Render the form with the account's own models first, and its keys."""
    keys = await list_active_keys(page, database, clock)
    async with database.transaction() as session:
        variants = await list_live_variants(session, page.account_id)
    trained = {model.id for model in catalog.models.values() if model.adapter in OWN_COLUMNS}
    own = sorted(name for name, one in variants.items() if one.base_model_id in trained)
    ready = [model.id for model in catalog.models.values() if model.task in _TABLE_TASKS]
    return page.render(
        "own_model_predict.html",
        status=status,
        form=form,
        models=[(name, name) for name in (*own, *sorted({*ready} - trained))],
        keys=key_choices(keys),
    )
