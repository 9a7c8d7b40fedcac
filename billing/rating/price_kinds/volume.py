"""Volume price: all units are charged at the price of the tier that the total reaches."""

from dataclasses import dataclass
from typing import ClassVar

from billing.rating.price_kinds.price import PriceInvalid
from billing.rating.price_kinds.tiers import TieredPrice, require_ascending_tiers
from infra.sentences import sentence
from infra.translations import gettext_noop


@dataclass(frozen=True, slots=True)
class Volume(TieredPrice):
    """A volume price.

    Unit prices must not rise with the quantity and flat amounts are not allowed: otherwise units
    reserved at a lower price would cost more later, and a spend cap could be exceeded.
    """

    kind: ClassVar[str] = "volume"
    text: ClassVar[str] = gettext_noop(
        "Per {units}, all units at the price of the tier reached: {tiers}"
    )

    def __post_init__(self) -> None:
        require_ascending_tiers(self.tiers)
        units = [tier.unit for tier in self.tiers]
        if units != sorted(units, reverse=True) or any(tier.flat for tier in self.tiers):
            raise PriceInvalid(
                sentence(
                    "Volume tiers must become cheaper with more units and have no flat amounts."
                )
            )

    def amount(self, quantity: int) -> int:
        """Return the quantity times the price of the tier it reaches, in nano-units."""
        tiers = self.tiers
        tier = next(one for one in tiers if one.up_to is None or quantity <= one.up_to)
        return quantity * tier.unit

    def reserve(self, quantity: int) -> int:
        """Return 0: a volume price has no flat amounts to reserve."""
        return 0
