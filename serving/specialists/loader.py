"""From what the catalog says of a specialist to the specialist."""

from dataclasses import dataclass
from pathlib import Path

from models.catalog import Model, Task
from serving.specialists.fitted import Unfitted, load_anomaly
from serving.specialists.image import load_pictures
from serving.specialists.mechanism import load_mechanism
from serving.specialists.specialist import Specialist, load_specialist
from serving.specialists.tag_alignment import load_tags


@dataclass(frozen=True, slots=True)
class Source:
    """What a specialist is made from: an artefact's path, or a mechanism's name; nothing where each
    customer fits it. `adapter` names how it is adapted (serving/training/fine_tune_task.py); None
    where it is not. `base` is the folder of the weights that an adapter of a language model is for.
    """

    task: Task
    place: str
    adapter: str | None = None
    base: str | None = None

    @classmethod
    def of(cls, model: Model, place: str, base: str | None = None) -> "Source":
        return cls(model.task, place, model.adapter, base)


def load(name: str, source: Source) -> Specialist:
    """Raises WeightsBroken."""
    match source.task:
        case Task.CALCULATION:
            return load_mechanism(name, source.place)
        case Task.ALIGNMENT:
            return load_tags(name, Path(source.place))
        case Task.ANOMALY_DETECTION:
            return Unfitted(name, load_anomaly)
        case Task.IMAGE_CLASSIFICATION:
            return load_pictures(name, Path(source.place))
        case _:
            return load_specialist(name, Path(source.place))
