"""A catalog with a model that can reason, and one that cannot."""

from dataclasses import replace

from models.catalog import Catalog
from tests.support.builders import CATALOG, CHAT

BUDGETS = {"low": 8, "medium": 64, "high": 256}
THINKER = replace(CATALOG.models[CHAT], reasoning=BUDGETS)
REASONING = Catalog({**CATALOG.models, CHAT: THINKER})
