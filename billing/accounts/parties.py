"""Parties: who sells and who buys, as a bill says it, in which language and days, and how it is
to be paid.

A final invoice keeps those of its day; drafts and previews say those of now. Owns gathering them,
as one query that an update can take too: making an invoice final asks nothing more for them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import TextualSelect, column, text
from sqlalchemy.dialects.postgresql import JSONB

from billing.dates import zone_of
from billing.rating.fees import Calendar

_NOW = """
    select jsonb_build_object(
        'seller', jsonb_build_object(
            'name', e.name, 'address', e.address, 'tax_number', e.tax_number, 'email', ''
        ),
        'buyer', jsonb_build_object(
            'name', coalesce(nullif(p.billing_name, ''), a.name), 'address', p.address,
            'tax_number', p.tax_number, 'email', p.email
        ),
        'locale', p.locale, 'collection', p.collection,
        'time_zone', p.time_zone, 'anchor_day', p.anchor_day
    ) as parties
    from billing_profile p
    join account a on a.id = p.account_id
    join legal_entity e on e.id = :entity
    where p.account_id = :account
"""


@dataclass(frozen=True, slots=True)
class Party:
    """Who sells, or who buys."""

    name: str
    address: str
    tax_number: str
    email: str = ""


@dataclass(frozen=True, slots=True)
class Parties:
    """What a bill says of both, and the account's calendar where no period tells it."""

    seller: Party
    buyer: Party
    locale: str
    collection: str
    time_zone: str
    anchor_day: int

    @property
    def calendar(self) -> Calendar:
        return Calendar(zone_of(self.time_zone), self.anchor_day)


def parties_now(account_id: UUID, legal_entity_id: UUID) -> TextualSelect:
    """The query for what holds now, to be read or to be kept."""
    query = text(_NOW).bindparams(account=account_id, entity=legal_entity_id)
    return query.columns(column("parties", JSONB))


def read_parties(said: Mapping[str, Any]) -> Parties:
    """What the query gave, as it is kept."""
    both = {"seller": Party(**said["seller"]), "buyer": Party(**said["buyer"])}
    return Parties(**{**said, **both})
