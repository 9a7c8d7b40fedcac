"""The page of a model: predicted against observed, shadow deployment, roles."""

from typing import Any

import httpx
import pytest

from gateway.identity.roles import Role
from tests.support.dashboard.firm import Firm
from tests.support.dashboard.looking import Looker, looker, words
from tests.support.fakes.upstream import FakeUpstream
from tests.support.gateway.own_rows import INPUTS, answer
from tests.support.gateway.trainings import create_variant
from tests.support.waiting import until_true


@pytest.fixture
async def name(office: Firm, upstream: FakeUpstream) -> str:
    """A model with two versions, which the fake server answers."""
    name = await create_variant(office.gateway, 2)
    upstream.inputs[name], upstream.outputs = INPUTS, answer

    async def is_listed() -> bool:
        models = (await office.gateway.http.get("/v1/models")).json()["data"]
        return name in {model["id"] for model in models}

    await until_true(is_listed)
    return name


def address(name: str, action: str = "") -> str:
    return f"/dashboard/models/variants/{name}{action}"


async def act(
    firm: Firm, name: str, action: str, who: Looker | None = None, **fields: Any
) -> httpx.Response:
    one = who or firm.owner
    return await one.http.post(address(name, action), data={"csrf": one.csrf, **fields})


async def call(firm: Firm, name: str) -> httpx.Response:
    """A call of 40 rows, once its shadow call has ended."""
    body = {"model": name, "instances": [{"torque": float(row)} for row in range(40)]}
    response = await firm.gateway.http.post("/v1/predictions", json=body)
    assert response.status_code == 200, response.text
    await firm.gateway.parts.own_models.shadow_calls.wait_until_idle()
    return response


async def test_shadow_is_started_shown_and_promoted(office: Firm, name: str) -> None:
    started = await act(office, name, "/shadow", version="1", percent="100")
    assert started.status_code == 303, words(started.text)
    await call(office, name)
    shown = words(await office.owner.page(address(name)))
    assert "40 / 2,000" in shown
    assert "Both versions agree" in shown
    assert (await act(office, name, "/shadow/promote")).status_code == 303
    assert "Candidate in use" in words(await office.owner.page(address(name)))
    refused = await act(office, name, "/shadow/stop")
    assert refused.status_code == 422


async def test_observed_results_are_shown_by_version(office: Firm, name: str) -> None:
    assert "POST /v1/feedback/observations" in words(await office.owner.page(address(name)))
    response = await call(office, name)
    results = [
        {
            "request_id": response.headers["x-request-id"],
            "row": row,
            "observed": 2.0 * row + 10,
            "prediction": prediction,
        }
        for row, prediction in enumerate(response.json()["predictions"])
    ]
    saved = await office.gateway.http.post(
        "/v1/feedback/observations", json={"observations": results}
    )
    assert saved.json()["saved"] == 40
    shown = words(await office.owner.page(address(name)))
    for said in ("RMSE", "90.0 %", "0.0 %", "Too optimistic"):
        assert said in shown


@pytest.mark.parametrize(("role", "status"), [(Role.VIEWER, 403), (Role.DEVELOPER, 303)])
async def test_roles_that_may_call_can_start_a_shadow(
    office: Firm, name: str, role: Role, status: int
) -> None:
    gateway = office.gateway
    async with looker(gateway.url, gateway.parts, gateway.account.id, role) as one:
        response = await act(office, name, "/shadow", one, version="1", percent="50")
        assert response.status_code == status


async def test_model_of_another_account_returns_404(office: Firm, name: str) -> None:
    for action in ("/shadow", "/shadow/stop", "/shadow/promote"):
        response = await act(office, name, action, office.stranger, version="1")
        assert response.status_code == 404


async def test_version_in_use_is_refused_beside_the_form(office: Firm, name: str) -> None:
    response = await act(office, name, "/shadow", version="2")
    assert response.status_code == 422
    assert "answers the calls already" in words(response.text)
