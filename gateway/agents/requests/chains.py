"""The chain of agents that wait for a call: passed on by each of them, bounded, without a cycle.

Who is called because of an agent sends that agent's chain along. An agent that is in the chain
already, or one more than are allowed, is refused, so that agents that call each other end.
"""

import re
from collections.abc import Sequence

from gateway.agents.requests.errors import AgentCallCycle, AgentChainInvalid, AgentChainTooLong

CHAIN_HEADER = "x-maas-agent-chain"
METADATA_KEY = "agentChain"
# Longer chains are refused before they are read, whatever the setting is.
_MAX_PARTS = 64
_PART = re.compile(r"[\x21-\x2b\x2d-\x7e]{1,128}")  # printable ASCII without a comma


def parse_chain(text: str | None) -> tuple[str, ...]:
    """Return the agents of a header, the first caller first. Raises AgentChainInvalid."""
    if text is None or not text.strip():
        return ()
    return check_chain([part.strip() for part in text.split(",", _MAX_PARTS)])


def check_chain(parts: object) -> tuple[str, ...]:
    """Return a chain that was sent as a list. Raises AgentChainInvalid."""
    if not isinstance(parts, list | tuple) or len(parts) > _MAX_PARTS:
        raise AgentChainInvalid(
            f"A chain of agents is a list of at most {_MAX_PARTS} names.", param=CHAIN_HEADER
        )
    for part in parts:
        if not isinstance(part, str) or not _PART.fullmatch(part):
            raise AgentChainInvalid(
                "Each name in a chain of agents has 1 to 128 printable characters and no comma.",
                param=CHAIN_HEADER,
            )
    return tuple(parts)


def format_chain(chain: Sequence[str]) -> str:
    """Return a chain as the text of a header."""
    return ",".join(chain)


def extended(chain: tuple[str, ...], agent: str, most: int) -> tuple[str, ...]:
    """Return a chain with the agent that is called now.

    most: how many agents may be in it. Raises AgentCallCycle, AgentChainTooLong.
    """
    if agent in chain:
        raise AgentCallCycle(
            f"The agent {agent} waits for this call already: {' -> '.join((*chain, agent))[:500]}.",
            param=CHAIN_HEADER,
        )
    if len(chain) >= most:
        raise AgentChainTooLong(
            f"{len(chain)} agents wait for this call; at most {most} may call each other.",
            param=CHAIN_HEADER,
        )
    return (*chain, agent)
