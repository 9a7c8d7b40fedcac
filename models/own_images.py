"""Kinds of models that customers train on their own images, and their file checks."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from models.sentences import Sentence
from models.surface_defect.labelled_pictures import read_training_file


@dataclass(frozen=True, slots=True)
class ImageCheck:
    """Images that a model can be trained on: how many different ones of each label, and remarks."""

    labels: Mapping[str, int]
    notes: tuple[Sentence, ...]

    @property
    def examples(self) -> int:
        """The number of different images."""
        return sum(self.labels.values())


CheckImages = Callable[[bytes], ImageCheck]
"""Checks a file for a kind of model. Raises TrainingFileInvalid with all problems."""


def _check_labelled_images(content: bytes) -> ImageCheck:
    """Check a ZIP with a folder for each label, or JSON lines."""
    training = read_training_file(content)
    return ImageCheck(Counter(one.label for one in training.pictures), training.notes)


# By the catalog's `adapter`, like serving/training/fine_tune_task.py.
OWN_IMAGES: Mapping[str, CheckImages] = MappingProxyType({"surface_defect": _check_labelled_images})
