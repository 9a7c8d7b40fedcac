"""The prompts that one question needs: its options in groups, each group in two orders.

A model prefers some letters and positions whatever they stand for. A preference that grows or falls
evenly from the first to the last option cancels out if each is asked forwards and backwards; more
orders would cancel more, and each costs a prompt.
"""

from collections.abc import Sequence
from itertools import pairwise

# One letter per option of a group. Twenty is the most log-probabilities that OpenAI's API and vLLM
# return for a token by default.
LETTERS = "ABCDEFGHIJKLMNOPQRST"
MAX_GROUP = len(LETTERS)

Order = tuple[int, ...]
"""Option indices in the order in which a prompt lists them: the first one has the letter A."""


def split_into_groups(count: int) -> tuple[Order, ...]:
    """Return the option indices in groups of nearly equal size that one prompt can list.

    With more than one group, the best option of each competes in a final round.
    """
    groups = -(-count // MAX_GROUP)
    bounds = [count * number // groups for number in range(groups + 1)]
    return tuple(tuple(range(start, end)) for start, end in pairwise(bounds))


def both_orders(group: Sequence[int]) -> tuple[Order, Order]:
    """Return the group's options forwards and backwards."""
    forwards = tuple(group)
    return forwards, forwards[::-1]
