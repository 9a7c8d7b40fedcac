"""Answer questions about an account's plant: understand, query the graph, compose.

    question -> typed query -> SPARQL -> rows -> text with triples

The rules of parsing.py decide. Where they do not, a language model may choose the typed query
among the account's own names (choosing.py); it never writes SPARQL, and never the answer.
"""

from uuid import UUID

from prometheus_client import Counter

from gateway.plant.graph.graphs import PlantGraphs
from gateway.plant.graph.messages import ResultFormat
from gateway.plant.questions.answering import (
    Hierarchy,
    Row,
    compose,
    read_hierarchy,
    read_rows,
)
from gateway.plant.questions.asked_quantity import asked_quantity, unknown_code
from gateway.plant.questions.newest_values import (
    answer_missing,
    answer_newest,
    find_asked_points,
    find_quantity,
    has_tags_like,
)
from gateway.plant.questions.parsing import understand
from gateway.plant.questions.sparql import build_plan, location_query
from gateway.plant.questions.values import (
    AnswerKind,
    AnswerStatus,
    MissingPoint,
    PlantAnswer,
    PlantQuery,
    Understanding,
)
from gateway.plant.questions.vocabularies import Vocabularies
from gateway.plant.questions.vocabulary import Vocabulary
from gateway.plant.questions.wording import describe, not_understood, unknown_names
from infra.clock import Clock
from infra.database.database import Database
from models.languages import language_of

MAX_QUESTION = 1_000
BY_RULES, BY_MODEL = "rules", "model"
_MAX_LOCATED = 60
_FORMATS = (ResultFormat.JSON,)


class PlantQuestions:
    """Answers questions on the graphs of accounts. One per gateway process."""

    def __init__(
        self,
        graphs: PlantGraphs,
        database: Database,
        clock: Clock,
        questions: Counter | None = None,
    ) -> None:
        self._graphs = graphs
        self._database = database
        self._clock = clock
        self._questions = questions
        self.vocabularies = Vocabularies(database)

    async def understand(self, account_id: UUID, text: str) -> Understanding:
        """Return what the rules understand of a question."""
        text = text[:MAX_QUESTION]
        points = await find_asked_points(self._database, account_id, text)
        if points:
            return Understanding(None, (), language_of(text), names_own=True, points=points)
        vocabulary = await self.vocabularies.of_account(account_id)
        understood = understand(text, vocabulary, self._clock.now().date())
        if _is_property(understood):
            return understood
        return await self._understand_value(account_id, text, vocabulary, understood)

    async def _understand_value(
        self, account_id: UUID, text: str, vocabulary: Vocabulary, understood: Understanding
    ) -> Understanding:
        """Return the points whose newest value a question asks for; else what was understood."""
        asked, language = asked_quantity(text, vocabulary), understood.language
        if asked is not None:
            label = ", ".join(vocabulary.label(one) for one in asked.assets)
            points, missing = await find_quantity(self._database, account_id, asked, label)
            if missing is not None and asked.others:  # it may ask for more than a value
                return understood
            several = asked.text if len(points) > 1 else ""
            return Understanding(None, (), language, True, points, text=several, missing=missing)
        if understood.query is not None or vocabulary.is_empty:
            return understood
        code = unknown_code(text, vocabulary)
        if not code:
            return understood
        is_own = await has_tags_like(self._database, account_id, code)
        return Understanding(None, (code,), language, is_own, missing=MissingPoint("", code))

    async def answer(self, account_id: UUID, text: str) -> PlantAnswer:
        """Answer a question by the rules alone. Raises the errors of a SPARQL query."""
        return await self.answer_understood(account_id, await self.understand(account_id, text))

    async def answer_understood(
        self, account_id: UUID, understood: Understanding, by: str = BY_RULES
    ) -> PlantAnswer:
        """Answer what was understood. Raises the errors of a SPARQL query."""
        if understood.missing is not None:
            answer = answer_missing(understood.missing, understood.language)
        elif understood.points:
            place = (self._database, account_id, understood.points)
            answer = await answer_newest(*place, understood.language, by, understood.text)
        elif understood.query is None:
            answer = _unanswered(understood)
        else:
            answer = await self._execute(account_id, understood.query, understood.language, by)
        if self._questions is not None:
            self._questions.labels(answer.status.value, answer.understood_by or "nothing").inc()
        return answer

    async def _execute(
        self, account_id: UUID, query: PlantQuery, language: str, by: str
    ) -> PlantAnswer:
        """Execute a typed query and compose its answer."""
        vocabulary = await self.vocabularies.of_account(account_id)
        plan = build_plan(query)
        text = plan.text()
        result = await self._graphs.query(account_id, text, _FORMATS)
        rows = read_rows(result.content, plan)
        known = PlantAnswer(
            AnswerStatus.ANSWERED,
            language,
            "",
            understood=describe(query, vocabulary.label, language),
            understood_by=by,
            sparql=text,
            revision=result.revision,
        )
        hierarchy = await self._locate(account_id, query, rows)
        return compose(query, plan, rows, hierarchy, known)

    async def _locate(self, account_id: UUID, query: PlantQuery, rows: list[Row]) -> Hierarchy:
        """Return the hierarchy above the assets of the first rows, if an answer rests on it."""
        names = ("?place1", "?place2", "?owner", "?about")
        asked: dict[str, None] = {}
        for row in rows[:_MAX_LOCATED]:
            asset = row.term("?asset")
            places = [one for name in names if (one := row.term(name))]
            if asset is not None and (query.within or any(one != asset for one in places)):
                asked |= dict.fromkeys([asset.value, *(one.value for one in places)])
        if not asked:
            return Hierarchy()
        text = location_query(list(asked)[:_MAX_LOCATED])
        return read_hierarchy((await self._graphs.query(account_id, text, _FORMATS)).content)


def _is_property(understood: Understanding) -> bool:
    """Return whether a question asks for a stated value, such as the rated power."""
    query = understood.query
    return query is not None and query.kind is AnswerKind.PROPERTY


def _unanswered(understood: Understanding) -> PlantAnswer:
    """Return the answer to a question that was not understood, or that names unknown things."""
    language = understood.language
    if understood.unknown:
        text = unknown_names(understood.unknown, language)
        status = AnswerStatus.UNKNOWN_NAMES
        return PlantAnswer(status, language, text, unknown=understood.unknown)
    return PlantAnswer(AnswerStatus.NOT_UNDERSTOOD, language, not_understood(language))
