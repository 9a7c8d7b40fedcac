"""Pages of the prediction ledger, and prediction figures on a settlement's page."""

from datetime import timedelta

from sqlalchemy import text

from billing.outcomes.predictions.content import PredictionVerdict
from billing.outcomes.predictions.events import NewEvent, report_event
from tests.gateway.dashboard.addresses import SETTLEMENTS
from tests.support.dashboard.firm import Seen
from tests.support.dashboard.looking import words
from tests.support.outcomes.predictions import MACHINES, name_of, predicted_contract, record_at

PAGE = "/dashboard/predictions"


async def records(seen: Seen) -> list[str]:
    """Weekly records of eight machines in October; the spindle of M1 fails twice."""
    firm, clock = seen.told.of.firm, seen.told.of.firm.story.clock
    made = []
    for day in (2, 9, 16):
        for number, machine in enumerate(MACHINES):
            at = clock.at(2026, 10, day, 8)
            warns = number == 0 or (number == 3 and day == 9)
            calm = {"verdict": PredictionVerdict.NO, "probability_ppm": 50_000 + 20_000 * number}
            values = {} if warns else calm
            made.append(name_of(await record_at(firm, at, subject=machine, **values)))
    async with firm.story.database.transaction() as session:
        for key, machine, day, happened in (
            ("W-1", "M1", 5, True),
            ("W-2", "M1", 18, True),
            ("W-3", "M6", 12, True),
            ("W-4", "M4", 14, False),
        ):
            at = clock.at(2026, 10, day, 20)
            new = NewEvent(key, "spindle_failure", machine, at, happened)
            await report_event(session, clock, firm.account.id, new)
    return made


async def test_scores_events_and_records_are_shown_to_the_account_only(seen: Seen) -> None:
    async with seen.owner() as owner:
        assert "No predictions recorded yet" in words(await owner.page(PAGE))
    made = await records(seen)
    async with seen.owner() as owner, seen.stranger() as stranger:
        said = words(await owner.page(PAGE))
        assert "2 of 3 events were predicted" in said
        assert "Missed" in said
        assert "Did not come" in said
        assert "vib pump-monitor" in said
        assert "Brier score" in said
        few = words(await owner.page(f"{PAGE}?event=spindle_failure&subject=M4&days=30"))
        assert "M4" in few
        record = words(await owner.page(f"{PAGE}/records/{made[0]}"))
        assert "The signature is valid, and the record follows the one before it." in record
        assert "pump-monitor · 7" in record
        assert "All 24 records are valid." in words(await owner.page(f"{PAGE}/verification"))
        assert '"object":"prediction_ledger"' in await owner.page(f"{PAGE}/ledger.json")
        await stranger.page(f"{PAGE}/records/{made[0]}", 404)
        assert "No predictions recorded yet" in words(await stranger.page(PAGE))


async def test_changed_record_and_revoked_key_are_shown(seen: Seen) -> None:
    made = await records(seen)
    database = seen.told.of.firm.story.database
    async with database.transaction() as session:
        await session.execute(text("alter table prediction_record disable trigger all"))
        await session.execute(
            text("update prediction_record set digest = decode('00', 'hex') where position = 1")
        )
        await session.execute(
            text(
                "update prediction_key set retired_at = created_at, revoked_at = created_at, "
                "invalid_from = '2020-01-01'"
            )
        )
    async with seen.owner() as owner:
        said = words(await owner.page(f"{PAGE}/records/{made[1]}"))
        assert "The record does not follow the one before it." in said
        assert "The key was revoked from before this record." in said
        assert "is not valid" in words(await owner.page(f"{PAGE}/verification"))


async def test_settlement_shows_the_figures_of_its_period(seen: Seen) -> None:
    firm = seen.told.of.firm
    clock = firm.story.clock
    of = await predicted_contract(firm)
    clock.set(2026, 10, 20)
    at = clock.at(2026, 10, 11, 12)
    record = await record_at(firm, at - timedelta(hours=48))
    said = {"outcome": "W-1", "subject": "M1", "happened_at": at, "prediction": name_of(record)}
    await of.confirms(await of.claims_by(await of.says("claim", "our_model", said)))
    await of.until(2026, 11, 4)
    (settlement,) = [one for one in await of.settlements() if one.contract_id == of.row.id]
    async with seen.owner() as owner:
        place = f"{SETTLEMENTS}/oset_{settlement.id.hex}"
        shown = words(await owner.page(place))
        assert "Nothing is billed for this period: Not better than chance." in shown
        assert "1 of 1 events were predicted" in shown
        assert "Show record" in await owner.page(place)
        pdf = await owner.http.get(f"{place}/statement.pdf")
        assert pdf.content.startswith(b"%PDF")
        csv = (await owner.http.get(f"{place}/statement.csv")).content.decode()
        assert f"outcome,W-1,M1,2026-10-11T04:00:00+00:00,{name_of(record)},False" in csv
        assert "predictions,skill" in csv
