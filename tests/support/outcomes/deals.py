"""Outcome contracts for tests: an account of a story and the actions of both parties."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from billing.outcomes.contracts.agreement import (
    VersionReference,
    agree_to_version,
    end_contract,
    set_version_baseline,
)
from billing.outcomes.contracts.contract_file import parse_contract_toml
from billing.outcomes.contracts.contracts import (
    PREFIX,
    list_versions,
    propose_version,
    version_hash,
    version_periods,
)
from billing.outcomes.contracts.parties import Party, Side
from billing.outcomes.contracts.terms import AttesterKind
from billing.outcomes.contracts.versions import version_in_force
from billing.outcomes.evidence.attesters import NewAttester, accept_attester, add_attester
from billing.outcomes.evidence.log import (
    ChainVerification,
    EvidenceKind,
    EvidenceSubmission,
    append_evidence,
    verify_chain,
)
from billing.outcomes.evidence.signatures import (
    generate_key_pair,
    parse_public_key,
    parse_signature,
    sign,
    signing_message,
)
from billing.rating.plan_file import list_price_terms
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
        contract = ids.format_id(PREFIX, self.row.contract_id)
        return parse_signature(sign(self.private, signing_message(contract, kind, body)))


@dataclass
class Deal:
    """Actions on an account's contracts, at the time of the story's clock."""

    firm: Firm
    listed: Any = field(default_factory=lambda: list_price_terms("CNY", LISTED))

    @property
    def account_id(self) -> Any:
        return self.firm.account.id

    async def proposed(self, text: str = EVENT, by: Party = OPERATOR) -> OutcomeVersion:
        story, terms = self.firm.story, parse_contract_toml(text)
        async with story.database.transaction() as session:
            return await propose_version(
                session, story.clock, self.account_id, terms, by, self.listed
            )

    async def says_yes(
        self, version: OutcomeVersion, by: Party, hash: str | None = None
    ) -> OutcomeVersion:
        story, to = self.firm.story, VersionReference(version.number, hash or version_hash(version))
        place = (self.account_id, version.contract_id)
        async with story.database.transaction() as session:
            return await agree_to_version(session, story.clock, *place, to, by, self.listed)

    async def agreed(self, text: str = EVENT) -> OutcomeVersion:
        version = await self.proposed(text)
        await self.says_yes(version, CUSTOMER)
        return await self.says_yes(version, OPERATOR)

    async def fitted(self, version: OutcomeVersion, baseline: str = FIT) -> OutcomeVersion:
        place = (self.account_id, version.contract_id, version.number)
        async with self.firm.story.database.transaction() as session:
            return await set_version_baseline(session, *place, baseline)

    async def ended(
        self, version: OutcomeVersion, by: Party = CUSTOMER, at: datetime | None = None
    ) -> None:
        story = self.firm.story
        async with story.database.transaction() as session:
            await end_contract(session, story.clock, self.account_id, version.contract_id, by, at)

    async def holds(self, version: OutcomeVersion, *at: int) -> int | None:
        """The number of the version in force at a time."""
        moment = self.firm.story.clock.at(*at)
        async with self.firm.story.database.transaction() as session:
            versions = await list_versions(session, self.account_id, version.contract_id)
        span = version_in_force(version_periods(versions), moment)
        return span and span.version.number

    async def attester(
        self,
        version: OutcomeVersion,
        kind: AttesterKind = AttesterKind.NEUTRAL_SENSOR,
        by: Party = OPERATOR,
        *,
        accepted: bool = True,
    ) -> Signer:
        """Register an attester with its own key, accepted by the other party if required."""
        private, public = generate_key_pair()
        new = NewAttester(
            kind, f"Attester {private[40:50].hex()}", parse_public_key(public.decode())
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
        """Submit an attester's statement, signed with its key unless a signature is given."""
        story, contract_id = self.firm.story, signer.row.contract_id
        signed = signature or signer.signs(kind, body)
        said = EvidenceSubmission(signer.row.id, kind, body, signed)
        async with story.database.transaction() as session:
            return await append_evidence(session, story.clock, self.account_id, contract_id, said)

    async def verified(self, version: OutcomeVersion) -> ChainVerification:
        async with self.firm.story.database.transaction() as session:
            return await verify_chain(session, self.account_id, version.contract_id)

    async def versions(self, version: OutcomeVersion) -> list[OutcomeVersion]:
        async with self.firm.story.database.transaction() as session:
            return await list_versions(session, self.account_id, version.contract_id)
