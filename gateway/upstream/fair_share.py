"""Limits of an account that uses more than its share of a model while other accounts are active.

The account leaves some slots free, so that a call of another account need not wait for one, and its
prompts follow each other at a limited rate, so that the engine has time to read other prompts. An
account within its share, or alone on the model, has neither limit.
"""

from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass

# What tells accounts apart; None: calls of no account. The gateway's calls have the number of the
# account's UUID, whose own hash is computed by Python code.
Account = Hashable
# An account is active for so long after the arrival of a call.
_ACTIVE_S = 30.0


@dataclass(frozen=True, slots=True)
class FairShareLimits:
    """The share of the slots to leave free (0 is none), and the prompt tokens per second to send.

    Both apply to one account and model in one process; without a rate, prompts are not limited.
    """

    free_slots_share: float = 0.0
    prompt_tokens_s: float | None = None


NO_LIMITS = FairShareLimits()


class FairShare:
    """The active accounts of one model and when each may send its next prompt.

    Times are in monotonic seconds. The memory is bounded by the accounts of half a minute.
    """

    def __init__(self, limits: FairShareLimits) -> None:
        self._limits = limits
        self._last_arrival: OrderedDict[Account, float] = OrderedDict()
        self._next_prompt_at: dict[Account, float] = {}

    def record_arrival(self, account: Account, now: float) -> None:
        """Count the account as active, and others no longer whose last call is too long ago."""
        arrivals = self._last_arrival
        arrivals[account] = now
        arrivals.move_to_end(account)
        while (oldest := next(iter(arrivals))) != account and arrivals[oldest] < now - _ACTIVE_S:
            del arrivals[oldest]
            self._next_prompt_at.pop(oldest, None)

    def record_start(self, account: Account, prompt_tokens: int, now: float) -> None:
        """Move the account's next prompt to when this one counts as read at the limited rate."""
        rate = self._limits.prompt_tokens_s
        if rate is not None and account in self._last_arrival:
            begins = max(now, self._next_prompt_at.get(account, now))
            self._next_prompt_at[account] = begins + prompt_tokens / rate

    def may_start(self, account: Account, running: int, slots: int, free: int, now: float) -> bool:
        """Whether an account with so many running calls may take one of the free slots now."""
        active = len(self._last_arrival) + (account not in self._last_arrival)
        if active == 1 or running * active < slots:
            return True
        is_paced = now < self._next_prompt_at.get(account, now)
        return not is_paced and free > int(slots * self._limits.free_slots_share)
