"""The drift of a model on the page of its training job."""

from typing import Any

import msgspec
from sqlalchemy import text

from gateway.drift.counts import add_counts
from gateway.fine_tuning.jobs import JOB_ID_PREFIX
from gateway.tables import Adaptation, AdaptationStatus, Variant, VariantDrift
from infra import ids
from tests.support.builders import CATALOG
from tests.support.dashboard.firm import Firm
from tests.support.dashboard.looking import words
from tests.support.gateway.drift_references import REFERENCE, counts

CLASSIFIER = next(one.id for one in CATALOG.models.values() if one.adapter == "tabular_classifier")
COSTS = {
    "decisions": 1000,
    "thresholds": [0.05],
    "at_thresholds": 12.5,
    "at_half": 99.0,
    "always": 900.0,
    "never": 1900.0,
}


async def trained(firm: Firm) -> tuple[str, Any]:
    """A job that succeeded and its version, with a reference; returns the job's page."""
    parts, now = firm.gateway.parts, firm.gateway.parts.clock.now()
    score = {"metric": "macro-F1", "base": 0.4, "adapted": 0.9, "decision": COSTS}
    account_id = firm.gateway.account.id
    job = Adaptation(
        id=ids.new_id(),
        account_id=account_id,
        key_id=firm.gateway.key.row.id,
        model=CLASSIFIER,
        name="line-3",
        training_file_id=ids.new_id(),
        status=AdaptationStatus.SUCCEEDED,
        settings={},
        created_at=now,
        finished_at=now,
        request_id=ids.new_id(),
        score=score,
    )
    version = Variant(
        id=ids.new_id(),
        account_id=account_id,
        adaptation_id=job.id,
        base=CLASSIFIER,
        name="line-3",
        version=1,
        artefact=b"x",
        current=True,
        created_at=now,
        live_at=now,
    )
    reference = msgspec.to_builtins(REFERENCE)
    drift = VariantDrift(variant_id=version.id, account_id=account_id, reference=reference)
    async with parts.database.transaction() as session:
        for row in (job, version, drift):
            session.add(row)
            await session.flush()
    return f"/dashboard/models/jobs/{ids.format_id(JOB_ID_PREFIX, job.id)}", version.id


async def count(firm: Firm, variant_id: Any, shift: float) -> None:
    of_slots = dict(enumerate(counts(400, shift)))
    async with firm.gateway.parts.database.transaction() as session:
        now = firm.gateway.parts.clock.now()
        await add_counts(session, now, {(firm.gateway.account.id, variant_id): of_slots})


async def test_page_shows_costs_and_how_far_inputs_have_moved(office: Firm) -> None:
    page, variant_id = await trained(office)
    said = words(await office.owner.page(page))
    assert "Act from a probability of 5.0%" in said
    assert "once 200 rows were predicted within seven days. So far: 0." in said
    await count(office, variant_id, shift=60)
    said = words(await office.owner.page(page))
    assert "Significant drift" in said
    assert "pressure" in said
    async with office.gateway.parts.database.transaction() as session:
        assert (await session.execute(text("select count(*) from variant_count"))).scalar_one() == 1
