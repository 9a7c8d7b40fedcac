"""A scrap reduction contract, from agreement to paid invoice, with the real statistics.

Castings are simulated from a seed, with and without the effect, so the true saving is known. Plain
least squares computes the same independently; evidence is signed with Ed25519 keys.
"""

from dataclasses import replace
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from scipy.stats import t as student

from billing.outcomes.contracts.nonroutine import AdjustmentTerms
from billing.outcomes.contracts.terms import AttesterKind, SavingsShare
from billing.outcomes.settlement.bundle import BundleInvalid, EffectMeasurement
from billing.outcomes.settlement.measured_effects import measure_effect
from billing.outcomes.settlement.replay import replay_bundle
from billing.tables import OutcomeSettlement
from infra.database.database import Database
from infra.errors import AppError
from tests.support import builders
from tests.support.gateway.commands import Maas, leave_logs_alone
from tests.support.outcomes.castings import TERMS, Day, written
from tests.support.outcomes.scrap_contract import BEFORE, DAYS, OCTOBER, scrap_contract
from tests.support.stories.outcome_story import Contract
from tests.support.stories.story import Story

SENSOR, SYSTEM = AttesterKind.NEUTRAL_SENSOR, AttesterKind.CUSTOMER_SYSTEM
NOWHERE = {"MAAS_DATABASE_URL": "postgresql://nobody@127.0.0.1:9/none"}


async def october(scrap: Contract, days: list[Day] = OCTOBER) -> OutcomeSettlement:
    """Record the sensor's readings; returns the settlement of 4 November."""
    scrap.firm.story.clock.set(2026, 11, 2)
    await scrap.says("readings", SENSOR, written(days))
    await scrap.until(2026, 11, 4)
    (found,) = await scrap.settlements()
    return found


def share(micro: int) -> int:
    """The expected amount in fen: 25 % of 42.00 per casting."""
    exact = Decimal(micro) / 10**6 * 4200 * 25 / 100
    return int(exact.quantize(Decimal(1), ROUND_HALF_UP))


def report(settlement: OutcomeSettlement) -> Any:
    (one,) = msgspec.json.decode(settlement.bundle)["measured"]
    return one["measured"]["report"]


def least_squares(days: list[Day]) -> tuple[float, float, float]:
    """The saving, its standard error for independent daily noise, and its lower bound at 90 %
    for twelve settlements together, by the textbook."""
    columns, later = (np.array([[1.0, one.parts, one.hard] for one in of]) for of in (BEFORE, days))
    values, read = (np.array([one.rejects for one in of]) for of in (BEFORE, days))
    effects, squares, *_ = np.linalg.lstsq(columns, values)
    sought, free = later.sum(axis=0), len(values) - 3
    spread = len(days) + sought @ np.linalg.solve(columns.T @ columns, sought)
    error = float(np.sqrt(squares[0] / free * spread))
    saved = float(sought @ effects - read.sum())
    return saved, error, saved - float(student.ppf(1 - 0.10 / 12, free)) * error


async def test_contract_bills_savings_that_match_the_true_effect(story: Story) -> None:
    """A quarter less scrap. A neutral sensor attests October's first 21 days, the customer's system
    the other ten; tax is 6 %. Invoice lines are split in proportion to the readings."""
    firm = await story.firm(tax_ppm=60_000)
    scrap = await scrap_contract(firm)
    story.clock.set(2026, 10, 22)
    await scrap.says("readings", SENSOR, written(OCTOBER[:21]))
    story.clock.set(2026, 11, 2)
    await scrap.says("readings", SYSTEM, written(OCTOBER[21:]))
    for at in ((2026, 11, 4), (2026, 11, 14), (2026, 12, 1, 1)):
        await scrap.until(*at)
    settled = (await scrap.settlements())[0]
    told, true = report(settled), sum(one.without - one.rejects for one in OCTOBER)
    saved, error, bound = least_squares(OCTOBER)
    assert float(told["saving"]) == pytest.approx(saved, rel=0.01)
    assert 1 <= float(told["error"]) / error < 1.2
    assert 0.9 * bound < float(told["bound"]) < bound < saved
    assert abs(saved - true) < 2 * error
    assert settled.micro == int(Decimal(told["bound"]) * 10**6)
    net, tax = settled.minor, round(settled.minor * 0.06)
    assert settled.minor == share(settled.micro)
    (invoice,) = await firm.invoices()
    amounts = tuple(f"{one / 100:.2f}" for one in (net, tax, net + tax))
    assert firm.amounts(invoice) == amounts == ("3819.76", "229.19", "4048.95")
    system, sensor = await scrap.outcome_lines(invoice)
    assert (system[0], sensor[0]) == ("customer_system", "neutral_sensor")
    assert float(system[1]) / float(sensor[1]) == pytest.approx(10 / 21, rel=1e-5)
    assert float(system[2]) + float(sensor[2]) == pytest.approx(net / 100)
    assert float(system[2]) / float(sensor[2]) == pytest.approx(10 / 21, abs=1e-4)
    assert (await firm.pays(invoice, amounts[2])).status == "paid"
    assert await story.differences() == ()


async def test_settlement_is_identical_on_another_database_and_from_its_bundle(
    story: Story, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Settled on two databases, the second one empty, and replayed without a database."""
    leave_logs_alone(monkeypatch)
    first = await october(await scrap_contract(await story.firm()))
    builders.empty(database_url)
    other = Database(database_url, pool_size=2)
    anew = Story(other)
    firm = await anew.firm()
    second = await october(await scrap_contract(firm))
    await other.close()
    assert first.id != second.id
    assert (first.micro, first.minor, report(first) | {"evidence": ""}) == (
        second.micro,
        second.minor,
        report(second) | {"evidence": ""},
    )
    file = tmp_path / "bundle.json"
    file.write_text(first.bundle, "utf-8")
    for environment in (NOWHERE, {"MAAS_DATABASE_URL": database_url}):
        again = await Maas(environment, firm, tmp_path).say("outcomes", "replay", str(file))
        assert (again["amount"], again["agrees"]) == (f"{first.minor / 100:.2f}", True)


async def test_replay_reports_measurement_readings_without_a_signature(story: Story) -> None:
    """The inputs of the measurement must be the signed readings."""
    settled = await october(await scrap_contract(await story.firm()))
    said = msgspec.json.decode(settled.bundle)
    inputs = said["measured"][0]["measured"]["inputs"]
    said["measured"][0]["measured"]["inputs"] = inputs.replace(",pcs,", ",kpcs,", 1)
    found = replay_bundle(msgspec.json.encode(said).decode(), measure_effect)
    assert "measured" in [one.figure for one in found.differences]
    assert [one.computed for one in found.differences if "readings" in one.figure] == [
        "not signed by anyone"
    ]


async def test_replay_reports_changed_terms_or_readings_of_the_measurement(story: Story) -> None:
    """Other terms, missing readings and unreadable inputs are detected."""
    settled = await october(await scrap_contract(await story.firm()))

    def figures(**changes: Any) -> list[str]:
        said = msgspec.json.decode(settled.bundle)
        measured = said["measured"][0]["measured"]
        inputs = msgspec.json.decode(measured["inputs"]) | changes
        measured["inputs"] = msgspec.json.encode(inputs, order="sorted").decode()
        found = replay_bundle(msgspec.json.encode(said).decode(), measure_effect)
        return [one.figure for one in found.differences]

    (version,) = msgspec.json.decode(settled.bundle)["versions"]
    assert "terms of the measurement" in figures(terms=version["terms"] + " ")
    assert "readings of the measurement" in figures(readings=[])
    with pytest.raises(BundleInvalid, match="are not valid"):
        figures(readings=None)


async def test_replay_with_another_measurement_reports_the_differing_figures(story: Story) -> None:
    settled = await october(await scrap_contract(await story.firm()))
    found = replay_bundle(
        settled.bundle, lambda inputs: EffectMeasurement(inputs, {SENSOR.value: 1_000_000})
    )
    assert [one.figure for one in found.differences] == ["measured", "micro", "minor", "parts"]


async def test_month_without_a_saving_is_settled_at_zero(story: Story) -> None:
    """Scrap at the baseline level is no saving; a day of November does not count in October."""
    scrap = await scrap_contract(await story.firm())
    without = [replace(one, rejects=one.without) for one in OCTOBER]
    settled = await october(scrap, [*without, replace(DAYS[304], rejects=0)])
    assert (settled.micro, settled.minor) == (0, 0)
    assert float(report(settled)["bound"]) < 0


async def test_month_without_readings_is_settled_at_the_contract_floor(story: Story) -> None:
    """A month without any readings is settled, and its report has the reason."""
    scrap = await scrap_contract(await story.firm(), floor=500_00)
    await scrap.until(2026, 11, 4)
    (settled,) = await scrap.settlements()
    assert (settled.micro, settled.minor) == (0, 500_00)
    assert report(settled)["refused"] == "baseline_unfit"


async def test_readings_after_the_cutoff_do_not_change_the_settlement(story: Story) -> None:
    """Four days (more than a tenth) are missing on 4 November: no saving. They come on the 5th."""
    scrap = await scrap_contract(await story.firm())
    settled = await october(scrap, OCTOBER[4:])
    assert settled.minor == 0
    story.clock.set(2026, 11, 5)
    await scrap.says("readings", SENSOR, written(OCTOBER[:4]))
    await scrap.until(2026, 12, 4)
    first, november = await scrap.settlements()
    assert (first.bundle, first.minor) == (settled.bundle, 0)
    assert november.minor == 0
    assert await story.differences() == ()


async def test_settlement_above_the_monthly_cap_is_billed_at_the_cap(story: Story) -> None:
    scrap = await scrap_contract(await story.firm(), cap=1_000_00)
    settled = await october(scrap)
    assert share(settled.micro) > settled.minor == 1_000_00
    await scrap.until(2026, 11, 14)
    await scrap.until(2026, 12, 1, 1)
    (invoice,) = await scrap.firm.invoices()
    assert [line[2] for line in await scrap.outcome_lines(invoice)] == ["1000.00"]
    assert await story.differences() == ()


@pytest.mark.parametrize("side", ["customer", "operator"])
async def test_disputed_saving_is_frozen_except_for_the_floor(story: Story, side: str) -> None:
    """A dispute freezes the whole saving, but not the floor of 100.00."""
    scrap = await scrap_contract(await story.firm(), floor=100_00)
    settled = await october(scrap)
    rest = share(settled.micro) - 100_00
    dispute = await scrap.disputes(settled)
    assert (dispute.outcomes, dispute.frozen) == (["effect"], rest)
    story.clock.set(2026, 11, 8)
    await scrap.answers(dispute)
    story.clock.set(2026, 11, 12)
    await scrap.replies(dispute)
    await scrap.until(2026, 11, 14)
    await scrap.decides(dispute, side)
    await scrap.until(2026, 12, 1, 1)
    (invoice,) = await scrap.firm.invoices()
    lines = await scrap.outcome_lines(invoice)
    if side == "customer":
        assert lines == [("floor", "0", "100.00")]
    else:
        assert [line[2] for line in lines] == ["100.00", f"{rest / 100:.2f}"]
    assert await story.differences() == ()


async def test_each_contract_version_measures_its_own_days_at_its_own_terms(story: Story) -> None:
    """From 16 October the agreed baseline has five more rejects per day, and half of the value is
    shared: fifteen days under the first version, sixteen under the second."""
    scrap = await scrap_contract(await story.firm())
    kind = replace(
        TERMS.kind,
        adjustments=(AdjustmentTerms(date(2026, 10, 16), 5 * 10**9, "a second alloy"),),
    )
    later = replace(
        TERMS,
        kind=kind,
        starts_at=story.clock.at(2026, 10, 16),
        price=SavingsShare(500_000, 42 * 10**9),
    )
    scrap.before = written(BEFORE)
    await scrap.agrees(later)
    settled = await october(scrap)
    first, second = msgspec.json.decode(settled.bundle)["measured"]
    told = [one["measured"]["report"] for one in (first, second)]
    for found, days, more in zip(told, (OCTOBER[:15], OCTOBER[15:]), (0, 5 * 16), strict=True):
        assert found["actual"] == f"{sum(one.rejects for one in days):.3f}"
        assert float(found["saving"]) == pytest.approx(least_squares(days)[0] + more, rel=0.02)
    micro = [sum(one["measured"]["micro"].values()) for one in (first, second)]
    exact = (micro[0] * 4200 * 25 + micro[1] * 4200 * 50) / 10**8
    assert settled.minor == round(exact)
    assert settled.micro == sum(micro) > 0
    assert replay_bundle(settled.bundle, measure_effect).differences == ()


class OutOfOrder(AppError):
    """An error raised only by this test."""

    status, code = 503, ""


def broken(_inputs: str) -> EffectMeasurement:
    raise OutOfOrder("The measurement is out of order.")


async def test_failed_measurement_is_retried_at_the_next_settlement_run(story: Story) -> None:
    """The month stays unsettled until the measurement succeeds."""
    scrap = await scrap_contract(await story.firm())
    scrap.measure = broken
    await scrap.until(2026, 11, 4)
    assert await scrap.settlements() == []
    scrap.measure = measure_effect
    await scrap.settles()
    assert len(await scrap.settlements()) == 1
