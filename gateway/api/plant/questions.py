"""`/v1/plant/questions`: questions about the plant in words, and what is around an asset."""

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
from litestar import Controller, Request, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from msgspec import Meta, Struct

from gateway.api.audit import RequestAudit
from gateway.api.plant.bodies import PATH
from gateway.call.errors import UpstreamFailed
from gateway.call.values import Principal, SignedInCaller
from gateway.inference.endpoints.chat import CHAT
from gateway.inference.pipeline import Pipeline
from gateway.inference.pipeline_client import PipelineClient, PipelineResponse
from gateway.plant.graph.graphs import PlantGraphs
from gateway.plant.graph.neighbourhood import neighbourhood_json, read_neighbourhood
from gateway.plant.questions.audit import record_question
from gateway.plant.questions.service import MAX_QUESTION, PlantQuestions
from gateway.plant.questions.views import answer_json
from gateway.plant.store.queries import find_asset
from gateway.quota.request_limits import RequestLimits
from gateway.wire.body import decode_body_strict
from infra.clock import Clock
from infra.database.database import Database
from infra.errors import AppError

_FIELD = "x_maas_plant_graph"


class QuestionRequest(Struct):
    """A question. `model` is a language model, asked only where the rules do not understand it."""

    question: Annotated[str, Meta(min_length=1, max_length=MAX_QUESTION)]
    model: Annotated[str, Meta(min_length=1, max_length=200)] | None = None


_DECODER = msgspec.json.Decoder(QuestionRequest)


class PlantQuestionRoutes(Controller):
    """Questions in words. They count as requests; without a model's step they cost nothing."""

    path = f"{PATH}/questions"

    @post("/", status_code=200, summary="Ask a question about the plant")
    async def ask(
        self,
        principal: NamedDependency[Principal],
        plant_questions: NamedDependency[PlantQuestions],
        request_limits: NamedDependency[RequestLimits],
        pipeline: NamedDependency[Pipeline],
        clock: NamedDependency[Clock],
        database: NamedDependency[Database],
        audit: NamedDependency[RequestAudit],
        request: Request[Any, Any, Any],
    ) -> dict[str, Any]:
        """Return the answer with the triples that it rests on.

        With `model`, a question that the rules do not understand is asked as a chat with the tool
        `plant_graph`, which has its own usage rows. Raises QueryLimitExceeded, GraphTooLarge,
        GraphBusy, RateLimited, and the errors of the chat.
        """
        body = decode_body_strict(_DECODER, await request.body())
        await request_limits.count_request(principal.quotas)
        understood = await plant_questions.understand(principal.account_id, body.question)
        if not understood.is_understood and body.model is not None:
            client = PipelineClient(pipeline, clock)
            found = await _ask_model(client, principal, request, body)
        else:
            answer = await plant_questions.answer_understood(principal.account_id, understood)
            found = {**answer_json(answer), **_costs(principal, "0.000000000")}
        async with database.transaction() as session:
            await record_question(
                session, clock, audit.actor, audit.account_id, body.question, found
            )
        return found


class PlantNeighbourRoutes(Controller):
    """What is around an asset in the graph."""

    path = f"{PATH}/assets/{{asset:str}}/neighbours"

    @get("/", summary="List what is around an asset in the knowledge graph")
    async def neighbours(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        plant_graphs: NamedDependency[PlantGraphs],
        request_limits: NamedDependency[RequestLimits],
        asset: FromPath[str],
    ) -> dict[str, Any]:
        """Return parts, points, work orders, documents and verdicts directly at an asset.

        Raises PlantNodeNotFound, GraphTooLarge, GraphBusy, RateLimited.
        """
        await request_limits.count_request(principal.quotas)
        async with database.transaction() as session:
            row = await find_asset(session, principal.account_id, asset)
        found = await read_neighbourhood(plant_graphs, principal.account_id, row.code, row.name)
        return neighbourhood_json(found)


async def _ask_model(
    client: PipelineClient,
    principal: Principal,
    request: Request[Any, Any, Any],
    body: QuestionRequest,
) -> dict[str, Any]:
    """Ask the question as a chat with the tool `plant_graph`, billed to the key of the request."""
    chat = {
        "model": body.model,
        "messages": [{"role": "user", "content": body.question}],
        "tools": [{"type": "plant_graph"}],
    }
    response = await client.post(
        CHAT,
        SignedInCaller(principal.account_id, principal.key_id),
        {},
        msgspec.json.encode(chat),
        credentials=request.headers.get("authorization"),
    )
    return _answer_of(response, principal)


def _answer_of(response: PipelineResponse, principal: Principal) -> dict[str, Any]:
    """Return the plant's answer in a chat's response. Raises the chat's error."""
    content = msgspec.json.decode(response.body)
    if response.status != 200:
        raise _ChatFailed.of(response.status, content)
    answer = content.get(_FIELD)
    if not isinstance(answer, dict):
        raise UpstreamFailed("The plant graph gave no answer.")
    cost = str(content.get("x_maas_cost", "0.000000000"))
    return {**answer, **_costs(principal, cost), "request_id": response.headers["x-request-id"]}


def _costs(principal: Principal, cost: str) -> dict[str, str]:
    """Return what an answer costs."""
    return {"cost": cost, "currency": principal.currency}


class _ChatFailed(AppError):
    """The chat of a question failed; status, type and code are those of the chat."""

    @classmethod
    def of(cls, status: int, content: dict[str, Any]) -> "_ChatFailed":
        """Return the error that a chat's response has."""
        error = content.get("error") or {}
        failed = cls(str(error.get("message", "The question failed.")), param=error.get("param"))
        failed.status, failed.code = status, error.get("code")
        failed.type = str(error.get("type", failed.type))
        return failed


BODIES: Mapping[str, type[Struct]] = {f"{PATH}/questions": QuestionRequest}
