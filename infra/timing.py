"""Timing: how often a process looks, and how long it waits before it tries again. Seconds.

One value for all intervals, polls, back-offs and lifetimes that no customer and no operator sets;
what an operator sets are settings of their own (infra/settings.py). Tests divide it.
"""

from dataclasses import dataclass, fields


@dataclass(frozen=True, slots=True)
class Timing:
    """The intervals of one gateway process. `process_ttl_s` must be longer than several renewals,
    and `trust_s` than several polls of the epoch. Raises ValueError where one is not positive."""

    # Quotas (gateway/quota/leaser.py). `recall_s` is how long other processes have to answer a
    # recall: two of their ticks and a commit, on hosts that may be busy.
    lease_tick_s: float = 0.25
    lease_shrink_s: float = 1.0
    lease_retry_s: float = 0.05
    recall_s: float = 1.5
    recall_again_s: float = 5.0
    # The row by which others know that a process lives (gateway/quota/process_heartbeat.py).
    process_ttl_s: float = 10.0
    process_renew_s: float = 2.0
    process_tidy_s: float = 30.0
    process_margin_s: float = 1.0
    # Keys and models (gateway/access/authenticator.py): how often the access epoch is
    # read, how long a process may answer from memory after it last read it, how
    # often a change looks whether all processes know of it, and after how long unread the database
    # is taken for gone.
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
    # Usage rows that cannot be written (gateway/inference/usage_writer.py): the first wait, doubled
    # up to the longest.
    record_retry_s: float = 0.05
    record_retry_limit_s: float = 0.8
    # After its start a process answers calls first: so long it waits before it looks for work that
    # waits in rows, asks how the platform stands and forgets what is long over (infra/poller.py,
    # gateway/process/gauges.py, gateway/quota/process_heartbeat.py).
    first_look_s: float = 0.01
    # Work that waits in rows, and looking after it.
    work_poll_s: float = 2.0
    work_watch_s: float = 1.0
    # Metrics (gateway/process/gauges.py, gateway/inference/call_metrics.py).
    gauges_s: float = 1.0
    platform_gauges_s: float = 15.0
    counters_s: float = 0.25

    def __post_init__(self) -> None:
        wrong = [one.name for one in fields(self) if not getattr(self, one.name) > 0]
        if wrong:
            raise ValueError(f"{', '.join(wrong)} must be more than 0 seconds")

    def divided(self, by: float) -> "Timing":
        """The same, so many times faster. Raises ZeroDivisionError."""
        return Timing(**{one.name: getattr(self, one.name) / by for one in fields(self)})


USUAL = Timing()
