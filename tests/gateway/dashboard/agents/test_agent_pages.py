"""Pages of agents: creation from a template, decisions, proposals, changes and versions."""

import re
from datetime import timedelta
from typing import Any

import pytest

from gateway.identity.roles import Role
from gateway.tables.agents import AgentStatus
from infra import ids
from tests.support.billing.making import sql
from tests.support.builders import SPECIALIST
from tests.support.dashboard.firm import Firm
from tests.support.dashboard.looking import looker, words
from tests.support.gateway.watched_pumps import (
    PUMP,
    VIBRATION_TAG,
    add_agent,
    agent_row,
    import_pump,
    read,
    run_agents,
)
from tests.support.nightly import nightly

AGENTS = "/dashboard/agents"
RULE = "rules[0]"


@pytest.fixture
async def works(office: Firm) -> Firm:
    """An account with a pump."""
    await import_pump(office.gateway)
    return office


def fields_of(page: str) -> dict[str, Any]:
    """The fields of the form of an agent, as a browser sends them."""
    form = page[page.index('class="grid">') :]
    found: dict[str, Any] = {}
    for tag in re.findall(r"<input [^>]*>", form):
        given = dict(re.findall(r'([\w-]+)="([^"]*)"', tag))
        if given.get("type") in ("checkbox", "radio") and " checked" not in tag:
            continue
        if "name" in given:
            found[given["name"]] = given.get("value", "")
    for name, options in re.findall(
        r'<select id="[^"]*" name="([^"]*)".*?>(.*?)</select>', form, re.S
    ):
        values = re.findall(r'<option value="([^"]*)"( selected)?', options)
        found[name] = next((value for value, chosen in values if chosen), values[0][0])
    found.pop("csrf")
    return found


async def new_form(firm: Firm) -> dict[str, Any]:
    page = await firm.owner.page(f"{AGENTS}/new?template=pump-monitor&asset={PUMP}")
    return fields_of(page)


async def post(firm: Firm, path: str, expected: int = 303, **fields: Any) -> Any:
    answer = await firm.owner.send(path, **fields)
    assert answer.status_code == expected, words(answer.text)
    return answer


async def test_agent_is_created_from_a_template_and_starts_paused(works: Firm) -> None:
    await read(works.gateway, 2.0)
    assert "Pump monitor" in await works.owner.page(f"{AGENTS}/new")
    step = words(await works.owner.page(f"{AGENTS}/new?template=pump-monitor&q=feed"))
    assert "Feed pump 1" in step
    page = await works.owner.page(f"{AGENTS}/new?template=pump-monitor&asset={PUMP}")
    assert "Suggested by its unit. Check it." in page
    fields = fields_of(page)
    # One point measures in mm/s and one in bar, but two measure temperatures.
    assert fields[f"{RULE}.point"] == VIBRATION_TAG
    assert fields["rules[1].point"] == ""
    fields["rules[1].point"] = "P-101.T2"
    made = await post(works, f"{AGENTS}/new", **fields)
    page = words(await works.owner.page(made.headers["location"]))
    assert "What happens next" in page
    assert "2 mm/s" in page
    row = await agent_row(works.gateway, made.headers["location"].rpartition("/")[2])
    assert (row.status, row.definition["rules"][1]["tag"]) == (AgentStatus.PAUSED, "P-101.T2")
    assert "Pump monitor · Feed pump 1" in words(await works.owner.page(AGENTS))


async def test_invalid_fields_are_named_and_nothing_is_lost(works: Firm) -> None:
    fields = await new_form(works)
    wrong = {
        f"{RULE}.above": "much",
        "costs.unplanned_stop": "10",
        "budget.per_day": "500",
        "every": "soon",
        f"{RULE}.unit": "furlong²",
        "name": " ",
    }
    said = {
        f"{RULE}.above": "Enter a number as the limit.",
        "costs.unplanned_stop": "Enter a number above the cost of a planned stop.",
        "budget.per_day": "The budget must not allow more a check than a day",
        "every": "Enter a duration from 10s to 31d",
        f"{RULE}.unit": "This unit is not known.",
        "name": "Enter a name of 1 to 120 characters.",
    }
    for name, value in wrong.items():
        answer = await post(works, f"{AGENTS}/new", 422, **{**fields, name: value})
        assert said[name] in words(answer.text), name
        assert fields_of(answer.text)[name] == value
    chinese = await works.owner.http.post(
        f"{AGENTS}/new",
        data={"csrf": works.owner.csrf, **fields, "every": "soon"},
        headers={"accept-language": "zh-CN"},
    )
    assert "10s 到 31d" in words(chinese.text)
    alone = {name: value for name, value in fields.items() if not name.endswith(".use")}
    answer = await post(works, f"{AGENTS}/new", 422, **alone)
    assert "Keep a rule or a specialist" in words(answer.text)
    assert (
        await works.owner.send(f"{AGENTS}/new", **{**fields, "key": "key_x"})
    ).status_code == 404
    assert (
        await works.owner.send(f"{AGENTS}/new", **{**fields, "template": "x"})
    ).status_code == 404


@nightly
async def test_definition_as_toml_names_field_and_line_of_an_error(works: Firm) -> None:
    page = await works.owner.page(f"{AGENTS}/new/definition?template=pump-monitor&asset={PUMP}")
    text = re.search(r"<textarea.*?>\n(.*?)</textarea>", page, re.DOTALL)
    assert text is not None
    definition = text[1].replace("&#34;", '"')
    key = ids.format_id("key", works.gateway.key.row.id)
    for old, new, said in [
        ("above = 85", 'above = "hot"', "Enter a number as the limit."),
        ("[costs]", "[costs", "This is not valid TOML."),
        ("unit =", "units =", "A definition has no such field."),
        ("inspection = 120", "", "This field is missing."),
    ]:
        bad = definition.replace(old, new, 1)
        answer = await post(works, f"{AGENTS}/new/definition", 422, definition=bad, key=key)
        alert = words(answer.text[answer.text.index('id="definition-error') :])
        # Where a field is missing, the line is that of its table.
        line = definition[: definition.index(old if new else "[costs]")].count("\n") + 1
        assert f"Line {line}:" in alert
        assert said in alert
        assert bad.replace('"', "&#34;") in answer.text
    long = "# " + 64_000 * "泵"
    answer = await post(works, f"{AGENTS}/new/definition", 422, definition=long, key=key)
    assert "at most 64000 characters" in words(answer.text)
    gone = definition.replace(PUMP, "P-999")
    answer = await post(works, f"{AGENTS}/new/definition", 422, definition=gone, key=key)
    assert "There is no object with this code" in words(answer.text)
    made = await post(works, f"{AGENTS}/new/definition", definition=definition, key=key)
    assert "/agents/agent_" in made.headers["location"]


async def test_proposal_is_explained_approved_and_undone(works: Firm) -> None:
    gateway, owner = works.gateway, works.owner
    await read(gateway, 6.2)
    agent = await add_agent(gateway, AgentStatus.ACTIVE)
    await run_agents(gateway)
    page = await owner.page(f"{AGENTS}/{agent}")
    assert "P-101.V read 6.2 mm/s at" in words(page)
    assert "upper limit 4.5 mm/s" in words(page)
    assert "1 open proposal" in words(await owner.page("/dashboard"))
    assert "Approve by" in words(await owner.page(AGENTS))
    address = re.search(r'action="([^"]+)/approve"', page)
    assert address is not None
    await post(works, f"{address[1]}/approve")
    page = await owner.page(f"{AGENTS}/{agent}")
    order = re.search(r"/dashboard/plant/objects/ent_\w+", page)
    assert order is not None
    assert "Li Xuemei" in page
    assert "Work order" in words(await owner.page(order[0]))
    assert (await owner.send(f"{address[1]}/reject")).status_code == 422
    await post(works, f"{address[1]}/undo")
    assert "Undone" in words(await owner.page(f"{AGENTS}/{agent}"))
    assert "Retired" in words(await owner.page(order[0]))


async def test_expired_proposal_cannot_be_approved(works: Firm) -> None:
    await read(works.gateway, 6.2)
    agent = await add_agent(works.gateway, AgentStatus.ACTIVE)
    await run_agents(works.gateway)
    page = await works.owner.page(f"{AGENTS}/{agent}")
    address = re.search(r'action="([^"]+)/approve"', page)
    assert address is not None
    database = works.gateway.parts.database
    await sql(database, "update agent_action set expires_at = created_at - interval '1 day'")
    assert "Expired" in words(await works.owner.page(f"{AGENTS}/{agent}"))
    for page in ("/dashboard", AGENTS):
        assert not re.search("open proposal|Approve by", words(await works.owner.page(page)))
    refused = await post(works, f"{address[1]}/approve", 422)
    assert "its readings are too old" in words(refused.text)
    other = await add_agent(works.gateway)
    elsewhere = address[1].replace(agent, other)
    assert (await works.owner.send(f"{elsewhere}/approve")).status_code == 404


async def test_change_by_two_people_keeps_input_and_shows_what_changed(works: Firm) -> None:
    agent = await add_agent(works.gateway)
    edit = f"{AGENTS}/{agent}/edit"
    mine = others = fields_of(await works.owner.page(edit))
    await post(works, edit, **{**others, f"{RULE}.above": "6"})
    refused = await post(works, edit, 422, **{**mine, "costs.inspection": "77"})
    assert "rules.vibration.above : 4.5 → 6" in words(refused.text)
    kept = fields_of(refused.text)
    assert (kept["costs.inspection"], kept["version"]) == ("77", "2")
    await post(works, edit, **{**kept, f"{RULE}.above": "6"})
    page = words(await works.owner.page(f"{AGENTS}/{agent}"))
    assert "costs.inspection : 50 → 77" in page
    stale = await post(works, f"{AGENTS}/{agent}/versions/1/restore", 422, version="2")
    assert "changed by somebody else" in words(stale.text)
    await post(works, f"{AGENTS}/{agent}/versions/1/restore", version="3")
    row = await agent_row(works.gateway, agent)
    assert (row.version, row.definition["rules"][0]["limit"]) == (4, 4.5)
    text = await post(works, f"{AGENTS}/{agent}/definition", 422, definition="a", version="2")
    assert "changed by somebody else" in words(text.text)


async def test_page_says_why_an_agent_does_nothing(works: Firm) -> None:
    gateway, database = works.gateway, works.gateway.parts.database
    prediction = {"model": SPECIALIST, "output": "p", "when": "rule"}
    agent = await add_agent(gateway, AgentStatus.ACTIVE, prediction=prediction)
    page = f"{AGENTS}/{agent}"
    assert f"{SPECIALIST} is asked when a rule" in words(await works.owner.page(f"{page}/edit"))
    await post(works, f"{page}/pause")
    await post(works, f"{page}/activate")
    stop = "update agent set status = 'stopped', stop_code = 'api_key_revoked'"
    await sql(database, stop)
    assert "Its API key was revoked. Choose another key" in words(await works.owner.page(page))
    month = "update agent set status = 'paused', spent_month_nano = 1000000000000, spent_day ="
    await sql(database, f"{month} (now() at time zone 'utc')::date")
    assert "The budget of this month is used up" in words(await works.owner.page(page))
    await sql(database, "update plant_asset set retired_at = now()")
    assert "The asset is retired" in words(await works.owner.page(page))
    await post(works, f"{page}/delete")
    assert (await works.owner.http.get(page)).status_code == 404
    assert "No agents yet" in words(await works.owner.page(AGENTS))


async def test_viewer_reads_but_changes_nothing(works: Firm) -> None:
    gateway = works.gateway
    await read(gateway, 6.2)
    agent = await add_agent(gateway, AgentStatus.ACTIVE)
    await run_agents(gateway)
    page = await works.owner.page(f"{AGENTS}/{agent}")
    action = re.search(r'action="([^"]+)/approve"', page)
    assert action is not None
    viewing = looker(gateway.url, gateway.parts, gateway.account.id, Role.VIEWER)
    async with viewing as viewer:
        seen = await viewer.page(f"{AGENTS}/{agent}")
        assert "P-101.V read 6.2 mm/s" in words(seen)
        assert f"{AGENTS}/{agent}/" not in seen
        assert "New agent" not in words(await viewer.page(AGENTS))
        for path in (f"{AGENTS}/new", f"{AGENTS}/{agent}/edit", f"{AGENTS}/{agent}/definition"):
            assert (await viewer.http.get(path)).status_code == 403
        for path in (f"{action[1]}/approve", f"{AGENTS}/{agent}/pause", f"{AGENTS}/{agent}/delete"):
            assert (await viewer.send(path)).status_code == 403
    assert (await works.stranger.http.get(f"{AGENTS}/{agent}")).status_code == 404
    assert (await works.stranger.send(f"{action[1]}/approve")).status_code == 404


@nightly
async def test_replay_shows_what_the_rules_would_have_recommended_and_saved(works: Firm) -> None:
    await read(works.gateway, 9.0)
    agent = await add_agent(works.gateway, every="31d")
    replay = f"{AGENTS}/{agent}/replay"
    page = words((await post(works, replay, expected=200)).text)
    assert "by rules alone. Nothing was sent, done or charged." in page
    assert "No recent reading: vibration" in page
    assert "Failures caught" not in page
    known = (works.gateway.parts.clock.now() - timedelta(days=3)).isoformat()
    page = words((await post(works, replay, expected=200, failures=known)).text)
    assert "Failures caught 0 of 1" in page
    answer = await post(works, replay, 422, failures="soon")
    assert "Enter one time a line" in words(answer.text)
    assert "soon</textarea>" in answer.text


async def test_run_now_runs_once_for_each_form_and_is_refused_for_a_paused_agent(
    works: Firm,
) -> None:
    await read(works.gateway, 9.0)
    agent = await add_agent(works.gateway, AgentStatus.ACTIVE, every="31d")
    await run_agents(works.gateway)
    shown = await works.owner.page(f"{AGENTS}/{agent}")
    token = re.search(r'name="request" value="(\w+)"', shown)
    assert token is not None
    first, second = [await post(works, f"{AGENTS}/{agent}/run", request=token[1]) for _ in range(2)]
    assert first.headers["location"] == second.headers["location"]
    assert "The agent ran at" in words(await works.owner.page(first.headers["location"]))
    parts, account_id = works.gateway.parts, works.gateway.account.id
    async with looker(works.gateway.url, parts, account_id, Role.VIEWER) as viewer:
        assert (await viewer.send(f"{AGENTS}/{agent}/run")).status_code == 403
    await post(works, f"{AGENTS}/{agent}/pause")
    answer = await post(works, f"{AGENTS}/{agent}/run", 422)
    assert "Activate it first." in words(answer.text)


async def test_page_keeps_the_number_of_agents_that_the_account_may_have(works: Firm) -> None:
    form = await new_form(works)
    settings, most = works.gateway.parts.settings, "agents_per_account"
    allowed = getattr(settings, most)
    object.__setattr__(settings, most, 0)
    try:
        answer = await post(works, f"{AGENTS}/new?template=pump-monitor&asset={PUMP}", 422, **form)
    finally:
        object.__setattr__(settings, most, allowed)
    assert "The account has as many agents as it may." in words(answer.text)
