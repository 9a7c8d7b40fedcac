"""The parts of a gateway process that skills use."""

from dataclasses import dataclass

from gateway.agents.replay.replaying import AgentReplayer
from gateway.agents.requests.service import AgentRuns
from gateway.quota.process_heartbeat import ProcessHeartbeat
from gateway.quota.request_limits import RequestLimits
from infra.clock import Clock
from infra.database.database import Database
from infra.telemetry.agent_metrics import AgentMetrics
from models.catalog import Catalog


@dataclass(frozen=True, slots=True)
class SkillParts:
    """What skills work with. most: agents of an account. max_chain: agents that call each other."""

    database: Database
    clock: Clock
    catalog: Catalog
    runs: AgentRuns
    replayer: AgentReplayer
    request_limits: RequestLimits
    heartbeat: ProcessHeartbeat
    metrics: AgentMetrics
    most: int
    max_chain: int
