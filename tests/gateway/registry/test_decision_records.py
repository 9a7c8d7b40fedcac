"""What decision records hold, and what their signatures are bound to."""

import msgspec

from billing.outcomes.evidence.decision_records import PURPOSE, decision_message, is_authentic
from gateway.collaboration.records import canonical_text
from gateway.registry.decision_records import DecisionSigner, RecordContext
from infra import ids
from infra.clock import SystemClock
from infra.secrets.signing_key import SigningKey
from tests.support.gateway.decided import decided

KEY = SigningKey(b"s" * 32, PURPOSE)
CONTEXT = RecordContext(ids.new_id(), ids.new_id(), None, "Will it fail at 50 Nm?")


def test_document_names_basis_and_hashes_but_neither_question_nor_inputs() -> None:
    signer = DecisionSigner(KEY, SystemClock())
    (record,) = signer.sign(CONTEXT, [decided("torque 50 Nm")])
    document = msgspec.json.decode(record.document)
    assert (document["verdict"], document["probability"]) == ("yes", 0.93)
    assert document["basis"]["model"] == "mill"
    assert document["basis"]["parent_request_id"] == ids.format_id("req", CONTEXT.request_id)
    assert len(document["question_sha256"]) == len(document["basis"]["inputs_sha256"]) == 64
    assert "torque 50" not in record.document
    assert CONTEXT.question not in record.document


def test_signature_is_bound_to_record_text_and_key() -> None:
    signer = DecisionSigner(KEY, SystemClock())
    (record,) = signer.sign(CONTEXT, [decided()])
    assert is_authentic(record.id, record.document, record.signature, KEY.public_key)
    assert not is_authentic(ids.new_id(), record.document, record.signature, KEY.public_key)
    assert not is_authentic(record.id, record.document + " ", record.signature, KEY.public_key)
    other = SigningKey(b"t" * 32, PURPOSE)
    assert other.key_id != KEY.key_id
    assert not is_authentic(record.id, record.document, record.signature, other.public_key)


def test_canonical_text_and_message_are_fixed() -> None:
    assert canonical_text({"b": 1.5, "a": "长"}) == '{"a":"长","b":1.5}'
    identity = ids.parse_id("drec", "drec_" + "0" * 32)
    assert identity is not None
    assert decision_message(identity, "x") == (
        b"maas-decision-v1\ndrec_00000000000000000000000000000000\n"
        b"2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881\n"
    )
