"""`/v1/admin/voucher_batches`: create, list and cancel vouchers."""

from collections.abc import Mapping
from typing import Any

import msgspec
from litestar import Controller, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from sqlalchemy.ext.asyncio import AsyncSession

from billing.prepaid.views import batch_json, voucher_report_json
from billing.prepaid.vouchers import NewBatch, VoucherBatchInvalid, report_vouchers
from gateway.access.admin_scopes import AdminScope
from gateway.api.admin.context import AdminRequest
from gateway.operations.parsing import parse_instant, parse_minor
from gateway.operations.prepaid import cancel_vouchers, issue_vouchers, parse_batch_id


class NewVoucherBatch(msgspec.Struct):
    """Codes to create, each worth `amount` of promotional credit, or else an offered `pack`.

    Codes are valid until `expires_at` (ISO 8601); credit expires `credit_days` after redemption.
    `plans` limits the codes to accounts on one of these plans, `new_customers_only` to accounts
    without a final invoice.
    """

    name: str
    codes: int
    expires_at: str
    amount: str | None = None
    pack: str | None = None
    currency: str = "CNY"
    credit_days: int | None = None
    max_uses: int = 1
    per_account: int = 1
    plans: list[str] | None = None
    new_customers_only: bool = False


_PATH = "/v1/admin/voucher_batches"
BODIES: Mapping[str, type[msgspec.Struct]] = {_PATH: NewVoucherBatch}
_OBJECT = "voucher_batch"
_BATCH = msgspec.json.Decoder(NewVoucherBatch)


class AdminVoucherRoutes(Controller):
    """Batches of voucher codes. Only hashes of the codes are stored."""

    path = "/voucher_batches"

    @get(
        "/",
        summary="List batches with redeemed and outstanding codes, newest first",
        admin_scope=AdminScope.ACCOUNTS_READ,
    )
    async def batches(self, admin: NamedDependency[AdminRequest]) -> dict[str, Any]:
        """Return all batches, without codes."""
        now = admin.clock.now()
        reports = await admin.read(lambda session: report_vouchers(session, now))
        data = [{"object": _OBJECT, **voucher_report_json(one)} for one in reports]
        return {"object": "list", "data": data, "has_more": False}

    @post("/", status_code=200, summary="Create vouchers", admin_scope=AdminScope.GRANTS_WRITE)
    async def create(self, admin_change: NamedDependency[AdminRequest]) -> Response[bytes]:
        """Create codes. They are in the response only, and in none after 24 hours."""
        new = _new_batch(admin_change.decode(_BATCH))

        async def apply(session: AsyncSession) -> dict[str, Any]:
            """Create the codes and return them."""
            place = (session, admin_change.clock, admin_change.actor)
            batch, codes = await issue_vouchers(*place, new)
            return {"object": _OBJECT, **batch_json(batch), "codes": codes}

        return await admin_change.change(apply)

    @post(
        "/{batch:str}/cancel",
        status_code=200,
        summary="Cancel the codes of a batch",
        admin_scope=AdminScope.GRANTS_WRITE,
    )
    async def cancel(
        self, admin_change: NamedDependency[AdminRequest], batch: FromPath[str]
    ) -> Response[bytes]:
        """Cancel a batch; credit and packs that were given stay."""
        batch_id = parse_batch_id(batch)

        async def apply(session: AsyncSession) -> dict[str, Any]:
            """Cancel the batch and return it."""
            place = (session, admin_change.clock, admin_change.actor)
            return {"object": _OBJECT, **batch_json(await cancel_vouchers(*place, batch_id))}

        return await admin_change.change(apply)


def _new_batch(body: NewVoucherBatch) -> NewBatch:
    """Return the batch that a body asks for. Raises VoucherBatchInvalid."""
    minor = None
    if body.amount is not None:
        minor = parse_minor(body.amount, body.currency, VoucherBatchInvalid)
    return NewBatch(
        name=body.name,
        currency=body.currency,
        codes=body.codes,
        expires_at=parse_instant(body.expires_at, VoucherBatchInvalid),
        minor=minor,
        pack=body.pack,
        credit_days=body.credit_days,
        max_uses=body.max_uses,
        per_account=body.per_account,
        plans=tuple(body.plans) if body.plans else None,
        new_customers_only=body.new_customers_only,
    )
