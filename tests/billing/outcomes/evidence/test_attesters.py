"""Attesters: each party adds its own kinds, each attester with its own key."""

from typing import Any

import pytest
from sqlalchemy.exc import DBAPIError

import billing.outcomes.evidence.attesters
from billing.outcomes.contracts.parties import Party
from billing.outcomes.contracts.terms import AttesterKind
from billing.outcomes.evidence.attesters import (
    AttesterInvalid,
    AttesterKeyConflict,
    AttesterNotFound,
    NewAttester,
    accept_attester,
    add_attester,
    get_attester,
    is_active,
    list_attesters,
    revoke_attester,
)
from billing.tables import Attester, OutcomeVersion
from tests.support.billing.making import sql
from tests.support.outcomes.contract_texts import EVENT, MEASURE
from tests.support.outcomes.deals import CUSTOMER, OPERATOR, Deal

ALL = "attesters = [" + ", ".join(f'"{kind}"' for kind in AttesterKind) + "]"
ANY = MEASURE.replace('attesters = ["neutral_sensor"]', ALL)
KEY = bytes([2] * 32)


async def add(deal: Deal, version: OutcomeVersion, by: Party, **values: Any) -> Attester:
    usual = {"kind": AttesterKind.NEUTRAL_SENSOR, "name": "Meter", "public_key": KEY}
    new = NewAttester(**{**usual, **values})
    story = deal.firm.story
    async with story.database.transaction() as session:
        return await add_attester(
            session, story.clock, deal.account_id, version.contract_id, new, by
        )


async def accept(deal: Deal, attester: Attester, by: Party) -> Attester:
    story = deal.firm.story
    async with story.database.transaction() as session:
        return await accept_attester(session, story.clock, deal.account_id, attester.id, by)


async def revoke(deal: Deal, attester: Attester, by: Party = CUSTOMER) -> Attester:
    story = deal.firm.story
    async with story.database.transaction() as session:
        return await revoke_attester(session, story.clock, deal.account_id, attester.id, by)


class TestAttesterCreation:
    @pytest.mark.parametrize(
        ("kind", "by", "other"),
        [
            (AttesterKind.CUSTOMER_SYSTEM, CUSTOMER, OPERATOR),
            (AttesterKind.SIGN_OFF, CUSTOMER, OPERATOR),
            (AttesterKind.OUR_MODEL, OPERATOR, CUSTOMER),
        ],
    )
    async def test_attester_kind_can_be_added_only_by_its_party(
        self, deal: Deal, kind: AttesterKind, by: Party, other: Party
    ) -> None:
        version = await deal.proposed(ANY)
        with pytest.raises(AttesterInvalid, match="by the other side"):
            await add(deal, version, other, kind=kind)
        attester = await add(deal, version, by, kind=kind)
        assert (attester.added_by, is_active(attester)) == (str(by), True)

    async def test_attester_kind_outside_the_contract_is_rejected(self, deal: Deal) -> None:
        version = await deal.proposed(EVENT)
        with pytest.raises(AttesterInvalid, match="customer_system, our_model, sign_off") as caught:
            await add(deal, version, OPERATOR, kind=AttesterKind.NEUTRAL_SENSOR)
        assert caught.value.param == "kind"

    async def test_operator_model_can_be_added_to_any_contract(self, deal: Deal) -> None:
        """The contract decides whether its statements confirm anything."""
        version = await deal.proposed(EVENT)
        made = await add(deal, version, OPERATOR, kind=AttesterKind.OUR_MODEL)
        assert made.kind == AttesterKind.OUR_MODEL

    @pytest.mark.parametrize("name", ["", "  ", "a\nb", "x" * 201])
    async def test_invalid_name_is_rejected(self, deal: Deal, name: str) -> None:
        with pytest.raises(AttesterInvalid) as caught:
            await add(deal, await deal.proposed(MEASURE), OPERATOR, name=name)
        assert caught.value.param == "name"

    async def test_repeated_request_returns_the_attester_and_key_reuse_conflicts(
        self, deal: Deal
    ) -> None:
        version = await deal.proposed(MEASURE)
        first = await add(deal, version, OPERATOR)
        assert (await add(deal, version, CUSTOMER)).id == first.id
        with pytest.raises(AttesterKeyConflict, match="belongs to 'Meter', a neutral_sensor"):
            await add(deal, version, OPERATOR, name="Other")
        await revoke(deal, first)
        with pytest.raises(AttesterKeyConflict, match="which was revoked"):
            await add(deal, version, OPERATOR)

    async def test_attesters_over_the_limit_are_rejected(
        self, deal: Deal, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(billing.outcomes.evidence.attesters, "_MAX_ATTESTERS", 1)
        version = await deal.proposed(MEASURE)
        await add(deal, version, OPERATOR)
        with pytest.raises(AttesterInvalid, match="maximum of 1 attesters"):
            await add(deal, version, OPERATOR, public_key=bytes([3] * 32))

    async def test_key_can_be_used_in_several_contracts(self, deal: Deal) -> None:
        first = await add(deal, await deal.proposed(MEASURE), OPERATOR)
        text = MEASURE.replace('"energy"', '"gas"')
        assert (await add(deal, await deal.proposed(text), OPERATOR)).id != first.id


class TestAttesterAcceptance:
    async def test_neutral_sensor_is_accepted_only_by_the_other_party(self, deal: Deal) -> None:
        attester = await add(deal, await deal.proposed(MEASURE), OPERATOR)
        assert not is_active(attester)
        with pytest.raises(AttesterInvalid, match="did not add it"):
            await accept(deal, attester, OPERATOR)
        accepted = await accept(deal, attester, CUSTOMER)
        assert (accepted.accepted_by, is_active(accepted)) == ("customer key_1", True)
        deal.firm.story.clock.pass_(hours=1)
        assert (await accept(deal, attester, CUSTOMER)).accepted_at == accepted.accepted_at

    async def test_acceptance_of_other_attester_kinds_is_rejected(self, deal: Deal) -> None:
        version = await deal.proposed(EVENT)
        attester = await add(deal, version, CUSTOMER, kind=AttesterKind.SIGN_OFF)
        with pytest.raises(AttesterInvalid):
            await accept(deal, attester, OPERATOR)


class TestAttesterRevocation:
    async def test_revocation_is_permanent(self, deal: Deal) -> None:
        attester = await add(deal, await deal.proposed(MEASURE), OPERATOR)
        await accept(deal, attester, CUSTOMER)
        revoked = await revoke(deal, attester)
        assert (revoked.revoked_by, is_active(revoked)) == ("customer key_1", False)
        deal.firm.story.clock.pass_(hours=1)
        again = await revoke(deal, attester, OPERATOR)
        assert (again.revoked_by, again.revoked_at) == ("customer key_1", revoked.revoked_at)
        for change in ("update attester set revoked_at = null", "delete from attester"):
            with pytest.raises(DBAPIError, match=r"stays as it is|never changed"):
                await sql(deal.firm.story.database, change)


async def test_attester_of_another_account_is_not_found(deal: Deal) -> None:
    attester = await add(deal, await deal.proposed(MEASURE), OPERATOR)
    stranger = (await deal.firm.story.firm("Other")).account.id
    async with deal.firm.story.database.transaction() as session:
        assert await list_attesters(session, stranger, attester.contract_id) == []
        with pytest.raises(AttesterNotFound):
            await get_attester(session, stranger, attester.id)
        assert (await get_attester(session, deal.account_id, attester.id)).id == attester.id
