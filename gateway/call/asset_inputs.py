"""What the request path knows of an asset of the plant model, and what was read for it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from models.arguments import Reading


@dataclass(frozen=True, slots=True)
class NamedAsset:
    """An asset that a text or a request names; `public_id` is its id in the API."""

    id: UUID
    public_id: str
    code: str
    name: str


@dataclass(frozen=True, slots=True)
class LinkedAssets:
    """The assets that a question names. Several of them are ambiguous: no readings are used.

    `is_new` is set if the newest message names them.
    """

    assets: tuple[NamedAsset, ...]
    is_new: bool = True

    @property
    def only(self) -> NamedAsset | None:
        """Return the asset if there is exactly one."""
        return self.assets[0] if len(self.assets) == 1 else None


@dataclass(frozen=True, slots=True)
class AssetReadings:
    """Inputs of one model that were read from an asset's points, in the model's units.

    `inputs` report each of them with origin, tag, unit of the point and age; `missing` the required
    ones without a usable reading, each with its reason.
    """

    model: str
    at: datetime
    readings: Mapping[str, Reading]
    inputs: tuple[Mapping[str, Any], ...] = ()
    missing: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class AssetVerdict:
    """A specialist's prediction about an asset at an instant, and the inputs that it was made of.

    `request_id` is that of its usage row, `decision_record_id` None outside conversations.
    `finding` is the prediction in one line (models/findings/summary.py).
    """

    account_id: UUID
    asset_id: UUID
    request_id: UUID
    model: str
    version: str
    at: datetime
    prediction: Mapping[str, Any]
    inputs: tuple[Mapping[str, Any], ...]
    finding: Mapping[str, Any]
    decision_record_id: UUID | None = None
