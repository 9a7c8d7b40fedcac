"""`maas outcomes`: claims, settlements, disputes and replay."""

from typing import Any

import pytest

import gateway.cli.runner
from infra import ids
from tests.support.gateway.commands import Maas
from tests.support.stories.outcome_story import Contract, contract

GONE = "0" * 32


@pytest.fixture
async def spindles(maas: Maas, monkeypatch: pytest.MonkeyPatch) -> Contract:
    """The default contract of account Acme. The commands' clock is set to 20 October."""
    clock = maas.firm.story.clock
    monkeypatch.setattr(gateway.cli.runner, "SystemClock", lambda: clock)
    made = await contract(maas.firm)
    clock.set(2026, 10, 20)
    return made


async def claimed(maas: Maas, of: Contract, key: str, by: str) -> Any:
    """Claim a failure on 11 October, six hours after a call."""
    await of.use(key, 2026, 10, 11, 6)
    happened_at = of.firm.story.clock.at(2026, 10, 11, 12).isoformat()
    said = {"outcome": key, "subject": key, "happened_at": happened_at}
    evidence = ids.format_id("evd", await of.says("claim", by, said))
    return await maas.say("outcomes", "claim", "Acme", "spindles", evidence)


async def said(of: Contract, kind: str, key: str) -> str:
    return ids.format_id(
        "evd", await of.says(kind, "customer_system", {"outcome": key, "is": kind})
    )


class TestOutcomesCommand:
    async def test_outcomes_are_claimed_confirmed_reversed_and_denied(
        self, maas: Maas, spindles: Contract
    ) -> None:
        outcome = await claimed(maas, spindles, "W-1", "our_model")
        assert outcome["status"] == "claimed"
        place = ("Acme", outcome["id"])
        evidence = await said(spindles, "confirmation", "W-1")
        assert (await maas.say("outcomes", "confirm", *place, evidence))["status"] == "confirmed"
        evidence = await said(spindles, "reversal", "W-1")
        assert (await maas.say("outcomes", "reverse", *place, evidence))["status"] == "reversed"
        other = await claimed(maas, spindles, "W-2", "our_model")
        evidence = await said(spindles, "denial", "W-2")
        denied = await maas.say("outcomes", "deny", "Acme", other["id"], evidence)
        assert denied["status"] == "refused"
        rows = await maas.say("outcomes", "list", "Acme")
        assert [row["business_key"] for row in rows] == ["W-2", "W-1"]
        assert "W-1" in await maas.tell("outcomes", "list", "Acme")

    async def test_claim_for_unknown_contract_is_rejected(self, maas: Maas) -> None:
        claim = ("outcomes", "claim", "Acme", "none", f"evd_{GONE}")
        assert await maas.refuse(*claim) == "outcome_contract_not_found"


class TestSettlementsCommand:
    async def test_settlement_is_recomputed_from_its_bundle_file(
        self, maas: Maas, spindles: Contract
    ) -> None:
        """Replay without the database returns the same amount; a changed file exits with code 1."""
        await claimed(maas, spindles, "W-1", "customer_system")
        spindles.firm.story.clock.set(2026, 11, 4)
        assert await maas.say("outcomes", "settle") == {"settled": True}
        settlement = (await maas.say("outcomes", "settlements", "Acme"))[-1]
        assert (settlement["amount"], settlement["status"]) == ("300.00", "open")
        file = maas.folder / "bundle.json"
        written = ("outcomes", "bundle", "Acme", settlement["id"], "--out", str(file))
        assert (await maas.say(*written))["sha256"] == settlement["digest"]
        again = await maas.say("outcomes", "replay", settlement["id"])
        assert (again["amount"], again["agrees"]) == ("300.00", True)
        elsewhere = Maas(
            {"MAAS_DATABASE_URL": "postgresql://nobody@127.0.0.1:9/none"}, maas.firm, maas.folder
        )
        assert await elsewhere.say("outcomes", "replay", str(file)) == again
        text = file.read_text("utf-8").replace('"minor":30000', '"minor":30001')
        file.write_text(text, "utf-8")
        code, out = await elsewhere.run("outcomes", "replay", str(file))
        assert code == 1
        assert "30001" in out
        assert await maas.refuse("outcomes", "replay", f"oset_{GONE}") == (
            "outcome_settlement_not_found"
        )

    async def test_settlement_is_disputed_decided_and_conceded(
        self, maas: Maas, spindles: Contract
    ) -> None:
        outcome = await claimed(maas, spindles, "W-1", "customer_system")
        await claimed(maas, spindles, "W-2", "customer_system")
        spindles.firm.story.clock.set(2026, 11, 4)
        await maas.say("outcomes", "settle")
        settlement = (await maas.say("outcomes", "settlements", "Acme"))[-1]
        words = ("--reason", "By the calendar.", "--by", "Ms Li")
        opened = ("outcomes", "dispute", "Acme", settlement["id"], *words)
        dispute = await maas.say(*opened, "--outcome", outcome["id"])
        assert dispute["frozen"] == "300.00"
        place = ("Acme", dispute["id"])
        await maas.say("outcomes", "answer", *place, "See the vibration.")
        await maas.say("outcomes", "reply", *place, "It was within limits.")
        decide = ("outcomes", "decide", *place, "--for", "customer", "--by", "arbiter")
        assert (await maas.say(*decide))["decided_by"] == "arbiter"
        rest = await maas.say(*opened)
        conceded = await maas.say("outcomes", "concede", "Acme", rest["id"])
        assert (conceded["decided_for"], conceded["decided_by"]) == ("customer", "agreement")
        rows = await maas.say("outcomes", "disputes", "Acme")
        assert [row["status"] for row in rows] == ["decided", "decided"]
