"""Internal intervals, timeouts and back-offs of a gateway process, in seconds.

Values that operators set are in infra/settings.py. Tests use `Timing.divided` to run faster.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from types import MappingProxyType

_QUEUE_POLL_S: Mapping[str, float] = MappingProxyType({"agent_leases": 1.5, "retraining": 15.0})


@dataclass(frozen=True, slots=True)
class Timing:
    """Intervals of one gateway process, in seconds. Raises ValueError if one is not positive.

    `process_ttl_s` must be longer than several `process_renew_s`, `trust_s` longer than several
    `epoch_poll_s`.
    """

    # Quota leases (gateway/quota/leaser.py). `recall_s` is how long other processes have to answer
    # a recall: two of their ticks and a commit on a busy host.
    lease_tick_s: float = 0.25
    lease_shrink_s: float = 1.0
    lease_retry_s: float = 0.05
    recall_s: float = 1.5
    recall_again_s: float = 5.0
    # Heartbeat row of the process (gateway/quota/process_heartbeat.py).
    process_ttl_s: float = 10.0
    process_renew_s: float = 2.0
    process_tidy_s: float = 30.0
    process_margin_s: float = 1.0
    # Cached keys and models (gateway/access/authenticator.py): how often the access epoch is read,
    # how long the cache is valid after the last read, how often a change polls whether all
    # processes have applied it, and after which time without a read the database counts as gone.
    epoch_poll_s: float = 0.4
    trust_s: float = 0.9
    propagation_poll_s: float = 0.03
    database_gone_s: float = 3.0
    # Model servers (gateway/upstream/load_balancer.py, gateway/upstream/availability.py,
    # gateway/inference/relay.py).
    circuit_open_s: float = 1.0
    circuit_open_limit_s: float = 30.0
    circuit_trial_s: float = 30.0
    availability_s: float = 5.0
    stream_ending_s: float = 2.0
    # Servers with credentials belong to others, so their models are listed less often.
    upstream_check_s: float = 60.0
    # Catalog files (gateway/process/catalog_reloader.py).
    catalog_poll_s: float = 2.0
    # Retries of usage rows that cannot be written (gateway/inference/usage/writer.py): exponential
    # back-off from the first to the second value.
    record_retry_s: float = 0.05
    record_retry_limit_s: float = 0.8
    # Delay after the start before background work begins, so that calls are served first
    # (infra/poller.py, gateway/process/gauges.py, gateway/quota/process_heartbeat.py). Queues with
    # a shorter interval are polled after that.
    first_look_s: float = 0.01
    # Looking for work of all queues at once (infra/work_watch.py), polling by each queue, which
    # also does what is due once a minute, and watching running work. `queue_poll_s` has the
    # intervals of queues that are polled otherwise, by the poller's name ("batches", …). New work
    # wakes its own process, so a look finds what others left, and what becomes due. A look costs
    # 0.2 ms of CPU, a poll 1 to 2 ms.
    work_look_s: float = 1.0
    work_poll_s: float = 30.0
    queue_poll_s: Mapping[str, float] = field(default_factory=lambda: dict(_QUEUE_POLL_S))
    work_watch_s: float = 1.0
    # A fine-tuning job whose model server does not answer is tried again after this time.
    training_retry_s: float = 2.0
    # Metrics (gateway/process/gauges.py, gateway/inference/call_metrics.py).
    gauges_s: float = 1.0
    platform_gauges_s: float = 15.0
    counters_s: float = 0.25
    # Writing of the binned inputs of calls (gateway/drift/counter.py): what a killed process loses.
    input_counts_s: float = 2.0
    # Lease of a task of a team of agents (gateway/agents/board), renewed by the poller
    # "agent_leases". Another process takes over within the lease and one poll of "agent_board".
    task_lease_s: float = 6.0

    def __post_init__(self) -> None:
        invalid = [name for name, seconds in self._intervals() if not seconds > 0]
        if invalid:
            raise ValueError(f"{', '.join(invalid)} must be more than 0 seconds")

    def divided(self, factor: float) -> "Timing":
        """Return a copy with all intervals divided by `factor`. Raises ZeroDivisionError."""
        divided = {name: seconds / factor for name, seconds in self._intervals()}
        queues = {queue: divided.pop(queue) for queue in self.queue_poll_s}
        return Timing(**divided, queue_poll_s=queues)

    def poll_s(self, queue: str) -> float:
        """Return the polling interval of a queue, in seconds."""
        return self.queue_poll_s.get(queue, self.work_poll_s)

    def _intervals(self) -> Iterator[tuple[str, float]]:
        """Yield all intervals with their names."""
        for one in fields(self):
            value = getattr(self, one.name)
            yield from value.items() if one.name == "queue_poll_s" else ((one.name, value),)


DEFAULT_TIMING = Timing()
