"""Section `[orders]`: drafts for new and changed work orders of the asset and its parts."""

import msgspec

from gateway.agents.definitions.tools import ToolKind, Toolset
from gateway.agents.errors import AgentDefinitionInvalid

MAX_SIMILAR = 20


class OrderPlan(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How drafts are made.

    similar: how many earlier work orders are listed. writer, manuals: the tools that find the steps
    in the manuals, a language model and a file search; without them the plant model alone is used.
    """

    similar: int = 3
    writer: str = ""
    manuals: str = ""


def check_orders(plan: OrderPlan | None, toolset: Toolset) -> OrderPlan | None:
    """Return the section if its tools are allowed. Raises AgentDefinitionInvalid."""
    if plan is None:
        return None
    if not 0 <= plan.similar <= MAX_SIMILAR:
        raise _invalid("orders.similar", f"must be from 0 to {MAX_SIMILAR}.")
    if bool(plan.writer) != bool(plan.manuals):
        raise _invalid("orders.writer", "and `orders.manuals` go together.")
    if plan.writer and toolset.find(plan.writer, ToolKind.LANGUAGE_MODEL) is None:
        raise _invalid("orders.writer", "must name an allowed language model.")
    if plan.manuals and toolset.find(plan.manuals, ToolKind.FILE_SEARCH) is None:
        raise _invalid("orders.manuals", "must name an allowed file search.")
    return plan


def _invalid(field: str, reason: str) -> AgentDefinitionInvalid:
    """Return the error of a field."""
    return AgentDefinitionInvalid(f"`{field}` {reason}", param=field)
