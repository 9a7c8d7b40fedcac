"""The `[[add_on]]` tables of a plan file: fixed-fee items that customers add to the plan."""

from types import MappingProxyType

import msgspec

from billing.money import minor_from_text
from billing.rating.terms import AddOn, Allowance


class _UnitsFile(msgspec.Struct, forbid_unknown_fields=True):
    """An `[[add_on.allowance]]` table: units that each add-on includes per billing period."""

    meter: str
    quantity: int
    model: str = "*"


class AddOnFile(msgspec.Struct, forbid_unknown_fields=True):
    """An `[[add_on]]` table. The fee is a decimal text per interval of the plan."""

    name: str
    names: dict[str, str]
    fee: str
    max_quantity: int = 100
    allowance: list[_UnitsFile] = []


def build_add_ons(files: list[AddOnFile], currency: str) -> tuple[AddOn, ...]:
    """Build the add-ons of a plan file. Raises ValueError for a fee that is no amount."""
    return tuple(
        AddOn(
            one.name,
            MappingProxyType(one.names),
            minor_from_text(one.fee, currency),
            one.max_quantity,
            tuple(Allowance(units.model, units.meter, units.quantity) for units in one.allowance),
        )
        for one in files
    )
