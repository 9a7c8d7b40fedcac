"""Appending to the ledger: once, in order, signed, with checked calls; reading and exporting it."""

import asyncio
from base64 import urlsafe_b64encode
from dataclasses import replace
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from joserfc import jws
from joserfc.jwk import OKPKey

from billing.outcomes.predictions.content import (
    AgentVersion,
    Basis,
    PredictionSource,
    PredictionVerdict,
)
from billing.outcomes.predictions.errors import (
    LedgerFileInvalid,
    ModelKeyNotFound,
    ModelKeyRevoked,
    PredictionConflict,
    PredictionInvalid,
    PredictionLate,
    PredictionNotFound,
)
from billing.outcomes.predictions.ledger import RecordFilter, get_record, list_records
from billing.outcomes.predictions.model_keys import (
    ModelSigner,
    active_key,
    key_json,
    list_keys,
    revoke_key,
    rotate_key,
)
from billing.outcomes.predictions.tokens import (
    jwk_public_key,
    parse_record,
    public_jwk,
    sign_record,
)
from billing.outcomes.predictions.verification import (
    export_ledger,
    parse_ledger_file,
    verify_chain,
    verify_ledger_file,
)
from billing.outcomes.predictions.views import record_json, verification_json
from billing.reconciliation.predictions import verify_prediction_chains
from infra import ids
from tests.support.billing.making import sql
from tests.support.outcomes.predictions import SIGNER, name_of, prediction, record, record_at
from tests.support.stories.story import Firm, Story


@pytest.fixture
async def firm(story: Story) -> Firm:
    return await story.firm()


async def in_session(firm: Firm, work: Any, *arguments: Any) -> Any:
    async with firm.story.database.transaction() as session:
        return await work(session, *arguments)


async def exported(firm: Firm, after: int = 0) -> Any:
    return await in_session(firm, export_ledger, firm.account.id, after)


class TestAppending:
    async def test_records_are_chained_and_signed_as_jws(self, firm: Firm) -> None:
        now = firm.story.clock.now()
        first, second = await record(
            firm, prediction(now), prediction(now, subject="M2", question="Will it fail?")
        )
        assert (first.position, second.position) == (1, 2)
        shown = record_json(second)
        assert (shown["previous"], shown["probability"]) == (first.digest.hex(), 0.8)
        assert shown["agent"] == {"id": "pump-monitor", "version": "7"}
        (key,) = await in_session(firm, list_keys)
        public = OKPKey.import_key({**public_jwk(key.kid, key.public_key)})
        verified = jws.deserialize_compact(second.token, public, algorithms=["Ed25519"])
        assert verified.payload
        assert (await in_session(firm, verify_chain, firm.account.id)).fault is None

    async def test_repeated_prediction_is_recorded_once(self, firm: Firm) -> None:
        new = prediction(firm.story.clock.now())
        first, again = await record(firm, new, new)
        (later,) = await record(firm, new)
        assert first.id == again.id == later.id
        with pytest.raises(PredictionConflict):
            await record(firm, replace(new, probability_ppm=1))

    async def test_concurrent_appends_leave_no_gap_and_no_duplicate(self, firm: Firm) -> None:
        now = firm.story.clock.now()
        new = [prediction(now, subject=f"M{number % 4}") for number in range(8)]
        await asyncio.gather(*(record(firm, one) for one in new))
        state = await in_session(firm, verify_chain, firm.account.id)
        assert (state.position, state.fault) == (4, None)

    async def test_failed_batch_records_nothing(self, firm: Firm) -> None:
        now = firm.story.clock.now()
        late = prediction(now - timedelta(days=9))
        with pytest.raises(PredictionLate):
            await record(firm, prediction(now), late)
        assert await in_session(firm, list_records, firm.account.id, RecordFilter(), 10) == []
        (made,) = await record(firm, prediction(now))
        assert made.position == 1

    async def test_clock_that_jumps_back_never_makes_a_record_older(self, firm: Firm) -> None:
        clock = firm.story.clock
        (first,) = await record(firm, prediction(clock.now()))
        at = clock.now()
        clock.pass_(days=-2)
        (second,) = await record(firm, prediction(at, subject="M2"))
        assert second.recorded_at == first.recorded_at
        assert (await in_session(firm, verify_chain, firm.account.id)).fault is None

    @pytest.mark.parametrize(
        ("values", "field"),
        [
            ({"subject": ""}, "subject"),
            ({"subject": "M\n1"}, "subject"),
            ({"event": "Pump failure"}, "event"),
            ({"probability_ppm": 1_000_001}, "probability"),
            ({"idempotency_key": " "}, "idempotency_key"),
            ({"asset": "x" * 61}, "asset"),
            ({"question": "x" * 2_001}, "question"),
            ({"agent": AgentVersion("a", "")}, "agent"),
            ({"basis": Basis("", PredictionSource.AGENT)}, "model"),
            ({"basis": Basis("vib", PredictionSource.AGENT, version="x" * 101)}, "version"),
            ({"basis": Basis("vib", PredictionSource.AGENT, inputs_sha256="A")}, "inputs_sha256"),
            ({"basis": Basis("vib", PredictionSource.REPORTED)}, "request_ids"),
            (
                {"basis": Basis("vib", PredictionSource.AGENT, request_ids=(ids.new_id(),))},
                "request_ids",
            ),
        ],
    )
    async def test_invalid_field_is_named(
        self, firm: Firm, values: dict[str, Any], field: str
    ) -> None:
        with pytest.raises(PredictionInvalid) as caught:
            await record(firm, prediction(firm.story.clock.now(), **values))
        assert caught.value.param == field

    async def test_horizon_must_be_in_order_zoned_and_of_two_years_at_most(
        self, firm: Firm
    ) -> None:
        now = firm.story.clock.now()
        for since, until in (
            (now, now),
            (now.replace(tzinfo=None), now),
            (now, now + timedelta(days=731)),
        ):
            with pytest.raises(PredictionInvalid):
                await record(firm, prediction(now, horizon_from=since, horizon_to=until))
        with pytest.raises(PredictionInvalid):
            await record(firm)

    async def test_calls_must_be_the_accounts_successful_calls_of_the_model(
        self, firm: Firm
    ) -> None:
        now = firm.story.clock.now()
        call = await firm.use("vib", now, rows=1)
        basis = Basis("vib", PredictionSource.REPORTED, request_ids=(call.request_id,))
        new = prediction(now, basis=basis, agent=None)
        (made,) = await record(firm, new)
        assert record_json(made)["basis"]["request_ids"] == [ids.format_id("req", call.request_id)]
        wrong = replace(new, basis=replace(basis, model="llm"), idempotency_key="other")
        with pytest.raises(PredictionInvalid, match="of the model llm"):
            await record(firm, wrong)
        other = await firm.story.firm("Other")
        with pytest.raises(PredictionInvalid, match="no successful call"):
            await record(other, replace(new, idempotency_key="other"))


class TestReading:
    async def test_records_of_another_account_are_not_found(self, firm: Firm) -> None:
        (made,) = await record(firm, prediction(firm.story.clock.now()))
        found = await in_session(firm, get_record, firm.account.id, made.id)
        assert found.token == made.token
        other = await firm.story.firm("Other")
        with pytest.raises(PredictionNotFound):
            await in_session(other, get_record, other.account.id, made.id)
        assert await in_session(other, list_records, other.account.id, RecordFilter(), 9) == []
        assert (await exported(other)).records == []

    async def test_records_are_filtered(self, firm: Firm) -> None:
        now = firm.story.clock.now()
        await record(
            firm,
            prediction(now),
            prediction(now, subject="M2", verdict=PredictionVerdict.NO, agent=None),
        )
        for wanted, count in (
            (RecordFilter(), 2),
            (RecordFilter(subject="M2"), 1),
            (RecordFilter(agent="pump-monitor"), 1),
            (RecordFilter(event="other"), 0),
            (RecordFilter(model="vib"), 2),
        ):
            rows = await in_session(firm, list_records, firm.account.id, wanted, 10)
            assert len(rows) == count

    async def test_database_refuses_to_change_a_record(self, firm: Firm) -> None:
        await record(firm, prediction(firm.story.clock.now()))
        with pytest.raises(Exception, match="never changed"):
            await sql(firm.story.database, "update prediction_record set verdict = 'no'")


class TestKeys:
    async def test_rotation_keeps_earlier_records_valid(self, firm: Firm) -> None:
        clock, now = firm.story.clock, firm.story.clock.now()
        await record(firm, prediction(now))
        await in_session(firm, rotate_key, clock, SIGNER, "vib")
        await record(firm, prediction(now, subject="M2"))
        first, second = await in_session(firm, list_keys)
        assert (first.retired_at, second.retired_at) == (now, None)
        file = await exported(firm)
        assert {parse_record(one).kid for one in file.records} == {first.kid, second.kid}
        assert verify_ledger_file(file).fault is None

    async def test_revocation_is_published_and_activates_the_next_key(self, firm: Firm) -> None:
        clock, now = firm.story.clock, firm.story.clock.now()
        (made,) = await record(firm, prediction(now))
        since = now - timedelta(days=1)
        revoked = await in_session(firm, revoke_key, clock, SIGNER, made.kid, "leaked", since)
        shown = key_json(revoked)
        assert (shown["reason"], shown["invalid_from"]) == ("leaked", "2026-09-29T16:00:00.000Z")
        assert shown["revoked_at"] == "2026-09-30T16:00:00.000Z"
        again = await in_session(firm, revoke_key, clock, SIGNER, made.kid, "x", since)
        assert again.reason == "leaked"
        with pytest.raises(ModelKeyRevoked):
            await in_session(firm, revoke_key, clock, SIGNER, made.kid, "x", now)
        with pytest.raises(ModelKeyNotFound):
            await in_session(firm, revoke_key, clock, SIGNER, "none", "x")
        (later,) = await record(firm, prediction(now, subject="M2"))
        assert later.kid != made.kid
        await in_session(firm, revoke_key, clock, SIGNER, later.kid, "x")

    async def test_another_secret_key_makes_another_generation(self, firm: Firm) -> None:
        clock = firm.story.clock
        first, _ = await in_session(firm, active_key, clock, SIGNER, "vib")
        second, _ = await in_session(firm, active_key, clock, ModelSigner(b"t" * 32), "vib")
        assert (first.generation, second.generation) == (1, 2)


class TestVerification:
    async def test_exported_parts_verify_offline(self, firm: Firm) -> None:
        now = firm.story.clock.now()
        await record(firm, *(prediction(now, subject=f"M{number}") for number in range(1, 5)))
        file = parse_ledger_file(msgspec.json.encode(await exported(firm)))
        state = verify_ledger_file(file)
        assert (state.position, state.head, state.fault) == (4, file.head, None)
        assert verification_json(state)["valid"]
        part = await exported(firm, 2)
        assert (part.first, len(part.records)) == (3, 2)
        assert verify_ledger_file(part, file.keys).fault is None
        assert verify_ledger_file(await exported(firm, 99)).fault is None

    async def test_every_change_of_a_file_is_found(self, firm: Firm) -> None:
        now = firm.story.clock.now()
        await record(firm, *(prediction(now, subject=f"M{number}") for number in range(1, 4)))
        file = await exported(firm)
        one, two, three = file.records
        forged = sign_record(
            {**msgspec.to_builtins(parse_record(two).payload), "subject": "M9"},
            parse_record(two).kid,
            SIGNER.key("vib", 9).sign,
        )
        for records, fault in (
            ([one, three], "missing before"),
            ([one, forged, three], "signature"),
            ([two, one, three], "missing before"),
            ([one, two], "stated end"),
            (["x.y.z"], "not a signed"),
        ):
            changed = msgspec.structs.replace(file, records=records)
            found = verify_ledger_file(changed).fault
            assert found is not None
            assert fault in found.fault
        other = msgspec.structs.replace(file, previous="1" * 64)
        assert "does not follow" in str(verify_ledger_file(other).fault)
        other = msgspec.structs.replace(file, account="acct_1")
        assert "another account" in str(verify_ledger_file(other).fault)
        assert "published key" in str(verify_ledger_file(file, []).fault)
        message = one.rpartition(".")[0]
        for signature in ("AB", "", "=", "Ä"):
            odd = msgspec.structs.replace(file, records=[f"{message}.{signature}"])
            assert "signature" in str(verify_ledger_file(odd).fault)

    async def test_record_older_than_the_one_before_is_found(self, firm: Firm) -> None:
        now = firm.story.clock.now()
        await record(firm, prediction(now), prediction(now, subject="M2"))
        file = await exported(firm)
        payload = msgspec.to_builtins(parse_record(file.records[1]).payload)
        key = SIGNER.key("vib", 1)
        older = {**payload, "recorded_at": "2020-01-01T00:00:00.000Z"}
        token = sign_record(older, key.key_id, key.sign)
        changed = msgspec.structs.replace(file, records=[file.records[0], token])
        assert "older" in str(verify_ledger_file(changed).fault)

    @pytest.mark.parametrize("content", [b"", b"{}", b"[1]"])
    def test_file_that_is_no_ledger_is_refused(self, content: bytes) -> None:
        with pytest.raises(LedgerFileInvalid):
            parse_ledger_file(content)

    async def test_file_of_another_format_or_with_a_bad_key_is_refused(self, firm: Firm) -> None:
        file = await exported(firm)
        for other in (
            msgspec.structs.replace(file, format=2),
            msgspec.structs.replace(file, object="x"),
        ):
            with pytest.raises(LedgerFileInvalid):
                parse_ledger_file(msgspec.json.encode(other))
        for jwk in ({}, {"crv": "Ed25519", "x": "AA"}, {"crv": "P-256", "x": "A" * 43}):
            with pytest.raises(LedgerFileInvalid):
                jwk_public_key(jwk)
        with pytest.raises(LedgerFileInvalid, match="type"):
            parse_record(file_token("JWT"))

    async def test_changes_in_the_database_are_found_by_reconcile(self, firm: Firm) -> None:
        now, database = firm.story.clock.now(), firm.story.database
        await record(firm, prediction(now), prediction(now, subject="M2"))
        assert await in_session(firm, verify_prediction_chains) == []
        await sql(database, "alter table prediction_record disable trigger all")
        name = ids.format_id("acct", firm.account.id)
        await sql(database, "update prediction_record set subject = 'M3' where position = 2")
        ((_, subject, valid, expected),) = await in_session(firm, verify_prediction_chains)
        assert (subject, valid, expected) == (f"{name} at 2", 1, 2)
        await sql(database, "delete from prediction_record where position = 2")
        state = await in_session(firm, verify_chain, firm.account.id)
        assert state.fault is not None
        assert "end is missing" in state.fault.fault
        await sql(database, "update prediction_record set token = 'x' where position = 1")
        state = await in_session(firm, verify_chain, firm.account.id)
        assert state.fault is not None
        assert (state.fault.position, state.fault.fault) == (
            1,
            "A record is not a signed prediction.",
        )


def file_token(kind: str) -> str:
    """A token of another type."""
    head = msgspec.json.encode({"alg": "Ed25519", "kid": "k", "typ": kind})
    return f"{urlsafe_b64encode(head).rstrip(b'=').decode()}.e30.AAAA"


async def test_record_of_the_past_is_made_at_its_time(firm: Firm) -> None:
    at = firm.story.clock.now() - timedelta(days=3)
    made = await record_at(firm, at)
    assert made.recorded_at == at
    assert name_of(made).startswith("pred_")
