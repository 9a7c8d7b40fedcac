"""Guards of accounts: rules that check texts, and models that are asked about them."""

from gateway.inference.guards.models import GuardModels
from gateway.inference.guards.stage import GuardedRequest, GuardStage

__all__ = ["GuardModels", "GuardStage", "GuardedRequest"]
