"""Pages of learned warning rules: create, train, compare, use, take back, delete."""

from gateway.identity.roles import Role
from tests.support.dashboard.firm import Firm
from tests.support.dashboard.looking import looker, words
from tests.support.gateway.warning_machines import events, machine, start, train_all

PAGE = "/dashboard/agents/warnings"


async def test_rule_is_created_trained_used_taken_back_and_deleted(office: Firm) -> None:
    gateway, owner = office.gateway, office.owner
    code = await machine(gateway)
    fields = {
        "name": f"Wear {code}",
        "asset": code,
        "points": f"{code}.A\n{code}.B",
        "miss": "3",
        "false_alarm": "1",
        "horizon": "1d",
        "every": "30m",
        "normal": "84h",
        "recovery": "12h",
    }
    refused = await owner.send(PAGE, **{**fields, "miss": "much"})
    assert refused.status_code == 422
    assert f"Wear {code}" in refused.text  # what was typed is kept
    made = await owner.send(PAGE, **fields)
    assert made.status_code == 303, words(made.text)
    url = made.headers["location"]
    assert "Not trained yet" in words(await owner.page(url))
    async with looker(gateway.url, gateway.parts, gateway.account.id, Role.VIEWER) as viewer:
        assert "Train a version" not in words(await viewer.page(url))
        assert (await viewer.send(f"{url}/train")).status_code == 403

    few = await owner.send(f"{url}/train", events="soon")
    assert few.status_code == 422
    times = "\n".join(one.isoformat() for one in events())
    trained = await owner.send(f"{url}/train", events=times, **{"from": start().isoformat()})
    assert trained.status_code == 303, words(trained.text)
    await train_all(gateway)
    shown = words(await owner.page(url))
    assert "Ready" in shown
    assert "Distance of all points from normal operation" in shown
    assert (await owner.send(f"{url}/versions/1/activate")).status_code == 303
    assert "In use" in words(await owner.page(url))
    assert f"Wear {code}" in words(await owner.page(PAGE))
    assert (await owner.send(f"{url}/rollback")).status_code == 303
    assert "Taken back" in words(await owner.page(url))
    assert (await owner.send(f"{url}/delete")).status_code == 303
    assert f"Wear {code}" not in words(await owner.page(PAGE))
