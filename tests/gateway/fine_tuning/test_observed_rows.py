"""Observed results that become training rows: consent, provenance, deletion."""

import json
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from gateway.fine_tuning.observed_rows import OBSERVED_UNTIL, append_observed
from gateway.tables import Adaptation
from models.tables.reading import read_table
from tests.support.builders import CATALOG, Gateway
from tests.support.gateway.errors import error_of
from tests.support.gateway.trainings import create_variant
from tests.support.models.courses import course, courses
from tests.support.models.tables import csv

FILE = b"torque,grade,failure\n" + b"".join(
    b"%d,%s,%s\n" % (row, b"AB"[row % 2 : row % 2 + 1], b"yes" if row > 20 else b"no")
    for row in range(40)
)
CLASSIFIER = "tabular_classifier"
BY_ADAPTER = {model.adapter: model.id for model in CATALOG.models.values()}
RUNS, OTHERS = courses(30, 20), courses(3, 20, seed=11)


class Observed:
    """A model with a version, and results that were reported for one of its calls."""

    def __init__(self, gateway: Gateway, name: str) -> None:
        self.gateway = gateway
        self.name = name

    async def report(self, rows: int = 4) -> None:
        """Leave the results of so many rows, as their report with consent does."""
        async with self.gateway.parts.database.transaction() as session:
            statement = text(
                "insert into observation (account_id, request_id, row, variant_id, "
                "predicted_class, observed_class, machine, predicted_at, created_at, inputs) "
                "select account_id, gen_random_uuid(), n, id, 'no', 'yes', 'M1', now(), now(), "
                "jsonb_build_object('torque', 100 + n, 'grade', 'A') "
                "from variant, generate_series(1, :rows) n where live_at is not null"
            )
            await session.execute(statement, {"rows": rows})

    async def job(self) -> Adaptation:
        """The model's job, set to be trained with observed results."""
        async with self.gateway.parts.database.transaction() as session:
            (row,) = (await session.execute(text("select id from adaptation"))).all()
            job = await session.get(Adaptation, row[0])
            assert job is not None
            until = (self.gateway.parts.clock.now() + timedelta(minutes=1)).isoformat()
            session.expunge(job)
        job.settings = {OBSERVED_UNTIL: until, "schema": {"target": "failure"}}
        return job


@pytest.fixture
async def model(gateway: Gateway) -> Observed:
    return Observed(gateway, await create_variant(gateway))


async def test_observed_rows_follow_the_file_and_say_where_they_come_from(model: Observed) -> None:
    await model.report()
    found = await append_observed(model.gateway.parts.database, await model.job(), CLASSIFIER, FILE)
    assert found is not None
    assert (found.provenance["rows"], found.provenance["first_row"]) == (4, 41)
    assert found.provenance["predicted_from"] is not None
    table = read_table(found.content)
    assert len(table) == 44
    assert table.columns[2].as_texts()[-1] == "yes"
    assert "4 observed results were appended" in found.sentence


async def test_conflicting_rows_are_listed_and_rows_of_others_are_not_read(
    model: Observed,
) -> None:
    await model.report()
    async with model.gateway.parts.database.transaction() as session:
        change = 'update observation set inputs = \'{"torque": 4, "grade": "A"}\' where row = 1'
        await session.execute(text(change))
    job = await model.job()
    found = await append_observed(model.gateway.parts.database, job, CLASSIFIER, FILE)
    assert found is not None
    assert (found.provenance["rows"], found.provenance["conflict_count"]) == (3, 1)
    assert found.provenance["conflicts"][0].endswith(":1")
    job.account_id = model.gateway.key.row.id
    of_others = await append_observed(model.gateway.parts.database, job, CLASSIFIER, FILE)
    assert of_others is not None
    assert (of_others.provenance["rows"], of_others.content) == (0, FILE)


async def test_inputs_without_consent_are_refused(model: Observed) -> None:
    result: dict[str, Any] = {
        "request_id": "req_00000000000000000000000000000000",
        "observed": "yes",
        "prediction": {"class": "no"},
        "inputs": {"torque": 3.0},
    }
    answer = await model.gateway.http.post(
        "/v1/feedback/observations", json={"observations": [result]}
    )
    assert error_of(answer)["param"] == "consent"


async def test_deletion_of_the_model_erases_its_observed_rows_and_counts_them(
    model: Observed,
) -> None:
    await model.report()
    answer = await model.gateway.http.delete(f"/v1/models/{model.name}?training_files=true")
    assert answer.json()["deletion"]["observations"] == 4
    async with model.gateway.parts.database.transaction() as session:
        for table in ("observation", "training_file"):
            left = await session.execute(text(f"select count(*) from {table}"))
            assert left.scalar_one() == 0
        weights = "select count(*) from variant where artefact is not null"
        assert (await session.execute(text(weights))).scalar_one() == 0


async def test_job_of_a_forecaster_cannot_append_results_and_says_what_to_do(
    gateway: Gateway,
) -> None:
    forecaster = BY_ADAPTER["series_forecaster"]
    body = {"model": forecaster, "training_file": "file_none", "with_observations": True}
    error = error_of(await gateway.http.post("/v1/fine_tuning/jobs", json=body))
    assert error["param"] == "with_observations"
    assert "upload the table again" in error["message"]


async def test_job_of_a_classifier_appends_results_to_runs_only(gateway: Gateway) -> None:
    windows = {**RUNS, "state": ["loose", "worn", "ok"] * 200}
    for table, status in ((RUNS, 200), (windows, 400)):
        upload = await gateway.http.post(
            "/v1/files", data={"purpose": "fine-tune"}, files={"file": ("runs.csv", csv(table))}
        )
        body = {
            "model": BY_ADAPTER["series_classifier"],
            "training_file": upload.json()["id"],
            "schema": {"target": "state", "machine": "run", "time": "step"},
            "with_observations": True,
        }
        answer = await gateway.http.post("/v1/fine_tuning/jobs", json=body)
        assert answer.status_code == status, answer.text
    assert error_of(answer)["param"] == "with_observations"


async def test_observed_run_follows_those_of_the_file(model: Observed) -> None:
    await model.report(1)
    async with model.gateway.parts.database.transaction() as session:
        change = "update observation set inputs = cast(:inputs as jsonb), observed_class = 'worn'"
        await session.execute(text(change), {"inputs": json.dumps(course(OTHERS, "R0"))})
    job = await model.job()
    stated = {"target": "state", "machine": "run", "time": "step"}
    job.settings = {**job.settings, "schema": stated}
    database = model.gateway.parts.database
    found = await append_observed(database, job, "series_classifier", csv(RUNS))
    assert found is not None
    assert (found.provenance["rows"], found.provenance["first_row"]) == (1, 601)
    table = read_table(found.content)
    assert len(table) == 620
    assert set(table.columns[-1].as_texts()[-20:]) == {"worn"}
