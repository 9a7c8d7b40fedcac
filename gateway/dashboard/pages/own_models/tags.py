"""Plant tags: which to confirm first, confirm and correct them, train on them, and the result.

    tags -> proposal (one billed call) -> confirmations -> training file and job
    tags -> alignment (one billed call) -> CSV

A training of a fine-tuned model keeps the confirmations of its current version.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from litestar import Controller, Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromQuery

from gateway.access.authenticator import Authenticator
from gateway.call.tags import TAGS_HEADER
from gateway.call.values import SignedInCaller
from gateway.dashboard.errors import PageNotFound
from gateway.dashboard.forms import FormState, read_form_fields, read_upload, with_errors
from gateway.dashboard.page_request import UNPROCESSABLE, PageRequest
from gateway.dashboard.pages.access.active_keys import key_choices, list_active_keys, load_principal
from gateway.dashboard.pages.own_models.listing import MODELS_URL
from gateway.dashboard.pages.own_models.tag_list import (
    TagsNotAligned,
    build_training_file,
    confirmed_tags,
    read_answer,
    read_concepts,
    read_tags,
    render_aligned,
)
from gateway.dashboard.pages.own_models.tag_training import TagTraining, train_tags
from gateway.fine_tuning.jobs import JOB_ID_PREFIX
from gateway.fine_tuning.offers import JobOffers
from gateway.fine_tuning.runner import FineTuningRunner
from gateway.fine_tuning.versions import list_versions_with_jobs
from gateway.identity.roles import Permission
from gateway.inference.endpoints.endpoint import Endpoint
from gateway.inference.endpoints.plant_tags import TAG_ALIGNMENT, TAG_PROPOSAL
from gateway.inference.pipeline import Pipeline
from gateway.inference.pipeline_client import PipelineClient
from gateway.registry.files import FileNotFound, read_content
from gateway.registry.variants import list_live_variants
from infra import ids
from infra.clock import Clock
from infra.database.database import Database
from infra.errors import AppError
from models.catalog import Catalog, Task
from models.tag_align.vocabulary import Scheme

PROPOSED = 50
_MAX_FORM_BYTES = 2 << 20
_MAX_TEXT = 1 << 20
_TEXTS = ("tags", "concepts")
_FIELDS = (*_TEXTS, "model", "scheme", "name", "key")
_TAGS = {TAGS_HEADER: b"source=tags"}


@dataclass(frozen=True, slots=True)
class _Shown:
    """What the page shows beside its form: proposed tags, and the highest cost of a training."""

    proposed: Sequence[Mapping[str, Any]] = ()
    cost: TagTraining | None = None
    is_asked: bool = False


class TagPages(Controller):
    """Handlers of `/dashboard/models/tags`."""

    path = "/models/tags"

    @get("/", name="dashboard:model-tags", permission=Permission.CALL)
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
        return await _render(page, database, clock, catalog, form, _Shown())

    @post(
        "/",
        status_code=200,
        permission=Permission.CALL,
        request_max_body_size=_MAX_FORM_BYTES,
    )
    async def answer(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        catalog: NamedDependency[Catalog],
        authenticator: NamedDependency[Authenticator],
        offers: NamedDependency[JobOffers],
        fine_tuning_runner: NamedDependency[FineTuningRunner],
        pipeline: NamedDependency[Pipeline],
        request: Request[Any, Any, Any],
    ) -> Response[Any]:
        """Propose tags, return all tags with concepts, or train on the confirmed ones."""
        fields = await _read_fields(request)
        parts = _Parts(page, database, clock, authenticator, PipelineClient(pipeline, clock))
        shown = _Shown(_resent(fields))
        try:
            match fields.get("action"):
                case "align":
                    return await _download(parts, fields)
                case "price" | "train" as action:
                    training = await _train(parts, offers, fields, is_final=action == "train")
                    if training.job_id is not None:
                        fine_tuning_runner.wake()
                        name = ids.format_id(JOB_ID_PREFIX, training.job_id)
                        return page.redirect(f"{MODELS_URL}/jobs/{name}")
                    shown = _Shown(shown.proposed, training)
                case _:
                    shown = _Shown(await _propose(parts, fields), is_asked=True)
        except PageNotFound:
            raise
        except AppError as error:
            if error.status >= 500:
                raise
            form = with_errors(page, _values(fields), error)
            return await _render(page, database, clock, catalog, form, shown, UNPROCESSABLE)
        return await _render(page, database, clock, catalog, FormState(_values(fields)), shown)


@dataclass(frozen=True, slots=True)
class _Parts:
    """The parts of the gateway that a request needs."""

    page: PageRequest
    database: Database
    clock: Clock
    authenticator: Authenticator
    client: PipelineClient


async def _read_fields(request: Request[Any, Any, Any]) -> dict[str, str]:
    """Return the form's fields; tags may be long, and come from a file if one was chosen."""
    fields, form = await read_form_fields(request), await request.form()
    for name in _TEXTS:
        text = form.get(name)
        fields[name] = text[:_MAX_TEXT] if isinstance(text, str) else ""
    upload = await read_upload(request)
    if upload is not None:
        fields["tags"] = upload.content[:_MAX_TEXT].decode("utf-8-sig", "replace")
    return fields


def _values(fields: Mapping[str, str]) -> dict[str, str]:
    """Return the fields of the form that are shown again."""
    return {name: fields.get(name, "") for name in _FIELDS}


def _resent(fields: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return the tags that were shown, with the concepts that were entered."""
    named = [name.removeprefix("tag.") for name in fields if name.startswith("tag.")]
    numbers = sorted(int(name) for name in named if name.isdecimal())
    return [
        {"tag": fields[f"tag.{number}"], "concept": fields.get(f"concept.{number}", "")}
        for number in numbers
    ]


async def _propose(parts: _Parts, fields: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return the tags to confirm first, with the concepts that the model would choose."""
    return await _ask(parts, TAG_PROPOSAL, fields, count=PROPOSED)


async def _download(parts: _Parts, fields: Mapping[str, str]) -> Response[bytes]:
    """Return all tags with their concepts as CSV."""
    content = render_aligned(await _ask(parts, TAG_ALIGNMENT, fields))
    headers = {"content-disposition": 'attachment; filename="tags.csv"'}
    return Response(content, media_type="text/csv", headers=headers)


async def _ask(
    parts: _Parts, endpoint: Endpoint, fields: Mapping[str, str], **further: Any
) -> list[dict[str, Any]]:
    """Return the entries of a call about the form's tags. Raises the errors of form and call."""
    body: dict[str, Any] = {
        "model": fields.get("model", ""),
        "tags": read_tags(fields["tags"]),
        **further,
    }
    concepts = read_concepts(fields["concepts"])
    if concepts:
        body["concepts"] = [
            {"id": one["concept"], "name": one["name"], "aliases": one["aliases"]}
            for one in concepts
        ]
    elif fields.get("scheme"):
        body["scheme"] = fields["scheme"]
    principal = await load_principal(
        parts.page, parts.database, parts.clock, parts.authenticator, fields.get("key", "")
    )
    caller = SignedInCaller(principal.account_id, principal.key_id)
    response = await parts.client.post(endpoint, caller, _TAGS, msgspec.json.encode(body))
    return read_answer(response.status, response.body)


async def _train(
    parts: _Parts, offers: JobOffers, fields: Mapping[str, str], *, is_final: bool
) -> TagTraining:
    """Price a training on the confirmed tags, and create its job if it is final."""
    base, suffix, earlier = await _earlier_file(parts, fields.get("model", ""))
    content = build_training_file(
        earlier, read_concepts(fields["concepts"]), confirmed_tags(fields)
    )
    principal = await load_principal(
        parts.page, parts.database, parts.clock, parts.authenticator, fields.get("key", "")
    )
    name = fields.get("name", "").strip() or suffix
    return await train_tags(
        parts.database, parts.clock, parts.page, offers, principal, base, name, content, is_final
    )


async def _earlier_file(parts: _Parts, model: str) -> tuple[str, str, bytes]:
    """Return base model, name and training file of a model; nothing of the last for a base.

    The file is empty if it was deleted since.
    """
    account_id = parts.page.account_id
    async with parts.database.transaction() as session:
        variants = await list_live_variants(session, account_id)
        if model not in variants:
            return model, "tags", b""
        rows = await list_versions_with_jobs(session, account_id, model)
        job = next(job for version, job in rows if version.current)
        try:
            content = await read_content(session, account_id, job.training_file_id)
        except FileNotFound:
            content = b""
    return job.model, job.name, content


def _known_concepts(form: FormState, proposed: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return what the page suggests for a concept: own ones, and what any tag may mean."""
    try:
        own = [str(one["concept"]) for one in read_concepts(form.value("concepts"))]
    except TagsNotAligned:
        own = []
    likely = [str(one["concept"]) for tag in proposed for one in tag.get("candidates", ())]
    return list(dict.fromkeys((*own, *sorted(likely))))


async def _render(
    page: PageRequest,
    database: Database,
    clock: Clock,
    catalog: Catalog,
    form: FormState,
    shown: _Shown,
    status: int = 200,
) -> Response[str]:
    """Render the form with the account's own models first, and what was asked for."""
    keys = await list_active_keys(page, database, clock)
    async with database.transaction() as session:
        variants = await list_live_variants(session, page.account_id)
    bases = [model.id for model in catalog.with_task(Task.ALIGNMENT)]
    own = sorted(name for name, one in variants.items() if one.base_model_id in bases)
    return page.render(
        "own_model_tags.html",
        status=status,
        form=form,
        models=[(name, name) for name in (*own, *bases)],
        schemes=[(str(one), str(one)) for one in Scheme],
        concepts=_known_concepts(form, shown.proposed),
        asked=shown.is_asked,
        keys=key_choices(keys),
        proposed=shown.proposed,
        training=shown.cost,
    )
