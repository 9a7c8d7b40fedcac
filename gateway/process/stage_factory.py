"""Build the stages of the pipeline from the components that a process shares."""

from billing.outcomes.evidence.decision_records import PURPOSE
from gateway.access.authenticator import Authenticator
from gateway.call.values import Operation
from gateway.drift.counter import InputCounter
from gateway.inference.admission import Admission
from gateway.inference.asset_inputs import AssetInputs
from gateway.inference.call_metrics import CallMetrics
from gateway.inference.decisions.factory import build_decision_stage
from gateway.inference.dispatch import Dispatcher
from gateway.inference.endpoints.predictions import PREDICTIONS
from gateway.inference.grounding import AnswerVerifier
from gateway.inference.guards import GuardModels, GuardStage
from gateway.inference.hosted_tools import (
    HostedToolRunner,
    PassageFinder,
    PlantGraphTool,
    SpecialistTools,
    StepSender,
)
from gateway.inference.idempotency import IdempotencyReplayer
from gateway.inference.internal.calls import InternalCalls
from gateway.inference.internal.detached_sender import DetachedSender
from gateway.inference.internal.shadow_calls import ShadowCalls
from gateway.inference.internal.waived_calls import WaivedCallSender
from gateway.inference.model_selection import ModelSelector, specialist_for
from gateway.inference.parsing import Parser
from gateway.inference.quotations import QuotationSender
from gateway.inference.relay import Relay
from gateway.inference.stages import Stages
from gateway.inference.token_count import PromptTokenCounter
from gateway.inference.translation import RequestTranslator
from gateway.inference.usage.writer import UsageWriter
from gateway.plant.predictions.service import AssetPredictions
from gateway.plant.questions.linked_files import LinkedFiles
from gateway.process.plant import PlantParts
from gateway.process.shared_components import SharedComponents
from gateway.quota.request_limits import RequestLimits
from gateway.registry.decision_records import DecisionSigner
from gateway.responses.translator import ResponseOpener
from gateway.retrieval.embedder import Embedder
from gateway.retrieval.handbook import HandbookSearcher
from gateway.retrieval.line_check import LineChecker
from gateway.retrieval.quoting import HandbookQuoter
from gateway.retrieval.rag import Grounder
from gateway.retrieval.reading import DocumentReader
from gateway.retrieval.search import VectorStoreSearcher
from infra.clock import Clock
from infra.secrets.secret_key import secret_key
from infra.secrets.signing_key import SigningKey
from infra.settings import Settings
from infra.telemetry.metrics import Metrics
from infra.telemetry.tracer_factory import create_tracer
from models.catalog import Catalog
from models.line_reader.model_check.verdict import load_check


def build_stages(
    shared: SharedComponents,
    settings: Settings,
    clock: Clock,
    catalog: Catalog,
    selector: ModelSelector,
    plant: PlantParts,
) -> tuple[Stages, Embedder, VectorStoreSearcher]:
    """Build the stages of a call, and the embedder and searcher, which others use too."""
    connections, quota_leaser, heartbeat = shared.connections, shared.quota_leaser, shared.heartbeat
    calls, database, pepper = connections.calls, connections.handlers, secret_key(settings)
    first_byte_s, idle_s = settings.first_byte_timeout_s, settings.idle_timeout_s
    timing, metrics, counter = shared.timing, shared.metrics, PromptTokenCounter(settings.data_dir)
    admission = Admission(quota_leaser, counter, settings.credit_wait_s)
    records, settle_s = connections.records, settings.settle_timeout_s
    writer = UsageWriter(records, heartbeat, quota_leaser, clock, metrics, settle_s, timing)
    internal_calls = InternalCalls(admission, writer, clock)
    call_metrics = CallMetrics(quota_leaser, metrics, timing)
    embedder = Embedder(internal_calls, shared.router, shared.upstream, first_byte_s)
    searcher = _build_searcher(shared, catalog, clock, embedder, plant)
    parser = Parser(catalog, selector, shared.availability)
    dispatcher = _build_dispatcher(settings, clock, shared, call_metrics)
    reader = DocumentReader(counter, _build_line_checker(catalog, shared, dispatcher, writer))
    grounder = _build_grounder(catalog, shared, parser, searcher, counter, reader)
    inputs = _build_asset_inputs(shared, clock, parser, selector)
    stages = Stages(
        authenticator=Authenticator(
            calls, connections.reading, heartbeat, shared.price_book, clock, pepper, timing=timing
        ),
        parser=parser,
        replayer=IdempotencyReplayer(calls, heartbeat, RequestLimits(quota_leaser)),
        translator=_build_translator(shared, clock),
        asset_inputs=inputs,
        guards=_build_guards(catalog, dispatcher, writer, metrics, clock),
        grounder=grounder,
        admission=admission,
        counter=counter,
        dispatcher=dispatcher,
        verifier=AnswerVerifier(dispatcher, writer, call_metrics, clock, idle_s),
        quotations=QuotationSender(call_metrics, clock, idle_s),
        hosted_tools=HostedToolRunner(
            _build_specialist_tools(shared, catalog, parser, selector, inputs),
            PlantGraphTool(plant.questions, StepSender(dispatcher, writer, clock), clock),
            PassageFinder(grounder),
            StepSender(dispatcher, writer, clock),
            call_metrics,
            clock,
            timeout_s=first_byte_s,
            write_timeout_s=idle_s,
        ),
        decision_signer=DecisionSigner(SigningKey(pepper, PURPOSE), clock),
        decisions=build_decision_stage(parser, selector, dispatcher, call_metrics, first_byte_s),
        writer=writer,
        call_metrics=call_metrics,
        internal_calls=internal_calls,
        input_counter=InputCounter(database, clock, metrics.input_counts_dropped, timing),
        shadow_calls=_build_shadow_calls(shared, dispatcher, writer, clock),
        tracer=create_tracer(settings.otlp_endpoint, "maas-gateway"),
    )
    return stages, embedder, searcher


def _build_shadow_calls(
    shared: SharedComponents, dispatcher: Dispatcher, writer: UsageWriter, clock: Clock
) -> ShadowCalls:
    """Build the calls that repeat a share of others with a new version."""
    database, counter = shared.connections.handlers, shared.metrics.own_models.shadow_calls
    return ShadowCalls(dispatcher, shared.schedulers, writer, database, clock, counter)


def _build_translator(shared: SharedComponents, clock: Clock) -> RequestTranslator:
    """Build what converts requests in other formats than chat."""
    return RequestTranslator(clock, {Operation.RESPONSES: ResponseOpener(shared.responses)})


def _build_searcher(
    shared: SharedComponents, catalog: Catalog, clock: Clock, embedder: Embedder, plant: PlantParts
) -> VectorStoreSearcher:
    """Build the search of vector stores, which ranks files that plant graphs link higher."""
    database = shared.connections.handlers
    linked = LinkedFiles(plant.graphs, plant.questions.vocabularies, database)
    return VectorStoreSearcher(catalog, shared.availability, database, clock, embedder, linked)


def _build_asset_inputs(
    shared: SharedComponents, clock: Clock, parser: Parser, selector: ModelSelector
) -> AssetPredictions:
    """Build what fills the inputs of predictions that name an asset."""
    return AssetPredictions(
        shared.connections.handlers,
        shared.signatures,
        lambda name, principal: parser.resolve_model(name, None, PREDICTIONS, principal),
        lambda task, principal: specialist_for(selector, task, principal),
        clock,
        shared.metrics.readings.verdicts,
    )


def _build_guards(
    catalog: Catalog, dispatcher: Dispatcher, writer: UsageWriter, metrics: Metrics, clock: Clock
) -> GuardStage:
    """Build the stage that applies accounts' guards."""
    actions = metrics.guard_actions
    models = GuardModels(catalog, DetachedSender(dispatcher), writer, actions)
    return GuardStage(actions, models, clock)


def _build_line_checker(
    catalog: Catalog, shared: SharedComponents, dispatcher: Dispatcher, writer: UsageWriter
) -> LineChecker:
    """Build what asks a model whether lines of documents answer."""
    waived = WaivedCallSender(DetachedSender(dispatcher), writer, shared.heartbeat)
    return LineChecker(catalog, waived, load_check(), shared.metrics.line_checks)


def _build_grounder(
    catalog: Catalog,
    shared: SharedComponents,
    parser: Parser,
    searcher: VectorStoreSearcher,
    counter: PromptTokenCounter,
    reader: DocumentReader,
) -> Grounder:
    """Build the component that inserts passages of stores and handbook."""
    handbook = HandbookSearcher(catalog, shared.availability)
    quoter = HandbookQuoter(counter)
    return Grounder(parser, searcher, handbook, counter, quoter, reader)


def _build_specialist_tools(
    shared: SharedComponents,
    catalog: Catalog,
    parser: Parser,
    selector: ModelSelector,
    asset_inputs: AssetInputs,
) -> SpecialistTools:
    """Build the component that finds the specialists that a chat may call."""
    return SpecialistTools(
        catalog, parser, shared.availability, shared.signatures, selector, asset_inputs
    )


def _build_dispatcher(
    settings: Settings, clock: Clock, shared: SharedComponents, call_metrics: CallMetrics
) -> Dispatcher:
    """Build the component that sends admitted calls to model servers."""
    relay, timeout_s = Relay(shared.upstream, clock, settings), settings.queue_timeout_s
    schedulers, router, loader = shared.schedulers, shared.router, shared.variant_loader
    monitor = shared.monitor
    return Dispatcher(schedulers, router, relay, loader, call_metrics, clock, timeout_s, monitor)
