"""The page *Knowledge graph*: questions with triples, what is around an asset, and SPARQL."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
from litestar import Controller, Request, Response, get, post
from litestar.di import NamedDependency, Provide
from litestar.params import FromQuery

from gateway.dashboard.forms import EMPTY_FORM, FormState, read_form_fields, with_errors
from gateway.dashboard.graph_diagram import GraphDiagram, draw_neighbourhood
from gateway.dashboard.page_request import UNPROCESSABLE
from gateway.dashboard.pages.plant.common import PlantPage, provide_plant
from gateway.plant.assets.errors import PlantNodeNotFound
from gateway.plant.graph.graphs import PlantGraphs
from gateway.plant.graph.messages import ResultFormat
from gateway.plant.graph.neighbourhood import Neighbourhood, read_neighbourhood
from gateway.plant.graph.query_text import MAX_QUERY_LENGTH
from gateway.plant.graph.vocabulary import NODE, PLANT
from gateway.plant.questions.audit import record_question
from gateway.plant.questions.service import MAX_QUESTION, PlantQuestions
from gateway.plant.questions.values import PlantAnswer
from gateway.plant.questions.views import answer_json
from gateway.plant.questions.wording import examples
from gateway.plant.store.queries import find_asset
from infra.errors import AppError

MAX_ROWS = 200
EXAMPLE_QUERY = """select ?asset ?name ?order ?date where {
  ?order plant:on ?asset ; plant:date ?date .
  ?asset rdfs:label ?name .
} order by desc(?date) limit 20"""


@dataclass(frozen=True, slots=True)
class ResultTable:
    """The result of a query as a table: columns, rows, and whether there are more rows."""

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    is_complete: bool = True
    triples: int = 0
    text: str = ""


@dataclass(frozen=True, slots=True)
class _Shown:
    """What a page shows beside its forms."""

    question: str = ""
    answer: PlantAnswer | None = None
    asset: str = ""
    found: Neighbourhood | None = None
    query: str = EXAMPLE_QUERY
    table: ResultTable | None = None
    form: FormState = field(default_factory=lambda: EMPTY_FORM)


class PlantGraphPages(Controller):
    """Handlers of `/dashboard/plant/graph`."""

    path = "/plant/graph"
    dependencies = {"plant": Provide(provide_plant)}  # noqa: RUF012  # Litestar's

    @get("/", name="dashboard:plant-graph")
    async def show(
        self,
        plant: NamedDependency[PlantPage],
        plant_graphs: NamedDependency[PlantGraphs],
        plant_questions: NamedDependency[PlantQuestions],
        question: FromQuery[str] = "",
        asset: FromQuery[str] = "",
    ) -> Response[str]:
        """Show the forms, with the answer to a question or what is around an asset."""
        question, asset = question.strip()[:MAX_QUESTION], asset.strip()[:200]
        try:
            answer = await _ask(plant, plant_questions, question)
            found = await _look(plant, plant_graphs, asset)
        except AppError as error:
            form = with_errors(
                plant.page,
                {"question": question, "asset": asset},
                _of_field(error, "asset" if asset else "question"),
            )
            shown = _Shown(question, None, asset, form=form)
            return _render(plant, plant_graphs, shown, UNPROCESSABLE)
        return _render(plant, plant_graphs, _Shown(question, answer, asset, found))

    @post("/")
    async def execute(
        self,
        plant: NamedDependency[PlantPage],
        plant_graphs: NamedDependency[PlantGraphs],
        request: Request[Any, Any, Any],
    ) -> Response[str]:
        """Execute a SPARQL query and show its result."""
        fields = await read_form_fields(request, MAX_QUERY_LENGTH + 1)
        query = fields.get("query", "")
        try:
            formats = (ResultFormat.JSON, ResultFormat.TURTLE)
            result = await plant_graphs.query(plant.page.account_id, query, formats)
        except AppError as error:
            form = with_errors(plant.page, {"query": query}, _of_field(error, "query"))
            return _render(plant, plant_graphs, _Shown(query=query, form=form), UNPROCESSABLE)
        table = read_table(result.content, result.media_type, result.triples)
        return _render(plant, plant_graphs, _Shown(query=query, table=table))


def read_table(content: bytes, media_type: str, triples: int) -> ResultTable:
    """Return the result of a query as a table; triples as a text."""
    if media_type != ResultFormat.JSON:
        text = content.decode(errors="replace")
        return ResultTable((), (), len(text) <= MAX_QUERY_LENGTH, triples, text[:MAX_QUERY_LENGTH])
    found = msgspec.json.decode(content)
    if "boolean" in found:
        return ResultTable(("ask",), ((str(found["boolean"]).lower(),),), True, triples)
    columns, rows = found["head"]["vars"], found["results"]["bindings"]
    shown = [[_cell(row.get(name)) for name in columns] for row in rows[:MAX_ROWS]]
    return ResultTable(columns, shown, len(rows) <= MAX_ROWS, triples)


async def _ask(plant: PlantPage, questions: PlantQuestions, text: str) -> PlantAnswer | None:
    """Return the answer to a question, None without one."""
    if not text:
        return None
    page = plant.page
    answer = await questions.answer(page.account_id, text)
    async with plant.database.transaction() as session:
        place = (session, plant.clock, page.actor, page.account_id)
        await record_question(*place, text, answer_json(answer))
    return answer


async def _look(plant: PlantPage, graphs: PlantGraphs, asset: str) -> Neighbourhood | None:
    """Return what is around an asset, None without one. Raises PlantNodeNotFound."""
    if not asset:
        return None
    async with plant.database.transaction() as session:
        row = await find_asset(session, plant.page.account_id, asset)
    return await read_neighbourhood(graphs, plant.page.account_id, row.code, row.name)


def _render(
    plant: PlantPage, graphs: PlantGraphs, shown: _Shown, status: int = 200
) -> Response[str]:
    """Render the page."""
    language = "zh" if plant.page.language.startswith("zh") else "en"
    diagram: GraphDiagram | None = None
    if shown.found is not None:
        diagram = draw_neighbourhood(shown.found)
    return plant.page.render(
        "plant/graph.html",
        status=status,
        shown=shown,
        form=shown.form,
        diagram=diagram,
        examples=examples(language),
        limits=graphs.limits,
        most_rows=MAX_ROWS,
        most_query=MAX_QUERY_LENGTH,
        most_question=MAX_QUESTION,
    )


def _of_field(error: AppError, name: str) -> AppError:
    """Return an error as one of a field of the page."""
    if isinstance(error, PlantNodeNotFound):
        return PlantNodeNotFound(error.message, param=name)
    error.param = name
    return error


def _cell(term: Mapping[str, str] | None) -> str:
    """Return a term of a result as a short text."""
    if term is None:
        return "–"
    value = term["value"]
    if term["type"] == "uri":
        return value.replace(PLANT, "plant:").replace(NODE, "")[:300]
    return value[:300]
