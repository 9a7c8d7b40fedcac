"""Tables that only the gateway uses: identity, retrieval, fine-tuning, drift, evaluations,
batches, stored responses, decision records, shared models.

Each change needs a migration in infra/migrations/versions/; a test compares tables and migrations.
"""

from gateway.tables.batches import (
    OPEN_BATCH_STATUSES,
    Batch,
    BatchLine,
    BatchStatus,
    LineOutcome,
)
from gateway.tables.decision_records import DecisionRecord
from gateway.tables.drift import VariantCount, VariantDrift
from gateway.tables.evaluations import (
    AnswerStatus,
    EvaluationAnswer,
    EvaluationQuestion,
    EvaluationRun,
    EvaluationStatus,
)
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
from gateway.tables.identity import (
    Attempts,
    AuditEntry,
    KeptInput,
    LoginSession,
    Membership,
    OneTimeToken,
    Person,
)
from gateway.tables.responses import SavedResponse
from gateway.tables.retrieval import FileStatus, VectorPiece, VectorStore, VectorStoreFile
from gateway.tables.shared_models import (
    Feedback,
    ModelVersion,
    ModelVersionExample,
    Rating,
    VersionStatus,
)

__all__ = [
    "OPEN_BATCH_STATUSES",
    "ActivationReason",
    "Adaptation",
    "AdaptationEvent",
    "AdaptationStatus",
    "AnswerStatus",
    "Attempts",
    "AuditEntry",
    "Batch",
    "BatchLine",
    "BatchStatus",
    "DecisionRecord",
    "EvaluationAnswer",
    "EvaluationQuestion",
    "EvaluationRun",
    "EvaluationStatus",
    "Feedback",
    "FileStatus",
    "KeptInput",
    "LineOutcome",
    "LoginSession",
    "Membership",
    "ModelVersion",
    "ModelVersionExample",
    "OneTimeToken",
    "Person",
    "Rating",
    "SavedResponse",
    "TrainingFile",
    "Variant",
    "VariantActivation",
    "VariantCount",
    "VariantDeletion",
    "VariantDrift",
    "VectorPiece",
    "VectorStore",
    "VectorStoreFile",
    "VersionStatus",
]
