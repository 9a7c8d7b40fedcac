"""The pages that compare models on a table: form, figures, errors, roles."""

import html
from typing import Any

import httpx
import pytest

from gateway.identity.audit_log import list_account_entries
from gateway.identity.roles import Role
from tests.gateway.dashboard.chat_form import key_of
from tests.support.builders import SPECIALIST
from tests.support.dashboard.firm import Firm
from tests.support.dashboard.looking import Looker, looker, words
from tests.support.fakes.upstream import FakeUpstream
from tests.support.gateway.own_rows import INPUTS, answer, table
from tests.support.gateway.trainings import create_variant
from tests.support.nightly import nightly
from tests.support.waiting import until_true

PAGE = "/dashboard/models/comparisons"


@pytest.fixture
async def name(office: Firm, upstream: FakeUpstream) -> str:
    """A model with two versions, which the fake server answers."""
    name = await create_variant(office.gateway, 2)
    upstream.inputs[name], upstream.outputs = INPUTS, answer
    return name


async def compare(
    firm: Firm, name: str, content: bytes | None = None, who: Looker | None = None, **fields: Any
) -> httpx.Response:
    one = who or firm.owner
    values = {
        "csrf": one.csrf,
        "first": f"{name}:2",
        "second": f"{name}:1",
        "target": "wear",
        "machine": "machine",
        "key": key_of(firm),
        **fields,
    }
    files = {"upload": ("june.csv", table() if content is None else content)}
    return await one.http.post(PAGE, data=values, files=files)


async def test_form_starts_a_comparison_and_the_page_shows_the_figures(
    office: Firm, name: str
) -> None:
    response = await compare(office, name)
    assert response.status_code == 303, words(response.text)
    address = response.headers["location"]

    async def is_completed() -> bool:
        return "First model better" in words(await office.owner.page(address))

    await until_true(is_completed)
    shown = words(await office.owner.page(address))
    assert "RMSE" in shown
    assert "count rows of one machine together" in shown
    assert "hx-get" not in (await office.owner.page(f"{address}/progress"))
    assert "june.csv" in await office.owner.page(PAGE)
    async with office.gateway.parts.database.transaction() as session:
        entry, *_ = await list_account_entries(session, office.gateway.account.id)
    assert entry.action == "comparison.created"


@nightly
async def test_figures_that_overflow_are_shown_as_dashes(office: Firm, name: str) -> None:
    lines = [f"{row};{'1e200' if row == 0 else 2 * row};m{row % 6}" for row in range(20)]
    content = "\n".join(["torque;wear;machine", *lines]).encode()
    response = await compare(office, name, content)
    assert response.status_code == 303, words(response.text)
    address = response.headers["location"]

    async def is_completed() -> bool:
        return "Comparison" in (await office.owner.page(f"{address}/progress")) and (
            "hx-get" not in await office.owner.page(f"{address}/progress")
        )

    await until_true(is_completed)
    shown = words(await office.owner.page(address))
    assert "No difference shown" in shown
    assert not {"inf", "nan", "None"} & set(shown.split())


@nightly
async def test_note_on_an_unused_column_is_shown_in_the_language_of_the_page(
    office: Firm, name: str, upstream: FakeUpstream
) -> None:
    upstream.inputs[name] = [*INPUTS, {"name": "speed", "datatype": "FP32", "optional": True}]
    content = table().replace(b"machine", b"sped")
    response = await compare(office, name, content, machine="")
    assert response.status_code == 303, words(response.text)
    address = response.headers["location"]

    async def is_completed() -> bool:
        return "hx-get" not in await office.owner.page(f"{address}/progress")

    await until_true(is_completed)
    assert "its column 'sped' is not used" in html.unescape(await office.owner.page(address))
    parts, account_id = office.gateway.parts, office.gateway.account.id
    async with looker(office.gateway.url, parts, account_id, language="zh") as owner:
        assert "没有列 'speed'" in html.unescape(await owner.page(address))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"target": ""}, "Enter the column with the result."),
        ({"target": "life"}, "has no column"),
        ({"content": b"speed;wear\n1;2\n3;4\n"}, "has no column"),
        ({"content": b""}, "empty"),
        ({"second": SPECIALIST, "columns": "torque"}, "is not of the form"),
        ({"max_cost": "much"}, "Enter an amount such as 12.50"),
        ({"max_cost": "0.000001"}, "This does not cover all rows."),
    ],
)
async def test_problem_is_shown_in_the_form(
    office: Firm, name: str, fields: dict[str, Any], message: str
) -> None:
    response = await compare(office, name, **fields)
    assert response.status_code == 422
    assert message in words(response.text)
    assert (await office.gateway.http.get("/v1/evals/comparisons")).json()["data"] == []


@nightly
async def test_ready_made_model_is_compared_by_the_mapping_of_the_form(
    office: Firm, name: str, upstream: FakeUpstream
) -> None:
    upstream.inputs[SPECIALIST] = [{"name": "moment", "datatype": "FP32"}]
    upstream.outputs = lambda _model, request: {
        "other": [[1.0]] * len(request["inputs"][0]["data"]),
        "class": ["1" if one < 20 else "0" for one in request["inputs"][0]["data"]],
    }
    lines = [f"{row};{'yes' if row < 20 else 'no'};m{row % 4}" for row in range(40)]
    content = "\n".join(["torque;wear;machine", *lines]).encode()
    mapping: dict[str, Any] = {
        "columns": "moment = torque",
        "labels": "1 = yes\n0 = no",
        "outputs": "class",
    }
    response = await compare(office, name, content, second=SPECIALIST, **mapping)
    assert response.status_code == 303, words(response.text)
    address = response.headers["location"]

    async def is_completed() -> bool:
        return "First model worse" in words(await office.owner.page(address))

    await until_true(is_completed)


async def test_key_and_comparison_of_another_account_return_404(office: Firm, name: str) -> None:
    assert (await compare(office, name, who=office.stranger)).status_code == 404
    address = (await compare(office, name)).headers["location"]
    await office.stranger.page(address, 404)


@pytest.mark.parametrize(("role", "status"), [(Role.VIEWER, 403), (Role.DEVELOPER, 303)])
async def test_roles_that_may_call_can_compare(
    office: Firm, name: str, role: Role, status: int
) -> None:
    gateway = office.gateway
    async with looker(gateway.url, gateway.parts, gateway.account.id, role) as one:
        assert "Compare models" in await one.page(PAGE)
        assert (await compare(office, name, who=one)).status_code == status
