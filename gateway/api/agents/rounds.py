"""`/v1/agents/rounds`: start inspection rounds, send answers and photos, submit, read reports."""

import asyncio
from collections.abc import Mapping
from typing import Any

import msgspec
from litestar import Controller, Request, Response, get, post
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath, FromQuery

from gateway.agents.public_ids import AGENT, ROUND
from gateway.agents.rounds.answers import NewAnswer
from gateway.agents.rounds.errors import RoundNotFound
from gateway.agents.rounds.pdf import render_report
from gateway.agents.rounds.photo_store import add_photo, read_photo_file
from gateway.agents.rounds.photos import MAX_BYTES, read_photo
from gateway.agents.rounds.printing import load_sheet
from gateway.agents.rounds.signing import PURPOSE
from gateway.agents.rounds.store import (
    add_answers,
    cancel,
    find_round,
    list_rounds,
    start_round,
    submit,
)
from gateway.agents.rounds.views import (
    photo_json,
    report_json,
    round_json,
    round_with_route_json,
)
from gateway.agents.store.agents import find_agent_id
from gateway.agents.store.owners import AgentOwner
from gateway.api.agents.bodies import PATH
from gateway.api.agents.editing import AgentEditing, provide_agent_editing
from gateway.api.agents.round_readings import RoundReadings
from gateway.api.pagination import PageLimit, page_json, parse_cursor
from gateway.call.values import Principal
from gateway.process.document_queue import DocumentQueue
from gateway.tables.agents_rounds import AgentRound, RoundStatus
from gateway.wire.body import decode_body_strict
from infra import ids
from infra.database.database import Database
from infra.secrets.signing_key import SigningKey

_BODY_BYTES = 4 << 20
_JPEG = "image/jpeg"


class RoundAnswersRequest(msgspec.Struct, kw_only=True):
    """Answers to questions of a round, up to 1,000."""

    answers: list[NewAnswer]


_ANSWERS = msgspec.json.Decoder(RoundAnswersRequest)
BODIES: Mapping[str, type[msgspec.Struct]] = {
    f"{PATH}/rounds/{{round_id}}/answers": RoundAnswersRequest
}


class AgentRoundStartRoutes(Controller):
    """Rounds of one agent."""

    path = f"{PATH}/{{agent:str}}/rounds"
    dependencies = {"editing": Provide(provide_agent_editing)}  # noqa: RUF012  # Litestar's

    @post("/", status_code=200, summary="Start an inspection round of an agent")
    async def start(
        self, editing: NamedDependency[AgentEditing], agent: FromPath[str]
    ) -> dict[str, Any]:
        """Start a round by hand, with its route; one that is open is returned."""

        async def edit(owner: AgentOwner) -> dict[str, Any]:
            """Start the round."""
            row = await owner.require_allowed(agent)
            return round_with_route_json(await start_round(owner.change, row))

        return await editing.apply(edit)


class AgentRoundRoutes(Controller):
    """The account's rounds, by id `round_…`."""

    path = f"{PATH}/rounds"
    dependencies = {"editing": Provide(provide_agent_editing)}  # noqa: RUF012  # Litestar's

    @get("/", summary="List inspection rounds, newest first")
    async def rounds(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        limit: PageLimit = 20,
        after: FromQuery[str | None] = None,
        agent: FromQuery[str | None] = None,
        status: FromQuery[RoundStatus | None] = None,
    ) -> dict[str, Any]:
        """Return a page of rounds, optionally of one agent or with one status."""
        cursor, account_id = parse_cursor(ROUND, after), principal.account_id
        async with database.transaction() as session:
            agent_id = await find_agent_id(session, account_id, agent)
            rows = await list_rounds(session, account_id, limit + 1, cursor, agent_id, status)
        return page_json(rows, limit, round_json)

    @get("/{round_id:str}", summary="Retrieve an inspection round with its route")
    async def one(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        round_id: FromPath[str],
    ) -> dict[str, Any]:
        """Return a round with the questions as they were when it began."""
        async with database.transaction() as session:
            return round_with_route_json(await find_round(session, principal.account_id, round_id))

    @post(
        "/{round_id:str}/answers",
        status_code=200,
        request_max_body_size=_BODY_BYTES,
        summary="Send answers of an inspection round",
    )
    async def answers(
        self,
        editing: NamedDependency[AgentEditing],
        request: Request[Any, Any, Any],
        round_id: FromPath[str],
    ) -> dict[str, Any]:
        """Store answers, all or none. An answer whose `key` was sent before changes nothing."""
        body = await request.body()

        async def edit(owner: AgentOwner) -> dict[str, Any]:
            """Store the answers."""
            await _require_allowed(owner, round_id)
            sent = decode_body_strict(_ANSWERS, body).answers
            return round_json(await add_answers(owner.change, round_id, sent))

        return await editing.apply(edit)

    @post(
        "/{round_id:str}/photos",
        status_code=200,
        request_max_body_size=MAX_BYTES + 1,
        summary="Add a photo to a question of an inspection round",
    )
    async def photos(
        self,
        editing: NamedDependency[AgentEditing],
        request: Request[Any, Any, Any],
        round_id: FromPath[str],
        stop: FromQuery[int],
        question: FromQuery[str],
        key: FromQuery[str],
    ) -> dict[str, Any]:
        """Store the body, a JPEG, PNG or WebP file. A `key` that is known changes nothing."""
        async with editing.database.transaction() as session:
            await find_round(session, editing.principal.account_id, round_id)
        photo = await asyncio.to_thread(read_photo, await request.body())

        async def edit(owner: AgentOwner) -> dict[str, Any]:
            """Store the photo."""
            await _require_allowed(owner, round_id)
            added = await add_photo(owner.change, round_id, (stop, question), key, photo)
            return photo_json(added)

        return await editing.apply(edit)

    @get(
        "/{round_id:str}/photos/{photo:str}",
        summary="Download a photo of an inspection round",
        media_type=_JPEG,
    )
    async def photo(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        round_id: FromPath[str],
        photo: FromPath[str],
    ) -> Response[bytes]:
        """Return a photo as JPEG."""
        async with database.transaction() as session:
            row = await find_round(session, principal.account_id, round_id)
            _, content = await read_photo_file(session, row, photo)
        return Response(content, media_type=_JPEG)

    @post("/{round_id:str}/submit", status_code=200, summary="Submit an inspection round")
    async def submit_round(
        self,
        editing: NamedDependency[AgentEditing],
        round_readings: NamedDependency[RoundReadings],
        pepper: NamedDependency[bytes],
        round_id: FromPath[str],
    ) -> dict[str, Any]:
        """Submit a round, also late; numbers with a point become readings, billed to this key."""
        submitted: list[AgentRound] = []

        async def edit(owner: AgentOwner) -> dict[str, Any]:
            """Submit the round."""
            await _require_allowed(owner, round_id)
            submitted.append(await submit(owner.change, round_id, _signing(pepper)))
            return round_json(submitted[0])

        shown = await editing.apply(edit)
        readings = await round_readings.store(editing.principal, submitted[0])
        return {**shown, "readings": readings}

    @post("/{round_id:str}/cancel", status_code=200, summary="Cancel an inspection round")
    async def cancel_round(
        self, editing: NamedDependency[AgentEditing], round_id: FromPath[str]
    ) -> dict[str, Any]:
        """Cancel a round that was not submitted; its answers are kept."""

        async def edit(owner: AgentOwner) -> dict[str, Any]:
            """Cancel the round."""
            await _require_allowed(owner, round_id)
            return round_json(await cancel(owner.change, round_id))

        return await editing.apply(edit)

    @get("/{round_id:str}/report", summary="Retrieve the report of an inspection round")
    async def report(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        pepper: NamedDependency[bytes],
        round_id: FromPath[str],
    ) -> dict[str, Any]:
        """Return answers, limits, photos, former values and summary, with hash and signature."""
        async with database.transaction() as session:
            row = await find_round(session, principal.account_id, round_id)
        if row.report is None:
            raise RoundNotFound("The round was not submitted, so it has no report.", param="round")
        return report_json(row, _signing(pepper))

    @get(
        "/{round_id:str}/pdf",
        summary="Download the report of an inspection round as PDF",
        media_type="application/pdf",
    )
    async def pdf(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        document_queue: NamedDependency[DocumentQueue],
        round_id: FromPath[str],
        locale: FromQuery[str | None] = None,
    ) -> Response[bytes]:
        """Return the report as PDF/A in English (`en`) or Chinese (`zh`)."""
        async with document_queue.slot(principal.account_id):
            async with database.transaction() as session:
                row = await find_round(session, principal.account_id, round_id)
                sheet = await load_sheet(session, row, locale)
            content = await asyncio.to_thread(render_report, sheet)
        return Response(content, media_type="application/pdf")


async def _require_allowed(owner: AgentOwner, round_id: str) -> None:
    """Raise AgentKeyNotAllowed if the key may not change the agent of a round."""
    row = await find_round(owner.change.session, owner.change.account_id, round_id)
    await owner.require_allowed(ids.format_id(AGENT, row.agent_id))


def _signing(pepper: bytes) -> SigningKey:
    """Return the key that signs reports."""
    return SigningKey(pepper, PURPOSE)
