"""The page that predicts a table: one billed call, a CSV file, and errors in the form."""

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
from tests.support.gateway.trainings import create_variant

PAGE = "/dashboard/models/predict"
INPUTS = [
    {"name": "type", "datatype": "BYTES"},
    {"name": "torque", "datatype": "FP32", "unit": "N·m"},
]
TABLE = b"type;torque;note\nL;65,5;a\nM;40;b\n"


@pytest.fixture
def firm(office: Firm, upstream: FakeUpstream) -> Firm:
    upstream.inputs[SPECIALIST] = INPUTS
    return office


async def predict(
    firm: Firm, content: bytes | None = TABLE, who: Looker | None = None, **fields: Any
) -> httpx.Response:
    one = who or firm.owner
    values = {"csrf": one.csrf, "model": SPECIALIST, "key": key_of(firm), **fields}
    files = None if content is None else {"upload": ("line.csv", content)}
    return await one.http.post(PAGE, data=values, files=files)


async def test_table_is_one_billed_call_and_a_file(firm: Firm, upstream: FakeUpstream) -> None:
    response = await predict(firm)
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/csv")
    header, *lines = response.content.decode("utf-8-sig").splitlines()
    assert header.startswith("line,")
    assert [line.partition(",")[0] for line in lines] == ["2", "3"]
    sent = {one["name"]: one["data"] for one in upstream.received[-1]["inputs"]}
    assert sent == {"type": ["L", "M"], "torque": [65.5, 40.0]}
    (row,) = (await firm.gateway.http.get("/v1/usage")).json()["data"]
    assert (row["settlement"], row["key_id"]) == ("complete", key_of(firm))
    assert row["tags"] == {"source": "table"}
    assert row["rows"] == 2
    async with firm.gateway.parts.database.transaction() as session:
        entry, *_ = await list_account_entries(session, firm.gateway.account.id)
    assert entry.action == "model.predicted"


async def test_machines_of_other_lengths_are_answered_whole_at_the_price_of_a_row_each(
    firm: Firm, upstream: FakeUpstream
) -> None:
    upstream.inputs[SPECIALIST] = [{"name": "load", "datatype": "FP32", "length": [2, 4]}]
    steps = [("L1", 5), ("L2", 3), ("L3", 1), ("L4", 6)]
    lines = [f"{line};{step}" for line, count in steps for step in range(count)]
    response = await predict(firm, "\n".join(["line;load", *lines]).encode(), machine="line")
    header, *answered = response.content.decode("utf-8-sig").splitlines()
    assert header.endswith(",note")
    assert [line.partition(",")[0] for line in answered] == ["L1", "L2", "L4", "L3"]
    assert answered[-1].endswith(",The machine 'L3' has 1 rows; the model needs the last 2.")
    sent = [one["inputs"][0] for one in upstream.received[-2:]]
    assert [one["shape"] for one in sent] == [[2, 4], [1, 3]]
    assert sent[0]["data"] == [[1, 2, 3, 4], [2, 3, 4, 5]]
    rows = (await firm.gateway.http.get("/v1/usage")).json()["data"]
    assert sum(row["rows"] for row in rows) == 3


async def test_machine_with_refused_values_has_a_note_and_the_others_are_billed(
    firm: Firm, upstream: FakeUpstream
) -> None:
    upstream.inputs[SPECIALIST] = [{"name": "load", "datatype": "FP32", "length": [2, 4]}]
    # The upstream refuses calls of 13 rows, and names row 3.
    lines = [f"L{line};{step}" for line in range(13) for step in range(2)]
    response = await predict(firm, "\n".join(["line;load", *lines]).encode(), machine="line")
    _, *answered = response.content.decode("utf-8-sig").splitlines()
    assert [line.partition(",")[0] for line in answered] == [f"L{line}" for line in range(13)]
    assert [line for line in answered if "above 200" in line] == [answered[3]]
    rows = (await firm.gateway.http.get("/v1/usage")).json()["data"]
    assert [row["rows"] for row in rows if row["settlement"] == "complete"] == [12]


async def test_no_call_follows_a_server_error(firm: Firm, upstream: FakeUpstream) -> None:
    upstream.inputs[SPECIALIST] = [{"name": "load", "datatype": "FP32", "length": [2, 4]}]
    upstream.predicts = None
    lines = [f"L{count};{step}" for count in (4, 3, 2) for step in range(count)]
    response = await predict(firm, "\n".join(["line;load", *lines]).encode(), machine="line")
    assert response.status_code == 422
    assert "failed to respond" in words(response.text)
    assert {one["inputs"][0]["shape"][1] for one in upstream.received} == {4}


@pytest.mark.parametrize(
    ("content", "fields", "message"),
    [
        (None, {}, "Choose a table."),
        (b"type;note\nL;1\nM;2\n", {}, "has no column"),
        (b"", {}, "The file"),
        (b"type;torque\nL;hot\nM;1\nL;2\nM;3\n", {}, "Line 2"),
        (TABLE, {"machine": "pump"}, "has no column"),
        (TABLE, {"model": "none"}, "does not exist"),
    ],
)
async def test_problem_is_shown_in_the_form_and_nothing_is_billed(
    firm: Firm, content: bytes | None, fields: dict[str, Any], message: str
) -> None:
    response = await predict(firm, content, **fields)
    assert response.status_code == 422
    assert message in words(response.text)
    assert (await firm.gateway.http.get("/v1/usage")).json()["data"] == []


async def test_costs_of_the_form_are_sent_with_the_call(firm: Firm, upstream: FakeUpstream) -> None:
    name = await create_variant(firm.gateway)
    upstream.inputs[name] = INPUTS
    costs = {"false_alarm": "200", "miss": "9000,5", "act_on": "faulty"}
    response = await predict(firm, model=name, **costs)
    assert response.status_code == 200, words(response.text)
    sent = upstream.received[-1]["parameters"]
    assert sent == {"costs": {"false_alarm": 200.0, "miss": 9000.5, "class": "faulty"}}


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"false_alarm": "200"}, "Enter a number"),
        ({"false_alarm": "0", "miss": "1"}, "A cost must be greater than 0."),
        ({"false_alarm": "1", "miss": "1", "limit": "much"}, "Enter a number"),
        ({"act_on": "faulty"}, "Enter a number"),
    ],
)
async def test_incomplete_costs_are_refused_beside_the_field(
    firm: Firm, fields: dict[str, str], message: str
) -> None:
    response = await predict(firm, **fields)
    assert response.status_code == 422
    assert message in words(response.text)
    assert (await firm.gateway.http.get("/v1/usage")).json()["data"] == []


async def test_model_of_the_address_is_chosen(firm: Firm) -> None:
    page = await firm.owner.page(f"{PAGE}?model={SPECIALIST}")
    assert f'<option value="{SPECIALIST}" selected>' in page


async def test_key_of_another_account_returns_404(firm: Firm) -> None:
    assert (await predict(firm, who=firm.stranger)).status_code == 404


@pytest.mark.parametrize(("role", "status"), [(Role.VIEWER, 403), (Role.DEVELOPER, 200)])
async def test_roles_that_may_call_can_predict(firm: Firm, role: Role, status: int) -> None:
    gateway = firm.gateway
    async with looker(gateway.url, gateway.parts, gateway.account.id, role) as one:
        await one.page(PAGE, status)
        assert (await predict(firm, who=one)).status_code == status
