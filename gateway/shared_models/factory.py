"""Build the proposer, which trains new shared-model versions, for the worker and the CLI."""

from functools import partial

from gateway.shared_models.examples import SelectionRules
from gateway.shared_models.proposer import Proposer, ProposerDependencies
from gateway.upstream.client import UpstreamClient
from gateway.upstream.load_balancer import Router
from gateway.upstream.server_specs import parse_upstreams
from infra.clock import Clock
from infra.database.database import Database
from infra.settings import Settings
from models.industrial_llm.data import load_available
from models.training_data import default_directory


def create_proposer(
    settings: Settings, serving_url: str, database: Database, upstream: UpstreamClient, clock: Clock
) -> Proposer:
    """Create a proposer for the servers in `serving_url` (format of MAAS_SERVING_URL).

    Raises SettingsInvalid.
    """
    return Proposer(
        ProposerDependencies(
            clock=clock,
            database=database,
            upstream=upstream,
            router=Router(parse_upstreams(serving_url), clock),
            rules=SelectionRules(settings.improve_min_accounts, settings.improve_min_examples),
            load_corpus=partial(load_available, default_directory()),
        )
    )
