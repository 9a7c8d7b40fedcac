"""`/v1/invoices` over a real socket: an account reads its own invoices only."""

import csv
import io
from collections.abc import AsyncIterator
from typing import Any

import pytest

from billing.cycle import bill_accounts
from tests.support.billing.pdf_reading import pages
from tests.support.builders import PLENTY, SPECIALIST, Gateway, Limited, customer
from tests.support.clocks import ShiftedClock
from tests.support.gateway.billed_month import bill_a_month

ROWS = [[300.0, 310.0, 1500.0, 40.0, 0.0]]


@pytest.fixture
async def billed(limited: Limited) -> AsyncIterator[Gateway]:
    """Three calls of last month, invoiced, and one call of this month."""
    clock = ShiftedClock()
    async with limited(PLENTY, clock=clock) as gateway:
        await bill_a_month(gateway, clock)
        yield gateway


async def listed(gateway: Gateway, **query: Any) -> list[dict[str, Any]]:
    answer = await gateway.http.get("/v1/invoices", params=query)
    assert answer.status_code == 200
    data: list[dict[str, Any]] = answer.json()["data"]
    return data


async def last(gateway: Gateway) -> str:
    """The path of the newest invoice."""
    return f"/v1/invoices/{(await listed(gateway))[0]['id']}"


class TestInvoices:
    async def test_list_returns_the_invoice_and_pages(self, billed: Gateway) -> None:
        answer = (await billed.http.get("/v1/invoices", params={"limit": 1})).json()
        assert (answer["object"], answer["has_more"]) == ("list", False)
        (invoice,) = answer["data"]
        assert (invoice["number"], invoice["currency"]) == ("MAAS-000001", "CNY")
        assert await listed(billed, after=invoice["id"]) == []

    async def test_invoice_has_lines_tags_and_payment_terms(self, billed: Gateway) -> None:
        invoice = (await billed.http.get(await last(billed), params={"locale": "en"})).json()
        assert invoice["number"] == "MAAS-000001"
        quantities = {line["meter"]: line["quantity"] for line in invoice["lines"]}
        assert quantities == {"input_tokens": 6, "output_tokens": 15}
        assert invoice["tags"][0]["name"] == "order"
        assert invoice["payment_terms"] == "No payment is due."

    async def test_preview_contains_usage_of_the_current_month(self, billed: Gateway) -> None:
        preview = (await billed.http.get("/v1/invoices/preview")).json()
        assert (preview["status"], preview["id"]) == ("preview", None)
        assert {line["meter"]: line["quantity"] for line in preview["lines"]} == {
            "input_tokens": 3,
            "output_tokens": 5,
        }
        assert preview["as_of"]

    async def test_preview_of_a_new_account_is_empty(self, gateway: Gateway) -> None:
        preview = (await gateway.http.get("/v1/invoices/preview")).json()
        assert (preview["lines"], preview["total"]) == ([], "0.00")

    async def test_pdf_is_an_attachment_named_by_invoice_number(self, billed: Gateway) -> None:
        answer = await billed.http.get(f"{await last(billed)}/pdf")
        assert answer.headers["content-type"] == "application/pdf"
        assert answer.headers["content-disposition"] == 'attachment; filename="MAAS-000001.pdf"'
        assert "账单 MAAS-000001" in pages(answer.content)[0]

    async def test_lines_csv_has_a_row_per_meter(self, billed: Gateway) -> None:
        answer = await billed.http.get(f"{await last(billed)}/lines.csv")
        assert answer.headers["content-type"] == "text/csv; charset=utf-8"
        rows = list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"))))
        assert [row["meter"] for row in rows] == ["input_tokens", "output_tokens"]


class TestInvoiceCalls:
    async def test_calls_of_an_invoice_are_paged(self, billed: Gateway) -> None:
        seen: list[int] = []
        query: dict[str, Any] = {"limit": 2}
        address = f"{await last(billed)}/calls"
        while True:
            page = (await billed.http.get(address, params=query)).json()
            seen += [call["input_tokens"] for call in page["data"]]
            if not page["has_more"]:
                break
            query["after"] = page["data"][-1]["request_id"]
        assert seen == [1, 2, 3]
        assert page["data"][0]["tags"] == {"order": "A-17"}

    async def test_line_filter_returns_the_calls_of_that_line(self, billed: Gateway) -> None:
        address = f"{await last(billed)}/calls"
        found = (await billed.http.get(address, params={"line": 2})).json()["data"]
        assert [call["output_tokens"] for call in found] == [5, 5, 5]
        answer = await billed.http.get(address, params={"line": 3})
        assert (answer.status_code, answer.json()["error"]["code"]) == (
            404,
            "invoice_line_not_found",
        )

    async def test_calls_csv_has_keys_tags_and_local_times(self, billed: Gateway) -> None:
        answer = await billed.http.get(f"{await last(billed)}/calls.csv")
        assert answer.headers["content-type"] == "text/csv; charset=utf-8"
        name = 'attachment; filename="MAAS-000001-calls.csv"'
        assert answer.headers["content-disposition"] == name
        rows = list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"))))
        assert [row["input_tokens"] for row in rows] == ["1", "2", "3"]
        assert {row["tag:order"] for row in rows} == {"A-17"}
        assert {row["key_name"] for row in rows} == {"test"}
        assert {row["status"] for row in rows} == {"200"}
        assert all(row["started_at"].endswith("+08:00") for row in rows)

    async def test_calls_csv_of_one_line_has_only_its_calls(self, billed: Gateway) -> None:
        address = f"{await last(billed)}/calls.csv"
        answer = await billed.http.get(address, params={"line": 2})
        assert len(answer.text.splitlines()) == 4
        answer = await billed.http.get(address, params={"line": 9})
        assert answer.json()["error"]["code"] == "invoice_line_not_found"

    async def test_call_has_key_name_status_and_error_code(self, billed: Gateway) -> None:
        call = (await billed.http.get(f"{await last(billed)}/calls")).json()["data"][0]
        assert (call["key_name"], call["status"], call["error_code"]) == ("test", 200, None)


class TestInvoiceAccessErrors:
    async def test_invoice_of_another_account_is_not_found(self, billed: Gateway) -> None:
        address = await last(billed)
        _, key = await customer(billed.parts.database, billed.parts.settings, "Other")
        billed.http.headers["authorization"] = f"Bearer {key.secret}"
        for rest in ("", "/pdf", "/lines.csv", "/focus.csv", "/calls", "/calls.csv"):
            for invoice in (address, f"/v1/invoices/inv_{'0' * 32}", "/v1/invoices/x"):
                error = (await billed.http.get(f"{invoice}{rest}")).json()["error"]
                assert (error["code"], error["param"]) == ("invoice_not_found", "invoice"), rest
        assert await listed(billed) == []

    @pytest.mark.parametrize(
        ("query", "param"),
        [
            ("?limit=0", "limit"),
            ("?limit=101", "limit"),
            ("?after=x", "after"),
            ("/preview?locale=fr", "locale"),
        ],
    )
    async def test_invalid_query_parameter_is_rejected_by_name(
        self, gateway: Gateway, query: str, param: str
    ) -> None:
        answer = await gateway.http.get(f"/v1/invoices{query}")
        assert (answer.status_code, answer.json()["error"]["param"]) == (400, param)

    async def test_request_without_an_api_key_returns_401(self, gateway: Gateway) -> None:
        gateway.http.headers.pop("authorization")
        for path in ("/v1/invoices", "/v1/invoices/preview", "/v1/wallet", "/v1/plans"):
            assert (await gateway.http.get(path)).status_code == 401


async def test_rejected_specialist_call_is_not_invoiced(limited: Limited) -> None:
    clock = ShiftedClock()
    async with limited(PLENTY, clock=clock) as gateway:
        body = {"model": SPECIALIST, "instances": []}
        assert (await gateway.http.post("/v1/predictions", json=body)).status_code == 400
        clock.to_next_month()
        await bill_accounts(gateway.parts.database, clock)
        assert await listed(gateway) == []
