"""Parse specialists' training files to count their examples before a job is queued."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from models.anomaly.settings import Settings
from models.anomaly.training_file import read_hours
from models.failure_class import labelled
from models.failure_class import signature as failure_signature
from models.rul import fleet
from models.rul import signature as life_signature
from models.tag_align import training_file, vocabulary
from models.tag_align.aligner import ARTEFACT

CountExamples = Callable[[bytes], int]
"""Returns the number of examples in a file. Raises TrainingFileInvalid with all problems."""


def _count_anomaly_rows(content: bytes) -> int:
    """Count the rows of normal operation. Raises TrainingFileInvalid."""
    return sum(map(len, read_hours(content, Settings()).normal))


def _count_operating_points(content: bytes) -> int:
    """Count the distinct labelled operating points. Raises TrainingFileInvalid."""
    return len(
        labelled.read_training_file(content, failure_signature.training_file_signature()).failed
    )


def _count_machines(content: bytes) -> int:
    """Count the machines that ran to failure. Raises TrainingFileInvalid."""
    return len(fleet.read_fleet(content, life_signature.input_signature()))


def _count_tag_confirmations(content: bytes) -> int:
    """Count the confirmed pairs of tag and concept. Raises TrainingFileInvalid."""
    return len(training_file.read_confirmed_tags(content, vocabulary.read(ARTEFACT)).confirmations)


# Keyed by the catalog's `adapter`, like serving/training/fine_tune_task.py.
EXAMPLE_COUNTERS: Mapping[str, CountExamples] = MappingProxyType(
    {
        "anomaly": _count_anomaly_rows,
        "failure_class": _count_operating_points,
        "remaining_life": _count_machines,
        "tag_align": _count_tag_confirmations,
    }
)
