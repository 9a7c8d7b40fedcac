"""The stages of the pipeline, and the progress of one call through them."""

from dataclasses import dataclass

from billing.metering.idempotency_keys import IdempotencyClaim
from billing.metering.usage_log import SignedDecision
from gateway.access.authenticator import Authenticator
from gateway.call.asset_inputs import AssetVerdict
from gateway.call.values import AdmittedCall, ParsedRequest, Principal
from gateway.drift.counter import InputCounter
from gateway.inference.admission import Admission
from gateway.inference.asset_inputs import AssetInputs
from gateway.inference.call_metrics import CallMetrics
from gateway.inference.decisions.stage import DecisionStage
from gateway.inference.dispatch import Dispatcher
from gateway.inference.grounding import AnswerVerifier
from gateway.inference.guards import GuardStage
from gateway.inference.hosted_tools import HostedToolRunner
from gateway.inference.idempotency import IdempotencyReplayer
from gateway.inference.internal.calls import InternalCalls
from gateway.inference.internal.linked_calls import LinkedCalls
from gateway.inference.internal.shadow_calls import ShadowCalls
from gateway.inference.parsing import Parser
from gateway.inference.quotations import QuotationSender
from gateway.inference.retrieval_port import Grounder
from gateway.inference.token_count import PromptTokenCounter
from gateway.inference.translation import RequestTranslator, TranslatedCall
from gateway.inference.usage.pending_writes import PendingIntent
from gateway.inference.usage.writer import UsageWriter
from gateway.registry.decision_records import DecisionSigner
from gateway.upstream.concurrency import Slot
from infra.telemetry.tracing import NOOP_TRACE, Trace, Tracer


@dataclass(slots=True)
class CallState:
    """The progress of one call: the data for its usage row and the resources to release.

    `shows_cost` is set if a whole answer gets the cost of the call in its body too.
    """

    principal: Principal | None = None
    request: ParsedRequest | None = None
    body: bytes | None = None
    claim: IdempotencyClaim | None = None
    admitted: AdmittedCall | None = None
    slot: Slot | None = None
    intent: PendingIntent | None = None
    linked: LinkedCalls | None = None
    translated: TranslatedCall | None = None
    decisions: tuple[SignedDecision, ...] = ()
    verdicts: tuple[AssetVerdict, ...] = ()
    shows_cost: bool = False
    trace: Trace = NOOP_TRACE


@dataclass(frozen=True, slots=True)
class Stages:
    """The pipeline stages of one gateway process."""

    authenticator: Authenticator
    parser: Parser
    replayer: IdempotencyReplayer
    translator: RequestTranslator
    asset_inputs: AssetInputs
    guards: GuardStage
    grounder: Grounder
    admission: Admission
    counter: PromptTokenCounter
    dispatcher: Dispatcher
    verifier: AnswerVerifier
    quotations: QuotationSender
    hosted_tools: HostedToolRunner
    decision_signer: DecisionSigner
    decisions: DecisionStage
    writer: UsageWriter
    call_metrics: CallMetrics
    internal_calls: InternalCalls
    input_counter: InputCounter
    shadow_calls: ShadowCalls
    tracer: Tracer
