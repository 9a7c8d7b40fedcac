"""Train an anomaly detector on hours of normal operation or on a table: see files.py."""

from dataclasses import dataclass

from models.adaptation import Adaptation, ProgressCallback
from models.anomaly.adapt import AnomalyAdapter
from models.anomaly_training.files import is_table, require_no_schema, unsupported_setting
from models.monitoring.adapt import MonitorAdapter
from models.sentences import sentence
from models.tables.schema import NO_SCHEMA, SchemaRequest


@dataclass(frozen=True, slots=True)
class AnomalyFileAdapter:
    """The training function of an anomaly detector.

    schema: the confirmed columns of a table. sensitivity: of a detector for hours, None if it is
    not stated.
    """

    schema: SchemaRequest = NO_SCHEMA
    sensitivity: float | None = None

    def __call__(self, training_file: bytes, progress: ProgressCallback) -> Adaptation:
        """Train on a file. Raises TrainingFileInvalid."""
        if is_table(training_file):
            if self.sensitivity is not None:
                message = sentence(
                    "`sensitivity` has no meaning for a detector that is trained on a table."
                )
                fix = sentence("State the share of false alarms in `schema.false_alarms`.")
                raise unsupported_setting(message, fix)
            return MonitorAdapter(self.schema)(training_file, progress)
        require_no_schema(self.schema)
        return AnomalyAdapter(self.sensitivity or 1.0)(training_file, progress)
