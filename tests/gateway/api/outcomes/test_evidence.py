"""`/v1/outcomes/attesters` and `/v1/outcomes/evidence` over a real socket."""

from typing import Any

import pytest

from billing.outcomes.contracts.contracts import find_contract
from billing.outcomes.contracts.parties import Party, Side
from billing.outcomes.contracts.terms import AttesterKind
from billing.outcomes.evidence.attesters import NewAttester, add_attester
from billing.outcomes.evidence.log import MAX_BYTES
from billing.outcomes.evidence.signatures import parse_public_key
from infra import ids
from tests.support.builders import Gateway, customer
from tests.support.outcomes.outcome_bodies import (
    ATTESTERS,
    ENERGY,
    EVIDENCE,
    PUMPS,
    READINGS,
    Signer,
    code,
    propose,
)
from tests.support.outcomes.sender import CLAIM, Sender, add, send


class TestAttesters:
    async def test_added_attester_is_listed_and_can_be_revoked(self, gateway: Gateway) -> None:
        contract = await propose(gateway, PUMPS)
        signer = Signer()
        shown = (await add(gateway, signer)).json()
        assert (shown["contract"], shown["public_key"]) == (contract["id"], signer.public)
        assert shown["heard"] is True
        listed = await gateway.http.get(ATTESTERS, params={"contract": "pumps"})
        assert listed.json()["data"] == [shown]
        revoked = (await gateway.http.post(f"{ATTESTERS}/{shown['id']}/revoke")).json()
        by = f"customer {ids.format_id('key', gateway.key.row.id)}"
        assert (revoked["heard"], revoked["revoked"]["by"]) == (False, by)

    async def test_operator_sensor_can_submit_after_customer_accepts_it(
        self, gateway: Gateway
    ) -> None:
        await propose(gateway, ENERGY)
        signer, parts = Signer(), gateway.parts
        new = NewAttester(
            AttesterKind.NEUTRAL_SENSOR, "Meter 4711", parse_public_key(signer.public)
        )
        async with parts.database.transaction() as session:
            found = await find_contract(session, gateway.account.id, "energy")
            place = (gateway.account.id, found.id)
            by = Party(Side.OPERATOR, "Li Na")
            sensor = await add_attester(session, parts.clock, *place, new, by)
        attester, contract = ids.format_id("atst", sensor.id), ids.format_id("octr", found.id)
        headers = signer.headers(attester, contract, "readings", READINGS)
        early = await send(gateway, headers, READINGS, "energy", "readings")
        assert code(early)[:2] == (409, "attester_not_heard")
        accepted = await gateway.http.post(f"{ATTESTERS}/{attester}/accept")
        assert accepted.json()["heard"] is True
        kept = await send(gateway, headers, READINGS, "energy", "readings")
        assert (kept.status_code, kept.json()["position"]) == (200, 1)

    @pytest.mark.parametrize(
        ("values", "wrong"),
        [
            ({"kind": "our_model"}, (400, "attester_invalid", "kind")),
            ({"kind": "hearsay"}, (400, "invalid_value", "kind")),
            ({"public_key": "x"}, (400, "attestation_key_invalid", "public_key")),
            ({"contract": "nope"}, (404, "outcome_contract_not_found", "contract")),
            ({"colour": "red"}, (400, "invalid_value", "colour")),
        ],
    )
    async def test_invalid_attester_field_is_rejected(
        self, gateway: Gateway, values: dict[str, Any], wrong: tuple[Any, ...]
    ) -> None:
        await propose(gateway, PUMPS)
        assert code(await add(gateway, Signer(), **values)) == wrong

    async def test_accept_or_revoke_of_unknown_attester_returns_404(self, gateway: Gateway) -> None:
        for name in ("nope", ids.format_id("atst", ids.new_id())):
            for what in ("accept", "revoke"):
                answer = await gateway.http.post(f"{ATTESTERS}/{name}/{what}")
                assert code(answer) == (404, "attester_not_found", "attester")


class TestEvidence:
    async def test_submitted_evidence_is_stored_once_and_paged(
        self, gateway: Gateway, sender: Sender
    ) -> None:
        kept = (await sender.claims()).json()
        assert (kept["position"], kept["kind"], kept["attester"]) == (1, "claim", sender.attester)
        assert (await sender.claims()).json() == kept
        assert (await sender.claims(b'{"outcome":"WO-2"}')).json()["position"] == 2
        asked = {"contract": "pumps", "limit": 1}
        first = (await gateway.http.get(EVIDENCE, params=asked)).json()
        assert (first["data"], first["has_more"]) == ([kept], True)
        rest = (await gateway.http.get(EVIDENCE, params={**asked, "after": 1})).json()
        assert ([one["position"] for one in rest["data"]], rest["has_more"]) == ([2], False)
        whole = (await gateway.http.get(f"{EVIDENCE}/{kept['id']}")).json()
        assert whole == {**kept, "said": CLAIM.decode()}

    async def test_statement_edited_after_signing_is_rejected(
        self, gateway: Gateway, sender: Sender
    ) -> None:
        edited = CLAIM.replace(b"1", b"2")
        answer = await send(gateway, sender.headers(), edited, "pumps", "claim")
        assert code(answer)[:2] == (400, "attestation_invalid")

    async def test_statement_over_size_limit_is_rejected_with_413(
        self, gateway: Gateway, sender: Sender
    ) -> None:
        body = b" " * (MAX_BYTES + 1)
        answer = await send(gateway, sender.headers(body), body, "pumps", "claim")
        assert code(answer)[:2] == (413, "request_too_large")

    @pytest.mark.parametrize(
        ("headers", "kind", "wrong"),
        [
            ({"x-maas-signature": "x"}, "claim", (400, "attestation_invalid", "signature")),
            ({"x-maas-attester": "x"}, "claim", (404, "attester_not_found", "attester")),
            ({}, "hearsay", (400, "invalid_value", "kind")),
            ({}, "readings", (400, "attestation_invalid", None)),
        ],
    )
    async def test_invalid_signature_attester_or_kind_is_rejected(
        self,
        gateway: Gateway,
        sender: Sender,
        headers: dict[str, str],
        kind: str,
        wrong: tuple[Any, ...],
    ) -> None:
        headers = {**sender.headers(), **headers}
        assert code(await send(gateway, headers, CLAIM, "pumps", kind)) == wrong

    async def test_missing_signature_header_is_rejected(
        self, gateway: Gateway, sender: Sender
    ) -> None:
        answer = await send(gateway, {"x-maas-attester": sender.attester}, CLAIM, "pumps", "claim")
        assert code(answer)[:2] == (400, "invalid_value")

    async def test_readings_of_unaccepted_attester_are_rejected(self, gateway: Gateway) -> None:
        contract = (await propose(gateway, ENERGY))["id"]
        signer = Signer()
        shown = (
            await add(gateway, signer, contract="energy", kind="neutral_sensor", name="M")
        ).json()
        assert (shown["heard"], shown["accepted"]) == (False, None)
        headers = signer.headers(shown["id"], contract, "readings", READINGS)
        answer = await send(gateway, headers, READINGS, "energy", "readings")
        assert code(answer)[:2] == (409, "attester_not_heard")

    async def test_evidence_of_another_account_is_not_found(
        self, gateway: Gateway, sender: Sender
    ) -> None:
        kept = (await sender.claims()).json()
        _, key = await customer(gateway.parts.database, gateway.parts.settings, "Other")
        other = {"authorization": f"Bearer {key.secret}"}
        for name in (kept["id"], "nope"):
            answer = await gateway.http.get(f"{EVIDENCE}/{name}", headers=other)
            assert code(answer) == (404, "evidence_not_found", "evidence")
        answer = await send(gateway, {**sender.headers(), **other}, CLAIM, "pumps", "claim")
        assert code(answer)[0] == 404
