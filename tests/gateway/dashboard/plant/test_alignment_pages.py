"""Pages of alignment: queue with units and assets, automatic proposals, comparison of plants."""

from typing import Any

import pytest

from gateway.identity.audit_log import CLI_ACTOR
from gateway.plant.alignment.assets import AssetProposal
from gateway.plant.alignment.units import UnitProposal
from gateway.plant.assets.limits import PlantLimits
from gateway.plant.assets.values import Concept
from gateway.plant.store.editing import Editing
from gateway.plant.store.proposals import Proposal, store_proposals
from infra import ids
from infra.clock import SystemClock
from tests.support.builders import ALIGNMENT
from tests.support.dashboard.browsing import NEEDS_BROWSER, Windows, looked
from tests.support.dashboard.firm import Firm
from tests.support.dashboard.looking import words
from tests.support.gateway.plants import import_plant
from tests.support.nightly import nightly

PLANT = "/dashboard/plant"
BRICK = "https://brickschema.org/schema/Brick#"
MODEL = "ft:tag-align:acct_0123:plant:3"
TAGS = ("TIC-101.PV", "PI-102", "Works/Boiler house/Pump 1/Flow")
OTHER = (
    "tag,name,unit,asset,concept\n"
    f"T_BEARING_1,Bearing temperature,K,P1,{BRICK}Temperature_Sensor\n"
    f"P_OUT_1,Discharge pressure,degC,P1,{BRICK}Pressure_Sensor\n"
    "X_1,,,P1,=own\n"
)


async def propose(firm: Firm) -> list[str]:
    """Points with proposals of a model version; returns their ids."""
    gateway = firm.gateway
    asset = (await import_plant(gateway))["asset"]
    points = []
    for tag in TAGS:
        made = await gateway.http.post("/v1/plant/points", json={"tag": tag, "name": "测点"})
        points.append(made.json()["id"])
    asset_id = ids.parse_id("ast", asset)
    assert asset_id is not None
    proposals = [
        Proposal(
            ids.parse_id("pt", point) or ids.new_id(),
            Concept("brick", f"{BRICK}Temperature_Sensor"),
            0.9 - 0.2 * at,
            0.93 - 0.2 * at,
            at,
            rank=3 - at,
            unit=UnitProposal("degC", 0.95),
            asset=AssetProposal(asset_id, 0.8),
        )
        for at, point in enumerate(points)
    ]
    async with gateway.parts.database.transaction() as session:
        editing = Editing(session, SystemClock(), CLI_ACTOR, gateway.account.id, PlantLimits())
        await store_proposals(editing, proposals, MODEL)
    return points


async def switch_on(firm: Firm, **fields: str) -> Any:
    key = ids.format_id("key", firm.gateway.key.row.id)
    form = {"model": ALIGNMENT, "key": key, "budget": "20", **fields}
    return await firm.owner.send(f"{PLANT}/alignment", **form)


async def compare(firm: Firm, content: str = OTHER) -> Any:
    owner = firm.owner
    data, files = {"csrf": owner.csrf, "model": ""}, {"upload": ("other.csv", content.encode())}
    return await owner.http.post(f"{PLANT}/comparisons", data=data, files=files)


async def test_queue_shows_ranked_proposals_and_confirms_unit_and_asset(office: Firm) -> None:
    points = await propose(office)
    page = await office.owner.page(f"{PLANT}/mappings")
    assert [page.index(tag) for tag in reversed(TAGS)] == sorted(page.index(tag) for tag in TAGS)
    assert "plant v3" in page
    fields = {
        f"mark.{points[0]}": "1",
        f"concept.{points[0]}": "Temperature Sensor",
        f"unit.{points[0]}": "°C",
        f"asset.{points[0]}": "Works/Boiler house/Pump 1",
    }
    sent = await office.owner.send(f"{PLANT}/mappings", order="informative", **fields)
    assert sent.headers["location"].endswith("confirmed=1"), sent.text
    point = (await office.gateway.http.get(f"/v1/plant/points/{points[0]}")).json()
    assert (point["unit"], point["mapping_status"]) == ("degC", "confirmed")
    assert point["asset"] is not None
    history = (await office.gateway.http.get(f"/v1/plant/points/{points[0]}/mappings")).json()
    proposed = history["data"][1]
    assert (proposed["actor"], proposed["probability"]) == (MODEL, pytest.approx(0.93))
    assert proposed["proposal"]["unit"] == "degC"
    wrong = {**fields, f"mark.{points[1]}": "1", f"concept.{points[1]}": "x"}
    refused = await office.owner.send(f"{PLANT}/mappings", **wrong, **{f"asset.{points[1]}": "?"})
    assert refused.status_code == 422


async def test_settings_state_the_price_and_refuse_invalid_amounts(office: Firm) -> None:
    page = words(await office.owner.page(f"{PLANT}/alignment"))
    assert "¥2.00 per 1,000 points" in page
    refused = await switch_on(office, budget="much", training_budget="-1")
    assert refused.status_code == 422
    assert (await switch_on(office, training_budget="5", confirmations="50")).status_code == 303
    found = (await office.gateway.http.get("/v1/plant/alignment")).json()
    assert (found["budget"], found["training"]["confirmations"]) == ("20.000000000", 50)
    assert "0 / 50" in words(await office.owner.page(f"{PLANT}/alignment"))
    assert (await office.owner.send(f"{PLANT}/alignment/delete")).status_code == 303
    gone = await office.gateway.http.get("/v1/plant/alignment")
    assert (gone.status_code, gone.json()["error"]["code"]) == (404, "plant_alignment_not_found")


async def test_comparison_reports_pairs_unit_conflicts_and_csv(office: Firm) -> None:
    await propose(office)
    concept = {"id": f"{BRICK}Temperature_Sensor"}
    own = {"tag": "BEARING-1", "name": "Bearing temperature", "unit": "°C", "concept": concept}
    await office.gateway.http.post("/v1/plant/points", json=own)
    sent = await compare(office)
    assert sent.status_code == 303, sent.text
    address = sent.headers["location"]
    page = words(await office.owner.page(address))
    assert "T_BEARING_1" in page
    assert "Concepts of the other plant only" in page
    csv = await office.owner.http.get(f"{address}/csv")
    assert "T_BEARING_1" in csv.text
    assert "BEARING-1,Bearing temperature,,degC,T_BEARING_1" in csv.text
    assert "convertible,1.0,'-273.15" in csv.text or "convertible,1.0,-273.15" in csv.text
    problems = await compare(office, "tag,unit\nA,quux\nA,\n")
    assert problems.status_code == 422
    assert (await office.owner.send(f"{address}/delete")).status_code == 303
    assert (await office.owner.http.get(address)).status_code == 404


@nightly
@pytest.mark.browser
class TestInBrowser:
    """Pages in headless Chromium, also at the width of a phone and in Chinese."""

    pytestmark = NEEDS_BROWSER

    @pytest.mark.parametrize(
        "look",
        [("zh-CN", "light", 390), pytest.param(("en-US", "dark", 1440), marks=nightly)],
    )
    async def test_pages_have_no_faults(
        self, office: Firm, browser: Windows, look: tuple[str, str, int]
    ) -> None:
        await propose(office)
        await switch_on(office, training_budget="5")
        comparison = (await compare(office)).headers["location"]
        pages = ("mappings", "alignment", "comparisons")
        async with looked(browser, office.gateway.url, look, office.owner) as seen:
            for path in (*(f"{PLANT}/{one}" for one in pages), comparison):
                await seen.opens(path)
                assert await seen.faults() == [], path
