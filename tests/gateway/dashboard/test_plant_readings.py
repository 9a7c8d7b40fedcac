"""Pages of readings: list with newest values, chart with table, and points of other accounts."""

import pytest

from gateway.plant.readings.acceptance import AcceptedReadings
from gateway.plant.readings.formats.times import from_datetime
from gateway.plant.readings.storage.writing import store_readings
from gateway.plant.readings.values import MINUTE_US, Series
from tests.support.builders import customer
from tests.support.dashboard.firm import Firm
from tests.support.dashboard.looking import words
from tests.support.gateway.points import add_points, new_point

PAGE = "/dashboard/plant/readings"


@pytest.fixture(scope="module")
async def firm(shared_firm: Firm) -> Firm:
    """Shared by all tests of this module."""
    return shared_firm


async def test_points_are_listed_and_charted_with_their_state(firm: Firm) -> None:
    assert "No points yet" in words(await firm.owner.page(PAGE))
    database, account_id = firm.gateway.parts.database, firm.gateway.account.id
    fresh, old, empty = await add_points(
        database,
        [new_point(account_id, tag, unit="kPa") for tag in ("P1.press", "P2.press", "P3.press")],
    )
    now = from_datetime(firm.gateway.parts.clock.now())
    minutes = [now - minute * MINUTE_US for minute in range(30, 0, -1)]
    hours_ago = now - 3 * 60 * MINUTE_US
    series = {
        fresh: Series.of(minutes, [float(n) for n in range(30)]),
        old: Series.of([hours_ago], [float("nan")], [0x80000000]),
    }
    async with database.transaction() as session:
        await store_readings(session, account_id, AcceptedReadings(series, 0))
    listed = words(await firm.owner.page(PAGE))
    assert "P1.press 29 kPa Good" in listed
    assert "Up to date" in listed
    assert "No recent readings" in listed
    assert "No readings" in listed
    assert "P1.press" not in words(await firm.owner.page(f"{PAGE}?search=P2"))
    assert "No such points" in words(await firm.owner.page(f"{PAGE}?search=%25"))

    chart = await firm.owner.page(f"{PAGE}/pt_{fresh.hex}?range=hour")
    assert "data-chart" in chart
    assert "/chart." in chart, "the page does not load the script that draws"
    assert "29 kPa" in words(chart)
    stale = words(await firm.owner.page(f"{PAGE}/pt_{old.hex}?range=other"))
    assert "No reading has arrived for more than 15 minutes" in stale
    assert "The point has no readings in this time." in stale
    assert "No readings" in words(await firm.owner.page(f"{PAGE}/pt_{empty.hex}"))


async def test_points_of_other_accounts_are_not_found(firm: Firm) -> None:
    parts = firm.gateway.parts
    other, _ = await customer(parts.database, parts.settings, "Readings of others")
    made = new_point(other.id, "P9.foreign")
    (foreign,) = await add_points(parts.database, [made])
    assert "P9.foreign" not in await firm.owner.page(PAGE)
    for name in (f"pt_{foreign.hex}", "pt_x"):
        answer = await firm.owner.http.get(f"{PAGE}/{name}")
        assert answer.status_code == 404
