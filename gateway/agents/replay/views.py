"""A replay as the JSON that the API and the command line show."""

from typing import Any

import msgspec

from billing.money import nano_text
from gateway.agents.replay.outcomes import ReplayOutcomes
from gateway.agents.replay.replaying import ByLimits, Replay, ReplayRequest
from gateway.agents.replay.simulation import Episode

MAX_EPISODES = 500


def replay_json(replayed: Replay, request: ReplayRequest) -> dict[str, Any]:
    """Return a replay; of the episodes the first MAX_EPISODES."""
    simulation = replayed.simulation
    return {
        "object": "agent.replay",
        "from": request.start.isoformat(),
        "to": request.end.isoformat(),
        "ticks": simulation.ticks,
        "covered": {name: round(share, 4) for name, share in simulation.covered.items()},
        "predictions": {
            "needed": simulation.predictions,
            "made": replayed.predicted,
            "failed": replayed.failed,
            "cost": nano_text(replayed.cost_nano),
        },
        "notices": simulation.notices,
        "actions": simulation.actions,
        "episode_count": len(simulation.episodes),
        "episodes": [episode_json(one) for one in simulation.episodes[:MAX_EPISODES]],
        "outcomes": None if replayed.outcomes is None else outcomes_json(replayed.outcomes),
        **({} if replayed.by_limits is None else by_limits_json(replayed.by_limits)),
    }


def by_limits_json(found: ByLimits) -> dict[str, Any]:
    """Return the learned warning rule that was replayed, and the agent without it."""
    outcomes = found.outcomes
    return {
        "warning": {
            "rule": found.warning.rule,
            "version": found.warning.version,
            "problem": found.warning.problem,
        },
        "without_warning": {
            "notices": found.simulation.notices,
            "actions": found.simulation.actions,
            "episode_count": len(found.simulation.episodes),
            "outcomes": None if outcomes is None else outcomes_json(outcomes),
        },
    }


def episode_json(episode: Episode) -> dict[str, Any]:
    """Return an episode with its first decision."""
    return {
        "from": episode.start.isoformat(),
        "to": episode.end.isoformat(),
        "assessment": msgspec.to_builtins(episode.assessment),
        "rules": msgspec.to_builtins(episode.results),
    }


def outcomes_json(outcomes: ReplayOutcomes) -> dict[str, Any]:
    """Return the comparison with known failures; amounts in the currency of the definition."""
    return {
        "failures": outcomes.failures,
        "caught": outcomes.caught,
        "missed": outcomes.missed,
        "false_alarms": outcomes.false_alarms,
        "false_alarms_per_month": round(outcomes.false_alarms_per_month, 3),
        "cost": outcomes.cost,
        "cost_without_agent": outcomes.cost_without,
        "saved": outcomes.saved,
    }
