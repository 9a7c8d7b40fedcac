"""`maas bank-statements`: a statement from import to payment."""

import pytest

import gateway.cli.runner
from tests.support.gateway.commands import Maas
from tests.support.stories.story import Firm

STATEMENT = """交易日期,贷方发生额,对方户名,附言,交易流水号
2026-11-03,106.00,Acme,MAAS-000001,S1
2026-11-03,50.00,Nobody,thanks,S2
2026-11-03,x,Nobody,,S3
"""


@pytest.fixture
async def firm(maas: Maas, monkeypatch: pytest.MonkeyPatch) -> Firm:
    """Two open invoices of 106.00."""
    story, firm = maas.firm.story, maas.firm
    monkeypatch.setattr(gateway.cli.runner, "SystemClock", lambda: story.clock)
    await firm.billed(tax_ppm=60_000)
    for month in (11, 12):
        await firm.use("vib", rows=100_000)
        await story.until(2026, month, 1, 1)
    return firm


async def test_statement_is_imported_once_and_transfers_become_payments(
    maas: Maas, firm: Firm
) -> None:
    first, second = await firm.invoices()
    file = maas.folder / "s.csv"
    file.write_text(STATEMENT, encoding="gb18030")
    code, out = await maas.run("bank-statements", "import", str(file), "--json")
    assert (code, '"new": 2' in out, '"row": 4' in out) == (1, True, True)
    assert '"known": 2' in (await maas.run("bank-statements", "import", str(file), "--json"))[1]
    listed = {one["reference"]: one for one in await maas.say("bank-statements", "list")}
    assert (listed["S1"]["invoices"], listed["S1"]["flags"]) == ("MAAS-000001", [])
    assert listed["S2"]["status"] == "unmatched"

    confirm = ("bank-statements", "confirm", "--by", "Li")
    assert await maas.say(*confirm, "--exact") == {"confirmed": 1, "failed": []}
    assert await firm.owes(first) == "0.00"
    unmatched = listed["S2"]["id"]
    assert await maas.refuse(*confirm, unmatched) == "bank_line_state_wrong"
    assert await maas.refuse(*confirm) == "bank_line_state_wrong"
    assert await maas.refuse(*confirm, unmatched, "--invoice", "MAAS-9") == "invoice_not_found"
    done = await maas.say(*confirm, unmatched, "--invoice", "MAAS-000002")
    assert (done["status"], await firm.owes(second)) == ("confirmed", "56.00")


async def test_rejected_match_and_own_column_names(maas: Maas, firm: Firm) -> None:
    file, columns = maas.folder / "s.csv", maas.folder / "columns.toml"
    file.write_text("Tag,Eingang,Von,Zweck\n2026-11-03,106.00,Acme,MAAS-1\n", encoding="utf-8")
    assert await maas.refuse("bank-statements", "import", str(file)) == "bank_statement_invalid"
    columns.write_text(
        '[columns]\nday = ["Tag"]\ncredit = ["Eingang"]\npayer = ["Von"]\ntext = ["Zweck"]',
        encoding="utf-8",
    )
    options = ("--columns", str(columns), "--account", "3901")
    assert (await maas.say("bank-statements", "import", str(file), *options))["new"] == 1
    (line,) = await maas.say("bank-statements", "list", "--status", "proposed")
    reject = ("bank-statements", "reject", line["id"], "--by", "Li")
    other = await maas.say(*reject)  # the payer owes this amount on another invoice too
    assert (other["invoices"], other["flags"]) == ("MAAS-000002", ["wrong_reference"])
    assert (await maas.say(*reject))["status"] == "unmatched"
    assert await maas.refuse(*reject) == "bank_line_state_wrong"
    assert (
        await maas.refuse("bank-statements", "reject", "x", "--by", "Li") == "bank_line_not_found"
    )
