"""`/v1/outcomes/contracts` over a real socket: proposal, agreement and end by the customer."""

import hashlib
from typing import Any

import httpx
import pytest

from billing.outcomes.contracts.agreement import VersionReference, agree_to_version
from billing.outcomes.contracts.contracts import find_contract
from billing.outcomes.contracts.parties import Party, Side
from gateway.access.price_book import catalog_price_terms
from infra import ids
from tests.support.builders import CATALOG, SPECIALIST, Gateway, customer
from tests.support.outcomes.outcome_bodies import CONTRACTS, ENERGY, PUMPS, as_json, code, propose

LATE, INVALID = "outcome_starts_too_soon", "outcome_terms_invalid"
COVERED = f'\n[[covered]]\nmodel = "{SPECIALIST}"\nmeter = "rows"\nquantity = 1000\n'


async def say_yes(gateway: Gateway, digest: str, version: int = 1) -> httpx.Response:
    body = {"version": version, "hash": digest}
    return await gateway.http.post(f"{CONTRACTS}/pumps/agree", json=body)


async def operator_agrees(gateway: Gateway, digest: str) -> None:
    parts = gateway.parts
    account_id, by = gateway.account.id, Party(Side.OPERATOR, "Li Na")
    async with parts.database.transaction() as session:
        found = await find_contract(session, account_id, "pumps")
        place, to = (account_id, found.id), VersionReference(1, digest)
        await agree_to_version(
            session, parts.clock, *place, to, by, catalog_price_terms(CATALOG, "CNY")
        )


class TestContractProposal:
    async def test_json_and_toml_proposals_return_the_same_contract(self, gateway: Gateway) -> None:
        shown = await propose(gateway)
        (version,) = shown["versions"]
        assert (shown["object"], shown["contract"]) == ("outcome_contract", "pumps")
        assert (version["number"], version["status"]) == (1, "proposed")
        assert version["hash"] == hashlib.sha256(version["terms"].encode()).hexdigest()
        by = f"customer {ids.format_id('key', gateway.key.row.id)}"
        assert version["proposed"]["by"] == by
        headers = {"content-type": "application/toml; charset=utf-8"}
        again = await gateway.http.post(CONTRACTS, content=PUMPS.encode(), headers=headers)
        assert again.json() == shown
        assert (await gateway.http.get(CONTRACTS)).json()["data"] == [shown]
        for name in ("pumps", shown["id"]):
            assert (await gateway.http.get(f"{CONTRACTS}/{name}")).json() == shown

    async def test_repeated_idempotency_key_replays_the_proposal(self, gateway: Gateway) -> None:
        headers = {"idempotency-key": "k-1"}
        ask = {"url": CONTRACTS, "content": as_json(PUMPS), "headers": headers}
        first = await gateway.http.post(**ask)
        again = await gateway.http.post(**ask)
        assert (again.content, again.headers["idempotent-replayed"]) == (first.content, "true")
        other = await gateway.http.post(**{**ask, "content": as_json(ENERGY)})
        assert code(other)[:2] == (422, "idempotency_key_reused")

    @pytest.mark.parametrize(
        ("content", "toml", "status", "name", "param"),
        [
            (b"{", False, 400, "outcome_terms_invalid", None),
            (as_json(PUMPS.replace("CNY", "USD")), False, 400, "outcome_terms_invalid", "currency"),
            (as_json(PUMPS.replace("2099", "1999")), False, 409, LATE, "starts_at"),
            (PUMPS.replace("14", "0").encode(), True, 400, INVALID, "deadlines.dispute_days"),
            (b"\xff", True, 400, "outcome_terms_invalid", None),
            (PUMPS.replace('"1800.00"', '"9999999"').encode(), True, 400, "price_invalid", "price"),
        ],
    )
    async def test_invalid_terms_are_rejected(
        self, gateway: Gateway, content: bytes, toml: bool, status: int, name: str, param: str
    ) -> None:
        headers = {"content-type": "application/toml"} if toml else {}
        answer = await gateway.http.post(CONTRACTS, content=content, headers=headers)
        assert code(answer) == (status, name, param)
        assert (await gateway.http.get(CONTRACTS)).json()["data"] == []

    async def test_body_over_size_limit_is_rejected_with_413(self, gateway: Gateway) -> None:
        answer = await gateway.http.post(CONTRACTS, content=b" " * (300 << 10))
        assert code(answer)[:2] == (413, "request_too_large")


class TestContractAgreement:
    async def test_version_is_agreed_after_both_parties_agree(self, gateway: Gateway) -> None:
        digest = (await propose(gateway, PUMPS + COVERED))["versions"][0]["hash"]
        (version,) = (await say_yes(gateway, digest)).json()["versions"]
        assert version["agreed_by_customer"]["by"] == ids.format_id("key", gateway.key.row.id)
        assert (version["status"], version["agreed_by_operator"]) == ("proposed", None)
        await operator_agrees(gateway, digest)
        (version,) = (await gateway.http.get(f"{CONTRACTS}/pumps")).json()["versions"]
        assert (version["status"], version["agreed_by_operator"]["by"]) == ("agreed", "Li Na")
        assert len(version["plan_version"]) == 32
        plans = (await gateway.http.get("/v1/plans")).json()["data"]
        assert [plan["plan"] for plan in plans] == []

    async def test_wrong_hash_or_unknown_version_is_rejected(self, gateway: Gateway) -> None:
        await propose(gateway)
        assert code(await say_yes(gateway, "0" * 64)) == (409, "outcome_version_differs", "hash")
        assert code(await say_yes(gateway, "", 2))[:2] == (404, "outcome_contract_not_found")

    @pytest.mark.parametrize(
        ("body", "param"),
        [({}, "version"), ({"version": 1, "hash": 3}, "hash"), ({"hsh": ""}, "hsh")],
    )
    async def test_invalid_field_in_body_is_rejected_with_400(
        self, gateway: Gateway, body: dict[str, Any], param: str
    ) -> None:
        await propose(gateway)
        answer = await gateway.http.post(f"{CONTRACTS}/pumps/agree", json=body)
        assert code(answer) == (400, "invalid_value", param)

    async def test_energy_contract_without_baseline_is_rejected_with_409(
        self, gateway: Gateway
    ) -> None:
        digest = (await propose(gateway, ENERGY))["versions"][0]["hash"]
        body = {"version": 1, "hash": digest}
        answer = await gateway.http.post(f"{CONTRACTS}/energy/agree", json=body)
        assert code(answer)[:2] == (409, "baseline_misses_gates")


class TestContractEnd:
    async def test_second_end_after_scheduled_end_is_rejected(self, gateway: Gateway) -> None:
        digest = (await propose(gateway))["versions"][0]["hash"]
        await say_yes(gateway, digest)
        await operator_agrees(gateway, digest)
        path, at = f"{CONTRACTS}/pumps/end", "2099-06-01T00:00:00+08:00"
        later = (await gateway.http.post(path, json={"at": at})).json()
        assert later["versions"][0]["ends_at"] == "2099-05-31T16:00:00+00:00"
        again = await gateway.http.post(path)
        assert code(again)[:2] == (409, "outcome_end_invalid")

    async def test_ended_proposal_is_withdrawn(self, gateway: Gateway) -> None:
        await propose(gateway)
        ended = (await gateway.http.post(f"{CONTRACTS}/pumps/end")).json()
        assert ended["versions"][0]["status"] == "withdrawn"

    async def test_end_time_without_utc_offset_is_rejected(self, gateway: Gateway) -> None:
        await propose(gateway)
        body = {"at": "2099-06-01T00:00:00"}
        answer = await gateway.http.post(f"{CONTRACTS}/pumps/end", json=body)
        assert code(answer) == (400, "invalid_value", "at")


async def test_contract_of_another_account_is_not_found(gateway: Gateway) -> None:
    shown = await propose(gateway)
    _, key = await customer(gateway.parts.database, gateway.parts.settings, "Other")
    other = {"authorization": f"Bearer {key.secret}"}
    assert (await gateway.http.get(CONTRACTS, headers=other)).json()["data"] == []
    for name in ("pumps", shown["id"]):
        answer = await gateway.http.get(f"{CONTRACTS}/{name}", headers=other)
        assert code(answer)[:2] == (404, "outcome_contract_not_found")
