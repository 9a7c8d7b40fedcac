"""Load a specialist from its catalog entry."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from models.catalog import Model, Task
from serving.specialists.fitted import (
    LoadVariant,
    UnfittedSpecialist,
    load_anomaly,
    load_forecaster,
    load_series_class,
    load_series_life,
    load_tabular,
)
from serving.specialists.image import load_image_classifier
from serving.specialists.mechanism import load_mechanism
from serving.specialists.specialist import Specialist, load_onnx_specialist
from serving.specialists.tag_alignment import load_tag_alignment

# How variants are loaded of models that only customers train, by the catalog's `adapter`.
FITTED: Mapping[str, LoadVariant] = MappingProxyType(
    {
        "series_classifier": load_series_class,
        "series_forecaster": load_forecaster,
        "series_life": load_series_life,
        "tabular_classifier": load_tabular,
        "tabular_regressor": load_tabular,
    }
)


@dataclass(frozen=True, slots=True)
class ModelSource:
    """Where a model is loaded from, and how it is fine-tuned.

    `location` is an artefact's path or a mechanism's name, empty if each customer fits the model.
    `adapter` names the training function (serving/training/fine_tune_task.py), None if there is
    none. `base` is the folder or hub id of the base weights of a language model's adapter,
    `base_name` the public name of that base where the folder is not named like it, `training_gpus`
    the share of a GPU that the training gets (0: it runs on the CPU).
    """

    task: Task
    location: str
    adapter: str | None = None
    base: str | None = None
    base_name: str | None = None
    training_gpus: float = 0.0

    @classmethod
    def for_model(cls, model: Model, location: str, base: str | None = None) -> "ModelSource":
        """Return the source of a catalog model whose weights are at `location`."""
        return cls(model.task, location, model.adapter, base)


def load_specialist(name: str, source: ModelSource) -> Specialist:
    """Load the specialist that serves the model `name`. Raises WeightsBroken."""
    load_fitted = FITTED.get(source.adapter or "")
    if load_fitted is not None:
        return UnfittedSpecialist(name, load_fitted)
    match source.task:
        case Task.CALCULATION:
            return load_mechanism(name, source.location)
        case Task.ALIGNMENT:
            return load_tag_alignment(name, Path(source.location))
        case Task.ANOMALY_DETECTION:
            return UnfittedSpecialist(name, load_anomaly)
        case Task.IMAGE_CLASSIFICATION:
            return load_image_classifier(name, Path(source.location))
        case _:
            return load_onnx_specialist(name, Path(source.location))
