"""The seller and buyer of an invoice, with its locale, calendar and collection method.

A final invoice stores the values of its day as JSON; drafts and previews show the current ones.
The values are selected by one query, which finalization embeds in its UPDATE as a subquery, so
that it needs no further round trip.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import TextualSelect, column, text
from sqlalchemy.dialects.postgresql import JSONB

from billing.dates import parse_time_zone
from billing.rating.fees import BillingCalendar

_SELECT_CURRENT = """
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
    """The seller or the buyer of an invoice, stored as JSON with final invoices."""

    name: str
    address: str
    tax_number: str
    email: str = ""


@dataclass(frozen=True, slots=True)
class Parties:
    """Seller, buyer and billing settings of an invoice, stored as JSON with final invoices.

    `time_zone` and `anchor_day` are the account's calendar for times outside all billing periods.
    """

    seller: Party
    buyer: Party
    locale: str
    collection: str
    time_zone: str
    anchor_day: int

    @property
    def calendar(self) -> BillingCalendar:
        """The account's time zone and anchor day, for times outside all stored billing periods."""
        return BillingCalendar(parse_time_zone(self.time_zone), self.anchor_day)


def select_current_parties(account_id: UUID, legal_entity_id: UUID) -> TextualSelect:
    """Build the query for an account's current seller, buyer and settings: JSONB `parties`."""
    query = text(_SELECT_CURRENT).bindparams(account=account_id, entity=legal_entity_id)
    return query.columns(column("parties", JSONB))


def parse_parties(payload: Mapping[str, Any]) -> Parties:
    """Parse the stored or selected JSON of an invoice's parties."""
    both = {"seller": Party(**payload["seller"]), "buyer": Party(**payload["buyer"])}
    return Parties(**{**payload, **both})
