"""From readings to a paid outcome: agents predict, machines fail, disputes are decided, an invoice
is paid, and everything is verified without the service."""

import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from billing.accounts.account_creation import open_account
from billing.accounts.profiles import NewProfile
from billing.outcomes.contracts.terms import AttesterKind
from billing.outcomes.predictions.errors import PredictionRecordRejected
from billing.tables import Outcome
from gateway.access.api_keys import create_key
from infra.secrets.secret_key import secret_key
from models.catalog import Catalog, Meter
from tests.support import builders
from tests.support.billing.making import sql
from tests.support.builders import CATALOG, PLENTY, SPECIALIST, Gateway, run_gateway
from tests.support.clocks import CalendarClock
from tests.support.gateway.commands import invoke, leave_logs_alone
from tests.support.outcomes.predictions import predicted_contract
from tests.support.stories.outcome_story import Contract
from tests.support.stories.story import Firm, Story
from tests.support.waiting import until_true

OPERATOR = "operator"
MACHINES = ("M1", "M2", "M3", "M4", "M5")
TAGS = (
    ("TA", "Air temperature", "degC"),
    ("TP", "Process temperature", "degC"),
    ("N", "rotational speed", "1/min"),
    ("TQ", "Torque", "Nm"),
    ("WEAR", "Tool wear", "min"),
)
HEALTHY = (24.95, 35.45, 1551.0, 42.8, 0.0)
OVERSTRAINED = (24.95, 35.45, 1300.0, 65.0, 220.0)
# A call costs 0.02.
SOLD = replace(CATALOG.models[SPECIALIST], prices={"CNY": {Meter.ROWS: 20_000_000}})
PRICED = Catalog({**CATALOG.models, SPECIALIST: SOLD}, services=CATALOG.services)


@dataclass
class Plant:
    """Five mills, each watched by an agent, under a contract of 300.00 per predicted failure.

    The agents tick every four days at noon from 5 October. Machine n is overstrained at tick n, and
    fails two days later.
    """

    gateway: Gateway
    http: httpx.AsyncClient
    of: Contract
    agents: dict[str, str] = field(default_factory=dict)

    async def post(self, path: str, body: Any = None) -> dict[str, Any]:
        answer = await self.http.post(path, json=body or {})
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    async def get(self, path: str, **query: Any) -> Any:
        answer = await self.http.get(path, params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def build(self) -> None:
        """Create machines, points and agents, which start paused."""
        for code in MACHINES:
            await self.post("/v1/plant/assets", {"code": code, "name": f"Mill {code}"})
            for tag, name, unit in TAGS:
                point = {"tag": f"{code}.{tag}", "name": name, "unit": unit, "asset": code}
                await self.post("/v1/plant/points", point)
            made = await self.post("/v1/agents", {"definition": definition(code)})
            self.agents[code] = made["id"]

    async def activate(self) -> None:
        for agent in self.agents.values():
            await self.post(f"/v1/agents/{agent}/activate")

    async def send(self, overstrained: str) -> None:
        """Send readings of all machines, of which one is overstrained."""
        now = self.of.firm.story.clock.now()
        at = (now - timedelta(minutes=1)).isoformat()
        readings = [
            {"tag": f"{code}.{tag}", "time": at, "value": value}
            for code in MACHINES
            for (tag, *_), value in zip(
                TAGS, OVERSTRAINED if code == overstrained else HEALTHY, strict=True
            )
        ]
        await self.post("/v1/plant/readings", {"readings": readings})

    async def tick(self) -> None:
        """Run agents until each has ticked at this time, or a little later if a call was refused
        because the machine is busy: its tick is repeated after some seconds."""
        clock, runner = self.of.firm.story.clock, self.gateway.parts.agent_runner
        now, database = clock.now(), self.gateway.parts.database
        late = "select retry_at from agent where process_id is null and retry_at > :now"

        async def all_ticked() -> bool:
            await runner.run_due()
            if await sql(database, late, now=clock.now()):
                clock.pass_(seconds=15)
            rows = (await self.get("/v1/agents", limit=100))["data"]
            return all((one["last_tick_at"] or "") >= now.isoformat() for one in rows)

        await until_true(all_ticked)

    async def warning(self, machine: str) -> dict[str, Any]:
        """The record that warns of a machine with the probability of the contract."""
        found = await self.get("/v1/predictions/records", subject=machine, verdict="yes")
        (record,) = [one for one in found["data"] if one["probability"] >= 0.6]
        return dict(record)

    async def claim(self, number: int, *at: int, key: str = "W") -> Outcome:
        """Claim a failure, with the record that predicted it."""
        machine = f"M{number}"
        said = {
            "outcome": f"{key}-{number}",
            "subject": machine,
            "happened_at": self.of.firm.story.clock.at(*at).isoformat(),
            "prediction": (await self.warning(machine))["id"],
        }
        return await self.of.claims_by(await self.of.says("claim", AttesterKind.OUR_MODEL, said))


def definition(machine: str) -> dict[str, Any]:
    """Return the agent of a machine: the specialist in every tick, recorded in the ledger."""
    return {
        "name": f"Spindle {machine}",
        "asset": machine,
        "every": "4d",
        "costs": {"planned_stop": 1500, "unplanned_stop": 12_000, "inspection": 120},
        "prediction": {
            "model": SPECIALIST,
            "output": "failure_probability",
            "event": "spindle_failure",
            "options": {"values": {"type": "L"}},
        },
    }


@pytest.fixture
async def plant(specialists_url: str, database_url: str, tmp_path: Path) -> AsyncIterator[Plant]:
    """The plant on 5 October at noon, in Shanghai; 6 % tax."""
    configured, clock = builders.settings(database_url, tmp_path, specialists_url), CalendarClock()
    async with AsyncExitStack() as stack:
        gateway = await stack.enter_async_context(run_gateway(configured, clock, catalog=PRICED))
        story = Story(gateway.parts.database)
        story.clock = clock.calendar
        terms = replace(PLENTY, credit_nano=10_000 * 10**9)
        async with story.database.transaction() as session:
            profile = NewProfile(time_zone=story.clock.zone.key, tax_ppm=60_000)
            place = (session, story.clock)
            account = await open_account(*place, "Acme 精密 2", "CNY", terms, profile)
            key = await create_key(*place, secret_key(configured), account.id, "agents")
        headers = {"authorization": f"Bearer {key.secret}"}
        http = await stack.enter_async_context(builders.client(gateway.url, headers))
        firm = Firm(story, account, key.row.id)
        of = await predicted_contract(firm, subjects=MACHINES, models=(SPECIALIST,))
        story.clock.set(2026, 10, 5, 12)
        made = Plant(gateway, http, of)
        await made.build()
        # The test runs the agents: else the gateway may, before the readings of a time are there.
        await gateway.parts.agent_runner.stop()
        yield made


async def test_predicted_failures_are_disputed_invoiced_and_verified_offline(
    plant: Plant, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Five predicted failures at 300.00. Each warning is an alarm of 168 - 2 = 166 h of October's
    744 h, 22.3 %: five hits by chance have 0.055 %, four 0.25 %, both below 1 %.

        5-25 Oct  six ticks of five agents: 30 calls at 0.02 = 0.60, 30 records, five warnings
        4 Nov     settled      5 x 300.00 = 1,500.00
        5 Nov     M1 disputed, 300.00 frozen: "not predicted in time". Its record is of 5 October,
                  48 h before the failure: decided for the operator
        7 Nov     M5 disputed, 300.00 frozen: no failure, replaced by the calendar. Conceded
        1 Dec     October's calls: 0.60, tax 0.04. November's invoice: 4 x 300.00 = 1,200.00,
                  tax 72.00, 1,272.00
    """
    of, clock = plant.of, plant.of.firm.story.clock
    for number in range(6):
        clock.set(2026, 10, 5 + 4 * number, 12)
        await plant.send(f"M{number + 1}")
        if number == 0:
            await plant.activate()
        await plant.tick()
    records = (await plant.get("/v1/predictions/records", limit=100))["data"]
    assert len(records) == 30
    assert sum(one["verdict"] == "yes" and one["probability"] >= 0.6 for one in records) == 5

    clock.set(2026, 10, 28)
    with pytest.raises(PredictionRecordRejected, match="does not cover the event"):
        await plant.claim(1, 2026, 10, 12, 13, key="late")
    claims = [await plant.claim(one, 2026, 10, 3 + 4 * one, 12) for one in range(1, 6)]
    outcomes = [await of.confirms(one) for one in claims]
    await of.until(2026, 11, 4)
    (settled,) = await of.settlements()
    assert settled.minor == 1_500_00

    clock.set(2026, 11, 5)
    dispute = await of.disputes(settled, outcomes[0], reason="It was not predicted in time.")
    assert dispute.frozen == 300_00
    proof = await plant.warning("M1")
    assert proof["recorded_at"].startswith("2026-10-05T04:0")
    await of.answers(dispute, f"{proof['id']} is of {proof['recorded_at']}, 48 h before.")
    await of.replies(dispute)
    await of.decides(dispute, OPERATOR)
    clock.set(2026, 11, 7)
    lost = await of.disputes(settled, outcomes[4])
    assert lost.frozen == 300_00
    await of.answers(lost)
    await of.gives_in(lost, OPERATOR)

    await of.until(2026, 11, 14)
    await of.until(2026, 12, 1, 1)
    october, november = await of.firm.invoices()
    assert of.firm.amounts(october) == ("0.60", "0.04", "0.64")
    assert of.firm.amounts(november) == ("1200.00", "72.00", "1272.00")
    lines = await of.outcome_lines(november)
    assert sum(float(amount) for *_, amount in lines) == 1200
    await of.firm.pays(november, "1272.00")
    assert await of.firm.story.differences() == ()
    await check_statement(plant, str(settled.id.hex))
    await check_savings(plant)
    await check_offline(plant, tmp_path, monkeypatch)


async def check_statement(plant: Plant, settlement: str) -> None:
    """The statement has the amount before disputes, and each agent with its machine's event."""
    path = f"/v1/outcomes/settlements/oset_{settlement}"
    shown = await plant.get(path)
    assert (shown["invoiced"], shown["credited"]) == ("1200.00", "0.00")
    answer = await plant.http.get(f"{path}/statement", params={"format": "csv"})
    rows = [line.split(",") for line in answer.text.splitlines()]
    assert ["amount", "amount", "", "", "", "1500.00"] in rows
    recalls = {row[2]: row[-1] for row in rows if row[:2] == ["agent", "agent_recall"]}
    assert recalls == dict.fromkeys(plant.agents.values(), "100.00 %")


async def check_savings(plant: Plant) -> None:
    """M1's outcome proves 12,000 - 1,500 - the inspection, if one was recommended. M5's was
    disputed: the record stays a warning that no event followed."""
    query = {"from": "2026-10-01", "to": "2026-10-31"}
    found = await plant.get(f"/v1/agents/{plant.agents['M1']}/savings", **query)
    one = found["recommendations"][-1]
    best = 10_500 if one["action"] == "stop" else 10_380
    assert (one["status"], one["event"]["source"]) == ("confirmed", "outcome")
    assert one["observed_saving"] == {"from": f"{best}.000000000", "to": f"{best}.000000000"}
    assert (found["total"]["predictions"], found["total"]["cost"]) == (6, "0.120000000")


async def check_offline(plant: Plant, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Verify ledger and settlement with files alone; changed ones fail."""
    leave_logs_alone(monkeypatch)
    nowhere = {"MAAS_DATABASE_URL": "postgresql://nobody@127.0.0.1:9/none"}
    ledger, keys, bundle = (folder / name for name in ("ledger.json", "keys.json", "bundle.json"))
    exported = (await plant.http.get("/v1/predictions/ledger")).text
    ledger.write_text(exported)
    keys.write_text(json.dumps(await plant.get("/v1/predictions/keys")))
    verify = ("predictions", "verify", str(ledger), "--keys", str(keys), "--json")
    code, said = await invoke(nowhere, *verify)
    assert (code, json.loads(said)["position"]) == (0, 30)
    (settled,) = [one for one in await plant.of.settlements() if one.minor]
    bundle.write_text(settled.bundle)
    replay = ("outcomes", "replay", str(bundle), "--json")
    code, said = await invoke(nowhere, *replay)
    assert (code, json.loads(said)["agrees"]) == (0, True), said

    token = (await plant.warning("M1"))["token"]
    forged = f"{token[:-6]}{'A' * 6}"
    ledger.write_text(exported.replace(token, forged))
    code, said = await invoke(nowhere, *verify)
    assert (code, json.loads(said)["valid"]) == (1, False)
    bundle.write_text(settled.bundle.replace(token, forged))
    assert (await invoke(nowhere, *replay))[0] == 1
