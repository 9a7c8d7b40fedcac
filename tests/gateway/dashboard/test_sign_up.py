"""Sign-up pages, API and review page over one gateway: what a person and an operator see."""

import re
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from gateway.identity.roles import Role
from infra.clock import SystemClock
from infra.database.database import Database
from tests.support.builders import Emptying, Gateway, run_gateway, settings
from tests.support.dashboard.looking import Looker, client, looker, words
from tests.support.dashboard.sign_ups import SIGN_UP, fields, mailed_code, payment_values
from tests.support.fakes.payments.wechat_pay import FakeWeChatPay, run_fake_wechat_pay
from tests.support.fakes.upstream import FakeUpstream
from tests.support.gateway.desks import PASSWORD, Desk
from tests.support.gateway.errors import error_of
from tests.support.gateway.signing_up import VERSIONS, write_texts
from tests.support.stories.story import Calendar

PAGE = SIGN_UP
REVIEWS = "/dashboard/platform/signups"


@pytest.fixture(scope="module")
async def wechat_pay() -> AsyncIterator[FakeWeChatPay]:
    async with run_fake_wechat_pay(SystemClock()) as running:
        yield running


@pytest.fixture(scope="module")
async def open_gateway(
    postgres: str,
    emptying: Emptying,
    lasting: tuple[Database, Database],
    tmp_path_factory: pytest.TempPathFactory,
    shared_upstream: FakeUpstream,
    wechat_pay: FakeWeChatPay,
) -> AsyncIterator[Gateway]:
    """A gateway with sign-up and a starting grant of 20, for all tests of this module.

    All sign-ups come from one network, each with a company of its own.
    """
    folder = tmp_path_factory.mktemp("sign-up")
    configured = settings(
        postgres,
        folder,
        shared_upstream.url,
        dashboard=True,
        sign_up=True,
        sign_up_texts_dir=write_texts(folder / "texts"),
        sign_up_grant="20",
        sign_up_network_grants=100,
        **await payment_values(wechat_pay, folder),
    )
    with pytest.MonkeyPatch.context() as patch, emptying.keeping():
        patch.setenv("NO_PROXY", "127.0.0.1")
        async with run_gateway(configured) as running:
            yield running


@pytest.fixture
async def visitor(open_gateway: Gateway) -> AsyncIterator[httpx.AsyncClient]:
    async with client(open_gateway.url) as http:
        yield http


@pytest.fixture
async def operator(open_gateway: Gateway) -> AsyncIterator[Looker]:
    async with looker(open_gateway.url, open_gateway.parts, None, Role.OPERATOR) as one:
        yield one


async def signed_up(
    gateway: Gateway, visitor: httpx.AsyncClient, number: int = 1, **values: str
) -> httpx.Response:
    """Send the form, then the code."""
    sent = await visitor.post(PAGE, data=fields(number, **values))
    assert sent.status_code == 303, words(sent.text)
    address = sent.headers["location"]
    return await visitor.post(address, data={"code": await mailed_code(gateway)})


async def test_person_signs_up_sees_the_key_once_and_calls_with_it(
    open_gateway: Gateway, visitor: httpx.AsyncClient
) -> None:
    assert PAGE in (await visitor.get("/dashboard/sign-in")).text
    shown = await visitor.get(PAGE)
    assert "New companies start with" in words(shown.text)
    assert "HttpOnly" in shown.headers["set-cookie"]
    wrong = await visitor.post(PAGE, data=fields(email="x", credit_code="1", accepted=""))
    assert wrong.status_code == 422
    assert PASSWORD not in wrong.text
    page = words(wrong.text)
    for said in ("credit code is not valid", "valid e-mail address", "Accept the terms"):
        assert said in page
    done = await signed_up(open_gateway, visitor)
    assert done.status_code == 200, words(done.text)
    assert "<b>Ltd" not in done.text
    assert "Ltd" in done.text
    secret = re.search(r"data-copies=\"(mk[^\"]+|[^\" ]{30,})\"", done.text)
    assert secret is not None
    headers = {"authorization": f"Bearer {secret[1]}"}
    listed = await open_gateway.http.get("/v1/models", headers=headers)
    assert listed.status_code == 200
    wallet = await open_gateway.http.get("/v1/wallet", headers=headers)
    assert wallet.json()["balance"] == "20.00"
    assert "Li Xuemei Owner" in words((await visitor.get("/dashboard")).text)


async def test_code_page_handles_wrong_repeated_and_foreign_input(
    open_gateway: Gateway, visitor: httpx.AsyncClient
) -> None:
    sent = await visitor.post(PAGE, data=fields(4))
    address = sent.headers["location"]
    wrong = await visitor.post(address, data={"code": "x"})
    assert wrong.status_code == 422
    assert "code is not correct" in words(wrong.text)
    again = await visitor.post(f"{address}/code", data={})
    page = words((await visitor.get(again.headers["location"])).text)
    assert "A new code was sent" in page
    assert "li@plant4.example" in page
    code = await mailed_code(open_gateway)
    assert (await visitor.post(address, data={"code": code})).status_code == 200
    repeated = await visitor.post(address, data={"code": code})
    assert repeated.status_code == 409
    assert "This sign-up is complete" in words(repeated.text)
    for path in (f"{PAGE}/x", f"{PAGE}/texts/x"):
        assert (await visitor.get(path)).status_code == 404
    gone = await visitor.get(f"{PAGE}/signup_{'0' * 32}")
    assert gone.status_code == 404
    assert "has expired" in words(gone.text)
    text = await visitor.get(f"{PAGE}/texts/terms")
    assert "Version 2026-11-01" in words(text.text)
    assert "&lt;b&gt;text" in text.text


async def test_delayed_code_is_announced(open_gateway: Gateway, visitor: httpx.AsyncClient) -> None:
    address = (await visitor.post(PAGE, data=fields(5))).headers["location"]
    desk = Desk(open_gateway.parts.database, Calendar(), open_gateway.parts.identity)
    await desk.sql("update outbox set last_error = 'refused', attempts = 3")
    page = words((await visitor.get(address)).text)
    assert "does not accept the e-mail at the moment" in page


async def test_company_with_account_is_told_and_reviewed_by_an_operator(
    open_gateway: Gateway, visitor: httpx.AsyncClient, operator: Looker
) -> None:
    name = open_gateway.account.name
    told = await signed_up(open_gateway, visitor, 6, company_name=name)
    assert told.status_code == 200
    assert "Your company has an account" in words(told.text)
    found = re.search(rf'action="({PAGE}/signup_\w+)/review"', told.text)
    assert found is not None
    asked = await visitor.post(f"{found[1]}/review", data={})
    assert "is being reviewed" in words(asked.text)
    listed = words(await operator.page(REVIEWS))
    assert name in listed
    assert "The company has an account" in listed
    address = f"{REVIEWS}/{found[1].rpartition('/')[2]}"
    shown = words(await operator.page(address))
    assert "Accounts with the same name or credit code" in shown
    missing = await operator.send(address, reason=" ", action="approve")
    assert missing.status_code == 422
    approved = await operator.send(address, reason="another firm", action="approve")
    assert approved.headers["location"] == REVIEWS
    twice = await operator.send(address, reason="another firm", action="reject")
    assert twice.status_code == 422
    assert "does not wait" in words(twice.text)
    signed_in = await visitor.post(
        "/dashboard/sign-in", data={"email": "li@plant6.example", "password": PASSWORD}
    )
    assert signed_in.headers["location"] == "/dashboard"


async def test_api_signs_up_and_answers_in_the_documented_shape(
    open_gateway: Gateway, visitor: httpx.AsyncClient
) -> None:
    texts = (await visitor.get("/v1/signups/texts")).json()["data"]
    assert [(one["kind"], one["version"]) for one in texts] == list(VERSIONS.items())
    body: dict[str, Any] = fields(2)
    del body["accepted"]
    started = await visitor.post("/v1/signups", json=body)
    assert (started.status_code, started.json()["status"]) == (202, "unverified")
    address = f"/v1/signups/{started.json()['id']}"
    resent = await visitor.post(f"{address}/code")
    assert resent.json()["id"] == started.json()["id"]
    wrong = await visitor.post(f"{address}/verify", json={"code": "x"})
    assert error_of(wrong)["code"] == "sign_up_code_wrong"
    done = await visitor.post(f"{address}/verify", json={"code": await mailed_code(open_gateway)})
    answer = done.json()
    assert (answer["status"], answer["granted"]) == ("opened", True)
    headers = {"authorization": f"Bearer {answer['api_key']['secret']}"}
    assert (await open_gateway.http.get("/v1/models", headers=headers)).status_code == 200
    review = await visitor.post(f"{address}/review")
    assert (review.status_code, error_of(review)["code"]) == (409, "sign_up_not_in_review")
    invalid = await visitor.post("/v1/signups", json={**body, "password": "x"})
    assert error_of(invalid)["param"] == "password"
    foreign = await visitor.post("/v1/signups/nothing/code")
    assert foreign.status_code == 404


async def test_metrics_count_sign_ups_and_the_oldest_review(
    open_gateway: Gateway, visitor: httpx.AsyncClient
) -> None:
    waiting = await signed_up(open_gateway, visitor, 7, credit_code="")
    assert "starting credit is being reviewed" in words(waiting.text)
    gauges = open_gateway.parts.gauges
    gauges._platform_due = float("-inf")
    await gauges._update_platform_gauges_if_due()
    text = (await open_gateway.http.get("/metrics")).text
    assert re.search(r'^maas_signups\{outcome="review"\} [1-9]', text, re.MULTILINE)
    assert re.search(r"^maas_signup_review_oldest_timestamp_seconds 1\.", text, re.MULTILINE)
