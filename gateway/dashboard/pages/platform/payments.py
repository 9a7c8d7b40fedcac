"""The platform's page of payments by QR code: unresolved discrepancies and recent orders."""

from collections.abc import Sequence
from uuid import UUID

from litestar import Response, get
from litestar.di import NamedDependency
from litestar.params import FromQuery
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.collection.payments.checkout import Checkout
from billing.collection.payments.discrepancies import list_open_discrepancies
from billing.collection.payments.orders import PAYMENT_ORDER_PREFIX, list_all_orders
from billing.collection.payments.results import OrderState
from billing.tables import Account, PaymentOrder
from gateway.dashboard.page_request import PageRequest
from gateway.dashboard.pages.platform.common import platform_zone
from gateway.identity.roles import Permission
from infra import ids
from infra.database.database import Database

_PAGE = "/dashboard/platform/payments"
_PAGE_SIZE = 50
_STATES = frozenset(OrderState)


@get("/platform/payments", name="platform:payments", permission=Permission.WATCH)
async def show_payments(
    page: NamedDependency[PageRequest],
    database: NamedDependency[Database],
    checkout: NamedDependency[Checkout],
    status: FromQuery[str | None] = None,
    before: FromQuery[str | None] = None,
) -> Response[str]:
    """Show payment orders of all accounts, newest first, and discrepancies to resolve."""
    selected = OrderState(status) if status in _STATES else None
    cursor = None if before is None else ids.parse_id(PAYMENT_ORDER_PREFIX, before)
    async with database.transaction() as session:
        orders = await list_all_orders(session, _PAGE_SIZE + 1, selected, cursor)
        discrepancies = await list_open_discrepancies(session)
        names = await _account_names(session, orders[:_PAGE_SIZE])
    more = None
    if len(orders) > _PAGE_SIZE:
        last = ids.format_id(PAYMENT_ORDER_PREFIX, orders[_PAGE_SIZE - 1].id)
        more = f"{_list_url(selected)}{'&' if selected else '?'}before={last}"
    return page.render(
        "platform/payments.html",
        orders=orders[:_PAGE_SIZE],
        names=names,
        discrepancies=discrepancies,
        methods=checkout.providers.names,
        may=page.viewer.has_permission(Permission.OPERATE),
        choices=[(_list_url(None), None), *((_list_url(one), one) for one in OrderState)],
        here=_list_url(selected),
        more=more,
        first=_list_url(selected) if before else None,
        zone=platform_zone(),
    )


async def _account_names(session: AsyncSession, orders: Sequence[PaymentOrder]) -> dict[UUID, str]:
    """Return the names of the accounts of orders, by account id."""
    account_ids = {order.account_id for order in orders}
    query = select(Account.id, Account.name).where(col(Account.id).in_(account_ids))
    return {account_id: name for account_id, name in (await session.execute(query)).all()}


def _list_url(state: OrderState | None) -> str:
    """Return the URL of the list with a filter."""
    return _PAGE if state is None else f"{_PAGE}?status={state.value}"
