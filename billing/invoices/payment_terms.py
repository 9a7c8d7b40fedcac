"""Payment terms of invoices: stored when an invoice becomes final, and never changed afterwards.

The account's own dunning days come before those of its plan. An invoice without stored terms has
the default dunning days, no late fee and no instalments.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.invoices.instalments import create_parts
from billing.rating.payment_terms import (
    DEFAULT_DUNNING_POLICY,
    DunningPolicy,
    PaymentTerms,
    parse_dunning,
    parse_payment_terms,
)
from billing.subscriptions.subscriptions import find_subscription
from billing.tables import CreditTerms, Invoice, InvoicePaymentTerms

_DEFAULT = PaymentTerms()


async def load_current_terms(
    session: AsyncSession, account_id: UUID, now: datetime
) -> tuple[PaymentTerms, UUID | None]:
    """Return the payment terms of an account now, and the plan version that they are of."""
    subscription = await find_subscription(session, account_id, now)
    terms, version_id = _DEFAULT, None
    if subscription is not None and subscription.terms.payment is not None:
        terms, version_id = subscription.terms.payment, subscription.phase.plan_version_id
    own = await session.get(CreditTerms, account_id)
    if own is not None and own.dunning is not None:
        terms = replace(terms, dunning=parse_dunning(own.dunning))
    return terms, version_id


async def store_payment_terms(
    session: AsyncSession, invoice: Invoice, now: datetime, *, may_split: bool
) -> None:
    """Store the payment terms of an invoice that becomes final, and split it into instalments.

    With `may_split` false there are none: a collector collects the whole invoice. The billing
    profile must be locked.
    """
    # A plan that ended with the period still sets the terms of its last invoice.
    at = min(now, invoice.ends_at - timedelta(microseconds=1))
    terms, version_id = await load_current_terms(session, invoice.account_id, at)
    if replace(terms, credit_policy=None) == _DEFAULT:
        return
    session.add(
        InvoicePaymentTerms(
            invoice_id=invoice.id,
            account_id=invoice.account_id,
            plan_version_id=version_id,
            terms=terms.to_json(),
        )
    )
    if terms.instalments is not None and invoice.total > 0 and may_split:
        create_parts(session, invoice, terms.instalments)
    await session.flush()


async def load_payment_terms(
    session: AsyncSession, account_id: UUID, invoice_id: UUID
) -> PaymentTerms:
    """Return the payment terms that an invoice became final with."""
    query = select(InvoicePaymentTerms.terms).where(
        col(InvoicePaymentTerms.account_id) == account_id,
        col(InvoicePaymentTerms.invoice_id) == invoice_id,
    )
    stored = (await session.execute(query)).scalar_one_or_none()
    return _DEFAULT if stored is None else parse_payment_terms(stored)


async def load_dunning_policies(
    session: AsyncSession, invoice_ids: Sequence[UUID]
) -> dict[UUID, DunningPolicy]:
    """Return the dunning days of invoices by id.

    For operators: reads across accounts (no account_id filter).
    """
    query = select(InvoicePaymentTerms.invoice_id, InvoicePaymentTerms.terms).where(
        col(InvoicePaymentTerms.invoice_id).in_(invoice_ids)
    )
    policies = dict.fromkeys(invoice_ids, DEFAULT_DUNNING_POLICY)
    for invoice_id, terms in await session.execute(query):
        policies[invoice_id] = parse_payment_terms(terms).dunning or DEFAULT_DUNNING_POLICY
    return policies
