"""Image classification by a customer's head on a frozen backbone (models/surface_defect/)."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import msgspec

from models.signature import Columns, InputInvalid, Signature
from models.surface_defect import variant as surface
from models.surface_defect.backbone import Backbone, BackboneBroken, open_backbone
from models.surface_defect.head import HeadBroken
from serving.errors import WeightsBroken
from serving.specialists.fitted import UnfittedSpecialist
from serving.specialists.specialist import Specialist


@dataclass(frozen=True, slots=True)
class ImageSpecialist:
    """A customer's image classifier: a fitted head on the shared backbone."""

    name: str
    variant: surface.Variant
    signature: Signature

    @property
    def platform(self) -> str:
        """The `platform` of the Open Inference model metadata."""
        return "surface_defect"

    def check(self, columns: Columns) -> None:
        """Decode every picture to validate it. Raises InputInvalid."""
        self.variant.check(columns)

    def run(self, columns: Columns) -> Columns:
        """Classify each picture; return one array for each output. Raises InputInvalid."""
        return self.variant.run(columns)

    def load_variant(self, name: str, version: str, artefact: bytes) -> Specialist:
        """Raise InputInvalid: a fine-tuned model has no variants."""
        raise InputInvalid(f"{self.name!r} is itself a fine-tuned model.", param="model")


def load_image_classifier(name: str, path: Path) -> UnfittedSpecialist:
    """Load the backbone at `path` as a model that each customer fits. Raises WeightsBroken."""
    try:
        backbone = open_backbone(path)
    except BackboneBroken as error:
        raise WeightsBroken(f"The backbone of {name!r} cannot be loaded.") from error
    return UnfittedSpecialist(name, partial(_load_head, backbone))


def _load_head(backbone: Backbone, name: str, version: str, artefact: bytes) -> ImageSpecialist:
    """Load a customer's head onto the backbone. Raises WeightsBroken."""
    try:
        variant = surface.load(artefact, backbone)
    except HeadBroken as error:
        raise WeightsBroken(f"The fine-tuned model {name!r} cannot be loaded.") from error
    signature = msgspec.structs.replace(variant.signature, version=version)
    return ImageSpecialist(name, variant, signature)
