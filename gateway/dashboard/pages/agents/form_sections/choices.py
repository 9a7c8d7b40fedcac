"""What the sections of an agent's form offer to choose from: teams, assets, points and tools."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from gateway.agents.board.teams import list_teams
from gateway.agents.definitions.board import BoardRole
from gateway.agents.definitions.command_steps import CommandWhen
from gateway.agents.definitions.rounds import QuestionKind
from gateway.agents.definitions.schedule import TARIFFS
from gateway.agents.definitions.tools import ToolKind
from gateway.agents.store.points import WatchablePoint
from gateway.dashboard.pages.agents.form_sections.pump_schedule import OWN_TARIFF
from gateway.plant.store.queries import AssetFilter, list_assets

_MAX_TEAMS, _MAX_ASSETS = 200, 300
Pairs = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class SectionChoices:
    """Values of the sections' fields, those of assets and points with their names.

    images, writers: tools of the definition that classify photos or write a summary.
    """

    teams: Sequence[str]
    assets: Pairs
    points: Pairs
    images: Sequence[str]
    writers: Sequence[str]
    tariffs: Sequence[str] = (*TARIFFS, OWN_TARIFF)
    roles: Sequence[str] = tuple(BoardRole)
    decisions: Sequence[str] = tuple(CommandWhen)
    kinds: Sequence[str] = tuple(QuestionKind)


async def load_choices(
    session: AsyncSession,
    account_id: UUID,
    document: Mapping[str, Any],
    points: Sequence[WatchablePoint],
) -> SectionChoices:
    """Return the choices for a document. points: those of the agent's asset and its parts."""
    teams = await list_teams(session, account_id, _MAX_TEAMS)
    assets = await list_assets(session, account_id, AssetFilter(), _MAX_ASSETS, None)
    return SectionChoices(
        teams=[team.name for team in teams],
        assets=[(one.code, one.name) for one in assets],
        points=[(one.tag, one.name) for one in points],
        images=_tools(document, ToolKind.SPECIALIST),
        writers=_tools(document, ToolKind.LANGUAGE_MODEL),
    )


def _tools(document: Mapping[str, Any], kind: ToolKind) -> list[str]:
    """Return the names of the tools of a kind."""
    return [one["name"] for one in document.get("tools", ()) if one["kind"] == kind]
