"""Render the form of an agent, new or existing, with the points that its rules match now."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from litestar import Response
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.agents.definitions.checking import check
from gateway.agents.definitions.document import read_fields
from gateway.agents.definitions.values import ActionKind, AgentDefinition, Autonomy
from gateway.agents.errors import AgentDefinitionInvalid
from gateway.agents.rules import RuleResult, evaluate_rules
from gateway.agents.running.observing import observe
from gateway.agents.store.points import WatchablePoint, list_watchable_points
from gateway.dashboard.forms import FormState
from gateway.dashboard.page_request import UNPROCESSABLE
from gateway.dashboard.pages.access.active_keys import key_choices, list_active_keys
from gateway.dashboard.pages.agents.common import AgentPage, load_account
from gateway.dashboard.pages.agents.form import form_rules, with_points
from gateway.dashboard.pages.agents.form_sections.choices import load_choices
from gateway.dashboard.pages.agents.form_sections.sections import form_sections
from gateway.plant.assets.units import unit_label
from gateway.tables.plant import PlantAsset


@dataclass(frozen=True, slots=True)
class Watched:
    """What an agent of an asset sees now: the results of its rules by name, and all points."""

    results: Mapping[str, RuleResult]
    points: Sequence[WatchablePoint]

    @property
    def choices(self) -> list[tuple[str, str]]:
        """The points as choices of a form."""
        return [(one.tag, _point_text(one)) for one in self.points]


async def load_watched(
    session: AsyncSession, agents: AgentPage, asset_id: UUID, definition: AgentDefinition | None
) -> Watched:
    """Return what an agent with a definition sees of an asset now; without one, its points only."""
    account_id = agents.page.account_id
    points = await list_watchable_points(session, account_id, asset_id)
    if definition is None:
        return Watched({}, points)
    readings = await observe(session, account_id, [(asset_id, definition)])
    results = evaluate_rules(definition.rules, readings[0], {}, agents.clock.now())
    return Watched({one.name: one for one in results}, points)


def definition_of(document: Mapping[str, Any]) -> AgentDefinition | None:
    """Return the definition of a document, None while it is invalid."""
    try:
        return check(read_fields(document))
    except AgentDefinitionInvalid:
        return None


async def render_form(
    agents: AgentPage,
    document: Mapping[str, Any],
    asset: PlantAsset,
    form: FormState,
    **values: Any,
) -> Response[str]:
    """Render the form. values: further ones of the template, such as `action`, its address."""
    page = agents.page
    async with agents.database.transaction() as session:
        watched = await load_watched(session, agents, asset.id, definition_of(document))
        matched = [one.name for one in watched.results.values() if one.tag]
        rules = form_rules(document, form.values, watched.points, matched)
        chosen = definition_of(with_points(document, rules))
        watched = await load_watched(session, agents, asset.id, chosen)
        _, currency = await load_account(session, page.account_id)
        section_choices = await load_choices(session, page.account_id, document, watched.points)
    return page.render(
        "agents/form.html",
        status=UNPROCESSABLE if form.error or form.errors else 200,
        form=form,
        asset_row=asset,
        rules=rules,
        results=watched.results,
        points=watched.choices,
        sections=form_sections(document, form.values),
        offered=section_choices,
        prediction=document.get("prediction"),
        levels=list(Autonomy),
        kinds=[one for one in ActionKind if _is_offered(one, document)],
        keys=key_choices(await list_active_keys(page, agents.database, agents.clock)),
        currency=currency,
        **values,
    )


def _is_offered(kind: ActionKind, document: Mapping[str, Any]) -> bool:
    """Return whether the form offers a kind of action: set points go with a schedule only."""
    return (kind is ActionKind.SET_POINT) == ("schedule" in document)


def _point_text(point: WatchablePoint) -> str:
    """Return how a point is named in a choice."""
    unit = f" [{unit_label(point.unit)}]" if point.unit else ""
    name = f" · {point.name}" if point.name and point.name != point.tag else ""
    return f"{point.tag}{name}{unit}"
