"""Registration of accounts as customers of a collector."""

from uuid import UUID

from billing.accounts.profiles import get_profile
from billing.collection.collector import Collector, CustomerRequest
from billing.collection.external_ids import external_customer_id, store_external_customer
from billing.tables import Account
from infra.database.database import Database


async def ensure_customer(
    database: Database, collector: Collector, account_id: UUID, *, is_retry: bool = False
) -> str:
    """Return the account's id at the collector; register it if missing (a retry looks it up).

    With `is_retry`, an earlier attempt may have registered it. Raises RetryLater, PermanentFailure.
    """
    async with database.transaction() as session:
        profile = await get_profile(session, account_id)
        account = await session.get_one(Account, account_id)
    known = external_customer_id(profile, collector.info)
    if known is not None:
        return known
    name = profile.billing_name or account.name
    request = CustomerRequest(account_id, name, profile.email, account.created_at)
    key = f"customer:{account_id}"
    customer = await collector.register_customer(key, request, is_retry=is_retry)
    async with database.transaction() as session:
        await store_external_customer(session, account_id, collector.info.name, customer)
    return customer
