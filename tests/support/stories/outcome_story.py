"""Outcome contracts in billing stories: agreement, attesters, evidence and settlement.

All but attesters is done by the functions that the service itself calls.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID

import msgspec
from sqlmodel import col, select

from billing.invoice_documents.builder import build_invoice_document
from billing.invoice_documents.document import InvoiceDocument
from billing.metering.usage import REQUEST_ID_PREFIX, UsageRecord
from billing.outcomes.contracts.contracts import list_versions, propose_version, version_hash
from billing.outcomes.contracts.terms import (
    AttesterKind,
    ContractDeadlines,
    EventEffect,
    OutcomeTerms,
)
from billing.outcomes.evidence.log import EvidenceKind
from billing.outcomes.evidence.signatures import generate_key_pair, parse_public_key
from billing.outcomes.settlement.baseline_fit import fit_version_baseline
from billing.outcomes.settlement.claims import confirm_outcome, deny_outcome, submit_claim
from billing.outcomes.settlement.disputes import (
    NewDispute,
    answer_dispute,
    concede_dispute,
    decide_dispute,
    open_dispute,
    reply_to_dispute,
)
from billing.outcomes.settlement.jobs import settle_outcomes
from billing.outcomes.settlement.measured_effects import measure_effect
from billing.outcomes.settlement.replay import MeasureFunction as Measuring
from billing.outcomes.settlement.reversal import reverse_outcome
from billing.rating.price_kinds.per_unit import PerUnit
from billing.rating.statement import LineKind
from billing.rating.terms import Allowance
from billing.tables import (
    Attester,
    Dispute,
    Invoice,
    Outcome,
    OutcomeContract,
    OutcomeSettlement,
    OutcomeVersion,
)
from infra import ids
from tests.support.outcomes.deals import CUSTOMER, OPERATOR, Deal, Signer
from tests.support.stories.story import Firm

DEADLINES = ContractDeadlines(dispute_days=10, answer_days=5, reversal_days=90)
COVERED = (Allowance("vib", "rows", 1_000),)


def terms(firm: Firm, **values: Any) -> OutcomeTerms:
    """300.00 per failure predicted 2 to 168 hours before, at most one per machine in 72 hours."""
    clock = firm.story.clock
    usual: dict[str, Any] = {
        "tag": "spindles",
        "names": {"en": "Early warning", "zh": "故障预警"},
        "currency": firm.account.currency,
        "effect": "A spindle failure was foreseen, and the spindle was replaced before it.",
        "kind": EventEffect(lead_hours=2, window_hours=168, apart_hours=72),
        "price": PerUnit(300 * 10**9),
        "meter": "work orders of the CMMS",
        "attesters": (AttesterKind.CUSTOMER_SYSTEM, AttesterKind.SIGN_OFF),
        "deadlines": DEADLINES,
        "starts_at": clock.at(2026, 10, 1),
        "ends_at": None,
        "covered": COVERED,
    }
    return OutcomeTerms(**{**usual, **values})


@dataclass
class Contract:
    """An agreed contract of a story's firm, with its attesters by kind; `before` are the readings
    that a baseline is fitted to, unless it is given."""

    firm: Firm
    row: OutcomeContract
    versions: list[OutcomeVersion] = field(default_factory=list)
    signers: dict[str, Signer] = field(default_factory=dict)
    measure: Measuring = measure_effect
    baseline: str | None = None
    before: str | None = None

    async def agrees(self, agreed: OutcomeTerms, *, both: bool = True) -> OutcomeVersion:
        """Create a version, agreed by both parties or the operator the day before it starts."""
        calendar = self.firm.story.clock
        now, calendar._now = calendar.now(), agreed.starts_at - timedelta(days=1)
        deal = Deal(self.firm)
        async with self.firm.story.database.transaction() as session:
            place = (session, calendar, self.firm.account.id)
            version = await propose_version(*place, agreed, OPERATOR, deal.listed)
        if self.baseline is not None:
            await deal.fitted(version, self.baseline)
        if self.before is not None:
            await self.says("readings", AttesterKind.NEUTRAL_SENSOR, self.before)
            async with self.firm.story.database.transaction() as session:
                place = (self.firm.account.id, self.row.id, version.number)
                await fit_version_baseline(session, calendar, *place)
        for side in (OPERATOR, CUSTOMER) if both else (OPERATOR,):
            version = await deal.says_yes(version, side, await self._hash(version))
        calendar._now = now
        self.versions.append(version)
        return version

    async def _hash(self, version: OutcomeVersion) -> str:
        async with self.firm.story.database.transaction() as session:
            place = (session, version.account_id, version.contract_id)
            return version_hash((await list_versions(*place))[version.number - 1])

    async def use(
        self,
        machine: str,
        *at: int,
        rows: int = 1,
        units: Mapping[str, int] | None = None,
        model: str = "vib",
        operation: str | None = None,
        **tags: str,
    ) -> UsageRecord:
        """A call for the contract about a machine, at the contract's terms; of rows unless it says
        which units."""
        return await self.firm.use(
            model,
            self.firm.story.clock.at(*at),
            {"machine": machine, "contract": self.row.tag, **tags},
            version=self.versions[-1].plan_version_id,
            operation=operation,
            **(units or {"rows": rows}),
        )

    async def says(self, kind: str, by: str, said: Any) -> UUID:
        """Submit evidence of an attester now; returns its id. Equal evidence is stored once."""
        signer = await self._signer(by)
        text = said if isinstance(said, str) else msgspec.json.encode(said).decode()
        return (await Deal(self.firm).says(signer, text.encode(), EvidenceKind(kind))).id

    async def claims(
        self,
        key: str,
        machine: str,
        *at: int,
        by: str = AttesterKind.OUR_MODEL,
        calls: list[UsageRecord] | None = None,
        decision: str | None = None,
        decision_key: bytes | None = None,
    ) -> Outcome:
        """Submit a claim of an effect at this time."""
        said: dict[str, Any] = {
            "outcome": key,
            "subject": machine,
            "happened_at": self.firm.story.clock.at(*at),
        }
        if calls is not None:
            said["calls"] = [ids.format_id(REQUEST_ID_PREFIX, one.request_id) for one in calls]
        if decision is not None:
            said["decision"] = decision
        return await self.claims_by(await self.says("claim", by, said), decision_key)

    async def claims_by(self, evidence_id: UUID, decision_key: bytes | None = None) -> Outcome:
        story = self.firm.story
        async with story.database.transaction() as session:
            place = (self.firm.account.id, self.row.tag, evidence_id)
            return await submit_claim(session, story.clock, *place, decision_key)

    async def confirms(self, outcome: Outcome, by: str = AttesterKind.CUSTOMER_SYSTEM) -> Outcome:
        return await self._told("confirmation", by, outcome, confirm_outcome)

    async def denies(self, outcome: Outcome, by: str = AttesterKind.CUSTOMER_SYSTEM) -> Outcome:
        return await self._told("denial", by, outcome, deny_outcome)

    async def reverses(self, outcome: Outcome, by: str = AttesterKind.CUSTOMER_SYSTEM) -> Outcome:
        return await self._told("reversal", by, outcome, reverse_outcome)

    async def is_confirmed(self, key: str, machine: str, *at: int) -> Outcome:
        """Make a call six hours before, claim the outcome, confirm it by the customer's system."""
        await self.use(machine, *at[:3], at[3] - 6)
        return await self.confirms(await self.claims(key, machine, *at))

    async def until(self, *at: int) -> list[UUID]:
        """Set the clock and run all jobs, those of outcomes first."""
        self.firm.story.clock.set(*at)
        await self.settles()
        return await self.firm.story.jobs()

    async def settles(self) -> None:
        story = self.firm.story
        await settle_outcomes(story.database, story.clock, self.measure)

    async def settlements(self) -> list[OutcomeSettlement]:
        """The settlements, oldest first."""
        query = select(OutcomeSettlement).where(
            col(OutcomeSettlement.account_id) == self.firm.account.id
        )
        async with self.firm.story.database.transaction() as session:
            return list(
                (await session.scalars(query.order_by(col(OutcomeSettlement.starts_at)))).all()
            )

    async def disputes(
        self,
        settlement: OutcomeSettlement,
        *outcomes: Outcome,
        reason: str = "The spindle was replaced by the calendar anyway.",
    ) -> Dispute:
        named = tuple(ids.format_id("outc", one.id) for one in outcomes)
        said = NewDispute("Ms Li", reason, named)
        return await self._do(open_dispute, settlement.id, said)

    async def answers(self, dispute: Dispute, said: str = "See the vibration.") -> Dispute:
        return await self._do(answer_dispute, dispute.id, said)

    async def replies(self, dispute: Dispute, said: str = "It was within limits.") -> Dispute:
        return await self._do(reply_to_dispute, dispute.id, said)

    async def decides(self, dispute: Dispute, side: str) -> Dispute:
        return await self._do(decide_dispute, dispute.id, side, "arbiter")

    async def gives_in(self, dispute: Dispute, side: str) -> Dispute:
        return await self._do(concede_dispute, dispute.id, side)

    async def outcome_lines(self, invoice: Invoice) -> list[tuple[str, str, str]]:
        """(attester kind, quantity, amount) of the outcome lines."""
        document = await self.document(invoice)
        return [
            (one.charge.attested_by, one.charge.quantity, document.text(one.line.minor))
            for one in document.lines
            if one.line.kind is LineKind.OUTCOME and one.charge is not None
        ]

    async def document(self, invoice: Invoice) -> InvoiceDocument:
        async with self.firm.story.database.transaction() as session:
            return await build_invoice_document(session, self.firm.account.id, invoice.id, "en")

    async def _told(self, kind: str, by: str, outcome: Outcome, work: Any) -> Outcome:
        text = {"outcome": outcome.business_key, "says": kind, "by": by}
        said = await self.says(kind, by, text)
        return await self._do(work, outcome.id, said)

    async def _do(self, work: Any, *subject: Any) -> Any:
        story = self.firm.story
        async with story.database.transaction() as session:
            return await work(session, story.clock, self.firm.account.id, *subject)

    async def _signer(self, kind: str) -> Signer:
        """Register an attester as a row, because a contract accepts only the kinds in its terms."""
        if kind not in self.signers:
            (private, public), now = generate_key_pair(), self.firm.story.clock.now()
            attester = Attester(
                id=ids.new_id(),
                account_id=self.firm.account.id,
                contract_id=self.row.id,
                kind=kind,
                name=f"the {kind}",
                public_key=parse_public_key(public.decode()),
                added_by="Ms Li",
                added_at=now,
                accepted_at=now,
            )
            async with self.firm.story.database.transaction() as session:
                session.add(attester)
            self.signers[kind] = Signer(attester, private)
        return self.signers[kind]


async def contract(firm: Firm, **values: Any) -> Contract:
    """An agreed contract with the default terms and these values."""
    agreed = terms(firm, **values)
    made = await proposed(firm, agreed.tag)
    await made.agrees(agreed)
    return made


async def settled_october(firm: Firm) -> tuple[Contract, list[Outcome], OutcomeSettlement]:
    """A contract with two failures of October at 300.00 each, settled on 4 November."""
    of = await contract(firm)
    firm.story.clock.set(2026, 10, 20)
    outcomes = [
        await of.is_confirmed(f"W-{day}", f"M{day}", 2026, 10, 10 + day, 12) for day in (1, 2)
    ]
    await of.until(2026, 11, 4)
    (settled,) = await of.settlements()
    return of, outcomes, settled


async def proposed(firm: Firm, tag: str) -> Contract:
    """A contract without a version."""
    row = OutcomeContract(
        id=ids.new_id(), account_id=firm.account.id, tag=tag, created_at=firm.story.clock.now()
    )
    async with firm.story.database.transaction() as session:
        session.add(row)
    return Contract(firm, row)
