"""Fields of a price in the TOML and JSON files of plans and outcome contracts.

All kinds share one flat table; `kind` decides which of its fields are required and allowed. Amounts
are decimal strings of the major unit, for `per` units.
"""

from collections.abc import Set

import msgspec

from billing.money import nano_from_text
from infra.sentences import sentence


class TierFields(msgspec.Struct, forbid_unknown_fields=True):
    """A tier of a graduated or volume price, as written in a file."""

    price: str
    up_to: int | None = None
    flat: str = "0"


class PriceFields(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """A price of any kind, as written in a file. `kind` decides which fields are required."""

    kind: str = "per_unit"
    per: int = 1
    price: str | None = None
    size: int | None = None
    tiers: list[TierFields] = []


# In the order of the checks: a missing price is reported first.
_FIELD_NAMES = (
    "price",
    *(name for name in PriceFields.__struct_fields__ if name not in {"kind", "price"}),
)
_DEFAULTS = PriceFields()


def require_fields(fields: PriceFields, required: Set[str], optional: Set[str]) -> None:
    """Require the fields of a price kind and reject others, as they would be ignored.

    Raises ValueError.
    """
    for name in _FIELD_NAMES:
        is_set = getattr(fields, name) != getattr(_DEFAULTS, name)
        if is_set and name not in required | optional:
            raise ValueError(
                sentence(
                    "a price of kind {kind} does not have the field `{name}`",
                    kind=fields.kind,
                    name=name,
                )
            )
        if name in required and not is_set:
            raise ValueError(
                sentence(
                    "a price of kind {kind} needs the field `{name}`", kind=fields.kind, name=name
                )
            )


def parse_unit_price(text: str | None, per: int) -> int:
    """Return the nano-units of one unit, from the price of `per` units.

    Raises ValueError if they are not a whole number.
    """
    nano = nano_from_text(text or "")
    if per <= 0 or nano % per:
        raise ValueError(
            sentence(
                "{price} for {units} units is not a whole number of nano-units per unit",
                price=str(text),
                units=per,
            )
        )
    return nano // per
