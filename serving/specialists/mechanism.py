"""A mechanism as a specialist: what serving asks of a model, answered by a formula."""

from dataclasses import dataclass

from models.mechanisms import MECHANISMS
from models.mechanisms.mechanism import Mechanism
from models.signature import Columns, Signature
from serving.errors import InputInvalid, WeightsBroken


@dataclass(frozen=True, slots=True)
class MechanismSpecialist:
    name: str
    mechanism: Mechanism

    @property
    def signature(self) -> Signature:
        return self.mechanism.signature

    @property
    def platform(self) -> str:
        return self.mechanism.standard

    def check(self, columns: Columns) -> None:
        self.mechanism.check(columns)

    def run(self, columns: Columns) -> Columns:
        return self.mechanism.compute(columns)

    def adapted(self, name: str, version: str, artefact: bytes) -> "MechanismSpecialist":
        raise InputInvalid(f"{self.name!r} is a formula and has no variants.", param="model")


def load_mechanism(name: str, source: str) -> MechanismSpecialist:
    """The mechanism `source`, sold as `name`. Raises WeightsBroken where there is none."""
    if source not in MECHANISMS:
        raise WeightsBroken(f"The catalog's mechanism {source!r} is unknown.")
    return MechanismSpecialist(name, MECHANISMS[source])
