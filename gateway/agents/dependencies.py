"""The parts of a gateway process that the background runners of agents share."""

from dataclasses import dataclass

from billing.outcomes.predictions.model_keys import ModelSigner
from gateway.inference.pipeline_client import PipelineClient
from gateway.quota.process_heartbeat import ProcessHeartbeat
from infra.clock import Clock
from infra.database.database import Database
from infra.secrets.signing_key import SigningKey
from infra.telemetry.agent_metrics import AgentMetrics
from infra.timing import DEFAULT_TIMING, Timing


@dataclass(frozen=True, slots=True)
class AgentDependencies:
    """The parts of a gateway process that the runners of agents use.

    round_signing: the key that signs reports of inspection rounds.
    """

    clock: Clock
    database: Database
    heartbeat: ProcessHeartbeat
    client: PipelineClient
    signer: ModelSigner
    round_signing: SigningKey
    metrics: AgentMetrics
    timing: Timing = DEFAULT_TIMING
