"""Operators publish plans, packs and credit policies from a file, after a preview."""

import re
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from billing.credit.policies import assign_policy
from billing.plan_changes.plan_changes import change_plan, start_plan
from billing.subscriptions.plans import find_plan_version
from billing.subscriptions.subscriptions import find_subscription
from gateway.identity.audit_log import list_all_entries
from gateway.identity.roles import Role
from tests.support.billing.credit import STANDARD
from tests.support.dashboard.firm import Firm
from tests.support.dashboard.looking import Looker, looker, words
from tests.support.gateway.subscribing import SMALL, choose

PLANS, PACKS = "/dashboard/platform/plans", "/dashboard/platform/packs"
CREDIT = "/dashboard/platform/credit"
POLICIES = f"{CREDIT}/policies"
PACK = """
pack = "rows_1000"
names = { en = "1,000 rows", zh = "1000 行" }
currency = "CNY"
meter = "rows"
units = 1_000
price = "0.80"
validity_days = 30
"""


@pytest.fixture(scope="module")
async def operator(shared_firm: Firm) -> AsyncIterator[Looker]:
    gateway = shared_firm.gateway
    async with looker(gateway.url, gateway.parts, None, Role.OPERATOR) as one:
        yield one


@pytest.fixture
async def chinese(shared_firm: Firm) -> AsyncIterator[Looker]:
    gateway = shared_firm.gateway
    async with looker(gateway.url, gateway.parts, None, Role.OPERATOR, "zh-CN") as one:
        yield one


@pytest.fixture(scope="module")
async def support(shared_firm: Firm) -> AsyncIterator[Looker]:
    gateway = shared_firm.gateway
    async with looker(gateway.url, gateway.parts, None, Role.SUPPORT) as one:
        yield one


async def actions(firm: Firm) -> list[str]:
    async with firm.gateway.parts.database.transaction() as session:
        return [entry.action for entry in await list_all_entries(session, limit=50)]


async def test_plan_is_previewed_with_its_accounts_and_then_published(
    shared_firm: Firm, operator: Looker
) -> None:
    first = words((await operator.send(f"{PLANS}/preview", file=SMALL)).text)
    assert "Publish Small, version 1" in first
    assert "No account has this plan" in first
    assert "plan.published" not in await actions(shared_firm)
    made = await operator.send(f"{PLANS}/publish", file=SMALL, listed="yes")
    assert "Small, version 1" in await operator.page(made.headers["location"])
    assert (await choose(shared_firm.gateway, "small")).status_code == 200
    dearer = SMALL.replace("310.00", "341.00") + '\n[[discount]]\npercent = "12.5"\n'
    shown = words((await operator.send(f"{PLANS}/preview", file=dearer)).text)
    assert "Changes from version 1" in shown
    assert "Fixed fee CN¥310.00 CN¥341.00" in shown
    assert "Discount All models – 12.5 %" in shown
    name = shared_firm.gateway.account.name
    assert f"{name} 1 CN¥310.00 CN¥341.00 CN¥31.00" in shown
    published = await operator.send(f"{PLANS}/publish", file=dearer)
    assert "Small, version 2" in await operator.page(published.headers["location"])
    again = words((await operator.send(f"{PLANS}/preview", file=dearer)).text)
    assert "Version 2 has these terms already." in again
    assert "plan.published" in await actions(shared_firm)


async def test_price_change_is_announced_to_its_accounts_and_withdrawn(
    shared_firm: Firm, operator: Looker
) -> None:
    text = SMALL.replace('"small"', '"tiny"')
    await operator.send(f"{PLANS}/publish", file=text)
    newer = await operator.send(f"{PLANS}/publish", file=text.replace("310.00", "341.00"))
    version = newer.headers["location"]
    assert f"{version}/announce" in await operator.page(version)
    assert "No account is on an earlier version" in await operator.page(f"{version}/announce")
    day = (shared_firm.clock.now() + timedelta(days=40)).date().isoformat()
    nobody = await operator.send(f"{version}/announce", effective=day)
    assert (nobody.status_code, "No account is on an earlier" in nobody.text) == (422, True)
    await subscribe_to_first(shared_firm, "tiny")
    name = shared_firm.gateway.account.name
    shown = words(await operator.page(f"{version}/announce"))
    assert f"{name} 1 CN¥310.00 CN¥341.00 CN¥31.00" in shown
    for wrong in ("", "soon", "2020-01-01"):
        answer = await operator.send(f"{version}/announce", effective=wrong)
        assert (answer.status_code, "at least 30 days" in answer.text) == (422, True)
    done = await operator.send(f"{version}/announce", effective=day)
    assert done.headers["location"] == PLANS
    change = re.search(r"changes/(prc_\w+)/withdraw", await operator.page(PLANS))
    assert change is not None
    twice = await operator.send(f"{version}/announce", effective=day)
    assert (twice.status_code, "Withdraw it first." in twice.text) == (422, True)
    withdraw = f"{PLANS}/changes/{change[1]}/withdraw"
    assert (await operator.send(withdraw)).headers["location"] == PLANS
    assert (await operator.send(withdraw)).status_code == 404
    assert {"price_change.announced", "price_change.withdrawn"} <= set(await actions(shared_firm))
    await operator.page(f"{PLANS}/{'0' * 32}/announce", 404)
    await operator.page(f"{PLANS}/x/announce", 404)


async def subscribe_to_first(firm: Firm, plan: str) -> None:
    """Put the account on the first version of a plan."""
    parts = firm.gateway.parts
    async with parts.database.transaction() as session:
        version = await find_plan_version(session, plan, "CNY", 1)
        subscription = await find_subscription(session, firm.gateway.account.id, firm.clock.now())
        change = start_plan if subscription is None else change_plan
        await change(session, parts.clock, firm.gateway.account.id, version)


async def test_wrong_plan_file_is_shown_again_with_the_line(operator: Looker) -> None:
    wrong = SMALL.replace("310.00", "many")
    for form in ("preview", "publish"):
        answer = await operator.send(f"{PLANS}/{form}", file=wrong, listed="no")
        assert answer.status_code == 422
        assert "The file cannot be published: fixed_fee" in words(answer.text)
        assert 'plan = "small"' in answer.text.replace("&#34;", '"')
        assert '<option value="no" selected>' in answer.text
    empty = await operator.send(f"{PLANS}/preview", file=" ")
    assert (empty.status_code, "Choose a file or paste its text." in empty.text) == (422, True)


@pytest.mark.parametrize(
    ("address", "file", "message", "excerpt"),
    [
        (
            f"{PLANS}/preview",
            SMALL.replace("310.00", "many"),
            "文件无法发布：fixed_fee：金额必须是最多 9 位小数的数字，例如 12.50。（第 ",
            'fixed_fee = "many"',
        ),
        (
            f"{PLANS}/preview",
            SMALL + "\n[[discount]]\npercent = 3\n",
            "无法读取套餐文件：`discount[0].percent` 必须是带引号的文本，而不是整数。",
            "percent = 3",
        ),
        (
            f"{PACKS}/publish",
            PACK.replace("1_000", "0"),
            "文件无法发布：units：必须为 1 至 1000000000000000。（第 ",
            "units = 0",
        ),
        (
            f"{POLICIES}/preview",
            'policy = "p"\ncurrency = "CNY"\nstarting = "9"\nmaximum = "1"\n',
            "文件无法发布：maximum：不能低于起始额度。（第 4 行）",
            'maximum = "1"',
        ),
        (f"{PACKS}/preview", "pack = \n", "无法读取资源包文件：不是有效的 TOML：", "1 pack ="),
    ],
)
async def test_problem_of_a_file_is_in_the_language_of_the_page(
    chinese: Looker, address: str, file: str, message: str, excerpt: str
) -> None:
    answer = await chinese.send(address, file=file)
    assert answer.status_code == 422
    assert message in words(answer.text)
    assert excerpt in words(answer.text)


async def test_day_in_the_past_is_refused_in_the_language_of_the_page(chinese: Looker) -> None:
    for day, message in (("soon", "请填写日期，例如"), ("2020-01-01", "请填写今天之后的日期")):
        answer = await chinese.send(f"{POLICIES}/preview", file=STANDARD, effective_from=day)
        assert (answer.status_code, message in words(answer.text)) == (422, True)


async def test_uploaded_file_takes_the_place_of_the_text(operator: Looker) -> None:
    token = {"csrf": operator.csrf, "file": "ignored"}
    upload = {"upload": ("plan.toml", SMALL.replace("small", "medium").encode())}
    shown = await operator.http.post(f"{PLANS}/preview", data=token, files=upload)
    assert "Publish Small, version 1" in words(shown.text)
    wrong = {"upload": ("plan.toml", "名".encode("gbk") + b"\xff")}
    answer = await operator.http.post(f"{PLANS}/preview", data=token, files=wrong)
    assert answer.status_code == 422
    assert "The file is not a text file in UTF-8." in answer.text


async def test_file_longer_than_other_fields_is_published_whole(operator: Looker) -> None:
    long = SMALL.replace("small", "long") + f'\n# {"x" * 9_000}\nminimum = "7.00"\n'
    shown = words((await operator.send(f"{PLANS}/preview", file=long)).text)
    assert "Minimum commitment CN¥7.00" in shown


async def test_pack_is_previewed_offered_replaced_and_withdrawn(
    shared_firm: Firm, operator: Looker
) -> None:
    shown = words((await operator.send(f"{PACKS}/preview", file=PACK)).text)
    assert "Price CN¥0.80" in shown
    assert (await operator.send(f"{PACKS}/publish", file=PACK)).headers["location"] == PACKS
    assert "rows_1000" in await operator.page(PACKS)
    dearer = PACK.replace("0.80", "0.90")
    shown = words((await operator.send(f"{PACKS}/preview", file=dearer)).text)
    assert "Price CN¥0.80 CN¥0.90" in shown
    same = words((await operator.send(f"{PACKS}/preview", file=PACK)).text)
    assert "on offer already with the same content" in same
    wrong = await operator.send(f"{PACKS}/publish", file=PACK.replace("rows", "calls"))
    assert (wrong.status_code, "meter: must be one of" in wrong.text) == (422, True)
    withdrawal = {"name": "rows_1000", "currency": "CNY"}
    done = await operator.send(f"{PACKS}/withdraw", **withdrawal)
    assert done.headers["location"] == PACKS
    assert "No packs on offer" in await operator.page(PACKS)
    assert (await operator.send(f"{PACKS}/withdraw", **withdrawal)).status_code == 404
    assert {"pack.published", "pack.withdrawn"} <= set(await actions(shared_firm))


async def test_policy_is_previewed_with_the_limits_of_its_accounts(
    shared_firm: Firm, operator: Looker
) -> None:
    parts, account = shared_firm.gateway.parts, shared_firm.gateway.account
    assert (await operator.send(f"{POLICIES}/publish", file=STANDARD)).headers["location"] == CREDIT
    async with parts.database.transaction() as session:
        await assign_policy(session, account.id, "CNY", "standard")
    higher = STANDARD.replace('"500.00"', '"600.00"')
    answer = await operator.send(f"{POLICIES}/preview", file=higher, effective_from="2999-01-01")
    shown = words(answer.text)
    assert "Publish standard, version 2" in shown
    assert f"{account.name} CN¥100.00 CN¥600.00 CN¥500.00" in shown
    done = await operator.send(f"{POLICIES}/publish", file=higher, effective_from="2999-01-01")
    assert done.headers["location"] == CREDIT
    assert "2999" in await operator.page(CREDIT)
    for day, told in (("2020-01-01", "a day after today"), ("soon", "a date such as")):
        late = await operator.send(f"{POLICIES}/preview", file=higher, effective_from=day)
        assert (late.status_code, told in late.text) == (422, True)
    assert "credit.policy_published" in await actions(shared_firm)


async def test_support_sees_no_form_and_cannot_publish(support: Looker) -> None:
    for address in (PLANS, PACKS, CREDIT):
        assert "/new" not in await support.page(address)
    for address in (f"{PLANS}/new", f"{PACKS}/new", f"{POLICIES}/new"):
        await support.page(address, 403)
    for form in (PLANS, PACKS, POLICIES):
        assert (await support.send(f"{form}/publish", file=SMALL)).status_code == 403
