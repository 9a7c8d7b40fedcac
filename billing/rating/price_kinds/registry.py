"""Registry of the price kinds by name: reads prices of any kind from files and JSON."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from billing.rating.price_kinds.graduated import Graduated
from billing.rating.price_kinds.package import Package
from billing.rating.price_kinds.per_unit import PerUnit
from billing.rating.price_kinds.price import Price, PriceInvalid
from billing.rating.price_kinds.price_fields import PriceFields, require_fields
from billing.rating.price_kinds.volume import Volume
from infra.sentences import Sentence, sentence

PRICE_KINDS: Mapping[str, type[Price]] = MappingProxyType(
    {kind.kind: kind for kind in (PerUnit, Package, Graduated, Volume)}
)


def price_from_json(payload: Mapping[str, Any]) -> Price:
    """Parse the JSON of `Price.to_json`. Raises PriceInvalid, also if the kind is unknown."""
    kind = PRICE_KINDS.get(payload["kind"])
    if kind is None:
        raise PriceInvalid(
            sentence(
                "Unknown price kind: `{kind}`. {problem}.",
                kind=payload["kind"],
                problem=_valid_kinds(),
            )
        )
    return kind.from_json(payload)


def price_from_fields(fields: PriceFields) -> Price:
    """Convert a price's file fields into a price. Raises ValueError, PriceInvalid."""
    kind = PRICE_KINDS.get(fields.kind)
    if kind is None:
        raise ValueError(_valid_kinds())
    require_fields(fields, kind.required_fields, kind.optional_fields)
    return kind.from_fields(fields)


def _valid_kinds() -> Sentence:
    """Return an error text that lists the valid values of `kind`."""
    *first, last = PRICE_KINDS
    return sentence("`kind` must be {names} or {last}", names=", ".join(first), last=last)
