"""`maas fapiao`: a batch from export to file, rejections and tax codes."""

import pytest

import gateway.cli.runner
from tests.support.billing.fapiao_steps import HEADER, paid_invoice, request, workbook
from tests.support.gateway.commands import Maas


@pytest.fixture
def maas_on_calendar(maas: Maas, monkeypatch: pytest.MonkeyPatch) -> Maas:
    monkeypatch.setattr(gateway.cli.runner, "SystemClock", lambda: maas.firm.story.clock)
    return maas


async def test_batch_is_exported_imported_and_its_file_stored(maas_on_calendar: Maas) -> None:
    maas = maas_on_calendar
    firm, invoice = await paid_invoice(maas.firm.story)
    row = await request(firm, invoice)
    (waiting,) = await maas.say("fapiao", "list")
    assert (waiting["serial"], waiting["buyer"]) == (row.serial, "宁波海曙精密机械厂")
    export = ("fapiao", "export", "--out", str(maas.folder / "out"), "--by", "Li")
    done = await maas.say(*export)
    assert (done["fapiao"], len(done["files"])) == ([row.serial], 1)
    assert (await maas.say(*export, "--batch", done["batch"]))["fapiao"] == [row.serial]
    assert await maas.refuse(*export) == "fapiao_nothing_to_issue"
    assert await maas.refuse(*export, "--batch", "x") == "fapiao_not_found"
    number, results = "26330000000000000001", maas.folder / "results.xlsx"
    results.write_bytes(workbook([HEADER, (row.serial, number, "2026-11-03", "1.00")]))
    code, out = await maas.run("fapiao", "import", str(results))
    assert (code, "the total is 1.00 instead of 106.00" in out) == (1, True)
    results.write_bytes(workbook([HEADER, (row.serial, number, "2026-11-03", "106.00")]))
    assert (await maas.say("fapiao", "import", str(results)))["issued"] == 1
    file = maas.folder / f"dzfp_{number}_x.pdf"
    file.write_bytes(b"%PDF-1.7")
    assert await maas.say("fapiao", "upload", str(file)) == [
        {"file": file.name, "serial": row.serial, "format": "pdf"}
    ]
    (listed,) = await maas.say("fapiao", "list", "--account", firm.account.name)
    assert (listed["number"], listed["files"]) == (number, ["pdf"])
    assert await maas.refuse("fapiao", "reject", number, "too late") == "fapiao_state_wrong"


async def test_request_is_rejected_and_titles_are_listed(maas_on_calendar: Maas) -> None:
    maas = maas_on_calendar
    firm, invoice = await paid_invoice(maas.firm.story)
    row = await request(firm, invoice)
    rejected = await maas.say("fapiao", "reject", row.serial, "Name differs.")
    assert (rejected["status"], rejected["reason"]) == ("rejected", "Name differs.")
    assert await maas.refuse("fapiao", "reject", "NOBODY", "x") == "fapiao_not_found"
    (title,) = await maas.say("fapiao", "titles", firm.account.name)
    assert title["is_default"] is True


async def test_tax_codes_are_set_listed_and_removed(maas: Maas) -> None:
    code = "3040201000000000000"
    await maas.say("fapiao", "categories", "set", "vib", code, "软件服务")
    listed = {one["product"]: one["code"] for one in await maas.say("fapiao", "categories", "list")}
    assert listed == {"*": "3040203000000000000", "vib": code}
    wrong = ("fapiao", "categories", "set", "vib", "1", "x")
    assert await maas.refuse(*wrong) == "fapiao_category_invalid"
    await maas.say("fapiao", "categories", "remove", "vib")
    assert [one["product"] for one in await maas.say("fapiao", "categories", "list")] == ["*"]
