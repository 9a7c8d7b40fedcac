"""Call lists and CSV files with paginated and rejected calls, which each test creates."""

import re
from html import unescape

from tests.gateway.dashboard.api_reading import calls_csv, invoice_of
from tests.gateway.dashboard.listed_calls import LIST, codes, file_of
from tests.support.billing.making import bill_all_usage, count_all_usage
from tests.support.dashboard.firm import Firm
from tests.support.dashboard.looking import looker, words


class TestUsageCsv:
    async def test_row_has_key_status_error_and_tags(self, firm: Firm) -> None:
        refused = {"model": "nothing", "messages": [{"role": "user", "content": "x"}]}
        await firm.gateway.http.post("/v1/chat/completions", json=refused)
        await firm.gateway.rows(5)  # the row of a rejected call is written after its response
        await count_all_usage(firm.gateway.parts.database, firm.clock)
        answered, failed = await calls_csv(firm, "/dashboard/usage/calls.csv")
        assert (answered["key_name"], answered["status"]) == ("test", "200")
        assert (answered["error_code"], answered["tag:order"]) == ("", "A-17")
        assert (failed["status"], failed["error_code"]) == ("404", "model_not_found")
        assert failed["error_message"].startswith("The model ")
        assert (failed["error_param"], failed["requested_model"] != "") == ("model", True)
        assert (failed["cost"], failed["settlement"]) == ("0.000000000", "refused")
        # Times are in the account's time zone, Asia/Shanghai.
        assert answered["started_at"].endswith("+08:00")


class TestCallList:
    async def test_calls_after_the_first_50_are_on_an_older_page(self, firm: Firm) -> None:
        for _ in range(48):
            await firm.gateway.chat("w")
        page = await firm.owner.page("/dashboard/usage/calls")
        older = re.search(r'href="(/dashboard/usage/calls\?before=req_\w+)"', page)
        assert older is not None
        rest = await firm.owner.page(older[1])
        assert rest.count("/dashboard/usage/calls/req_") == 2
        assert "Back to newest" in rest

    async def test_csv_has_the_calls_of_the_selected_period_and_error(self, firm: Firm) -> None:
        await firm.gateway.chat("hi", model="gpt-4o")
        page = await firm.owner.page(LIST)
        now, before = re.findall(r'option value="(\d{4}-\d\d-\d\d)"', page)[:2]
        for query, count in [
            (f"period={now}", 2),
            (f"period={before}", 3),
            (f"period={now}&error=any", 1),
            (f"period={before}&error=any", 0),
        ]:
            page = await firm.owner.page(f"{LIST}?{query}")
            assert page.count(f"{LIST}/req_") == count
            assert len(await file_of(firm.owner, page)) == count

    async def test_pager_keeps_the_error_filter(self, office: Firm) -> None:
        await office.gateway.chat("hi")
        for _ in range(51):
            await office.gateway.chat("hi", model="gpt-4o")
        await office.gateway.rows(52)
        page = await office.owner.page(f"{LIST}?error=model_not_found")
        older = re.search(rf'href="({LIST}\?error=model_not_found&amp;before=req_\w+)"', page)
        assert older is not None
        rest = await office.owner.page(unescape(older[1]))
        assert codes(rest) == ["model_not_found"]
        assert f'href="{LIST}?error=model_not_found"' in rest
        assert len(await file_of(office.owner, rest)) == 51


class TestInvoiceLineCalls:
    async def test_pager_lists_earliest_calls_first_and_links_to_later_calls(
        self, firm: Firm
    ) -> None:
        gateway = firm.gateway
        for _ in range(50):
            await gateway.chat("w")
        firm.clock.to_next_month()
        await bill_all_usage(gateway.parts.database, firm.clock)
        async with looker(gateway.url, gateway.parts, gateway.account.id) as owner:
            address = f"/dashboard/invoices/{await invoice_of(firm)}/lines/1"
            page = await owner.page(address)
            assert "earliest first" in words(page)
            later = re.search(r'href="([^"]+)" rel="next">([^<]+)<', page)
            assert later is not None
            assert later[2] == "Later"
            rest = await owner.page(later[1])
            assert rest.count("/dashboard/usage/calls/req_") == 1
            assert "Back to earliest" in words(rest)
            assert "Older" not in words(page) + words(rest)
            assert "Back to newest" not in words(rest)
