"""Training jobs and fine-tuned models of a customer's own columns."""

from datetime import UTC, datetime

from sqlalchemy.ext.asyncio import AsyncSession

from gateway.evaluations.comparisons import rows as comparisons
from gateway.fine_tuning import jobs
from gateway.fine_tuning.acceptance import reject_job
from gateway.fine_tuning.runner import VariantWorseThanBase
from gateway.registry.files import parse_file_id
from gateway.registry.variants import create_version, make_live, public_id
from gateway.tables import Adaptation, AdaptationEvent
from infra import ids
from models.sentences import Sentence
from tests.support.builders import CATALOG, Gateway
from tests.support.models.tables import csv, machines

_CLASSIFIER = next(
    model.id for model in CATALOG.models.values() if model.adapter == "tabular_classifier"
)


async def create_training(gateway: Gateway) -> str:
    """Upload a table and create a job on it; returns its id."""
    body = {
        "model": _CLASSIFIER,
        "training_file": await _upload(gateway),
        "schema": {"target": "failure", "ignored": ["wear"]},
    }
    job_id: str = (await gateway.http.post("/v1/fine_tuning/jobs", json=body)).json()["id"]
    return job_id


async def create_rejected(gateway: Gateway) -> str:
    """Leave a job as a runner does whose model scored worse than its base; returns its id."""
    file, parts = await _upload(gateway), gateway.parts
    async with parts.database.transaction() as session:
        job = await _train(session, gateway, file, 0.4)
        await reject_job(session, parts.clock, job, VariantWorseThanBase("It is worse."))
    return ids.format_id(jobs.JOB_ID_PREFIX, job.id)


async def create_variant(gateway: Gateway, versions: int = 1) -> str:
    """Leave a model with so many versions as a runner does; returns its public id."""
    file, parts = await _upload(gateway), gateway.parts
    for _ in range(versions):
        async with parts.database.transaction() as session:
            job = await _train(session, gateway, file, 0.8)
            await make_live(session, parts.clock, job)
            await jobs.complete_job(session, parts.clock, job, "It is ready.")
    return public_id(job.model, job.account_id, job.name)


async def create_comparison(gateway: Gateway, model: str) -> str:
    """A comparison of two versions of a model that was canceled; returns its id."""
    account_id, key_id = gateway.account.id, gateway.key.row.id
    models = [f"{model}:1", f"{model}:2"]
    parts = gateway.parts
    new = comparisons.NewComparison(
        account_id=account_id,
        key_id=key_id,
        name="june.csv",
        models=models,
        file_id=ids.new_id(),
        options={"models": models, "target": "wear"},
        rows=60,
        max_cost_nano=None,
        quoted_nano=1,
        currency="CNY",
    )
    async with parts.database.transaction() as session:
        row = await comparisons.create_comparison(session, parts.clock, new)
        name = ids.format_id(comparisons.COMPARISON_ID_PREFIX, row.id)
        await comparisons.cancel_comparison(session, parts.clock, account_id, name)
    return name


async def _upload(gateway: Gateway) -> str:
    upload = await gateway.http.post(
        "/v1/files",
        data={"purpose": "fine-tune"},
        files={"file": ("line.csv", csv(machines(4, 20)))},
    )
    file_id: str = upload.json()["id"]
    return file_id


async def _train(session: AsyncSession, gateway: Gateway, file: str, f1: float) -> Adaptation:
    """A job with a stored version, in a transaction that hides it from the runner until it ends."""
    new = jobs.NewFineTuningJob(
        account_id=gateway.account.id,
        key_id=gateway.key.row.id,
        model=_CLASSIFIER,
        name="line-3",
        training_file_id=parse_file_id(file),
        tags=None,
        settings={},
    )
    clock = gateway.parts.clock
    job = await jobs.create_job(session, clock, new)
    score = {"metric": "macro-F1", "base": 0.6, "adapted": f1, "higher_is_better": True}
    await jobs.record_score(session, job, score, 7)
    await create_version(session, clock, job, b"weights")
    return job


def event(message: str, level: str = "info") -> AdaptationEvent:
    """An event of a training with a message."""
    made_of = message.as_json() if isinstance(message, Sentence) else None
    return AdaptationEvent(
        id=ids.new_id(),
        account_id=ids.new_id(),
        adaptation_id=ids.new_id(),
        level=level,
        message=str(message),
        sentence=made_of,
        created_at=datetime(2026, 11, 30, tzinfo=UTC),
    )
