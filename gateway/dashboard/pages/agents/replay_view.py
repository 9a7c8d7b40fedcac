"""What an agent's page says of a replay, and the known failures that are entered; pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from billing.dates import parse_instant
from gateway.agents.errors import AgentReplayInvalid
from gateway.agents.replay.outcomes import ReplayOutcomes
from gateway.agents.replay.replaying import Replay, ReplayRequest
from gateway.agents.replay.simulation import Episode, Simulation

MAX_EPISODES = 50
MAX_FAILURES = 100


@dataclass(frozen=True, slots=True)
class ReplayView:
    """A replay with its period. failures: the text that was entered."""

    start: datetime
    end: datetime
    simulation: Simulation
    outcomes: ReplayOutcomes | None
    failures: str = ""

    @property
    def episodes(self) -> Sequence[Episode]:
        """The episodes that are shown."""
        return self.simulation.episodes[:MAX_EPISODES]

    @property
    def uncovered(self) -> Sequence[tuple[str, float]]:
        """Rules that often had no recent reading, with the share of checks in which they had."""
        return [(name, share) for name, share in self.simulation.covered.items() if share < 0.99]


def replay_view(replayed: Replay, request: ReplayRequest, failures: str) -> ReplayView:
    """Return what is shown of a replay."""
    return ReplayView(request.start, request.end, replayed.simulation, replayed.outcomes, failures)


def seconds_of(episode: Episode) -> float:
    """Return how long an episode lasted, in seconds; 0 for a single check."""
    return (episode.end - episode.start) / timedelta(seconds=1)


def parse_failures(text: str, zone: ZoneInfo) -> tuple[datetime, ...]:
    """Return the times of known failures, one a line or separated by commas.

    Raises AgentReplayInvalid.
    """
    parts = [part.strip() for part in text.replace(",", "\n").replace("，", "\n").splitlines()]
    found = [part for part in parts if part]
    if len(found) > MAX_FAILURES:
        raise AgentReplayInvalid(f"At most {MAX_FAILURES} failures.", param="failures")
    try:
        return tuple(parse_instant(datetime.fromisoformat(part), zone) for part in found)
    except ValueError as error:
        raise AgentReplayInvalid("A failure is not a time.", param="failures") from error
