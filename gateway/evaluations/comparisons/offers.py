"""Validate and quote comparisons before they are queued."""

from dataclasses import dataclass
from typing import Any

import msgspec

from billing.metering.leases import remaining_credit
from billing.money import nano_text
from gateway.call.errors import MaxCostExceeded, ParameterInvalid
from gateway.call.tags import TAGS_HEADER
from gateway.call.values import Principal
from gateway.evaluations.comparisons.contenders import ComparisonPlan, ContenderPlanner, ModelNote
from gateway.evaluations.comparisons.rows import NewComparison
from gateway.evaluations.comparisons.views import notes_json
from gateway.inference.quotes import Quotes
from gateway.registry.files import EVALS_PURPOSE, find_file, read_content
from gateway.tables import TrainingFile
from gateway.wire.own_models.comparisons import ComparisonRequest
from infra.database.database import Database

MAX_FILE_BYTES = 16 << 20
TAGS = {TAGS_HEADER: b"comparison=run"}


class ComparisonTooExpensive(MaxCostExceeded):
    """The comparison can cost more than its limit."""

    reason = "comparison"


@dataclass(frozen=True, slots=True)
class ComparisonOffer:
    """A validated comparison: the pinned models with the cost of each, in nano-units, and rows.

    notes: on how the table is read for the models.
    """

    principal: Principal
    request: ComparisonRequest
    file: TrainingFile
    models: tuple[str, ...]
    costs_nano: tuple[int, ...]
    rows: int
    notes: tuple[ModelNote, ...] = ()

    @property
    def cost_nano(self) -> int:
        """The highest cost of all predictions, without included units."""
        return sum(self.costs_nano)


class ComparisonOffers:
    """Validates and quotes comparisons in one gateway process."""

    def __init__(self, database: Database, quotes: Quotes, planner: ContenderPlanner) -> None:
        self._database = database
        self._quotes = quotes
        self._planner = planner

    async def create_offer(
        self, principal: Principal, request: ComparisonRequest
    ) -> ComparisonOffer:
        """Validate a comparison and quote it.

        Raises FileNotFound, ParameterInvalid, ComparisonTooExpensive, and the errors that a call to
        one of the models would raise.
        """
        async with self._database.transaction() as session:
            file = await find_file(session, principal.account_id, request.file)
            require_table(file)
            content = await read_content(session, file.account_id, file.id)
        plan = await self._planner.plan(principal, request, content)
        costs = await self._costs(principal, plan)
        limit = request.max_cost_nano
        if limit is not None and sum(costs) > limit:
            raise ComparisonTooExpensive(
                f"The comparison can cost {nano_text(sum(costs))} {principal.currency}, more than "
                "`max_cost`.",
                param="max_cost",
            )
        models = tuple(one.model for one in plan.models)
        return ComparisonOffer(principal, request, file, models, costs, plan.rows, plan.notes)

    async def render_quote(self, offer: ComparisonOffer) -> dict[str, Any]:
        """Return an offer as JSON with the account's balance."""
        async with self._database.transaction() as session:
            balance = await remaining_credit(session, offer.principal.account_id)
        return {
            "object": "eval.comparison.quote",
            "rows": offer.rows,
            "notes": notes_json(offer.notes),
            "models": [
                {"model": model, "max_cost": nano_text(cost)}
                for model, cost in zip(offer.models, offer.costs_nano, strict=True)
            ],
            "currency": offer.principal.currency,
            "max_cost": nano_text(offer.cost_nano),
            "balance": None if balance is None else nano_text(max(0, balance)),
            "covered": balance is None or offer.cost_nano <= balance,
        }

    async def _costs(self, principal: Principal, plan: ComparisonPlan) -> tuple[int, ...]:
        """Return the highest cost of the predictions of each model: rows have one price."""
        costs = []
        for planned in plan.models:
            body = planned.body(planned.found.instances[:1])
            bound = await self._quotes.bound_cost(principal, body, TAGS)
            costs.append(bound.max_nano * plan.rows)
        return tuple(costs)


def require_table(file: TrainingFile) -> None:
    """Raise ParameterInvalid for a file of another purpose, or a too large one."""
    if file.purpose != EVALS_PURPOSE:
        raise ParameterInvalid(
            f"The file has the purpose `{file.purpose}`. Upload the table with the purpose "
            f"`{EVALS_PURPOSE}`.",
            param="file",
        )
    if file.size > MAX_FILE_BYTES:
        raise ParameterInvalid(
            f"The table is larger than {MAX_FILE_BYTES >> 20} MiB.", param="file"
        )


def new_comparison(offer: ComparisonOffer) -> NewComparison:
    """Return the comparison that an offer is for; options name the pinned models."""
    request, principal = offer.request, offer.principal
    pinned = dict(zip(request.models, offer.models, strict=True))
    by_model = {
        field: {pinned[model]: value for model, value in getattr(request, field).items()}
        for field in ("outputs", "columns", "labels")
    }
    stated = msgspec.structs.replace(request, models=list(offer.models), **by_model)
    return NewComparison(
        account_id=principal.account_id,
        key_id=principal.key_id,
        name=request.name or offer.file.filename,
        models=offer.models,
        file_id=offer.file.id,
        options=msgspec.to_builtins(stated),
        rows=offer.rows,
        max_cost_nano=request.max_cost_nano,
        quoted_nano=offer.cost_nano,
        currency=principal.currency,
    )
