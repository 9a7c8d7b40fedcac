"""Specialists that must be fitted by each customer, and the fitted anomaly detector."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import msgspec

from models.anomaly import variant as anomaly
from models.decisions.decider import Decider
from models.drift.reference import Counts
from models.forecasting import variant as forecasting
from models.monitoring import variant as monitoring
from models.own_artefact import VariantBroken
from models.series import class_variant
from models.series.life import variant as life_variant
from models.signature import Columns, InputInvalid, Signature
from models.tabular import variant as tabular
from serving.errors import ModelNotFitted, WeightsBroken
from serving.specialists.specialist import Specialist

LoadVariant = Callable[[str, str, bytes], Specialist]
"""Loads a variant from its name, version and artefact. Raises WeightsBroken."""


@dataclass(frozen=True, slots=True)
class UnfittedSpecialist:
    """A base model that rejects every inference until a customer has fitted a variant of it."""

    name: str
    load: LoadVariant

    @property
    def signature(self) -> Signature:
        """A signature without inputs and outputs, as only variants can be called."""
        return Signature((), (), "0")

    @property
    def platform(self) -> str:
        """The `platform` of the Open Inference model metadata."""
        return "fitted by each customer"

    def check(self, columns: Columns) -> None:
        """Raise ModelNotFitted: only variants accept columns."""
        raise self.not_fitted_error

    def run(self, columns: Columns) -> Columns:
        """Raise ModelNotFitted: only variants can run."""
        raise self.not_fitted_error

    def load_variant(self, name: str, version: str, artefact: bytes) -> Specialist:
        """Load a customer's fitted variant. Raises WeightsBroken."""
        return self.load(name, version, artefact)

    @property
    def not_fitted_error(self) -> ModelNotFitted:
        """The error of every inference request."""
        return ModelNotFitted(
            f"{self.name!r} has no general model. Train it on your own data with POST "
            "/v1/fine_tuning/jobs and call the resulting model.",
            param="model",
        )


@dataclass(frozen=True, slots=True)
class AnomalySpecialist:
    """An anomaly detector fitted on a customer's data from normal operation."""

    name: str
    variant: anomaly.Variant
    signature: Signature

    @property
    def platform(self) -> str:
        """The `platform` of the Open Inference model metadata."""
        return "anomaly"

    def check(self, columns: Columns) -> None:
        """Validate the columns without running the detector. Raises InputInvalid."""
        self.variant.check(columns)

    def run(self, columns: Columns) -> Columns:
        """Run the detector on validated columns; return one array for each output."""
        return self.variant.run(columns)

    def load_variant(self, name: str, version: str, artefact: bytes) -> Specialist:
        """Raise InputInvalid: a fine-tuned model has no variants."""
        raise InputInvalid(f"{self.name!r} is itself a fine-tuned model.", param="model")


def load_anomaly(name: str, version: str, artefact: bytes) -> Specialist:
    """Load a fitted anomaly detector from its artefact. Raises WeightsBroken.

    That of a detector trained on hours is JSON, that of one trained on a table is MessagePack.
    """
    if not artefact.startswith(b"{"):
        return _load_table(name, version, artefact, monitoring.load, platform="numpy")
    try:
        variant = anomaly.load(artefact)
    except VariantBroken as error:
        raise WeightsBroken(f"The fine-tuned model {name!r} cannot be loaded.") from error
    signature = msgspec.structs.replace(variant.signature, version=version)
    return AnomalySpecialist(name, variant, signature)


class TableVariant(Protocol):
    """A loaded model of a customer's own columns."""

    @property
    def signature(self) -> Signature:
        """The inputs and outputs."""
        ...

    @property
    def decider(self) -> Decider | None:
        """How decisions follow from costs; None if they cannot."""
        ...

    def check(self, columns: Columns) -> None:
        """Validate across columns what the signature cannot express. Raises InputInvalid."""
        ...

    def run(self, columns: Columns) -> Columns:
        """Run the model on validated columns; return one array for each output."""
        ...

    def count_inputs(self, columns: Columns, results: Columns) -> Counts | None:
        """Return how many rows fall into each slot of the reference; None without a reference."""
        ...


@dataclass(frozen=True, slots=True)
class TableSpecialist:
    """A model of rows or series, trained on a customer's table.

    platform: the `platform` of the Open Inference model metadata.
    """

    name: str
    variant: TableVariant
    signature: Signature
    platform: str = "onnxruntime_onnx"

    def check(self, columns: Columns) -> None:
        """Validate the columns without running the model. Raises InputInvalid."""
        self.variant.check(columns)

    def run(self, columns: Columns) -> Columns:
        """Run the model on validated columns; return one array for each output."""
        return self.variant.run(columns)

    def load_variant(self, name: str, version: str, artefact: bytes) -> Specialist:
        """Raise InputInvalid: a fine-tuned model has no variants."""
        raise InputInvalid(f"{self.name!r} is itself a fine-tuned model.", param="model")


def load_tabular(name: str, version: str, artefact: bytes) -> TableSpecialist:
    """Load a model of rows from its artefact. Raises WeightsBroken."""
    return _load_table(name, version, artefact, tabular.load)


def load_series_class(name: str, version: str, artefact: bytes) -> TableSpecialist:
    """Load a classifier of series from its artefact. Raises WeightsBroken."""
    return _load_table(name, version, artefact, class_variant.load)


def load_series_life(name: str, version: str, artefact: bytes) -> TableSpecialist:
    """Load a model of remaining life from its artefact. Raises WeightsBroken."""
    return _load_table(name, version, artefact, life_variant.load)


def load_forecaster(name: str, version: str, artefact: bytes) -> TableSpecialist:
    """Load a forecaster of series from its artefact. Raises WeightsBroken."""
    return _load_table(name, version, artefact, forecasting.load)


def _load_table(
    name: str,
    version: str,
    artefact: bytes,
    load: Callable[[bytes], TableVariant],
    platform: str = "onnxruntime_onnx",
) -> TableSpecialist:
    """Load a model of own columns from its artefact. Raises WeightsBroken."""
    try:
        variant = load(artefact)
    except VariantBroken as error:
        raise WeightsBroken(f"The fine-tuned model {name!r} cannot be loaded.") from error
    signature = msgspec.structs.replace(variant.signature, version=version)
    return TableSpecialist(name, variant, signature, platform)
