"""`/v1/invoices/…/disputes` over a real socket, and `maas invoices disputes|answer`."""

from typing import Any

import pytest

import gateway.cli.runner
from infra import ids
from tests.support.billing.line_disputes import disputed
from tests.support.billing.making import bill_all_usage
from tests.support.builders import PLENTY, Gateway, Limited, customer
from tests.support.clocks import ShiftedClock
from tests.support.gateway.commands import Maas
from tests.support.gateway.errors import error_of

GONE = "0" * 32


async def invoice_of(gateway: Gateway) -> str:
    return str((await gateway.http.get("/v1/invoices")).json()["data"][0]["id"])


async def test_second_dispute_of_an_invoice_line_is_rejected(limited: Limited) -> None:
    clock = ShiftedClock()
    async with limited(PLENTY, clock=clock) as gateway:
        await gateway.chat("a word")
        clock.to_next_month()
        await bill_all_usage(gateway.parts.database, clock)
        address = f"/v1/invoices/{await invoice_of(gateway)}/disputes"
        wish: dict[str, Any] = {"line": 1, "reason": "It was never called.", "by": "Ms Wu"}
        made = (await gateway.http.post(address, json=wish)).json()
        assert (made["status"], made["line"], made["opened_by"]) == ("open", 1, "Ms Wu")
        listed = (await gateway.http.get(address)).json()
        assert listed == {"object": "list", "data": [made], "has_more": False}
        again = await gateway.http.post(address, json=wish)
        assert (again.status_code, error_of(again)["code"]) == (409, "line_dispute_state_wrong")
        second = await gateway.http.post(address, json={"line": 2, "reason": "And this?"})
        assert second.json()["opened_by"] == ids.format_id("key", gateway.key.row.id)
        _, key = await customer(gateway.parts.database, gateway.parts.settings, "Other")
        other = {"authorization": f"Bearer {key.secret}"}
        for answer in (
            await gateway.http.get(address, headers=other),
            await gateway.http.post(address, json=wish, headers=other),
            await gateway.http.get("/v1/invoices/x/disputes"),
        ):
            assert (answer.status_code, error_of(answer)["code"]) == (404, "invoice_not_found")


async def test_operator_answers_a_line_dispute_once_with_a_credit(
    maas: Maas, monkeypatch: pytest.MonkeyPatch
) -> None:
    story, firm = maas.firm.story, maas.firm
    monkeypatch.setattr(gateway.cli.runner, "SystemClock", lambda: story.clock)
    await firm.use("vib", rows=100_000)
    await story.until(2026, 11, 1, 1)
    made = await disputed(firm, (await firm.invoices())[-1])
    (waiting,) = await maas.say("invoices", "disputes", "Acme")
    assert waiting["id"] == ids.format_id("ldsp", made.id)
    answer = ("invoices", "answer", "Acme", waiting["id"], "Half of it was ours.", "--by", "Li")
    done = await maas.say(*answer, "--credit", "50.00")
    assert (done["status"], done["answer"]) == ("credited", "Half of it was ours.")
    assert await maas.say("invoices", "disputes", "Acme") == []
    assert await maas.refuse(*answer) == "line_dispute_state_wrong"
    for name in ("x", f"ldsp_{GONE}"):
        found = await maas.refuse("invoices", "answer", "Acme", name, "No.", "--by", "Li")
        assert found == "line_dispute_not_found"
