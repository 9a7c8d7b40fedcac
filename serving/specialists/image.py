"""Pictures judged by a customer's head on a frozen backbone.

Owns what is served of models/surface_defect/, which owns pictures, heads and the backbone.
"""

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import msgspec

from models.signature import Columns, InputInvalid, Signature
from models.surface_defect import variant as surface
from models.surface_defect.backbone import Backbone, BackboneBroken, open_backbone
from models.surface_defect.head import HeadBroken
from serving.errors import WeightsBroken
from serving.specialists.fitted import Unfitted
from serving.specialists.specialist import Specialist


@dataclass(frozen=True, slots=True)
class PictureSpecialist:
    name: str
    variant: surface.Variant
    signature: Signature

    @property
    def platform(self) -> str:
        return "surface_defect"

    def check(self, columns: Columns) -> None:
        self.variant.check(columns)

    def run(self, columns: Columns) -> Columns:
        return self.variant.run(columns)

    def adapted(self, name: str, version: str, artefact: bytes) -> Specialist:
        raise InputInvalid(f"{self.name!r} is a variant itself.", param="model")


def load_pictures(name: str, path: Path) -> Unfitted:
    """The backbone at `path`, on which customers' heads are. Raises WeightsBroken."""
    try:
        backbone = open_backbone(path)
    except BackboneBroken as error:
        raise WeightsBroken(f"The backbone of {name!r} cannot be loaded.") from error
    return Unfitted(name, partial(_head, backbone))


def _head(backbone: Backbone, name: str, version: str, artefact: bytes) -> PictureSpecialist:
    try:
        variant = surface.load(artefact, backbone)
    except HeadBroken as error:
        raise WeightsBroken(f"The variant {name!r} cannot be loaded.") from error
    signature = msgspec.structs.replace(variant.signature, version=version)
    return PictureSpecialist(name, variant, signature)
