"""Specialists that answer only when a customer has fitted them: the base is a recipe.

Owns what the base says until then, and the fitted anomaly detector.
"""

from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from models.anomaly import variant as anomaly
from models.signature import Columns, InputInvalid, Signature
from serving.errors import ModelUnfitted, WeightsBroken
from serving.specialists.specialist import Specialist

Load = Callable[[str, str, bytes], Specialist]
"""From name, version and artefact to what is served. Raises WeightsBroken."""


@dataclass(frozen=True, slots=True)
class Unfitted:
    """A base that has nothing to say of a machine that it has not seen."""

    name: str
    load: Load

    @property
    def signature(self) -> Signature:
        return Signature((), (), "0")

    @property
    def platform(self) -> str:
        return "fitted by each customer"

    def check(self, columns: Columns) -> None:
        raise self.refusal

    def run(self, columns: Columns) -> Columns:
        raise self.refusal

    def adapted(self, name: str, version: str, artefact: bytes) -> Specialist:
        return self.load(name, version, artefact)

    @property
    def refusal(self) -> ModelUnfitted:
        """What every question is answered with."""
        return ModelUnfitted(
            f"{self.name!r} knows only what it was fitted on. Fit it with a training file at "
            "/v1/fine_tuning/jobs, and ask the model that this gives.",
            param="model",
        )


@dataclass(frozen=True, slots=True)
class AnomalySpecialist:
    """A detector fitted on a customer's normal hours."""

    name: str
    variant: anomaly.Variant
    signature: Signature

    @property
    def platform(self) -> str:
        return "anomaly"

    def check(self, columns: Columns) -> None:
        self.variant.check(columns)

    def run(self, columns: Columns) -> Columns:
        return self.variant.run(columns)

    def adapted(self, name: str, version: str, artefact: bytes) -> Specialist:
        raise InputInvalid(f"{self.name!r} is a variant itself.", param="model")


def load_anomaly(name: str, version: str, artefact: bytes) -> AnomalySpecialist:
    """Raises WeightsBroken."""
    try:
        variant = anomaly.load(artefact)
    except anomaly.VariantBroken as error:
        raise WeightsBroken(f"The variant {name!r} cannot be loaded.") from error
    signature = msgspec.structs.replace(variant.signature, version=version)
    return AnomalySpecialist(name, variant, signature)
