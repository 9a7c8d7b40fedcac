"""Evidence log: signed entries, stored once and in order, in a hash chain that shows changes."""

import asyncio
import hashlib
from datetime import datetime

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

import billing.outcomes.evidence.log
from billing.outcomes.contracts.terms import AttesterKind
from billing.outcomes.evidence.attesters import AttesterNotFound, revoke_attester
from billing.outcomes.evidence.log import (
    MAX_BYTES,
    AttesterNotActive,
    EvidenceKind,
    EvidenceNotFound,
    EvidenceSubmission,
    append_evidence,
    get_evidence,
    list_evidence,
)
from billing.outcomes.evidence.readings_file import EvidenceInvalid
from billing.outcomes.evidence.signatures import AttestationInvalid
from billing.outcomes.evidence.views import evidence_json
from billing.tables import Evidence
from tests.support.billing.making import sql, until_somebody_waits
from tests.support.outcomes.contract_texts import EVENT, MEASURE
from tests.support.outcomes.deals import CUSTOMER, OPERATOR, READINGS, Deal, Signer

CLAIM = EvidenceKind.CLAIM
LATER = READINGS.replace(b"2026-10-01", b"2026-10-02")


@pytest.fixture
async def sensor(deal: Deal) -> Signer:
    deal.firm.story.clock.set(2026, 10, 20)
    return await deal.attester(await deal.proposed(MEASURE))


async def page(deal: Deal, signer: Signer, limit: int = 10, after: int = 0) -> list[Evidence]:
    async with deal.firm.story.database.transaction() as session:
        place = (deal.account_id, signer.row.contract_id)
        return await list_evidence(session, *place, limit, after)


class TestEvidenceRecording:
    async def test_evidence_is_stored_unchanged(self, deal: Deal, sensor: Signer) -> None:
        kept = await deal.says(sensor)
        assert (kept.position, kept.kind) == (1, "readings")
        assert kept.said.encode() == READINGS
        assert kept.received_at == deal.firm.story.clock.now()
        async with deal.firm.story.database.transaction() as session:
            found = await get_evidence(session, deal.account_id, kept.id)
        assert (found.said, found.signature) == (kept.said, kept.signature)

    async def test_repeated_evidence_is_stored_once(self, deal: Deal, sensor: Signer) -> None:
        """Also while the same is being stored, and after the attester is revoked."""
        clock, contract_id = deal.firm.story.clock, sensor.row.contract_id
        signature = sensor.signs(EvidenceKind.READINGS, READINGS)
        said = EvidenceSubmission(sensor.row.id, EvidenceKind.READINGS, READINGS, signature)
        async with deal.firm.story.database.transaction() as session:
            await session.execute(text("select 1 from outcome_contract for update"))
            repeated = asyncio.create_task(deal.says(sensor))
            await until_somebody_waits(session)
            stored = await append_evidence(session, clock, deal.account_id, contract_id, said)
        assert (await repeated).id == stored.id
        async with deal.firm.story.database.transaction() as session:
            await revoke_attester(session, clock, deal.account_id, sensor.row.id, CUSTOMER)
        assert (await deal.says(sensor)).id == stored.id
        assert len(await page(deal, sensor)) == 1

    async def test_same_text_of_another_kind_or_attester_is_a_new_entry(
        self, deal: Deal, sensor: Signer
    ) -> None:
        (version, *_) = await deal.versions(await deal.proposed(MEASURE))
        await deal.says(sensor)
        await deal.says(sensor, kind=EvidenceKind.CORRECTION)
        await deal.says(await deal.attester(version, by=CUSTOMER))
        kept = await page(deal, sensor)
        assert [one.position for one in kept] == [1, 2, 3]
        assert [one.position for one in await page(deal, sensor, 1, after=1)] == [2]

    async def test_concurrent_entries_have_consecutive_positions(
        self, deal: Deal, sensor: Signer
    ) -> None:
        days = [READINGS.replace(b"10-01", f"10-{day:02}".encode()) for day in range(2, 10)]
        await asyncio.gather(*(deal.says(sensor, body) for body in days))
        assert [one.position for one in await page(deal, sensor)] == [*range(1, 9)]
        verified = await deal.verified(await deal.proposed(MEASURE))
        assert (verified.entries, verified.fault) == (8, None)

    async def test_evidence_is_accepted_after_the_contract_ends(
        self, deal: Deal, sensor: Signer
    ) -> None:
        """Readings from before the end may arrive after it."""
        await deal.ended(await deal.proposed(MEASURE))
        assert (await deal.says(sensor)).position == 1

    async def test_proposed_version_does_not_change_how_readings_are_validated(
        self, deal: Deal, sensor: Signer
    ) -> None:
        version = await deal.fitted(await deal.proposed(MEASURE))
        for by in (CUSTOMER, OPERATOR):
            await deal.says_yes(version, by)
        pieces = MEASURE.replace("kWh", "kg").replace("2026-11-01", "2026-12-01")
        await deal.proposed(pieces.replace("[measure]", "[measure]\nlooks = 12"))
        assert (await deal.says(sensor)).position == 1
        deal.firm.story.clock.set(2026, 11, 2)
        assert (await deal.says(sensor, LATER)).position == 2


class TestEvidenceRejection:
    async def test_text_changed_after_signing_is_rejected(self, deal: Deal, sensor: Signer) -> None:
        signature = sensor.signs(EvidenceKind.READINGS, READINGS)
        edited = READINGS.replace(b"412.5", b"41.25")
        with pytest.raises(AttestationInvalid, match="bytes were changed"):
            await deal.says(sensor, edited, signature=signature)

    async def test_signature_for_another_kind_is_rejected(self, deal: Deal, sensor: Signer) -> None:
        signature = sensor.signs(EvidenceKind.READINGS, READINGS)
        with pytest.raises(AttestationInvalid):
            await deal.says(sensor, READINGS, EvidenceKind.CORRECTION, signature)

    async def test_signature_of_another_attester_is_rejected(
        self, deal: Deal, sensor: Signer
    ) -> None:
        forger = await deal.attester(await deal.proposed(MEASURE))
        with pytest.raises(AttestationInvalid):
            await deal.says(
                sensor, READINGS, signature=forger.signs(EvidenceKind.READINGS, READINGS)
            )

    async def test_signature_for_another_contract_is_rejected(
        self, deal: Deal, sensor: Signer
    ) -> None:
        other = await deal.attester(await deal.proposed(MEASURE.replace('"energy"', '"gas"')))
        sensor.row.contract_id, mine = other.row.contract_id, sensor.row.contract_id
        with pytest.raises(AttesterNotFound, match="another contract"):
            await deal.says(sensor)
        signature = sensor.signs(EvidenceKind.READINGS, READINGS)
        sensor.row.contract_id = mine
        with pytest.raises(AttestationInvalid):
            await deal.says(sensor, signature=signature)

    async def test_evidence_of_an_inactive_attester_is_rejected(
        self, deal: Deal, sensor: Signer
    ) -> None:
        version = await deal.proposed(MEASURE)
        waiting = await deal.attester(version, accepted=False)
        with pytest.raises(AttesterNotActive, match="not yet accepted"):
            await deal.says(waiting)
        async with deal.firm.story.database.transaction() as session:
            clock = deal.firm.story.clock
            await revoke_attester(session, clock, deal.account_id, sensor.row.id, CUSTOMER)
        with pytest.raises(AttesterNotActive, match="revoked"):
            await deal.says(sensor)

    @pytest.mark.parametrize(
        ("body", "what"),
        [
            (b"", "1 to 2097152 bytes"),
            (b"x" * (MAX_BYTES + 1), "1 to 2097152 bytes"),
            (b"at,value\n\xff", r"line 2: it is not UTF-8"),
            (READINGS + b"\0", "NUL bytes"),
            (READINGS.replace(b"kWh", b"J"), "cannot be converted to kWh"),
            (READINGS.replace(b"10-01", b"10-21"), "in the future"),
        ],
    )
    async def test_invalid_readings_file_is_rejected(
        self, deal: Deal, sensor: Signer, body: bytes, what: str
    ) -> None:
        with pytest.raises(EvidenceInvalid, match=what):
            await deal.says(sensor, body)

    @pytest.mark.parametrize(
        "body",
        [b"[]", b"{", b'{"a": 1, "a": 2}', b'{"a": NaN}', b'{"a": ' + b"[" * 100_000, b"1" * 5000],
    )
    async def test_claim_that_is_not_one_json_object_is_rejected(
        self, deal: Deal, body: bytes
    ) -> None:
        person = await deal.attester(await deal.proposed(EVENT), AttesterKind.SIGN_OFF, CUSTOMER)
        with pytest.raises(EvidenceInvalid, match="one JSON object"):
            await deal.says(person, body, CLAIM)
        assert (await deal.says(person, b'{"outcome": "WO-1"}', CLAIM)).kind == "claim"

    async def test_evidence_of_another_account_is_not_found(
        self, deal: Deal, sensor: Signer
    ) -> None:
        kept = await deal.says(sensor)
        stranger = (await deal.firm.story.firm("Other")).account.id
        async with deal.firm.story.database.transaction() as session:
            with pytest.raises(EvidenceNotFound):
                await get_evidence(session, stranger, kept.id)
            assert await list_evidence(session, stranger, kept.contract_id, 10) == []


class TestEvidenceChain:
    async def said(self, deal: Deal, sensor: Signer) -> list[Evidence]:
        return [await deal.says(sensor, body) for body in (READINGS, LATER, LATER + b"\n")]

    async def test_unchanged_chain_is_verified(
        self, deal: Deal, sensor: Signer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        version = await deal.proposed(MEASURE)
        assert (await deal.verified(version)).entries == 0
        monkeypatch.setattr(billing.outcomes.evidence.log, "_PAGE_SIZE", 2)
        said = await self.said(deal, sensor)
        verified = await deal.verified(version)
        assert (verified.entries, verified.head) == (3, said[-1].chained)
        assert (verified.broken_at, verified.fault) == (None, None)

    async def test_chain_can_be_recomputed_as_documented(self, deal: Deal, sensor: Signer) -> None:
        """From what the API returns, with the standard library alone."""
        head = bytes(32)
        for entry in await self.said(deal, sensor):
            shown = evidence_json(entry, include_body=True)
            digest = hashlib.sha256(shown["said"].encode()).hexdigest()
            signed = f"maas-evidence-v1\n{shown['contract']}\n{shown['kind']}\n{digest}\n"
            at = datetime.fromisoformat(shown["received_at"]).isoformat(timespec="microseconds")
            place = f"{shown['position']}\n{shown['attester'].removeprefix('atst_')}\n{at}\n"
            signature = bytes.fromhex(shown["signature"])
            head = hashlib.sha256(head + place.encode() + signature + signed.encode()).digest()
            assert (shown["digest"], shown["chained"]) == (digest, head.hex())

    async def test_database_rejects_changes_of_evidence(self, deal: Deal, sensor: Signer) -> None:
        await self.said(deal, sensor)
        for change in ("update evidence set said = 'x'", "delete from evidence"):
            with pytest.raises(DBAPIError, match="never changed"):
                await sql(deal.firm.story.database, change)

    @pytest.mark.parametrize(
        ("change", "at", "fault"),
        [
            ("update evidence set said = 'x' where position = 2", 2, "does not match its hash"),
            ("update evidence set received_at = now() where position = 1", 1, "does not chain"),
            ("update evidence set kind = 'claim' where position = 3", 3, "does not chain"),
            ("delete from evidence where position = 1", 1, "is missing"),
            ("delete from evidence where position = 2", 2, "is missing"),
            ("update attester set public_key = sha256('x')", 1, "signature is not valid"),
        ],
    )
    async def test_changed_or_missing_entry_is_detected(
        self, deal: Deal, sensor: Signer, change: str, at: int, fault: str
    ) -> None:
        """Even if the change bypasses the database's own triggers."""
        await self.said(deal, sensor)
        replica = f"set local session_replication_role = replica; {change}"
        await sql(deal.firm.story.database, replica)
        verified = await deal.verified(await deal.proposed(MEASURE))
        assert (verified.entries, verified.broken_at) == (at - 1, at)
        assert fault in (verified.fault or "")
