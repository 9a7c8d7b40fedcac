"""Building a proposer from the settings, for the worker and for the command."""

from functools import partial

from gateway.shared_models.examples import Rules
from gateway.shared_models.proposer import Proposer, Tools
from gateway.upstream.client import Upstream
from gateway.upstream.load_balancer import Router, parse_upstreams
from infra.clock import Clock
from infra.database.database import Database
from infra.settings import Settings
from models.industrial_llm.data import at_hand
from models.training_data import default_directory


def proposer(
    settings: Settings, serving_url: str, database: Database, upstream: Upstream, clock: Clock
) -> Proposer:
    """By the servers at `serving_url`, as MAAS_SERVING_URL spells them. Raises SettingsInvalid."""
    return Proposer(
        Tools(
            clock=clock,
            database=database,
            upstream=upstream,
            router=Router(parse_upstreams(serving_url), clock),
            rules=Rules(settings.improve_min_accounts, settings.improve_min_examples),
            corpus=partial(at_hand, default_directory()),
        )
    )
