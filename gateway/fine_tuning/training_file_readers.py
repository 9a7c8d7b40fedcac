"""Reading a specialist's training file before anything is spent on it."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from models.anomaly import hours
from models.anomaly.settings import Settings
from models.failure_class import labelled
from models.failure_class import signature as failure_signature
from models.rul import fleet
from models.rul import signature as life_signature
from models.surface_defect import labelled_pictures
from models.tag_align import training_file, vocabulary
from models.tag_align.aligner import ARTEFACT

Reader = Callable[[bytes], int]
"""How many examples a file has. Raises TrainingFileInvalid with all problems."""


def _anomaly(content: bytes) -> int:
    return sum(map(len, hours.read(content, Settings()).normal))


def _failure_class(content: bytes) -> int:
    return len(labelled.read(content, failure_signature.accepted()).failed)


def _remaining_life(content: bytes) -> int:
    return len(fleet.read_fleet(content, life_signature.accepted()))


def _surface_defect(content: bytes) -> int:
    return len(labelled_pictures.read(content))


def _tag_align(content: bytes) -> int:
    return len(training_file.read_confirmations(content, vocabulary.read(ARTEFACT)))


# By the catalog's word, as serving/training/fine_tune_task.py has them.
READERS: Mapping[str, Reader] = MappingProxyType(
    {
        "anomaly": _anomaly,
        "failure_class": _failure_class,
        "remaining_life": _remaining_life,
        "surface_defect": _surface_defect,
        "tag_align": _tag_align,
    }
)
