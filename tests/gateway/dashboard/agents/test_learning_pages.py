"""Pages of learning: feedback on decisions, the card of policies, proposed limits, transfer."""

import pytest

from tests.support.dashboard.firm import Firm
from tests.support.dashboard.looking import words
from tests.support.gateway.agent_learning import add_learned
from tests.support.gateway.watched_pumps import PUMP, add_agent, agent_row, import_pump
from tests.support.nightly import nightly

AGENTS = "/dashboard/agents"


@pytest.fixture
async def works(office: Firm) -> Firm:
    """An account with a pump."""
    await import_pump(office.gateway)
    return office


async def test_decision_gets_feedback_and_limit_is_accepted(works: Firm) -> None:
    made = await add_learned(works.gateway, {"agent": await add_agent(works.gateway)})
    url = f"{AGENTS}/{made['agent']}"
    page = words(await works.owner.page(url))
    assert "In shadow" in page
    assert "Proposed limit of vibration" in page
    assert "It avoids 5 of 6 false alarms. Confirmed alarms, all kept: 1." in page
    path = f"{url}/ticks/{made['tick']}/feedback"
    sent = await works.owner.send(path, verdict="corrected", fault="no", found="loose cable")
    assert sent.status_code == 303
    page = words(await works.owner.page(url))
    assert "Something else was found" in page
    assert "loose cable" in page
    assert (await works.owner.send(path, verdict="maybe")).status_code == 422
    assert (await works.owner.send(f"{url}/policies/rollback")).status_code == 422
    promote = f"{url}/policies/{made['policy']}/promote"
    assert (await works.owner.send(promote)).status_code == 422
    limit = f"{url}/limits/{made['limit']}"
    assert (await works.owner.send(f"{limit}/accept")).status_code == 303
    assert (await works.owner.send(f"{limit}/reject")).status_code == 422
    row = await agent_row(works.gateway, made["agent"])
    assert (row.version, row.definition["rules"][0]["limit"]) == (2, 4.8)


async def test_learning_is_turned_on_and_off(works: Firm) -> None:
    agent = await add_agent(works.gateway)
    url = f"{AGENTS}/{agent}"
    assert "This agent does not learn." in words(await works.owner.page(url))
    for switch, enabled, version in (("on", True, 2), ("on", True, 2), ("off", False, 3)):
        assert (await works.owner.send(f"{url}/learning/{switch}")).status_code == 303
        row = await agent_row(works.gateway, agent)
        assert (row.definition["learning"]["enabled"], row.version) == (enabled, version)
    assert (await works.owner.send(f"{url}/learning/maybe")).status_code == 404


@nightly
async def test_transfer_is_shown_before_it_creates_an_agent(works: Firm) -> None:
    url = f"{AGENTS}/{await add_agent(works.gateway)}"
    assert "Show what carries over" in words(await works.owner.page(f"{url}/transfer"))
    for asset, said in (("P-101", "Nothing of the agent fits"), ("NONE", "")):
        answer = await works.owner.send(f"{url}/transfer", asset=asset)
        assert answer.status_code == 422
        assert said in words(answer.text)
    new = {"code": "P-102", "name": "Pump 2"}
    assert (await works.gateway.http.post("/v1/plant/assets", json=new)).status_code == 200
    fields = {"tag": "P-102.V", "name": "Vibration", "unit": "mm/s", "asset": "P-102"}
    assert (await works.gateway.http.post("/v1/plant/points", json=fields)).status_code == 200
    points = (await works.gateway.http.get("/v1/plant/points")).json()["data"]
    mappings = [
        {"point": one["id"], "concept": {"id": "vibration_velocity"}}
        for one in points
        if one["tag"] in (f"{PUMP}.V", "P-102.V")
    ]
    body = {"mappings": mappings}
    assert (await works.gateway.http.post("/v1/plant/mappings", json=body)).status_code == 200
    shown = await works.owner.send(f"{url}/transfer", asset="P-102", name="Second")
    said = words(shown.text)
    assert "Carries over" in said
    assert "there are too few readings to check it" in said
    made = await works.owner.send(f"{url}/transfer", asset="P-102", name="Second", create="yes")
    assert made.status_code == 303
    assert "Second" in words(await works.owner.page(made.headers["location"]))
