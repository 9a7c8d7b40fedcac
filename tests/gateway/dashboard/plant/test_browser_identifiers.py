"""Pages of identifiers and traces in headless Chromium, also at the width of a phone."""

import pytest

from tests.support.dashboard.browsing import NEEDS_BROWSER, Windows, looked
from tests.support.dashboard.firm import Firm
from tests.support.nightly import nightly
from tests.support.plant.epcis import document, event, item, made
from tests.support.plant.prefixes import assign_prefix

pytestmark = NEEDS_BROWSER
PAGE, PUMP = "/dashboard/identifiers", "88.100.5001/PUMP-1"
PUMP_URI = f"hdl:{PUMP}"


@nightly
@pytest.mark.parametrize(
    "look",
    [("zh-CN", "light", 390), pytest.param(("en-US", "dark", 1440), marks=nightly)],
)
async def test_pages_have_no_faults(
    office: Firm, browser: Windows, look: tuple[str, str, int]
) -> None:
    await assign_prefix(office.gateway, "88.100.5001")
    fields = "name: 一号泵\ndrawing (partner): D-77"
    assert (await office.owner.send(PAGE, id=PUMP, fields=fields)).status_code == 303
    sent = document(
        made(item("bar-1"), item("oil"), into=item("part-1")),
        made(item("bar-2"), into=item("part-2")),
        event("AssociationEvent", 3, parentID=PUMP_URI, childEPCs=[item("part-1"), item("part-2")]),
        event(
            "ObjectEvent",
            4,
            epcList=[item("part-1")],
            bizStep="inspecting",
            **{"maas:requestId": "req_7"},
        ),
    )
    answer = await office.gateway.http.post("/v1/plant/epcis/capture", json=sent)
    assert answer.json()["success"], answer.text
    query = {"name": "inspected", "MATCH_anyEPC": item("part-1")}
    hook = {"url": "https://8.8.8.8/epcis", "timing": "hour"}
    queries = f"{PAGE}/queries"
    assert (await office.owner.send(queries, **query)).status_code == 303
    made_hook = await office.owner.send(f"{queries}/inspected/subscriptions", **hook)
    assert made_hook.status_code == 200
    trace = f"{PAGE}/trace?item={PUMP}"
    async with looked(browser, office.gateway.url, look, office.owner) as seen:
        for path in (PAGE, f"{PAGE}/record?id={PUMP}", trace, queries, f"{queries}/inspected"):
            await seen.opens(path)
            assert await seen.faults() == []
