"""The page of a model: the schedule of its training."""

from typing import Any

import httpx
import pytest

from gateway.identity.audit_log import list_account_entries
from gateway.identity.roles import Role
from tests.gateway.dashboard.chat_form import key_of
from tests.support.dashboard.firm import Firm
from tests.support.dashboard.looking import Looker, looker, words
from tests.support.gateway.trainings import create_variant


@pytest.fixture
async def name(office: Firm) -> str:
    return await create_variant(office.gateway, 2)


async def act(
    firm: Firm, name: str, action: str = "", who: Looker | None = None, **fields: Any
) -> httpx.Response:
    one = who or firm.owner
    values = {
        "csrf": one.csrf,
        "every": "week",
        "filename": "line.csv",
        "budget": "12.50",
        "key": key_of(firm),
        **fields,
    }
    address = f"/dashboard/models/variants/{name}/retraining{action}"
    return await one.http.post(address, data=values)


async def test_schedule_is_set_shown_and_deleted(office: Firm, name: str) -> None:
    response = await act(office, name, automatic="yes")
    assert response.status_code == 303, words(response.text)
    page = f"/dashboard/models/variants/{name}"
    shown = words(await office.owner.page(page))
    for said in ("Every week", "line.csv", "12.50", "Used at once"):
        assert said in shown
    api = (await office.gateway.http.get(f"/v1/models/{name}/retraining")).json()
    assert (api["every"], api["automatic"]) == ("week", True)
    async with office.gateway.parts.database.transaction() as session:
        entry, *_ = await list_account_entries(session, office.gateway.account.id)
    assert entry.action == "model.retraining_set"
    assert (await act(office, name, "/delete")).status_code == 303
    assert "Delete the schedule" not in words(await office.owner.page(page))


@pytest.mark.parametrize(
    ("fields", "message"), [({"budget": "much"}, "Enter an amount"), ({"filename": ""}, "file")]
)
async def test_problem_is_shown_in_the_form(
    office: Firm, name: str, fields: dict[str, Any], message: str
) -> None:
    response = await act(office, name, **fields)
    assert response.status_code == 422
    assert message in words(response.text)
    assert (await office.gateway.http.get(f"/v1/models/{name}/retraining")).status_code == 404


async def test_model_of_another_account_returns_404(office: Firm, name: str) -> None:
    for action in ("", "/delete"):
        assert (await act(office, name, action, office.stranger)).status_code == 404


@pytest.mark.parametrize(("role", "status"), [(Role.VIEWER, 403), (Role.DEVELOPER, 303)])
async def test_roles_that_may_call_can_set_a_schedule(
    office: Firm, name: str, role: Role, status: int
) -> None:
    gateway = office.gateway
    async with looker(gateway.url, gateway.parts, gateway.account.id, role) as one:
        assert (await act(office, name, who=one)).status_code == status
