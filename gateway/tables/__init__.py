"""Tables that only the gateway uses: identity, admin keys, sign-ups, retrieval, fine-tuning, drift,
evaluations, batches, stored responses, guards, plant model, readings, shared models.

Each change needs a migration in infra/migrations/versions/; a test compares tables and migrations.
"""

from gateway.tables.admin_keys import AdminAnswer, AdminKey
from gateway.tables.agents import (
    Agent,
    AgentAction,
    AgentActionStatus,
    AgentDay,
    AgentStatus,
    AgentTick,
    AgentVersion,
)
from gateway.tables.agents_a2a import A2aTask, A2aTaskState, AgentRun, AgentRunStatus
from gateway.tables.agents_board import (
    AgentHold,
    AgentTask,
    AgentTaskEvent,
    AgentTeam,
    AgentTeamMember,
)
from gateway.tables.agents_commands import (
    AgentCommand,
    AgentCommandLimits,
    AgentConnector,
    AgentPointLease,
    CommandStatus,
)
from gateway.tables.agents_learning import (
    AgentDecision,
    AgentFeedback,
    AgentLearning,
    AgentLimit,
    AgentPolicy,
    AgentPolicyStep,
)
from gateway.tables.agents_reports import AgentReport
from gateway.tables.agents_rounds import (
    AgentOrderDraft,
    AgentRound,
    AgentRoundAnswer,
    AgentRoundPhoto,
    AgentStep,
    RoundStatus,
)
from gateway.tables.agents_schedule import (
    AgentSchedule,
    AgentScheduleDay,
    AgentSchedulePolicy,
    SchedulePolicyStatus,
)
from gateway.tables.agents_warnings import (
    LearnedWarning,
    LearnedWarningVersion,
    WarningVersionStatus,
)
from gateway.tables.batches import (
    OPEN_BATCH_STATUSES,
    Batch,
    BatchLine,
    BatchStatus,
    LineOutcome,
)
from gateway.tables.comparisons import ModelComparison
from gateway.tables.drift import VariantCount, VariantDrift
from gateway.tables.epcis import PlantCapture, PlantEvent, PlantEventItem
from gateway.tables.epcis_queries import PlantEventQuery, PlantEventSubscription
from gateway.tables.evaluations import (
    AnswerStatus,
    EvaluationAnswer,
    EvaluationQuestion,
    EvaluationRun,
    EvaluationStatus,
)
from gateway.tables.external_identities import LinkedIdentity
from gateway.tables.fine_tuning import (
    ActivationReason,
    Adaptation,
    AdaptationEvent,
    AdaptationStatus,
    TrainingFile,
    Variant,
    VariantActivation,
    VariantDeletion,
)
from gateway.tables.guards import GuardRules
from gateway.tables.identity import (
    Attempts,
    AuditEntry,
    KeptInput,
    LoginSession,
    Membership,
    OneTimeToken,
    Person,
)
from gateway.tables.incidents import Incident, IncidentUpdate
from gateway.tables.nodes import (
    NodeAccessKey,
    NodeAuthority,
    NodeDailyCount,
    NodeDelegation,
    NodeRecord,
)
from gateway.tables.observations import Observation, VariantPromise
from gateway.tables.passkeys import Passkey
from gateway.tables.plant import (
    PlantAsset,
    PlantEntity,
    PlantImport,
    PlantPoint,
    PlantPointMapping,
    PlantRelation,
    PlantRevision,
)
from gateway.tables.plant_alignment import PlantAlignment, PlantComparison, PlantPointProposal
from gateway.tables.plant_readings import (
    PlantReadingBlock,
    PlantReadingBuffer,
    PlantReadingRollup,
    PlantReadingSeries,
    PlantReadingSettings,
    PlantReadingSource,
)
from gateway.tables.plant_verdicts import PlantModelInput, PlantVerdict
from gateway.tables.projects import ProjectMember
from gateway.tables.responses import ResponseEvents, SavedResponse
from gateway.tables.retraining import (
    RetrainingRun,
    RetrainingSchedule,
    RetrainingStatus,
    RetrainingTrigger,
)
from gateway.tables.retrieval import FileStatus, VectorPiece, VectorStore, VectorStoreFile
from gateway.tables.shadows import ShadowAnswer, ShadowDeployment, ShadowStatus
from gateway.tables.shared_models import (
    Feedback,
    ModelVersion,
    ModelVersionExample,
    Rating,
    VersionStatus,
)
from gateway.tables.signups import Signup, SignupClaim

__all__ = [
    "OPEN_BATCH_STATUSES",
    "A2aTask",
    "A2aTaskState",
    "ActivationReason",
    "Adaptation",
    "AdaptationEvent",
    "AdaptationStatus",
    "AdminAnswer",
    "AdminKey",
    "Agent",
    "AgentAction",
    "AgentActionStatus",
    "AgentCommand",
    "AgentCommandLimits",
    "AgentConnector",
    "AgentDay",
    "AgentDecision",
    "AgentFeedback",
    "AgentHold",
    "AgentLearning",
    "AgentLimit",
    "AgentOrderDraft",
    "AgentPointLease",
    "AgentPolicy",
    "AgentPolicyStep",
    "AgentReport",
    "AgentRound",
    "AgentRoundAnswer",
    "AgentRoundPhoto",
    "AgentRun",
    "AgentRunStatus",
    "AgentSchedule",
    "AgentScheduleDay",
    "AgentSchedulePolicy",
    "AgentStatus",
    "AgentStep",
    "AgentTask",
    "AgentTaskEvent",
    "AgentTeam",
    "AgentTeamMember",
    "AgentTick",
    "AgentVersion",
    "AnswerStatus",
    "Attempts",
    "AuditEntry",
    "Batch",
    "BatchLine",
    "BatchStatus",
    "CommandStatus",
    "EvaluationAnswer",
    "EvaluationQuestion",
    "EvaluationRun",
    "EvaluationStatus",
    "Feedback",
    "FileStatus",
    "GuardRules",
    "Incident",
    "IncidentUpdate",
    "KeptInput",
    "LearnedWarning",
    "LearnedWarningVersion",
    "LineOutcome",
    "LinkedIdentity",
    "LoginSession",
    "Membership",
    "ModelComparison",
    "ModelVersion",
    "ModelVersionExample",
    "NodeAccessKey",
    "NodeAuthority",
    "NodeDailyCount",
    "NodeDelegation",
    "NodeRecord",
    "Observation",
    "OneTimeToken",
    "Passkey",
    "Person",
    "PlantAlignment",
    "PlantAsset",
    "PlantCapture",
    "PlantComparison",
    "PlantEntity",
    "PlantEvent",
    "PlantEventItem",
    "PlantEventQuery",
    "PlantEventSubscription",
    "PlantImport",
    "PlantModelInput",
    "PlantPoint",
    "PlantPointMapping",
    "PlantPointProposal",
    "PlantReadingBlock",
    "PlantReadingBuffer",
    "PlantReadingRollup",
    "PlantReadingSeries",
    "PlantReadingSettings",
    "PlantReadingSource",
    "PlantRelation",
    "PlantRevision",
    "PlantVerdict",
    "ProjectMember",
    "Rating",
    "ResponseEvents",
    "RetrainingRun",
    "RetrainingSchedule",
    "RetrainingStatus",
    "RetrainingTrigger",
    "RoundStatus",
    "SavedResponse",
    "SchedulePolicyStatus",
    "ShadowAnswer",
    "ShadowDeployment",
    "ShadowStatus",
    "Signup",
    "SignupClaim",
    "TrainingFile",
    "Variant",
    "VariantActivation",
    "VariantCount",
    "VariantDeletion",
    "VariantDrift",
    "VariantPromise",
    "VectorPiece",
    "VectorStore",
    "VectorStoreFile",
    "VersionStatus",
    "WarningVersionStatus",
]
