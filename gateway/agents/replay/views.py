"""A replay as the JSON that the API and the command line show."""

from typing import Any

import msgspec

from billing.money import nano_text
from gateway.agents.replay.outcomes import ReplayOutcomes
from gateway.agents.replay.replaying import Replay, ReplayRequest
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
