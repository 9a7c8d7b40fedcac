"""A training job of a customer's own columns."""

from gateway.fine_tuning import jobs
from gateway.fine_tuning.acceptance import reject_job
from gateway.fine_tuning.runner import VariantWorseThanBase
from gateway.registry.variants import create_version
from tests.support.builders import CATALOG, Gateway
from tests.support.models.tables import csv, machines

_CLASSIFIER = next(
    model.id for model in CATALOG.models.values() if model.adapter == "tabular_classifier"
)


async def create_training(gateway: Gateway) -> str:
    """Upload a table and create a job on it; returns its id."""
    upload = await gateway.http.post(
        "/v1/files",
        data={"purpose": "fine-tune"},
        files={"file": ("line.csv", csv(machines(4, 20)))},
    )
    body = {
        "model": _CLASSIFIER,
        "training_file": upload.json()["id"],
        "schema": {"target": "failure", "ignored": ["wear"]},
    }
    job_id: str = (await gateway.http.post("/v1/fine_tuning/jobs", json=body)).json()["id"]
    return job_id


async def reject(gateway: Gateway, job_id: str) -> None:
    """Leave a queued job as a runner does whose model scored worse than its base."""
    parts = gateway.parts
    async with parts.database.transaction() as session:
        job = await jobs.find_job(session, gateway.account.id, job_id)
        score = {"metric": "macro-F1", "base": 0.6, "adapted": 0.4, "higher_is_better": True}
        await jobs.record_score(session, job, score, 7)
        await create_version(session, parts.clock, job, b"weights")
        await reject_job(session, parts.clock, job, VariantWorseThanBase("It is worse."))
