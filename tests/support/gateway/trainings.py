"""A training job of a customer's own columns."""

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
