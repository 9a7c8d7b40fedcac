"""Interface to predictions by asset, whose inputs are readings of an asset's points.

Implemented in gateway/plant/predictions/.
"""

from collections.abc import Sequence
from typing import Protocol

from gateway.call.asset_inputs import (
    AssetReadings,
    AssetVerdict,
    LinkedAssets,
    NamedAsset,
)
from gateway.call.values import Call, Principal
from gateway.inference.translation import TranslatedCall
from models.signature import Signature


class AssetInputs(Protocol):
    """Fills the inputs of specialists from the readings of assets."""

    def applies(self, call: Call, body: bytes) -> bool:
        """Whether a request may name an asset instead of rows. Cheap: every call asks."""
        ...

    async def open(self, call: Call, principal: Principal, body: bytes) -> TranslatedCall | None:
        """Return the call with a row of inputs in its body; None if it names no asset.

        Raises BodyNotJson, ParameterInvalid, PlantNodeNotFound, AssetInputsInvalid,
        AssetInputsMissing, and as Parser.resolve_model.
        """
        ...

    async def link(self, principal: Principal, texts: Sequence[str]) -> LinkedAssets | None:
        """Return the assets that messages name, the newest last; None without one.

        None also if the plant model cannot be read now: a chat is answered without it.
        """
        ...

    async def find(self, principal: Principal, asset: str) -> NamedAsset:
        """Return an asset by id or code. Raises PlantNodeNotFound, DatabaseUnavailable."""
        ...

    async def signature(self, principal: Principal, model: str) -> Signature:
        """Return the inputs of a model. Raises UpstreamUnreachable, and as Parser.resolve_model."""
        ...

    async def read(
        self, principal: Principal, asset: NamedAsset, model: str, signature: Signature
    ) -> AssetReadings:
        """Return the inputs of a model that the asset's newest readings have.

        Without any if they cannot be read now.
        """
        ...

    async def store(self, verdicts: Sequence[AssetVerdict]) -> None:
        """Store verdicts of a call whose usage row is durable. A failure is logged."""
        ...
