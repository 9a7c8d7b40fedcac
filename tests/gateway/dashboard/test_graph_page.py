"""The page *Knowledge graph*: questions, the diagram around an asset, SPARQL."""

import re

import pytest

from tests.support.dashboard.firm import Firm
from tests.support.gateway.plants import import_all

_PAGE = "/dashboard/plant/graph"
_ASSETS = (
    "asset,asset name,level,parent,brick\nS1,<b>Works</b>,site,,\n"
    "P-1,Feed pump 1,equipment,S1,Pump\n"
)
_ORDERS = "work order,asset,date,failure mode,action\nW1,P-1,2026-02-01,Seal leak,\n"


async def test_question_is_answered_with_triples_and_diagram_in_both_languages(
    office: Firm,
) -> None:
    await import_all(office.gateway, _ASSETS, _ORDERS)
    shown = await office.owner.page(f"{_PAGE}?question=Which+pumps+had+a+seal+leak&asset=P-1")
    assert "1 asset:" in shown
    assert "plant:found" in shown
    assert "<svg" in shown
    assert "&lt;b&gt;Works&lt;/b&gt;" in shown
    assert "<b>Works</b>" not in shown
    empty = await office.owner.page(f"{_PAGE}?question=Which+turbines+had+a+seal+leak")
    assert "Not in your plant model" in empty


async def test_sparql_result_is_a_table_and_an_invalid_query_keeps_its_text(office: Firm) -> None:
    await import_all(office.gateway, _ASSETS, _ORDERS)
    query = "select ?o where { ?o plant:on asset:P-1 }"
    answer = await office.owner.send(_PAGE, query=query)
    assert "work_order:W1" in answer.text
    wrong = await office.owner.send(_PAGE, query="select * { service <http://10.0.0.1/> {} }")
    assert wrong.status_code == 422
    assert "SERVICE" in wrong.text
    assert re.search(r"<textarea[^>]*>\s*select \* \{ service", wrong.text)


@pytest.mark.parametrize("asset", ["nothing", "ast_" + "0" * 32])
async def test_unknown_asset_is_said_at_its_field(office: Firm, asset: str) -> None:
    answer = await office.owner.http.get(f"{_PAGE}?asset={asset}")
    assert answer.status_code == 422
    assert "There is no asset with this code" in answer.text
