"""Forecasters, each trained on a customer's series."""

from dataclasses import dataclass

import msgspec

from models.forecasting import variant as forecasting
from models.own_artefact import VariantBroken
from models.signature import Columns, InputInvalid, Signature
from serving.errors import WeightsBroken
from serving.specialists.specialist import Specialist


@dataclass(frozen=True, slots=True)
class ForecastSpecialist:
    """A forecaster of a customer's series."""

    name: str
    variant: forecasting.ForecastVariant
    signature: Signature

    @property
    def platform(self) -> str:
        """The `platform` of the Open Inference model metadata."""
        return "onnxruntime_onnx"

    def check(self, columns: Columns) -> None:
        """Validate histories and horizon. Raises InputInvalid."""
        self.variant.check(columns)

    def run(self, columns: Columns) -> Columns:
        """Return the forecasts of validated columns; one array for each output."""
        return self.variant.run(columns)

    def load_variant(self, name: str, version: str, artefact: bytes) -> Specialist:
        """Raise InputInvalid: a fine-tuned model has no variants."""
        raise InputInvalid(f"{self.name!r} is itself a fine-tuned model.", param="model")


def load_forecaster(name: str, version: str, artefact: bytes) -> ForecastSpecialist:
    """Load a forecaster from its artefact. Raises WeightsBroken."""
    try:
        variant = forecasting.load(artefact)
    except VariantBroken as error:
        raise WeightsBroken(f"The fine-tuned model {name!r} cannot be loaded.") from error
    signature = msgspec.structs.replace(variant.signature, version=version)
    return ForecastSpecialist(name, variant, signature)
