"""Credit, securities, packs, vouchers, price changes and sign-ups through the Admin API."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import httpx
import pytest

from billing.accounts.accounts import ACCOUNT_ID_PREFIX
from billing.dates import local_day, parse_time_zone
from billing.reports.deferred_revenue import CSV_COLUMNS
from gateway.access.admin_scopes import AdminScope
from gateway.identity.audit_log import list_all_entries
from gateway.signups.opening import SIGNUP_ID_PREFIX
from gateway.tables import Signup
from infra import ids
from tests.support.billing.credit import STANDARD
from tests.support.builders import Gateway
from tests.support.gateway.admin_keys import admin_client, issue
from tests.support.gateway.fapiaos import bill_a_fee

ADMIN = "/v1/admin"
WHY = {"reason": "contract 88"}
PACK = """
pack = "rows_1000"
names = { en = "1,000 rows", zh = "1000 行" }
currency = "CNY"
meter = "rows"
units = 1_000
price = "0.80"
validity_days = 30
"""
PLAN = """
plan = "plain"
names = { en = "Plain", zh = "基础版" }
currency = "CNY"
fixed_fee = "310.00"
list_prices = true
"""


@pytest.fixture
def account(gateway: Gateway) -> str:
    return f"{ADMIN}/accounts/{ids.format_id(ACCOUNT_ID_PREFIX, gateway.account.id)}"


@pytest.fixture
async def reader(gateway: Gateway) -> AsyncIterator[httpx.AsyncClient]:
    """A client whose key may read accounts only."""
    key = await issue(gateway, AdminScope.ACCOUNTS_READ)
    async with admin_client(gateway, key.secret) as http:
        yield http


async def sent(admin: httpx.AsyncClient, path: str, **body: Any) -> Any:
    response = await admin.post(path, json=body)
    assert response.status_code == 200, response.text
    return response.json()


async def got(admin: httpx.AsyncClient, path: str, **query: Any) -> Any:
    response = await admin.get(path, params=query)
    assert response.status_code == 200, response.text
    return response.json()


async def refused(admin: httpx.AsyncClient, path: str, **body: Any) -> Any:
    error = (await admin.post(path, json=body)).json()["error"]
    return error["code"], error["param"]


async def actions(gateway: Gateway) -> set[str]:
    async with gateway.parts.database.transaction() as session:
        return {entry.action for entry in await list_all_entries(session, limit=100)}


async def test_policy_is_previewed_published_assigned_and_overridden(
    gateway: Gateway, admin: httpx.AsyncClient, account: str
) -> None:
    policies = f"{ADMIN}/credit_policies"
    preview = await sent(admin, f"{policies}/preview", file=STANDARD)
    assert (preview["number"], preview["account_count"]) == (1, 0)
    assert (await sent(admin, policies, file=STANDARD))["number"] == 1
    assigned = await sent(admin, f"{account}/credit/policy", policy="standard", **WHY)
    assert (assigned["policy"], assigned["limit"]) == ("standard", "500.00")
    higher = STANDARD.replace('"500.00"', '"600.00"')
    preview = await sent(admin, f"{policies}/preview", file=higher)
    (affected,) = preview["accounts"]
    assert (preview["number"], preview["creates_version"]) == (2, True)
    assert (affected["name"], affected["limit"]) == (gateway.account.name, "500.00")
    assert affected["new_limit"] == "600.00"
    assert (await got(admin, f"{policies}/standard"))["rules"]["starting"] == 500_00
    assert [one["number"] for one in (await got(admin, policies))["data"]] == [1]
    until = (gateway.parts.clock.now() + timedelta(days=9)).isoformat()
    override = {"limit": "80.00", "until": until, **WHY}
    assert (await sent(admin, f"{account}/credit/override", **override))["limit"] == "80.00"
    assert (await sent(admin, f"{account}/credit/override/end", **WHY))["limit"] == "500.00"
    decisions = (await got(admin, f"{account}/credit/decisions", limit=2))["data"]
    assert [one["event"] for one in decisions] == ["override_ended", "override"]
    dunning = await sent(
        admin, f"{account}/credit/dunning_days", reminder_days=[2, 4], suspend_day=9, **WHY
    )
    assert (dunning["reminder_days"], dunning["suspend_day"]) == ([2, 4], 9)
    replayed = await got(admin, f"{ADMIN}/exposure/replay", account=gateway.account.name)
    assert (replayed["decisions"], replayed["rows"]) == (3, [])
    assert {"credit.policy_published", "credit.overridden"} <= await actions(gateway)
    assert (await refused(admin, policies, file="policy ="))[0] == "credit_policy_invalid"
    wrong = {**override, "until": "soon"}
    assert (await refused(admin, f"{account}/credit/override", **wrong))[0] == (
        "credit_override_invalid"
    )
    unknown = f"{ADMIN}/accounts/nobody/credit/policy"
    assert (await refused(admin, unknown, policy="none", **WHY))[0] == "account_not_found"


async def test_deposit_and_guarantee_are_recorded_once(
    gateway: Gateway, admin: httpx.AsyncClient, account: str
) -> None:
    received = {"amount": "900.00", "reference": "bank 1", **WHY}
    first = await sent(admin, f"{account}/deposit/receive", **received)
    assert (first["kind"], first["balance"]) == ("received", "900.00")
    assert await sent(admin, f"{account}/deposit/receive", **received) == first
    other = {**received, "amount": "1.00"}
    assert await refused(admin, f"{account}/deposit/receive", **other) == (
        "deposit_differs",
        "reference",
    )
    too_much = {**received, "amount": "900.01", "reference": "bank 2"}
    assert (await refused(admin, f"{account}/deposit/return", **too_much))[0] == (
        "deposit_too_small"
    )
    back = await sent(
        admin, f"{account}/deposit/return", amount="400.00", reference="bank 3", **WHY
    )
    assert (back["kind"], back["balance"]) == ("returned", "500.00")
    shown = await got(admin, f"{account}/deposit")
    assert [one["kind"] for one in shown["movements"]] == ["returned", "received"]
    invoice = await bill_a_fee(gateway)
    use = {"invoice": invoice, "reference": "use 1", **WHY}
    assert (await refused(admin, f"{account}/deposit/apply", **use))[0] == "invoice_state_wrong"
    guarantee = {"guarantor": "Chain AG", "amount": "300.00", "reference": "g 1", **WHY}
    added = await sent(admin, f"{account}/guarantees", valid_until="2999-01-01", **guarantee)
    assert (added["status"], added["amount"]) == ("valid", "300.00")
    ended = await sent(admin, f"{account}/guarantees/{added['id']}/end", **WHY)
    assert ended["status"] == "ended"
    assert [one["id"] for one in (await got(admin, f"{account}/guarantees"))["data"]] == [
        added["id"]
    ]
    assert (await refused(admin, f"{account}/guarantees/x/end", **WHY))[0] == "guarantee_not_found"
    chargeback = {"payment": "unknown", **WHY}
    assert (await refused(admin, f"{account}/credit/chargebacks", **chargeback))[0] == (
        "payment_not_found"
    )


async def test_exposure_is_limited_and_listed(gateway: Gateway, admin: httpx.AsyncClient) -> None:
    limits = f"{ADMIN}/exposure/limits"
    assert (await sent(admin, limits, limit="9000", currency="cny"))["limit"] == "9000.00"
    shown = await got(admin, f"{ADMIN}/exposure", currency="CNY")
    (scope,) = [one for one in shown["scopes"] if one["currency"] == "CNY"]
    assert (scope["scope"], scope["limit"]) == ("currency", "9000.00")
    assert gateway.account.name in {one["account"] for one in shown["accounts"]}
    assert (await sent(admin, limits, limit=None))["limit"] is None
    assert await refused(admin, limits, limit="1", scope="all") == (
        "exposure_limit_invalid",
        "scope",
    )
    wrong = await admin.get(f"{ADMIN}/exposure", params={"currency": "renminbi"})
    assert wrong.json()["error"]["param"] == "currency"


async def test_pack_is_previewed_offered_refunded_and_withdrawn(
    gateway: Gateway, admin: httpx.AsyncClient, account: str
) -> None:
    packs = f"{ADMIN}/packs"
    assert (await sent(admin, f"{packs}/preview", file=PACK))["replaces"] is None
    assert (await sent(admin, packs, file=PACK))["offered"] is True
    dearer = PACK.replace("0.80", "0.90")
    preview = await sent(admin, f"{packs}/preview", file=dearer)
    assert (preview["replaces"]["price"], preview["pack"]["price"]) == ("0.80", "0.90")
    assert (await sent(admin, f"{packs}/preview", file=PACK))["changes_offer"] is False
    await sent(admin, f"{account}/wallet/grants", amount="5.00", reference="transfer 1")
    bought = await gateway.http.post(
        "/v1/packs/purchases", json={"pack": "rows_1000", "payment_method": "wallet"}
    )
    assert bought.status_code == 200, bought.text
    purchases = f"{ADMIN}/pack_purchases"
    (listed,) = (await got(admin, purchases, account=gateway.account.name))["data"]
    assert (listed["id"], listed["account"]) == (bought.json()["id"], account.rpartition("/")[2])
    assert (await got(admin, purchases, after=listed["id"]))["data"] == []
    refund = await sent(admin, f"{purchases}/{listed['id']}/refund", reason="not needed")
    assert (refund["units"], refund["amount"]) == (1_000, "0.80")
    assert (await sent(admin, f"{packs}/rows_1000/withdraw"))["offered"] is False
    assert (await refused(admin, f"{packs}/rows_1000/withdraw"))[0] == "pack_not_found"
    assert (await refused(admin, packs, file=PACK.replace("rows", "calls")))[0] == "pack_invalid"
    assert (await refused(admin, f"{purchases}/pack_1/refund", reason="no"))[0] == (
        "pack_purchase_not_found"
    )


async def test_vouchers_are_created_once_and_canceled(admin: httpx.AsyncClient) -> None:
    batches, key = f"{ADMIN}/voucher_batches", {"idempotency-key": "fair"}
    body = {"name": "fair", "codes": 2, "amount": "20.00", "expires_at": "2999-01-01"}
    made = (await admin.post(batches, json=body, headers=key)).json()
    again = await admin.post(batches, json=body, headers=key)
    assert (again.json(), len(set(made["codes"]))) == (made, 2)
    (listed,) = (await got(admin, batches))["data"]
    assert (listed["outstanding"], "codes" in made) == (2, True)
    assert made["codes"][0] not in str(listed)
    canceled = await sent(admin, f"{batches}/{made['id']}/cancel")
    assert canceled["canceled_at"] is not None
    assert await refused(admin, batches, **{**body, "codes": 0}) == (
        "voucher_batch_invalid",
        "codes",
    )
    assert (await refused(admin, f"{batches}/x/cancel"))[0] == "voucher_batch_not_found"


async def test_price_change_is_previewed_announced_withdrawn_and_audited(
    gateway: Gateway, admin: httpx.AsyncClient, account: str
) -> None:
    changes, plan = f"{ADMIN}/price_changes", {"plan": "plain"}
    await sent(admin, f"{ADMIN}/plans", file=PLAN)
    await sent(admin, f"{account}/subscription", **plan)
    dearer = PLAN.replace("310.00", "341.00")
    publication = await sent(admin, f"{ADMIN}/plans/preview", file=dearer)
    assert publication["differences"] == [
        {
            "field": "fixed_fee",
            "model": None,
            "meter": None,
            "before": "310.00",
            "after": "341.00",
        }
    ]
    assert publication["subscribed"][0]["fixed_fee"] == "310.00"
    await sent(admin, f"{ADMIN}/plans", file=dearer)
    (affected,) = (await sent(admin, f"{changes}/preview", **plan))["accounts"]
    assert (affected["fee"], affected["new_fee"]) == ("310.00", "341.00")
    day = (gateway.parts.clock.now() + timedelta(days=40)).date().isoformat()
    announced = await sent(admin, changes, effective=day, **plan)
    assert (announced["number"], announced["accounts"]) == (2, {"announced": 1})
    assert (await got(admin, changes))["data"][0]["id"] == announced["id"]
    withdrawn = await sent(admin, f"{changes}/{announced['id']}/withdraw")
    assert withdrawn["status"] == "withdrawn"
    assert {"price_change.announced", "price_change.withdrawn"} <= await actions(gateway)
    assert (await refused(admin, f"{changes}/{announced['id']}/withdraw"))[0] == (
        "price_change_not_found"
    )
    early = {"effective": "2020-01-01", **plan}
    assert (await refused(admin, changes, **early))[1] == "effective"
    paused = await sent(admin, f"{account}/subscription/pause")
    assert paused["pause"] is not None


async def test_sign_up_is_listed_rejected_once_and_its_company_released(
    gateway: Gateway, admin: httpx.AsyncClient, account: str
) -> None:
    row = waiting_signup(gateway)
    public_id = ids.format_id(SIGNUP_ID_PREFIX, row.id)
    async with gateway.parts.database.transaction() as session:
        session.add(row)
    signups = f"{ADMIN}/signups"
    (listed,) = (await got(admin, signups, status="review"))["data"]
    assert (listed["id"], listed["company_name"]) == (public_id, "Beta Machines")
    assert (await got(admin, signups, after=public_id))["data"] == []
    assert (await got(admin, f"{signups}/{public_id}"))["status"] == "review"
    assert (await refused(admin, f"{signups}/{public_id}/reject", reason=" "))[0] == (
        "reason_missing"
    )
    done = await sent(admin, f"{signups}/{public_id}/reject", reason="not a company")
    assert (done["status"], done["note"]) == ("refused", "not a company")
    assert (await refused(admin, f"{signups}/{public_id}/approve", **WHY))[0] == (
        "sign_up_not_in_review"
    )
    assert (await refused(admin, f"{signups}/signup_1/approve", **WHY))[0] == "sign_up_not_found"
    released = await sent(admin, f"{account}/release_company", **WHY)
    assert (released["account"], released["credit_code"]) == (gateway.account.name, None)
    assert {"signup.rejected", "signup.company_released"} <= await actions(gateway)


async def test_deferred_revenue_is_reported_by_month(
    gateway: Gateway, admin: httpx.AsyncClient
) -> None:
    await bill_a_fee(gateway)
    report = await got(admin, f"{ADMIN}/reports/deferred_revenue")
    assert {one["currency"] for one in report["data"]} <= {"CNY"}
    today = local_day(gateway.parts.clock.now(), parse_time_zone("Asia/Shanghai"))
    assert report["month"] == f"{today:%Y-%m}"
    csv = await admin.get(f"{ADMIN}/reports/deferred_revenue.csv", params={"month": "2026-10"})
    assert csv.text.lstrip("\ufeff").splitlines()[0] == ",".join(CSV_COLUMNS)
    wrong = await admin.get(f"{ADMIN}/reports/deferred_revenue", params={"month": "October"})
    assert wrong.json()["error"]["param"] == "month"


@pytest.mark.parametrize(
    ("path", "scope"),
    [
        ("credit_policies", AdminScope.CREDIT_WRITE),
        ("exposure/limits", AdminScope.CREDIT_WRITE),
        ("accounts/x/deposit/receive", AdminScope.CREDIT_WRITE),
        ("accounts/x/credit/chargebacks", AdminScope.PAYMENTS_WRITE),
        ("packs", AdminScope.PLANS_WRITE),
        ("voucher_batches", AdminScope.GRANTS_WRITE),
        ("signups/x/approve", AdminScope.SIGNUPS_WRITE),
    ],
)
async def test_change_without_its_scope_is_refused(
    reader: httpx.AsyncClient, path: str, scope: AdminScope
) -> None:
    assert await refused(reader, f"{ADMIN}/{path}") == ("admin_scope_missing", scope)


def waiting_signup(gateway: Gateway) -> Signup:
    """A sign-up in review, without an account."""
    now = gateway.parts.clock.now()
    return Signup(
        id=ids.new_id(),
        status="review",
        email="wu@beta.example",
        mailbox="wu@beta.example",
        contact_name="Wu",
        company_name="Beta Machines",
        name_key="beta machines",
        language="en",
        texts=[],
        address="192.0.2.1",
        network="192.0.2.0/24",
        code_digest=b"0",
        code_expires_at=now,
        created_at=now,
        verified_at=now,
        reasons=[],
    )
