"""Documents and definitions of agents for tests."""

from typing import Any

from gateway.agents.definitions.checking import check
from gateway.agents.definitions.document import read_fields
from gateway.agents.definitions.values import AgentDefinition
from models.catalog import Task, load_catalog

COSTS = {"planned_stop": 1000, "unplanned_stop": 10_000, "inspection": 50}
VIBRATION = {"name": "vibration", "tag": "V1", "above": 4.5, "unit": "mm/s"}
_MODEL = load_catalog("cpu").with_task(Task.CLASSIFICATION)[0].id
PREDICTION = {"model": _MODEL, "output": "failure_probability"}


def document(**fields: Any) -> dict[str, Any]:
    """Return the fields of an agent with one rule, changed by `fields`."""
    base = {"name": "Pump 1", "asset": "P-1", "costs": COSTS, "rules": [VIBRATION]}
    return {**base, **fields}


def definition(**fields: Any) -> AgentDefinition:
    """Return the checked definition of `document(**fields)`."""
    return check(read_fields(document(**fields)))
