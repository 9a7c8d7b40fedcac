"""A decision on a milling machine's torque, and its stored record."""

from dataclasses import asdict
from uuid import UUID

from billing.metering.usage_log import SignedDecision
from billing.outcomes.evidence.decision_records import PURPOSE
from billing.tables import DecisionRecord
from gateway.collaboration.decisions import Decision, Prediction, decide
from gateway.collaboration.tools import SpecialistTool
from gateway.registry.decision_records import DecisionSigner, RecordContext
from infra import ids
from infra.clock import SystemClock
from infra.database.database import Database
from infra.secrets.signing_key import SigningKey
from models.arguments import extract
from models.signature import InputField, OutputField, Signature

_MILL = Signature(
    (InputField("torque", "FP32", "N·m", "", 0, 500, trained=(0, 60)),),
    (
        OutputField("failure_probability", "FP32", "1"),
        OutputField("failure", "INT64", "1"),
        OutputField("reasons", "BYTES", series=True),
    ),
    "2",
)
_FAILS = {"failure_probability": 0.93, "failure": 1, "reasons": ["torque"]}


def decided(text: str = "torque 50 Nm") -> Decision:
    """The decision on what the text states; above 60 N·m it is uncertain."""
    tool = SpecialistTool("mill", "Machine failure", _MILL, "2", "machine_failure")
    rows = extract([text], tool.fields).rows
    return decide(tool, rows, Prediction(ids.new_id(), (_FAILS,)), text)


async def record(
    database: Database, secret: bytes, account_id: UUID, request_id: UUID, text: str
) -> SignedDecision:
    """Store the record of a decision for a call."""
    signer = DecisionSigner(SigningKey(secret, PURPOSE), SystemClock())
    context = RecordContext(account_id, request_id, "mill 3", text)
    (signed,) = signer.sign(context, [decided(text)])
    async with database.transaction() as session:
        session.add(DecisionRecord(**asdict(signed)))
    return signed
