"""Builds the runner, the replays and the skills of agents of a gateway process."""

from dataclasses import dataclass, replace

from billing.outcomes.predictions.model_keys import ModelSigner
from gateway.agents.board.runner import BoardRunner
from gateway.agents.dependencies import AgentDependencies
from gateway.agents.learning.cycle import Learner
from gateway.agents.learning.policy_rows import PURPOSE
from gateway.agents.learning.runner import LearningDependencies, LearningRunner
from gateway.agents.replay.replaying import AgentReplayer
from gateway.agents.requests.service import AgentRuns
from gateway.agents.rounds.signing import PURPOSE as ROUNDS
from gateway.agents.running.runner import AgentRunner
from gateway.agents.scheduling.learner import ScheduleLearner
from gateway.agents.skills.parts import SkillParts
from gateway.agents.warnings.trainer import WarningTrainer
from gateway.call.stream_slots import StreamSlots
from gateway.inference.pipeline import Pipeline
from gateway.inference.pipeline_client import PipelineClient
from gateway.process.lifespan import Startable
from gateway.process.shared_components import SharedComponents
from gateway.quota.request_limits import RequestLimits
from infra.clock import Clock
from infra.secrets.secret_key import secret_key
from infra.secrets.signing_key import SigningKey
from infra.settings import Settings


@dataclass(frozen=True, slots=True)
class AgentParts:
    """What `build_agents` builds."""

    runner: AgentRunner
    board_runner: BoardRunner
    replayer: AgentReplayer
    skills: SkillParts
    streams: StreamSlots
    learning: LearningRunner
    schedule_learner: ScheduleLearner
    warning_trainer: WarningTrainer

    @property
    def runners(self) -> tuple[Startable, ...]:
        """The tasks that run in the background of a gateway process."""
        return (
            *(self.runner, self.board_runner, self.learning),
            *(self.schedule_learner, self.warning_trainer),
        )


def build_agents(
    shared: SharedComponents, settings: Settings, clock: Clock, pipeline: Pipeline
) -> AgentParts:
    """Build the parts, whose calls go through the pipeline."""
    database, client = shared.connections.handlers, PipelineClient(pipeline, clock)
    dependencies = AgentDependencies(
        clock=clock,
        database=database,
        heartbeat=shared.heartbeat,
        client=client,
        signer=ModelSigner(secret_key(settings)),
        round_signing=SigningKey(secret_key(settings), ROUNDS),
        metrics=shared.metrics.agents,
        timing=shared.timing,
    )
    runner = AgentRunner(dependencies)
    replayer = AgentReplayer(database, client)
    skills = SkillParts(
        database=database,
        clock=clock,
        catalog=shared.availability.catalog,
        runs=AgentRuns(database, clock, runner.wake, settings.agent_runs_per_hour),
        replayer=replayer,
        request_limits=RequestLimits(shared.quota_leaser),
        heartbeat=shared.heartbeat,
        metrics=shared.metrics.agents,
        most=settings.agents_per_account,
        max_chain=settings.agent_call_chain,
    )
    learner = Learner(database, clock, SigningKey(secret_key(settings), PURPOSE))
    learning = LearningRunner(
        LearningDependencies(learner, shared.heartbeat, shared.metrics.agents, shared.timing)
    )
    return AgentParts(
        runner=runner,
        board_runner=BoardRunner(dependencies),
        replayer=replayer,
        skills=skills,
        streams=StreamSlots(),
        learning=learning,
        schedule_learner=ScheduleLearner(dependencies),
        # Its readings take longer than a request may.
        warning_trainer=WarningTrainer(replace(dependencies, database=shared.connections.imports)),
    )
