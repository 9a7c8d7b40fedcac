"""`maas outcomes`: contracts, attesters and evidence."""

import json
from datetime import date, timedelta
from typing import Any

import pytest

from billing.outcomes.contracts.agreement import VersionReference, agree_to_version
from billing.outcomes.contracts.contracts import find_contract
from billing.outcomes.contracts.parties import Party, Side
from gateway.access.price_book import catalog_price_terms
from infra.clock import SystemClock
from tests.support.billing.making import sql
from tests.support.builders import CATALOG
from tests.support.gateway.commands import Maas
from tests.support.outcomes.outcome_bodies import ENERGY, PUMPS, READINGS

BY = ("--by", "Li Na")


def write(maas: Maas, name: str, content: str | bytes) -> str:
    file = maas.folder / name
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    return str(file)


async def propose(maas: Maas, toml: str = PUMPS) -> Any:
    file = write(maas, "contract.toml", toml)
    return await maas.say("outcomes", "contracts", "propose", file, "Acme", *BY)


async def customer_agrees(maas: Maas, name: str, digest: str) -> None:
    account_id, by = maas.firm.account.id, Party(Side.CUSTOMER, "key_1")
    async with maas.firm.story.database.transaction() as session:
        found = await find_contract(session, account_id, name)
        place, to = (account_id, found.id), VersionReference(1, digest)
        await agree_to_version(
            session, SystemClock(), *place, to, by, catalog_price_terms(CATALOG, "CNY")
        )


class TestContractsCommand:
    async def test_contract_is_proposed_agreed_and_ended(self, maas: Maas) -> None:
        digest = (await propose(maas))["versions"][0]["hash"]
        yes = ("outcomes", "contracts", "agree", "Acme", "pumps", "--version", "1", *BY)
        assert await maas.refuse(*yes, "--hash", "0" * 64) == "outcome_version_differs"
        await maas.say(*yes, "--hash", digest)
        await customer_agrees(maas, "pumps", digest)
        shown = await maas.say("outcomes", "contracts", "show", "Acme", "pumps")
        assert shown["versions"][0]["status"] == "agreed"
        assert shown["versions"][0]["agreed_by_operator"]["by"] == "Li Na"
        assert await maas.say("outcomes", "contracts", "list", "Acme") == [shown]
        end = ("outcomes", "contracts", "end", "Acme", "pumps", *BY, "--at")
        assert await maas.refuse(*end, "1999-01-01") == "outcome_end_invalid"
        assert await maas.refuse(*end, "soon") == "outcome_end_invalid"
        ended = await maas.say(*end, "2099-06-01")
        assert ended["versions"][0]["ended"]["by"] == "operator Li Na"

    async def test_text_output_shows_versions_and_attribution(self, maas: Maas) -> None:
        await propose(maas)
        told = await maas.tell("outcomes", "contracts", "show", "Acme", "pumps")
        assert "Version 1:" in told
        assert "proposed: operator Li Na, 20" in told
        assert "attribution: *: predictions, infer" in told
        assert "pumps" in await maas.tell("outcomes", "contracts", "list", "Acme")

    async def test_invalid_file_is_rejected_with_field_and_line(self, maas: Maas) -> None:
        file = write(maas, "c.toml", PUMPS.replace("meter", "metre"))
        propose = ("outcomes", "contracts", "propose", file, "Acme", *BY)
        code, out = await maas.run(*propose, "--json")
        error = json.loads(out)["error"]
        assert (code, error["code"], error["param"]) == (1, "outcome_terms_invalid", "metre")
        assert error["message"].endswith("(line 6)")

    async def test_blank_name_of_the_person_is_rejected(self, maas: Maas) -> None:
        await propose(maas)
        code, _ = await maas.run("outcomes", "contracts", "end", "Acme", "pumps", "--by", " ")
        assert code == 2


class Plant:
    """An attester with a sensor's keys, which signs and adds evidence."""

    def __init__(self, maas: Maas, contract: str, attester: str) -> None:
        self.maas, self.contract, self.attester = maas, contract, attester

    async def adds(self, content: bytes = READINGS, kind: str = "readings") -> Any:
        file = write(self.maas, "readings.csv", content)
        key = str(self.maas.folder / "sensor.pem")
        sign = ("outcomes", "sign", file, "--contract", self.contract, "--kind", kind, "--key", key)
        signature = (await self.maas.say(*sign))["signature"]
        add = ("outcomes", "evidence", "add", file, "Acme", "energy", "--kind", kind)
        who = ("--attester", self.attester, "--signature", signature)
        return await self.maas.say(*add, *who)


@pytest.fixture
async def plant(maas: Maas) -> Plant:
    before = "before = { first = 2020-01-01, until = 2020-04-10 }"
    text = ENERGY.replace('unit = "kWh"', f'unit = "kWh"\n{before}')
    contract = (await propose(maas, text))["id"]
    await maas.say("outcomes", "make-keys", str(maas.folder / "sensor"))
    attester = await maas.say(
        *("outcomes", "attesters", "add", "Acme", "energy", "--kind", "neutral_sensor"),
        *("--name", "Meter 4711", "--public-key", str(maas.folder / "sensor.pub.pem"), *BY),
    )
    await sql(
        maas.firm.story.database,
        "update attester set accepted_by = 'customer key_1', accepted_at = now()",
    )
    return Plant(maas, contract, attester["id"])


class TestBaselineCommand:
    async def test_baseline_is_fitted_to_the_signed_readings(
        self, maas: Maas, plant: Plant
    ) -> None:
        """100 days of 2020: 500 kWh plus 2 kWh per part, plus a remainder."""
        fit = ("outcomes", "contracts", "baseline", "Acme", "energy", "--version", "1")
        assert await maas.refuse(*fit) == "baseline_unfit"
        rows = ["at,value,unit,parts"]
        for at in range(100):
            parts = 1000 + 37 * at % 101
            day = date(2020, 1, 1) + timedelta(days=at)
            rows.append(f"{day},{500 + 2 * parts + 11 * at % 13},kWh,{parts}")
        await plant.adds("\n".join(rows).encode())
        shown = await maas.say(*fit)
        baseline = json.loads(shown["versions"][0]["baseline"])
        assert (baseline["days"], baseline["period"]["first"]) == (100, "2020-01-01")
        effects = {name: float(effect) for name, effect in baseline["effects"]}
        assert effects["parts"] == pytest.approx(2, abs=0.1)
        assert await maas.say(*fit) == shown


class TestEvidenceCommand:
    async def test_evidence_is_added_listed_and_its_chain_verified(
        self, maas: Maas, plant: Plant
    ) -> None:
        kept = await plant.adds()
        assert (kept["position"], kept["attester"]) == (1, plant.attester)
        assert await plant.adds() == kept
        await plant.adds(READINGS, "correction")
        place = ("Acme", "energy")
        listed = await maas.say("outcomes", "evidence", "list", *place, "--limit", "1")
        assert listed == [kept]
        listed = await maas.say("outcomes", "evidence", "list", *place, "--after", "1")
        checked = await maas.say("outcomes", "evidence", "verify", *place)
        assert checked == {
            "entries": 2,
            "head": listed[0]["chained"],
            "broken_at": None,
            "fault": None,
        }
        change = "set local session_replication_role = replica; update evidence set said = 'x'"
        await sql(maas.firm.story.database, change)
        code, out = await maas.run("outcomes", "evidence", "verify", *place, "--json")
        assert (code, json.loads(out)["broken_at"]) == (1, 1)

    async def test_attesters_are_listed_and_revoked(self, maas: Maas, plant: Plant) -> None:
        (shown,) = await maas.say("outcomes", "attesters", "list", "Acme", "energy")
        assert (shown["id"], shown["heard"]) == (plant.attester, True)
        accept = ("outcomes", "attesters", "accept", "Acme", plant.attester, *BY)
        assert await maas.refuse(*accept) == "attester_invalid"
        revoke = ("outcomes", "attesters", "revoke", "Acme")
        assert (await maas.say(*revoke, plant.attester, *BY))["heard"] is False
        assert await maas.refuse(*revoke, "nope", *BY) == "attester_not_found"


async def test_existing_attestation_keys_are_not_overwritten(maas: Maas) -> None:
    make = ("outcomes", "make-keys", str(maas.folder / "sensor"))
    await maas.say(*make)
    kept = private_key(maas)
    assert await maas.refuse(*make) == "attestation_key_invalid"
    assert private_key(maas) == kept


def private_key(maas: Maas) -> tuple[int, bytes]:
    """Mode and content of the private key file."""
    file = maas.folder / "sensor.pem"
    mode = file.stat().st_mode & 0o777
    assert mode == 0o600
    return mode, file.read_bytes()
