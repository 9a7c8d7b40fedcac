"""`maas plant sparql`, `ask` and `graph`."""

from tests.support.gateway.commands import Maas

_ASSETS = (
    "asset,asset name,level,parent,brick\nS1,Works,site,,\nP-1,Feed pump 1,equipment,S1,Pump\n"
)
_ORDERS = "work order,asset,date,failure mode,action\nW1,P-1,2026-02-01,Seal leak,\n"


async def test_graph_is_queried_asked_and_shown(maas: Maas) -> None:
    for name, text in (("assets.csv", _ASSETS), ("orders.csv", _ORDERS)):
        file = maas.folder / name
        file.write_text(text, "utf-8")
        await maas.say("plant", "import", str(file), "--account", "Acme")
    query = "select ?code { ?a a plant:Asset ; plant:code ?code } order by ?code"
    rows = (await maas.say("plant", "sparql", "Acme", query))["results"]["bindings"]
    assert [row["code"]["value"] for row in rows] == ["P-1", "S1"]
    answer = await maas.say("plant", "ask", "Acme", "Which pumps had a seal leak?")
    assert (answer["status"], answer["count"]) == ("answered", 1)
    around = await maas.say("plant", "graph", "Acme", "P-1")
    assert {one["code"] for one in around["data"]} == {"S1", "W1"}
    assert await maas.refuse("plant", "sparql", "Acme", "select") == "sparql_query_invalid"
    assert await maas.refuse("plant", "graph", "Acme", "P-9") == "plant_node_not_found"
