"""Prometheus metrics of agents (docs/observability.md)."""

from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter


@dataclass(frozen=True, slots=True)
class AgentMetrics:
    """Counters of what agents do: ticks, actions, calls, tasks, commands, rounds and policies."""

    ticks: Counter
    actions: Counter
    tasks: Counter
    runs: Counter
    loops: Counter
    a2a_requests: Counter
    feedback: Counter
    policies: Counter
    commands: Counter
    schedules: Counter
    steps: Counter
    rounds: Counter
    reports: Counter
    warning_rules: Counter


# Field, name, description and labels.
_COUNTERS: tuple[tuple[str, str, str, tuple[str, ...]], ...] = (
    (
        "ticks",
        "maas_agent_ticks",
        "Ticks of agents by outcome: quiet (by rules alone), wait, inspect, stop, "
        "planned, blind, held, retried, stopped or error.",
        ("outcome",),
    ),
    (
        "actions",
        "maas_agent_actions",
        "Actions that agents took or proposed, by kind.",
        ("kind",),
    ),
    (
        "tasks",
        "maas_agent_tasks",
        "Tasks of teams by kind and outcome: awarded, taken_over (from a holder that was "
        "lost or changed), worked or error.",
        ("kind", "outcome"),
    ),
    (
        "runs",
        "maas_agent_runs",
        "Runs of agents outside of their schedule, by outcome: succeeded, failed or retried.",
        ("outcome",),
    ),
    (
        "loops",
        "maas_agent_call_loops",
        "Calls of agents by agents that were refused: cycle or too_long, by protocol.",
        ("protocol", "reason"),
    ),
    (
        "a2a_requests",
        "maas_agent_a2a_requests",
        "Requests of the Agent2Agent protocol, by method and outcome.",
        ("method", "outcome"),
    ),
    (
        "feedback",
        "maas_agent_feedback",
        "Feedback on decisions of agents, by verdict.",
        ("verdict",),
    ),
    (
        "policies",
        "maas_agent_policies",
        "Steps of learned policies of agents: shadow (trained), rejected, ready, active, "
        "rolled_back or error.",
        ("step",),
    ),
    (
        "commands",
        "maas_agent_commands",
        "Commands to machines by what connectors reported: done, refused, not_confirmed or safe.",
        ("status",),
    ),
    (
        "schedules",
        "maas_agent_schedules",
        "Learned schedules of pumps by what became of them: shadow, rejected, failed or "
        "rolled_back.",
        ("outcome",),
    ),
    (
        "steps",
        "maas_agent_steps",
        "Calls of agents' tools beside predictions, by outcome: answered or error.",
        ("outcome",),
    ),
    (
        "rounds",
        "maas_agent_rounds",
        "Inspection rounds: processed by a tick, with labels of photos and summary.",
        ("event",),
    ),
    (
        "warning_rules",
        "maas_agent_warning_rules",
        "Trained versions of learned warning rules by what became of them: ready, rejected or "
        "failed.",
        ("outcome",),
    ),
    (
        "reports",
        "maas_agent_reports",
        "Daily reports of agents that were queued, or that failed.",
        ("outcome",),
    ),
)


def declare_agent_metrics(registry: CollectorRegistry) -> AgentMetrics:
    """Declare the metrics of agents in the registry."""
    return AgentMetrics(
        **{
            field: Counter(name, description, labels, registry=registry)
            for field, name, description, labels in _COUNTERS
        }
    )
