"""The handlers of the HTTP API, except those of the metered calls (gateway/api/inference.py)."""

from collections.abc import Sequence

from litestar.types import ControllerRouterHandler

from gateway.api import health, open_inference
from gateway.api.agents.a2a import A2aRoutes, AgentCardRoutes
from gateway.api.agents.actions import AgentActionRoutes
from gateway.api.agents.agents import AgentRoutes
from gateway.api.agents.board import AgentTaskRoutes, AgentTeamRoutes
from gateway.api.agents.commands import AgentCommandRoutes
from gateway.api.agents.history import AgentHistoryRoutes
from gateway.api.agents.learning import AgentLearningRoutes
from gateway.api.agents.limits import CommandLimitsRoutes
from gateway.api.agents.replays import AgentReplayRoutes
from gateway.api.agents.rounds import AgentRoundRoutes, AgentRoundStartRoutes
from gateway.api.agents.runs import AgentRunRoutes
from gateway.api.agents.savings import AgentSavingsRoutes
from gateway.api.agents.schedules import AgentScheduleRoutes
from gateway.api.agents.steps import AgentStepRoutes
from gateway.api.agents.warnings import LearnedWarningRoutes
from gateway.api.alerts import AlertRoutes
from gateway.api.batches import BatchRoutes
from gateway.api.billing.auto_top_up import AutoTopUpRoutes
from gateway.api.billing.collector_webhooks import webhook_routes
from gateway.api.billing.credit import CreditRoutes
from gateway.api.billing.fapiao import FapiaoRoutes, FapiaoTitleRoutes, InvoiceFapiaoRoutes
from gateway.api.billing.invoice_payments import InvoicePaymentRoutes
from gateway.api.billing.invoices import InvoiceRoutes
from gateway.api.billing.line_disputes import LineDisputeRoutes
from gateway.api.billing.organization_usage import OrganizationRoutes
from gateway.api.billing.packs import PackRoutes, VoucherRoutes
from gateway.api.billing.payment_notifications import notification_routes
from gateway.api.billing.payment_orders import PaymentOrderRoutes
from gateway.api.billing.payment_pages import payment_page
from gateway.api.billing.subscription import SubscriptionRoutes
from gateway.api.billing.usage import LimitRoutes, QuoteRoutes, UsageRoutes
from gateway.api.decision_records import DecisionRecordRoutes
from gateway.api.feedback import FeedbackRoutes
from gateway.api.files import FileRoutes
from gateway.api.guards import GuardRoutes
from gateway.api.messages import MessageRoutes
from gateway.api.model_selection import AutoRoutes
from gateway.api.models import ModelRoutes
from gateway.api.notifications import NotificationDeliveryRoutes, NotificationEndpointRoutes
from gateway.api.outcomes.contracts import OutcomeContractRoutes
from gateway.api.outcomes.evidence import AttesterRoutes, EvidenceRoutes
from gateway.api.outcomes.outcomes import OutcomeRoutes
from gateway.api.outcomes.predictions import PredictionLedgerRoutes
from gateway.api.outcomes.settlements import DisputeRoutes, SettlementRoutes
from gateway.api.own_models.comparisons import ComparisonRoutes
from gateway.api.own_models.drift import DriftRoutes
from gateway.api.own_models.evaluations import EvaluationRoutes
from gateway.api.own_models.fine_tuning import FineTuningRoutes
from gateway.api.own_models.observations import ObservationRoutes, ObservedReportRoutes
from gateway.api.own_models.retraining import RetrainingRoutes
from gateway.api.own_models.shadows import ShadowRoutes
from gateway.api.own_models.variants import VariantRoutes
from gateway.api.plant.alignment import PlantAlignmentRoutes
from gateway.api.plant.assets import PlantAssetRoutes
from gateway.api.plant.commands import PlantCommandRoutes
from gateway.api.plant.comparisons import PlantComparisonRoutes
from gateway.api.plant.entities import PlantEntityRoutes, PlantRelationRoutes
from gateway.api.plant.epcis import EpcisRoutes
from gateway.api.plant.epcis_queries import EpcisQueryRoutes, EpcisSubscriptionRoutes
from gateway.api.plant.epcis_resources import EpcisResourceRoutes
from gateway.api.plant.identifiers import IdentifierRoutes
from gateway.api.plant.imports import PlantExportRoutes, PlantImportRoutes
from gateway.api.plant.model_inputs import PlantModelInputRoutes
from gateway.api.plant.points import PlantMappingRoutes, PlantPointRoutes
from gateway.api.plant.questions import PlantNeighbourRoutes, PlantQuestionRoutes
from gateway.api.plant.readings import InfluxRoutes, ReadingRoutes
from gateway.api.plant.sparql import SparqlRoutes
from gateway.api.plant.trace import TraceRoutes
from gateway.api.plant.verdicts import PlantVerdictRoutes
from gateway.api.plant.work_orders import WorkOrderRoutes
from gateway.api.plant_aas.elements import AasElementRoutes
from gateway.api.plant_aas.registry import AasRegistryRoutes
from gateway.api.plant_aas.shells import AasShellRoutes
from gateway.api.plant_aas.submodels import AasSubmodelRoutes
from gateway.api.projects.keys import ProjectKeyRoutes
from gateway.api.projects.members import ProjectUserRoutes
from gateway.api.projects.projects import ProjectRoutes
from gateway.api.projects.service_accounts import ServiceAccountRoutes
from gateway.api.responses import ResponseRoutes
from gateway.api.retrieval.vector_store_files import VectorStoreBatchRoutes, VectorStoreFileRoutes
from gateway.api.retrieval.vector_stores import VectorStoreRoutes
from gateway.api.root import front
from gateway.api.signups.routes import SignupRoutes
from gateway.api.status import StatusRoutes

API_ROUTES: Sequence[ControllerRouterHandler] = (
    UsageRoutes,
    LimitRoutes,
    MessageRoutes,
    ModelRoutes,
    VariantRoutes,
    DriftRoutes,
    ShadowRoutes,
    RetrainingRoutes,
    FileRoutes,
    VectorStoreRoutes,
    VectorStoreFileRoutes,
    VectorStoreBatchRoutes,
    FineTuningRoutes,
    EvaluationRoutes,
    BatchRoutes,
    ComparisonRoutes,
    FeedbackRoutes,
    ObservationRoutes,
    ObservedReportRoutes,
    ReadingRoutes,
    InfluxRoutes,
    ResponseRoutes,
    DecisionRecordRoutes,
    GuardRoutes,
    QuoteRoutes,
    AutoRoutes,
    InvoiceRoutes,
    InvoicePaymentRoutes,
    LineDisputeRoutes,
    InvoiceFapiaoRoutes,
    FapiaoTitleRoutes,
    FapiaoRoutes,
    PaymentOrderRoutes,
    CreditRoutes,
    AutoTopUpRoutes,
    PackRoutes,
    VoucherRoutes,
    SubscriptionRoutes,
    OutcomeRoutes,
    SettlementRoutes,
    DisputeRoutes,
    PredictionLedgerRoutes,
    AgentRoutes,
    AgentActionRoutes,
    AgentTeamRoutes,
    AgentTaskRoutes,
    AgentHistoryRoutes,
    AgentReplayRoutes,
    AgentRunRoutes,
    A2aRoutes,
    AgentCardRoutes,
    AgentSavingsRoutes,
    AgentLearningRoutes,
    CommandLimitsRoutes,
    AgentCommandRoutes,
    PlantCommandRoutes,
    WorkOrderRoutes,
    AgentScheduleRoutes,
    LearnedWarningRoutes,
    AgentRoundRoutes,
    AgentRoundStartRoutes,
    AgentStepRoutes,
    AlertRoutes,
    NotificationEndpointRoutes,
    NotificationDeliveryRoutes,
    OrganizationRoutes,
    ProjectRoutes,
    ProjectUserRoutes,
    ServiceAccountRoutes,
    ProjectKeyRoutes,
    OutcomeContractRoutes,
    AttesterRoutes,
    EvidenceRoutes,
    PlantAssetRoutes,
    PlantVerdictRoutes,
    PlantModelInputRoutes,
    PlantPointRoutes,
    PlantMappingRoutes,
    PlantAlignmentRoutes,
    PlantComparisonRoutes,
    PlantEntityRoutes,
    PlantRelationRoutes,
    PlantImportRoutes,
    PlantExportRoutes,
    SignupRoutes,
    StatusRoutes,
    SparqlRoutes,
    PlantQuestionRoutes,
    PlantNeighbourRoutes,
    EpcisRoutes,
    EpcisQueryRoutes,
    EpcisSubscriptionRoutes,
    EpcisResourceRoutes,
    TraceRoutes,
    IdentifierRoutes,
    AasShellRoutes,
    AasSubmodelRoutes,
    AasElementRoutes,
    AasRegistryRoutes,
    *webhook_routes(),
    *notification_routes(),
    payment_page,
    open_inference.server_live,
    open_inference.server_ready,
    open_inference.model_ready,
    open_inference.model_metadata,
    front,
    health.live,
    health.ready,
    health.metrics,
)
