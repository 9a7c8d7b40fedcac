"""Settlement job: an error in one contract does not block the others."""

from structlog.testing import capture_logs

from billing.outcomes.measurement.errors import MeasurementPlanInvalid
from billing.outcomes.settlement.bundle import EffectMeasurement
from billing.outcomes.settlement.jobs import settle_outcomes
from tests.support.outcomes.given_effects import less_scrap
from tests.support.stories.outcome_story import contract
from tests.support.stories.story import Story


def contradicting(_inputs: str) -> EffectMeasurement:
    raise MeasurementPlanInvalid("measure: its days contradict each other.", param="measure")


async def test_failed_settlement_is_logged_and_retried_without_blocking_others(
    story: Story,
) -> None:
    """The first of two contracts cannot be settled, the second is settled at 300.00. The next run
    succeeds and settles the first at 21.00."""
    wrong = await less_scrap(await story.firm("A"))
    right = await contract(await story.firm("B"))
    story.clock.set(2026, 10, 20)
    await right.is_confirmed("W-1", "M1", 2026, 10, 11, 12)
    story.clock.set(2026, 11, 4)
    with capture_logs() as logs:
        await settle_outcomes(story.database, story.clock, contradicting)
    told = [line for line in logs if line["event"] == "an outcome could not be settled"]
    assert [(line["subject"], line["log_level"]) for line in told] == [(wrong.row.id.hex, "error")]
    assert "its days contradict each other" in told[0]["reason"]
    assert await wrong.settlements() == []
    assert [one.minor for one in await right.settlements()] == [300_00]
    await settle_outcomes(story.database, story.clock, wrong.measure)
    assert [one.minor for one in await wrong.settlements()] == [21_00]
    assert len(await right.settlements()) == 1
