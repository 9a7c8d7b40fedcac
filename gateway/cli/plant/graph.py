"""`maas plant sparql`, `ask` and `graph`: query an account's knowledge graph."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import msgspec
import typer

from billing.accounts.accounts import get_account
from gateway.cli.results import Record, Report, Table
from gateway.cli.runner import AccountName, command
from gateway.identity.audit_log import CLI_ACTOR
from gateway.plant.graph.errors import QueryInvalid
from gateway.plant.graph.graphs import PlantGraphs
from gateway.plant.graph.messages import ResultFormat
from gateway.plant.graph.neighbourhood import neighbourhood_json, read_neighbourhood
from gateway.plant.questions.audit import record_question
from gateway.plant.questions.service import MAX_QUESTION, PlantQuestions
from gateway.plant.questions.views import answer_json
from gateway.plant.store.queries import find_asset
from infra.clock import Clock
from infra.database.database import Database

_TRIPLES = ("number", "subject", "predicate", "object")
_NEIGHBOURS = ("predicate", "direction", "kind", "code", "label", "details")


@command
async def plant_sparql(
    database: Database,
    clock: Clock,
    account: AccountName,
    query: Annotated[str, typer.Argument(help="SPARQL query.")] = "",
    file: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="File with the query.")
    ] = None,
) -> Report:
    """Execute a read-only SPARQL query on an account's knowledge graph."""
    text = query if file is None else file.read_text("utf-8")
    async with _open(database, clock, account) as (graphs, account_id):
        result = await graphs.query(account_id, text, (ResultFormat.JSON,))
    if result.media_type != ResultFormat.JSON:
        triples = result.content.decode()
        return Report({"triples": triples}, [Record(triples.strip() or "No triples.", {})])
    found = msgspec.json.decode(result.content)
    if "boolean" in found:
        return Report(found, [Record(str(found["boolean"]).lower(), {})])
    names = found["head"]["vars"]
    rows = [
        {name: one[name]["value"] for name in names if name in one}
        for one in found["results"]["bindings"]
    ]
    return Report(found, [Table(rows, names)])


@command
async def plant_ask(
    database: Database,
    clock: Clock,
    account: AccountName,
    question: Annotated[str, typer.Argument(help="Question in English or Chinese.")],
) -> Report:
    """Answer a question about an account's plant, with the triples that the answer rests on.

    Rules understand the question; no language model is called.
    """
    if not 0 < len(question) <= MAX_QUESTION:
        raise QueryInvalid(f"A question has 1 to {MAX_QUESTION} characters.", param="question")
    async with _open(database, clock, account) as (graphs, account_id):
        answer = await PlantQuestions(graphs, database, clock).answer(account_id, question)
    shown = answer_json(answer)
    async with database.transaction() as session:
        await record_question(session, clock, CLI_ACTOR, account_id, question, shown)
    record = Record(answer.text, {"understood": answer.understood or "–"})
    triples = [
        {**one, "subject": _term(one["subject"]), "object": _term(one["object"])}
        for one in shown["triples"]
    ]
    return Report(shown, [record, Table(triples, _TRIPLES)])


@command
async def plant_graph(
    database: Database,
    clock: Clock,
    account: AccountName,
    asset: Annotated[str, typer.Argument(help="Code or ID (ast_…) of the asset.")],
) -> Report:
    """Show what is around an asset in the knowledge graph."""
    async with _open(database, clock, account) as (graphs, account_id):
        async with database.transaction() as session:
            row = await find_asset(session, account_id, asset)
        found = await read_neighbourhood(graphs, account_id, row.code, row.name)
    shown: dict[str, Any] = neighbourhood_json(found)
    rows = [{**one, "details": ", ".join(one["details"])} for one in shown["data"]]
    return Report(shown, [Table(rows, _NEIGHBOURS)])


@asynccontextmanager
async def _open(
    database: Database, clock: Clock, account: str
) -> AsyncIterator[tuple[PlantGraphs, UUID]]:
    """Open the graph of an account, and end its process afterwards."""
    async with database.transaction() as session:
        account_id = (await get_account(session, account)).id
    graphs = PlantGraphs(database, max_graphs=1, clock=clock)
    try:
        yield graphs, account_id
    finally:
        await graphs.close()


def _term(term: dict[str, Any]) -> str:
    """Return a term of a triple as text."""
    return str(term.get("label") or term.get("iri") or term.get("value") or "")
