"""Interface to predictions by asset, whose inputs are readings of an asset's points.

Implemented in gateway/plant/predictions/.
"""

from typing import Protocol

from gateway.call.values import Call, Principal
from gateway.inference.translation import TranslatedCall


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
