"""Outcome contracts as tests make them: a firm of a story, and what its two sides say."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from billing.outcomes.contracts.agreement import Agreement, agree, end, fix_baseline
from billing.outcomes.contracts.contract_file import read_contract_file
from billing.outcomes.contracts.contracts import PREFIX, hash_of, propose, spans_of, versions_of
from billing.outcomes.contracts.parties import Party, Side
from billing.outcomes.contracts.terms import AttesterKind
from billing.outcomes.contracts.versions import in_force
from billing.outcomes.evidence.attesters import NewAttester, accept_attester, add_attester
from billing.outcomes.evidence.log import EvidenceKind, Said, Verified, record, verify
from billing.outcomes.evidence.signatures import (
    make_keys,
    message_of,
    read_public_key,
    read_signature,
    sign,
)
from billing.rating.plan_file import list_terms
from billing.tables import Attester, Evidence, OutcomeVersion
from infra import ids
from tests.support.outcomes.contract_texts import EVENT
from tests.support.stories.story import LISTED, Firm

CUSTOMER = Party(Side.CUSTOMER, "key_1")
OPERATOR = Party(Side.OPERATOR, "Li Na")
READINGS = b"at,value,unit,parts\n2026-10-01,412.5,kWh,1180\n"
FIT = '{"cv_rmse_ppm":250000,"nmbe_ppm":100000,"missing_ppm":90000,"days":90}'


@dataclass
class Signer:
    """An attester with its private key."""

    row: Attester
    private: bytes

    def signs(self, kind: EvidenceKind, body: bytes) -> bytes:
        contract = ids.show(PREFIX, self.row.contract_id)
        return read_signature(sign(self.private, message_of(contract, kind, body)))


@dataclass
class Deal:
    """What happens to a firm's contracts; the clock is the story's."""

    firm: Firm
    listed: Any = field(default_factory=lambda: list_terms("CNY", LISTED))

    @property
    def account_id(self) -> Any:
        return self.firm.account.id

    async def proposed(self, text: str = EVENT, by: Party = OPERATOR) -> OutcomeVersion:
        story, terms = self.firm.story, read_contract_file(text)
        async with story.database.transaction() as session:
            return await propose(session, story.clock, self.account_id, terms, by, self.listed)

    async def says_yes(
        self, version: OutcomeVersion, by: Party, hash: str | None = None
    ) -> OutcomeVersion:
        story, to = self.firm.story, Agreement(version.number, hash or hash_of(version))
        place = (self.account_id, version.contract_id)
        async with story.database.transaction() as session:
            return await agree(session, story.clock, *place, to, by, self.listed)

    async def agreed(self, text: str = EVENT) -> OutcomeVersion:
        version = await self.proposed(text)
        await self.says_yes(version, CUSTOMER)
        return await self.says_yes(version, OPERATOR)

    async def fitted(self, version: OutcomeVersion, baseline: str = FIT) -> OutcomeVersion:
        place = (self.account_id, version.contract_id, version.number)
        async with self.firm.story.database.transaction() as session:
            return await fix_baseline(session, *place, baseline)

    async def ended(
        self, version: OutcomeVersion, by: Party = CUSTOMER, at: datetime | None = None
    ) -> None:
        story = self.firm.story
        async with story.database.transaction() as session:
            await end(session, story.clock, self.account_id, version.contract_id, by, at)

    async def holds(self, version: OutcomeVersion, *at: int) -> int | None:
        """The number of the version that is in force at a moment."""
        moment = self.firm.story.clock.at(*at)
        async with self.firm.story.database.transaction() as session:
            versions = await versions_of(session, self.account_id, version.contract_id)
        span = in_force(spans_of(versions), moment)
        return span and span.version.number

    async def attester(
        self,
        version: OutcomeVersion,
        kind: AttesterKind = AttesterKind.NEUTRAL_SENSOR,
        by: Party = OPERATOR,
        *,
        accepted: bool = True,
    ) -> Signer:
        """An attester with a key of its own, which the other side accepts where that is needed."""
        private, public = make_keys()
        new = NewAttester(
            kind, f"Attester {private[40:50].hex()}", read_public_key(public.decode())
        )
        place, clock = (self.account_id, version.contract_id), self.firm.story.clock
        async with self.firm.story.database.transaction() as session:
            row = await add_attester(session, clock, *place, new, by)
            if accepted and kind is AttesterKind.NEUTRAL_SENSOR:
                other = CUSTOMER if by is OPERATOR else OPERATOR
                await accept_attester(session, clock, self.account_id, row.id, other)
        return Signer(row, private)

    async def says(
        self,
        signer: Signer,
        body: bytes = READINGS,
        kind: EvidenceKind = EvidenceKind.READINGS,
        signature: bytes | None = None,
    ) -> Evidence:
        """What an attester says, signed with its key unless another signature is given."""
        story, contract_id = self.firm.story, signer.row.contract_id
        signed = signature or signer.signs(kind, body)
        said = Said(signer.row.id, kind, body, signed)
        async with story.database.transaction() as session:
            return await record(session, story.clock, self.account_id, contract_id, said)

    async def verified(self, version: OutcomeVersion) -> Verified:
        async with self.firm.story.database.transaction() as session:
            return await verify(session, self.account_id, version.contract_id)

    async def versions(self, version: OutcomeVersion) -> list[OutcomeVersion]:
        async with self.firm.story.database.transaction() as session:
            return await versions_of(session, self.account_id, version.contract_id)
