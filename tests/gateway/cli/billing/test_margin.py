"""`maas margin`: charges, costs and margins, and what is not known."""

from tests.support.gateway.commands import Maas


async def test_margin_lists_known_and_unknown_costs(maas: Maas) -> None:
    firm = maas.firm
    await firm.use("vib", rows=2, upstream="p", upstream_cost_nano=500_000)
    await firm.use("vib", rows=1, upstream="own")
    await firm.story.counts()
    listed = {one["upstream"]: one["upstream_cost"] for one in await maas.say("usage")}
    assert listed == {"p": "0.000500000", "own": None}
    (row,) = await maas.say("margin", "--since", "2026-01-01", "--until", "2027-06-01")
    assert row == {
        "by": "model",
        "value": "vib",
        "currency": "CNY",
        "calls": 2,
        "charged": "0.003000000",
        "cost": "0.000500000",
        "margin": "0.001500000",
        "margin_percent": "75.0",
        "unknown": 1,
        "unknown_charged": "0.001000000",
    }
    chosen = ("--since", "2026-01-01", "--until", "2027-06-01", "--by", "upstream")
    rows = await maas.say("margin", *chosen, "--account", "Acme", "--upstream", "own")
    assert [(one["value"], one["cost"], one["margin"]) for one in rows] == [("own", None, None)]
    assert "own" in await maas.tell("margin", *chosen)
    assert await maas.refuse("margin", "--since", "soon") == "usage_filter_invalid"
    assert await maas.refuse("margin", "--account", "nobody") == "account_not_found"
