"""Dashboard pages show the values of the API, in both languages."""

import csv
import io
import re
from datetime import date, timedelta
from html import unescape

import pytest

from gateway.identity.roles import Role
from infra import ids
from tests.gateway.dashboard.api_reading import api, calls_csv, invoice_of
from tests.support.billing.making import count_all_usage
from tests.support.billing.pdf_reading import pages
from tests.support.builders import CHAT
from tests.support.dashboard.firm import Firm
from tests.support.dashboard.looking import looker, words


@pytest.fixture(scope="module")
def firm(shared_firm: Firm) -> Firm:
    """Shared by all tests of this module, which only read."""
    return shared_firm


async def call_of(firm: Firm) -> str:
    return str((await api(firm, "/v1/usage"))["data"][0]["request_id"])


class TestOverviewPage:
    async def test_total_equals_the_invoice_preview(self, firm: Firm) -> None:
        preview = await api(firm, "/v1/invoices/preview")
        said = words(await firm.owner.page("/dashboard"))
        assert f"This period to date CN¥{preview['total']}" in said
        assert "Forecast for the period CN¥" in said
        assert CHAT in said

    async def test_accept_language_zh_returns_a_chinese_page(self, firm: Firm) -> None:
        page = await firm.owner.page("/dashboard", **{"accept-language": "zh-CN,zh;q=0.9"})
        assert 'lang="zh-CN"' in page
        assert "本期累计 ¥" in words(page)

    async def test_new_account_sees_first_steps(self, firm: Firm) -> None:
        said = words(await firm.stranger.page("/dashboard"))
        assert "No usage in this period yet" in said
        assert "Available after three full days of usage." in said
        assert f"curl {firm.gateway.url}/v1/models" in said

    async def test_operator_is_redirected_to_platform_pages(self, firm: Firm) -> None:
        gateway = firm.gateway
        async with looker(gateway.url, gateway.parts, None, Role.OPERATOR) as operator:
            answer = await operator.http.get("/dashboard")
            assert answer.headers["location"] == "/dashboard/platform"


class TestUsagePage:
    @pytest.mark.parametrize(
        ("by", "said"),
        [
            ("model", CHAT),
            ("key", "test 1"),
            ("tag", "A-17"),
            ("day", "Calls Units Cost"),
            ("settlement", "Complete response: billed in full."),
            ("nonsense", CHAT),
        ],
    )
    async def test_usage_is_grouped_by_the_selected_dimension(
        self, firm: Firm, by: str, said: str
    ) -> None:
        page = await firm.owner.page(f"/dashboard/usage?by={by}")
        assert said in words(page)

    async def test_selected_period_shows_its_own_calls(self, firm: Firm) -> None:
        now = words(await firm.owner.page("/dashboard/usage"))
        page = await firm.owner.page("/dashboard/usage")
        before = re.findall(r'option value="(\d{4}-\d\d-\d\d)"', page)[1]
        then = words(await firm.owner.page(f"/dashboard/usage?period={before}"))
        assert "Calls 1 Input tokens 3" in now
        assert "Calls 3 Input tokens 6" in then

    async def test_selected_day_shows_cost_by_hour(self, firm: Firm) -> None:
        page = await firm.owner.page("/dashboard/usage?by=day")
        address = re.search(r'/dashboard/usage\?by=day&amp;day=(\d{4}-\d\d-\d\d)"', page)
        assert address is not None
        day = await firm.owner.page(f"/dashboard/usage?day={address[1]}")
        assert "Cost by hour" in day
        assert "23:00" in day

    @pytest.mark.parametrize("query", ["period=x", "day=x", "day=9999-12-31", "key=x", "model=x"])
    async def test_invalid_filters_return_a_page(self, firm: Firm, query: str) -> None:
        await firm.owner.page(f"/dashboard/usage?{query}")

    async def test_htmx_request_returns_a_fragment(self, firm: Firm) -> None:
        part = await firm.owner.page("/dashboard/usage", **{"hx-request": "true"})
        assert part.lstrip().startswith('<div id="usage"')
        assert "<html" not in part

    async def test_csv_has_the_calls_of_the_current_period(self, firm: Firm) -> None:
        answer = await firm.owner.http.get("/dashboard/usage/calls.csv")
        assert answer.headers["content-type"] == "text/csv; charset=utf-8"
        rows = list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"))))
        assert [row["input_tokens"] for row in rows] == ["3"]
        assert "no-store" in answer.headers["cache-control"]

    @pytest.mark.parametrize(
        ("query", "count"),
        [
            ("model={model}", 1),
            ("model=x", 0),
            ("key={key}", 1),
            ("key=key_00000000000000000000000000000000", 0),
            ("day={day}", 1),
            ("day={other}", 0),
            ("period={before}", 3),
            ("period={before}&model=x", 0),
        ],
    )
    async def test_csv_has_the_calls_counted_on_its_page(
        self, firm: Firm, query: str, count: int
    ) -> None:
        page = await firm.owner.page("/dashboard/usage?by=day")
        first, before = re.findall(r'option value="(\d{4}-\d\d-\d\d)"', page)[:2]
        day = re.search(r"/dashboard/usage\?by=day&amp;day=(\d{4}-\d\d-\d\d)", page)
        assert day is not None
        other = date.fromisoformat(first) + timedelta(days=9)
        key = ids.format_id("key", firm.gateway.key.row.id)
        known = {"model": CHAT, "key": key, "day": day[1], "other": other, "before": before}
        asked = query.format(**known)
        for headers in ({}, {"hx-request": "true"}):
            page = await firm.owner.page(f"/dashboard/usage?{asked}", **headers)
            link = re.search(r'href="(/dashboard/usage/calls\.csv\?[^"]+)"', page)
            assert link is not None
            rows = await calls_csv(firm, unescape(link[1]))
            assert len(rows) == count

    async def test_csv_for_key_of_another_account_is_empty(self, firm: Firm) -> None:
        key = ids.format_id("key", firm.gateway.key.row.id)
        answer = await firm.stranger.http.get(f"/dashboard/usage/calls.csv?key={key}")
        assert len(answer.text.splitlines()) == 1


class TestCallPages:
    async def test_list_has_all_calls(self, firm: Firm) -> None:
        page = await firm.owner.page("/dashboard/usage/calls")
        assert page.count("/dashboard/usage/calls/req_") == 4

    async def test_call_page_shows_cost_and_tag(self, firm: Firm) -> None:
        row = (await api(firm, "/v1/usage"))["data"][0]
        said = words(await firm.owner.page(f"/dashboard/usage/calls/{row['request_id']}"))
        assert f"Cost of the call CN¥{row['cost'].rstrip('0')}" in said
        assert "A-17" in said

    async def test_unknown_call_returns_404(self, firm: Firm) -> None:
        for name in ("x", f"req_{'0' * 32}"):
            await firm.owner.page(f"/dashboard/usage/calls/{name}", 404)


class TestInvoicePages:
    async def test_list_has_invoices_and_the_current_period(self, firm: Firm) -> None:
        said = words(await firm.owner.page("/dashboard/invoices"))
        assert "MAAS-000001" in said
        assert "Current period" in said

    async def test_invoice_page_equals_the_api_document(self, firm: Firm) -> None:
        invoice = await invoice_of(firm)
        document = await api(firm, f"/v1/invoices/{invoice}?locale=en")
        said = words(await firm.owner.page(f"/dashboard/invoices/{invoice}"))
        for line in document["lines"]:
            assert line["description"] in said
            assert f"CN¥{line['amount']}" in said
        assert f"Subtotal, excluding tax CN¥{document['net']}" in said
        assert f"Total, including tax CN¥{document['total']}" in said
        assert document["billing_rule"] in said

    async def test_preview_page_equals_the_api_preview(self, firm: Firm) -> None:
        preview = await api(firm, "/v1/invoices/preview?locale=en")
        said = words(await firm.owner.page("/dashboard/invoices/preview"))
        assert f"Total, including tax CN¥{preview['total']}" in said

    async def test_pdf_and_csv_equal_the_api_files(self, firm: Firm) -> None:
        invoice = await invoice_of(firm)
        address = f"/dashboard/invoices/{invoice}"
        pdf = await firm.owner.http.get(f"{address}/pdf")
        assert "Invoice MAAS-000001" in pages(pdf.content)[0]
        lines = await firm.owner.http.get(f"{address}/lines.csv")
        ours = await firm.gateway.http.get(f"/v1/invoices/{invoice}/lines.csv?locale=en")
        assert lines.content == ours.content

    async def test_line_page_lists_the_calls_of_the_line(self, firm: Firm) -> None:
        address = f"/dashboard/invoices/{await invoice_of(firm)}/lines"
        page = await firm.owner.page(f"{address}/1")
        assert page.count("/dashboard/usage/calls/req_") == 3
        await firm.owner.page(f"{address}/9", 404)

    async def test_line_csv_equals_the_api_csv(self, firm: Firm) -> None:
        invoice = await invoice_of(firm)
        page = await firm.owner.page(f"/dashboard/invoices/{invoice}/lines/1")
        address = f"/dashboard/invoices/{invoice}/lines/1/calls.csv"
        assert f'href="{address}"' in page
        answer = await firm.owner.http.get(address)
        ours = await firm.gateway.http.get(f"/v1/invoices/{invoice}/calls.csv?line=1")
        assert answer.content == ours.content
        assert len(await calls_csv(firm, address)) == 3

    async def test_tags_are_sorted_by_amount_and_exclude_tax(self, firm: Firm) -> None:
        said = words(await firm.owner.page(f"/dashboard/invoices/{await invoice_of(firm)}"))
        assert "Highest amount first." in said
        assert "Usage, excluding tax CN¥" in said

    async def test_payment_without_stripe_returns_409(self, firm: Firm) -> None:
        invoice = await invoice_of(firm)
        assert "/pay" not in await firm.owner.page(f"/dashboard/invoices/{invoice}")
        answer = await firm.owner.send(f"/dashboard/invoices/{invoice}/pay")
        assert answer.status_code == 409
        assert "bank transfer" in words(answer.text)


class TestPlanPage:
    async def test_account_without_a_plan_sees_pay_as_you_go(self, firm: Firm) -> None:
        said = words(await firm.owner.page("/dashboard/plan"))
        assert "Pay as you go" in said
        assert "No plans available" in said
        assert "No included usage" in said

    @pytest.mark.parametrize(
        ("plan", "status"), [("nope", 404), ("list", 404), ("a%00b", 400), ("a%01b", 404)]
    )
    async def test_unknown_plan_returns_an_error(self, firm: Firm, plan: str, status: int) -> None:
        await firm.owner.page(f"/dashboard/plan/change/{plan}", status)


class TestTenantIsolation:
    async def test_calls_and_invoices_of_another_account_return_404(self, firm: Firm) -> None:
        await count_all_usage(firm.gateway.parts.database, firm.clock)
        invoice, call = await invoice_of(firm), await call_of(firm)
        for address in (
            f"/dashboard/usage/calls/{call}",
            f"/dashboard/invoices/{invoice}",
            f"/dashboard/invoices/{invoice}/pdf",
            f"/dashboard/invoices/{invoice}/lines.csv",
            f"/dashboard/invoices/{invoice}/lines/1",
            f"/dashboard/invoices/{invoice}/lines/1/calls.csv",
        ):
            await firm.owner.page(address)
            await firm.stranger.page(address, 404)
        # As a pagination cursor, an id of another account returns no rows either.
        listed = await firm.stranger.page(f"/dashboard/usage/calls?before={call}")
        assert "No calls yet" in listed
        listed = await firm.stranger.page(f"/dashboard/invoices?after={invoice}")
        assert "MAAS-" not in words(listed)
