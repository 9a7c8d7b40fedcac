"""The pages of identifiers and traces, and the identifiers of accounts over the API."""

import httpx

from gateway.identity.roles import Role
from tests.support.builders import NO_TLS, customer
from tests.support.dashboard.firm import Firm
from tests.support.dashboard.looking import Looker, looker, words
from tests.support.plant.epcis import document, event, item, made
from tests.support.plant.prefixes import assign_prefix

PAGE, API = "/dashboard/identifiers", "/v1/plant/identifiers"
PUMP = "88.100.5001/PUMP-1"
FIELDS = "name: 泵 1\ndrawing (partner): D-77\n成本（owner）：1200"


async def send_file(who: Looker, content: bytes) -> httpx.Response:
    files = {"upload": ("records.csv", content)}
    return await who.http.post(f"{PAGE}/upload", data={"csrf": who.csrf}, files=files)


async def test_owner_registers_an_identifier_and_prints_its_label(office: Firm) -> None:
    owner = office.owner
    assert "No prefix yet" in await owner.page(PAGE)
    await assign_prefix(office.gateway, "88.100.5001")
    wrong = await owner.send(PAGE, id="88.999.1/X", fields="")
    assert wrong.status_code == 422
    assert "not under a prefix" in wrong.text
    assert (await owner.send(PAGE, id=PUMP, fields="no colon")).status_code == 422
    assert (await owner.send(PAGE, id=PUMP, fields=FIELDS)).status_code == 303
    assert PUMP in await owner.page(PAGE)
    shown = words(await owner.page(f"{PAGE}/record?id={PUMP}"))
    assert "drawing D-77 Partners" in shown
    assert "成本 1200 Your company" in shown
    label = await owner.http.get(f"{PAGE}/label.pdf?id={PUMP}&symbology=datamatrix")
    assert label.content.startswith(b"%PDF")
    assert (await office.stranger.http.get(f"{PAGE}/record?id={PUMP}")).status_code == 404
    assert (await office.stranger.http.get(f"{PAGE}/label.pdf?id={PUMP}")).status_code == 404


async def test_csv_file_is_registered_and_wrong_rows_are_named(office: Firm) -> None:
    owner = office.owner
    await assign_prefix(office.gateway, "88.100.5001")
    head = "id;name;图纸（partner）;Power (kW)"
    rows = f"{head}\n88.100.5001/A;泵;D-1;7\n\n88.999.1/B;x;;\n88.100.5001/C\n"
    page = await send_file(owner, rows.encode("gb18030"))
    shown = words(page.text)
    assert "2 registered, 0 changed, 0 unchanged, 1 with errors" in shown
    assert "4 88.999.1/B" in shown
    record = words(await owner.page(f"{PAGE}/record?id=88.100.5001/A"))
    assert "图纸 D-1 Partners" in record
    assert "Power (kW) 7 Everyone" in record
    assert "1 restricted fields" in words(await owner.page(PAGE))
    for content in (b"", b"name\nx\n", b'id,a\n"x', b"id,a,a\n", b"\xff\xff"):
        assert (await send_file(owner, content)).status_code == 422, content
    labels = await owner.http.get(f"{PAGE}/labels.pdf?text=88.100")
    assert labels.content.startswith(b"%PDF")
    assert (await office.stranger.http.get(f"{PAGE}/labels.pdf")).status_code == 400
    headers = {"content-type": "text/csv; charset=utf-8"}
    answer = await office.gateway.http.post(API, content=rows.encode(), headers=headers)
    assert answer.json()["counts"] == {"created": 0, "updated": 0, "unchanged": 2, "error": 1}


async def test_api_registers_in_bulk_and_hides_records_from_other_accounts(office: Firm) -> None:
    gateway = office.gateway
    await assign_prefix(gateway, "88.100.5001")
    lines = f'{{"id": "{PUMP}", "fields": {{"name": "P"}}}}\n{{"id": "x"}}'
    for statuses in (["created", "error"], ["unchanged", "error"]):
        answer = await gateway.http.post(API, content=lines)
        assert [one["status"] for one in answer.json()["data"]] == statuses
    listed = (await gateway.http.get(API)).json()
    assert [(one["id"], one["version"]) for one in listed["data"]] == [(PUMP, 1)]
    prefixes = (await gateway.http.get(f"{API}/prefixes")).json()["data"]
    assert [one["prefix"] for one in prefixes] == ["88.100.5001"]
    body = {"ids": [PUMP], "symbology": "qr"}
    assert (await gateway.http.post(f"{API}/labels", json=body)).content.startswith(b"%PDF")
    _, key = await customer(gateway.parts.database, gateway.parts.settings, "Third")
    headers = {"authorization": f"Bearer {key.secret}"}
    async with httpx.AsyncClient(base_url=gateway.url, headers=headers, verify=NO_TLS) as other:
        assert (await other.get(API)).json()["data"] == []
        assert (await other.get(f"{API}/record", params={"id": PUMP})).status_code == 404
        assert (await other.post(f"{API}/labels", json=body)).status_code == 404
        assert (await other.post(API, content=lines)).status_code == 403


async def test_trace_page_has_a_diagram_and_the_same_links_as_a_table(office: Firm) -> None:
    inspected = event(
        "ObjectEvent",
        2,
        epcList=[item("part")],
        bizStep="inspecting",
        **{"maas:requestId": "req_7"},
    )
    box = event("AggregationEvent", 3, parentID=item("box"), childEPCs=[item("part")], action="ADD")
    sent = document(made(item("bar"), into=item("part")), inspected, box)
    answer = await office.gateway.http.post("/v1/plant/epcis/capture", json=sent)
    assert answer.json()["success"]
    page = await office.owner.page(f"{PAGE}/trace?item={item('part')}")
    assert page.count('class="item') == 2
    assert 'class="link"' in page
    shown = words(page)
    assert f"{item('bar')} {item('part')} Transformed" in shown
    assert "req_7" in shown
    assert item("box") in shown
    other = await office.stranger.page(f"{PAGE}/trace?item={item('part')}")
    assert "No links" in other


async def test_operator_sees_prefixes_and_the_account_of_each(office: Firm) -> None:
    await assign_prefix(office.gateway, "88.100.5001")
    gateway = office.gateway
    async with looker(gateway.url, gateway.parts, None, Role.OPERATOR) as operator:
        page = words(await operator.page("/dashboard/platform/nodes"))
    assert "88.100.5001" in page
    assert office.gateway.account.name in page
    assert (await office.owner.http.get("/dashboard/platform/nodes")).status_code == 403
