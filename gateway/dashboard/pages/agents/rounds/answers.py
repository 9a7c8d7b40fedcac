"""What the page of a round sends: answers, photos, and errors in the page's language, as JSON."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec
from litestar import Controller, Request, Response, get, post
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath, FromQuery
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.agents.rounds.answers import NewAnswer
from gateway.agents.rounds.photo_store import add_photo, read_photo_file
from gateway.agents.rounds.photos import MAX_BYTES, read_photo
from gateway.agents.rounds.store import add_answers, find_round
from gateway.agents.rounds.views import photo_json, round_json
from gateway.dashboard.error_messages import ERROR_MESSAGES
from gateway.dashboard.pages.agents.common import AgentPage, provide_agents
from gateway.identity.roles import Permission
from gateway.wire.body import decode_body_strict
from infra.errors import AppError

_BODY_BYTES = 4 << 20


class _SentAnswers(msgspec.Struct, kw_only=True):
    """The body of `/answers`."""

    answers: list[NewAnswer]


_DECODER = msgspec.json.Decoder(_SentAnswers)


class RoundAnswerPages(Controller):
    """Handlers of `/dashboard/agents/rounds/…/answers` and `/photos`."""

    path = "/agents/rounds/{round_id:str}"
    dependencies = {"agents": Provide(provide_agents)}  # noqa: RUF012  # Litestar's

    @post("/answers", permission=Permission.PLANT, request_max_body_size=_BODY_BYTES)
    async def answers(
        self,
        agents: NamedDependency[AgentPage],
        request: Request[Any, Any, Any],
        round_id: FromPath[str],
    ) -> Response[Any]:
        """Store answers that the phone sends; known ones change nothing."""
        body = await request.body()

        async def work(session: AsyncSession) -> Mapping[str, Any]:
            """Store the answers."""
            await find_round(session, agents.page.account_id, round_id)
            sent = decode_body_strict(_DECODER, body).answers
            return round_json(await add_answers(agents.change(session), round_id, sent))

        return await _as_json(agents, work)

    @post("/photos", permission=Permission.PLANT, request_max_body_size=MAX_BYTES + 1)
    async def photos(
        self,
        agents: NamedDependency[AgentPage],
        request: Request[Any, Any, Any],
        round_id: FromPath[str],
        stop: FromQuery[int] = 0,
        question: FromQuery[str] = "",
        key: FromQuery[str] = "",
    ) -> Response[Any]:
        """Store a photo that the phone sends; a known one changes nothing."""
        body = await request.body()

        async def work(session: AsyncSession) -> Mapping[str, Any]:
            """Store the photo."""
            await find_round(session, agents.page.account_id, round_id)
            photo = await asyncio.to_thread(read_photo, body)
            place = (stop, question)
            return photo_json(await add_photo(agents.change(session), round_id, place, key, photo))

        return await _as_json(agents, work)

    @get("/photos/{photo:str}", name="dashboard:round-photo")
    async def photo(
        self, agents: NamedDependency[AgentPage], round_id: FromPath[str], photo: FromPath[str]
    ) -> Response[bytes]:
        """Return a photo."""
        async with agents.database.transaction() as session:
            row = await find_round(session, agents.page.account_id, round_id)
            _, content = await read_photo_file(session, row, photo)
        return Response(content, media_type="image/jpeg")


def error_response(agents: AgentPage, error: AppError) -> Response[Any]:
    """Return an error for the page's script, in the page's language. Raises errors of servers."""
    if error.status >= 500:
        raise error
    text = ERROR_MESSAGES.get(error.code or "")
    said = agents.page.translate(text) if text else str(error)
    content = {"code": error.code, "param": error.param, "message": said}
    return json_response(content, error.status)


def json_response(content: Any, status: int) -> Response[Any]:
    """Return a JSON response."""
    encoded = msgspec.json.encode(content)
    return Response(encoded, status_code=status, media_type="application/json")


async def _as_json(
    agents: AgentPage, work: Callable[[AsyncSession], Awaitable[Mapping[str, Any]]]
) -> Response[Any]:
    """Do work in a transaction and return its result or its error as JSON."""
    try:
        async with agents.database.transaction() as session:
            return json_response(await work(session), 200)
    except AppError as error:
        return error_response(agents, error)
