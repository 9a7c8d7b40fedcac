"""The statement of a settlement: CSV rows and PDF, with and without predictions."""

from datetime import timedelta

import msgspec

from billing.outcomes.predictions.content import AgentVersion
from billing.outcomes.settlement.statement import (
    render_statement_csv,
    render_statement_pdf,
    statement_rows,
)
from tests.support.outcomes.predictions import name_of, predicted_contract, record_at
from tests.support.stories.outcome_story import settled_october
from tests.support.stories.story import Story


async def test_statement_without_predictions_has_amount_and_outcomes(story: Story) -> None:
    _, _, settlement = await settled_october(await story.firm())
    rows = statement_rows(settlement.bundle)
    assert rows[0] == ("amount", "amount", "", "", "", "600.00")
    assert [row[:3] for row in rows[2:]] == [("outcome", "W-1", "M1"), ("outcome", "W-2", "M2")]
    assert {row[-1] for row in rows[2:]} == {"True"}
    assert render_statement_csv(settlement.bundle).startswith("\ufeffsection,".encode())
    for locale in ("en", "zh"):
        pdf = render_statement_pdf(settlement.bundle, settlement.digest.hex(), locale)
        assert pdf.startswith(b"%PDF")


async def test_statement_has_the_lead_and_the_figures_of_the_period(story: Story) -> None:
    """One of one event, 48 hours ahead; by chance 22.31 %, so nothing is billed."""
    of = await predicted_contract(await story.firm())
    story.clock.set(2026, 10, 20)
    at = story.clock.at(2026, 10, 11, 12)
    record = await record_at(of.firm, at - timedelta(hours=48))
    said = {"outcome": "W-1", "subject": "M1", "happened_at": at, "prediction": name_of(record)}
    await of.confirms(await of.claims_by(await of.says("claim", "our_model", said)))
    await of.until(2026, 11, 4)
    (settlement,) = await of.settlements()
    rows = statement_rows(settlement.bundle)
    values = {(section, name): value for section, name, *_, value in rows}
    assert values["amount", "amount"] == "0.00"
    assert values["outcome", "W-1"] == "False"
    assert values["lead_hours", "W-1"] == "48.0"
    assert values["predictions", "brier_reference"] == "0.000"
    assert values["predictions", "chance"] == "22.31 %"
    assert values["predictions", "skill"] == "77.69 %"
    assert values["predictions", "paid"] == "no"
    # One record of 80 % that came true: (0.8 - 1)^2 = 0.04.
    assert values["predictions", "brier"] == "0.040"
    assert values["calibration", "0.8-0.9"] == "1.0"
    figures = {row[1]: row[-1] for row in rows if row[:1] == ("agent",)}
    assert figures == {
        "records": "1",
        "brier": "0.040",
        "agent_precision": "100.00 %",
        "agent_recall": "100.00 %",
        "lead_hours": "48.0",
    }
    for locale in ("en", "zh"):
        assert render_statement_pdf(settlement.bundle, "00", locale).startswith(b"%PDF")


async def test_agents_are_scored_on_the_machines_that_they_predicted(story: Story) -> None:
    """M1's failure was predicted by one agent, M2's by nobody: the other agent watches M3. A record
    that a program made without an agent is in the figures of the period only."""
    of = await predicted_contract(await story.firm(), reported=True)
    story.clock.set(2026, 10, 20)
    at = story.clock.at(2026, 10, 11, 12)
    early = at - timedelta(hours=48)
    await record_at(of.firm, early)
    await record_at(of.firm, early, subject="M3", agent=AgentVersion("other", "1"))
    await record_at(of.firm, early, subject="M4", agent=None)
    for machine in ("M1", "M2"):
        said = {"outcome": f"W-{machine}", "subject": machine, "happened_at": at}
        await of.says("event", "customer_system", msgspec.to_builtins(said))
    await of.until(2026, 11, 4)
    (settlement,) = await of.settlements()
    rows = statement_rows(settlement.bundle)
    recalls = {row[2]: row[-1] for row in rows if row[:2] == ("agent", "agent_recall")}
    precisions = {row[2]: row[-1] for row in rows if row[:2] == ("agent", "agent_precision")}
    assert recalls == {"other": "0.00 %", "pump-monitor": "100.00 %"}
    assert precisions == {"other": "0.00 %", "pump-monitor": "100.00 %"}
    assert ("predictions", "recall", "50.00 %") in [(*row[:2], row[-1]) for row in rows]
