"""What is directly around an asset in the graph: its neighbours by relation, for a diagram."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from uuid import UUID

import msgspec

from gateway.plant.assets.values import Node, NodeKind
from gateway.plant.graph.graphs import PlantGraphs
from gateway.plant.graph.messages import ResultFormat
from gateway.plant.graph.vocabulary import NODE, PLANT, RDFS, node_iri, parse_node_iri

MAX_NEIGHBOURS = 200
_LABEL = f"{RDFS}label"
_INVERSE = ("hasPart", "hasPoint", "pointOf", "partOf")


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A node next to the asset: its kind, code and label, and the relation to it.

    `outgoing` is whether the asset is the subject. `details` are what a work order found or did.
    """

    kind: str
    code: str
    label: str
    predicate: str
    outgoing: bool
    details: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Neighbourhood:
    """The neighbours of an asset; `is_complete` is False if there are more."""

    code: str
    label: str
    neighbours: tuple[Neighbour, ...] = ()
    is_complete: bool = True


async def read_neighbourhood(
    graphs: PlantGraphs, account_id: UUID, code: str, label: str
) -> Neighbourhood:
    """Return what is around an asset. Raises the errors of a SPARQL query."""
    result = await graphs.query(account_id, neighbourhood_query(code), (ResultFormat.JSON,))
    rows = msgspec.json.decode(result.content)["results"]["bindings"]
    found: dict[tuple[str, str, bool], Neighbour] = {}
    for row in rows[:MAX_NEIGHBOURS]:
        one = _neighbour(row)
        key = (row["node"]["value"], one.predicate, one.outgoing)
        before = found.get(key)
        details = (*before.details, *one.details) if before else one.details
        found[key] = replace(one, details=tuple(dict.fromkeys(details)))
    return Neighbourhood(code, label, tuple(found.values()), len(rows) <= MAX_NEIGHBOURS)


def neighbourhood_query(code: str) -> str:
    """Return the query of the nodes next to an asset, the latest work orders and verdicts first."""
    asset = f"<{node_iri(Node(NodeKind.ASSET, code))}>"
    left_out = ", ".join(f"<{PLANT}{name}>" for name in _INVERSE)
    return f"""select distinct ?node ?label ?predicate ?direction ?date ?detail where {{
  {{ {asset} ?predicate ?node . bind("out" as ?direction)
     filter(isIRI(?node) && strstarts(str(?node), "{NODE}")
       && !strstarts(str(?node), "{PLANT}") && ?predicate != <{PLANT}partOf>) }}
  union {{ {asset} <{PLANT}partOf> ?node .
     bind(<{PLANT}partOf> as ?predicate) bind("out" as ?direction) }}
  union {{ ?node ?predicate {asset} . bind("in" as ?direction)
     filter(?predicate not in ({left_out}, <{PLANT}subject>, <{PLANT}object>)) }}
  optional {{ ?node <{_LABEL}> ?label }}
  optional {{ ?node <{PLANT}date> ?day }}
  optional {{ ?node <{PLANT}at> ?at }}
  bind(str(coalesce(?day, ?at, "")) as ?date)
  optional {{ ?node <{PLANT}found>|<{PLANT}remedy> ?what . ?what <{_LABEL}> ?detail }}
}} order by ?predicate desc(?date) ?node limit {MAX_NEIGHBOURS + 1}"""


def neighbourhood_json(found: Neighbourhood) -> dict[str, object]:
    """Return a neighbourhood as JSON."""
    return {
        "object": "plant.neighbourhood",
        "asset": found.code,
        "label": found.label,
        "complete": found.is_complete,
        "data": [
            {
                "kind": one.kind,
                "code": one.code,
                "label": one.label,
                "predicate": one.predicate,
                "direction": "out" if one.outgoing else "in",
                "details": list(one.details),
            }
            for one in found.neighbours
        ],
    }


def _neighbour(row: Mapping[str, Mapping[str, str]]) -> Neighbour:
    """Return the neighbour of a row."""
    iri = row["node"]["value"]
    node = parse_node_iri(iri)
    kind, _, code = iri.removeprefix(NODE).partition(":")
    if node is not None:
        kind, code = node.kind.value, node.code
    date = row.get("date", {}).get("value", "")
    detail = row.get("detail", {}).get("value", "")
    return Neighbour(
        kind,
        code,
        row.get("label", {}).get("value", "") or code,
        f"plant:{row['predicate']['value'].removeprefix(PLANT)}",
        row["direction"]["value"] == "out",
        tuple(part for part in (date, detail) if part),
    )
