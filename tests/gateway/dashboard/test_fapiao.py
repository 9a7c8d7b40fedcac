"""Fapiao of a customer and an operator: pages and API over one gateway, from title to reissue."""

import io
from collections.abc import AsyncIterator
from typing import Any
from zipfile import ZipFile

import pytest

from gateway.identity.audit_log import list_account_entries, list_all_entries
from gateway.identity.roles import Role
from infra import ids
from tests.gateway.dashboard.api_reading import api
from tests.support.billing.fapiao_steps import CODE, HEADER, workbook
from tests.support.dashboard.firm import Firm
from tests.support.dashboard.looking import Looker, looker, words
from tests.support.gateway.errors import error_of
from tests.support.gateway.fapiaos import bill_a_fee, pay

PLATFORM = "/dashboard/platform/fapiao"
TITLE = {"name": "宁波厂", "tax_number": CODE, "kind": "special", "email": "wu@plant.example"}


@pytest.fixture(scope="module")
async def firm(shared_firm: Firm) -> Firm:
    """Shared by all tests of this module, which follow each other."""
    return shared_firm


@pytest.fixture(scope="module")
async def operator(firm: Firm) -> AsyncIterator[Looker]:
    async with looker(firm.gateway.url, firm.gateway.parts, None, Role.OPERATOR) as one:
        yield one


@pytest.fixture(scope="module")
async def invoice(firm: Firm) -> str:
    """An invoice of 310.00 for a fee."""
    return await bill_a_fee(firm.gateway)


async def upload(who: Looker, path: str, name: str, content: bytes) -> Any:
    return await who.http.post(path, data={"csrf": who.csrf}, files={"upload": (name, content)})


async def result_list(firm: Firm, number: str) -> bytes:
    """The platform's result list for the newest fapiao."""
    newest = (await api(firm, "/v1/fapiao"))["data"][0]
    return workbook([HEADER, (newest["serial"], number, "2026-11-03", newest["total"])])


async def test_title_is_checked_added_and_made_default(firm: Firm) -> None:
    owner = firm.owner
    wrong = await owner.send("/dashboard/fapiao/titles", **{**TITLE, "tax_number": "123"})
    assert (wrong.status_code, "check digit" in wrong.text) == (422, True)
    for name in ("First", "宁波厂"):
        sent = await owner.send("/dashboard/fapiao/titles", **{**TITLE, "name": name})
        assert sent.headers["location"] == "/dashboard/fapiao#titles"
    first, second = (await api(firm, "/v1/fapiao/titles"))["data"]
    await owner.send(f"/dashboard/fapiao/titles/{second['id']}/default")
    await owner.send(f"/dashboard/fapiao/titles/{first['id']}/remove")
    (left,) = (await api(firm, "/v1/fapiao/titles"))["data"]
    assert (left["name"], left["is_default"], left["kind"]) == ("宁波厂", True, "special")
    assert "宁波厂 Default" in words(await owner.page("/dashboard/fapiao"))


async def test_api_adds_titles_once_per_idempotency_key(firm: Firm) -> None:
    http = firm.gateway.http
    body, headers = {"name": "By API"}, {"idempotency-key": "title-1"}
    one, two = [await http.post("/v1/fapiao/titles", json=body, headers=headers) for _ in "12"]
    assert one.json() == two.json()
    title = one.json()["id"]
    assert (await http.post(f"/v1/fapiao/titles/{title}/default")).json()["is_default"] is True
    assert (await http.delete(f"/v1/fapiao/titles/{title}")).json()["deleted"] is True
    for answer in (
        await http.delete(f"/v1/fapiao/titles/{title}"),
        await http.post("/v1/fapiao/titles/x/default"),
    ):
        assert (answer.status_code, error_of(answer)["code"]) == (404, "fapiao_title_not_found")
    wrong = await http.post("/v1/fapiao/titles", json={"name": "A", "tax_number": "1"})
    assert error_of(wrong)["param"] == "tax_number"


async def test_unpaid_invoice_offers_no_request(firm: Firm, invoice: str) -> None:
    page = f"/dashboard/invoices/{invoice}/fapiao"
    assert page in await firm.owner.page(f"/dashboard/invoices/{invoice}")
    assert "Nothing to request" in await firm.owner.page(page)
    refused = await firm.owner.send(page)
    assert (refused.status_code, "No fapiao is possible" in refused.text) == (422, True)
    answer = await firm.gateway.http.post("/v1/fapiao", json={"invoice": invoice})
    assert (answer.status_code, error_of(answer)["code"]) == (409, "fapiao_not_possible")


async def test_paid_invoice_is_requested_exported_issued_and_downloaded(
    firm: Firm, operator: Looker, invoice: str
) -> None:
    owner = firm.owner
    await pay(firm.gateway, invoice)
    page = f"/dashboard/invoices/{invoice}/fapiao"
    total = (await api(firm, f"/v1/invoices/{invoice}"))["total"]
    assert (await api(firm, f"/v1/invoices/{invoice}/fapiao"))["requestable"] == total
    (title,) = (await api(firm, "/v1/fapiao/titles"))["data"]
    assert (await owner.send(page, title=title["id"])).headers["location"] == page
    again = await owner.send(page)
    assert (again.status_code, "requested already" in again.text) == (422, True)
    (requested,) = (await api(firm, f"/v1/invoices/{invoice}/fapiao"))["data"]
    assert (requested["status"], requested["total"]) == ("requested", total)

    assert requested["serial"] in await operator.page(PLATFORM)
    exported = await operator.send(f"{PLATFORM}/export")
    assert ZipFile(io.BytesIO(exported.content)).namelist() == ["fapiao.xlsx"]
    empty = await operator.send(f"{PLATFORM}/export")
    assert (empty.status_code, "No fapiao is waiting" in empty.text) == (422, True)
    number = "26330000000000000001"
    early = await upload(operator, f"{PLATFORM}/files", f"dzfp_{number}.pdf", b"%PDF-1.7")
    assert (early.status_code, "No fapiao has this number" in early.text) == (422, True)
    wrong = await upload(operator, f"{PLATFORM}/results", "r.csv", b"a,b")
    assert (wrong.status_code, "another format" in wrong.text) == (422, True)
    done = await upload(operator, f"{PLATFORM}/results", "r.xlsx", await result_list(firm, number))
    assert "Imported results" in done.text
    other = await upload(
        operator, f"{PLATFORM}/results", "r.xlsx", await result_list(firm, "9" * 20)
    )
    assert f"this fapiao is issued with number {number}" in other.text
    stored = await upload(operator, f"{PLATFORM}/files", f"dzfp_{number}.pdf", b"%PDF-1.7")
    assert stored.headers["location"] == f"{PLATFORM}?stored={requested['serial']}"
    assert requested["serial"] in await operator.page(stored.headers["location"])

    fapiao = requested["id"]
    shown = await api(firm, f"/v1/fapiao/{fapiao}")
    assert (shown["number"], shown["files"]) == (number, ["pdf"])
    for http, path in ((owner.http, "/dashboard"), (firm.gateway.http, "/v1")):
        file = await http.get(f"{path}/fapiao/{fapiao}/file")
        assert (file.content, file.headers["content-type"]) == (b"%PDF-1.7", "application/pdf")
        assert (await http.get(f"{path}/fapiao/{fapiao}/file?format=ofd")).status_code == 404
    assert (await owner.http.get(f"/dashboard/fapiao/{fapiao}/file?format=x")).status_code == 404
    assert number in await owner.page("/dashboard/fapiao")


async def test_wrong_title_is_reissued_by_page_and_api(firm: Firm, operator: Looker) -> None:
    (issued,) = (await api(firm, "/v1/fapiao"))["data"]
    page = f"/dashboard/fapiao/{issued['id']}/reissue"
    assert "Fapiao to cancel" in await firm.owner.page(page)
    unchosen = await firm.owner.send(page)
    assert (unchosen.status_code, "Select a buyer title" in unchosen.text) == (422, True)
    (title,) = (await api(firm, "/v1/fapiao/titles"))["data"]
    sent = await firm.owner.send(page, title=title["id"])
    assert sent.headers["location"] == "/dashboard/fapiao"
    answer = await firm.gateway.http.post(f"/v1/fapiao/{issued['id']}/reissue")
    assert (answer.status_code, error_of(answer)["code"]) == (409, "fapiao_state_wrong")
    red = (await api(firm, "/v1/fapiao"))["data"][0]
    assert (red["colour"], red["original"], red["reason"]) == ("red", issued["id"], "invoice_error")
    exported = await operator.send(f"{PLATFORM}/export", seller="MAAS")
    assert ZipFile(io.BytesIO(exported.content)).namelist() == ["red-letters.xlsx"]
    await upload(operator, f"{PLATFORM}/results", "r.xlsx", await result_list(firm, "8" * 20))
    new = await api(firm, "/v1/fapiao?limit=1")
    assert (new["data"][0]["status"], new["has_more"]) == ("requested", True)


async def test_operator_rejects_with_a_reason_that_the_customer_sees(
    firm: Firm, operator: Looker
) -> None:
    newest = (await api(firm, "/v1/fapiao"))["data"][0]["id"]
    form = f"{PLATFORM}/{newest}/reject"
    assert "The customer sees the reason" in await operator.page(form)
    empty = await operator.send(form, reason=" ")
    assert (empty.status_code, 'aria-invalid="true"' in empty.text) == (422, True)
    assert (await operator.send(form, reason="Name differs.")).headers["location"] == PLATFORM
    again = await operator.send(form, reason="Name differs.")
    assert (again.status_code, "No longer possible" in again.text) == (422, True)
    assert "Name differs." in await firm.owner.page("/dashboard/fapiao")


async def test_every_change_is_in_the_audit_log(firm: Firm) -> None:
    async with firm.gateway.parts.database.transaction() as session:
        own = await list_account_entries(session, firm.gateway.account.id, limit=100)
        platform = await list_all_entries(session, limit=100)
    actions = {one.action for one in own if one.action.startswith("fapiao.")}
    assert actions == {
        f"fapiao.{name}"
        for name in (
            *("title_added", "title_default", "title_removed", "requested"),
            *("reissue_requested", "issued", "rejected", "file_stored"),
        )
    }
    assert "fapiao.exported" in {one.action for one in platform}


async def test_viewer_can_read_but_not_request(firm: Firm, invoice: str) -> None:
    gateway = firm.gateway
    async with looker(gateway.url, gateway.parts, gateway.account.id, Role.VIEWER) as one:
        page = await one.page(f"/dashboard/invoices/{invoice}/fapiao")
        assert "owner or finance" in page
        assert "Add a buyer title" not in await one.page("/dashboard/fapiao")
        assert (await one.send(f"/dashboard/invoices/{invoice}/fapiao")).status_code == 403


async def test_unknown_ids_are_not_found(firm: Firm) -> None:
    http = firm.gateway.http
    for path in ("fapiao/x", f"fapiao/fp_{ids.new_id().hex}", "fapiao/x/file"):
        assert error_of(await http.get(f"/v1/{path}"))["code"] == "fapiao_not_found"
    assert error_of(await http.get("/v1/invoices/x/fapiao"))["code"] == "invoice_not_found"
    for path in ("fapiao/x/reissue", "invoices/x/fapiao"):
        await firm.owner.page(f"/dashboard/{path}", 404)
