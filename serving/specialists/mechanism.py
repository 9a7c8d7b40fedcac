"""A physical or engineering formula (mechanism) served as a specialist."""

from dataclasses import dataclass

from models.mechanisms import MECHANISMS
from models.mechanisms.mechanism import Mechanism
from models.signature import Columns, Signature
from serving.errors import InputInvalid, WeightsBroken


@dataclass(frozen=True, slots=True)
class MechanismSpecialist:
    """A specialist that computes its outputs by a formula."""

    name: str
    mechanism: Mechanism

    @property
    def signature(self) -> Signature:
        """The input and output columns of the formula."""
        return self.mechanism.signature

    @property
    def platform(self) -> str:
        """The `platform` of the Open Inference model metadata: the formula's standard."""
        return self.mechanism.standard

    def check(self, columns: Columns) -> None:
        """Raise InputInvalid for the first row that violates a relation of the inputs."""
        self.mechanism.check(columns)

    def run(self, columns: Columns) -> Columns:
        """Compute the formula on validated columns; return one array for each output."""
        return self.mechanism.compute(columns)

    def load_variant(self, name: str, version: str, artefact: bytes) -> "MechanismSpecialist":
        """Raise InputInvalid: a formula has no variants."""
        raise InputInvalid(f"{self.name!r} is a formula and cannot be fine-tuned.", param="model")


def load_mechanism(name: str, mechanism: str) -> MechanismSpecialist:
    """Return the mechanism as the model `name`. Raises WeightsBroken if it does not exist."""
    if mechanism not in MECHANISMS:
        raise WeightsBroken(f"The catalog's mechanism {mechanism!r} is unknown.")
    return MechanismSpecialist(name, MECHANISMS[mechanism])
