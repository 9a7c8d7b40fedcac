"""What programs send to agents: chains, messages, texts and bounded streams; pure."""

from typing import Any

import pytest

from gateway.agents.a2a.commands import read_command
from gateway.agents.a2a.errors import A2aError, from_app_error
from gateway.agents.a2a.messages import Part
from gateway.agents.requests.chains import check_chain, extended, format_chain, parse_chain
from gateway.agents.requests.errors import AgentCallCycle, AgentChainInvalid, AgentChainTooLong
from gateway.call.errors import RateLimited, Unavailable

AGENT = "agent_a"


@pytest.mark.parametrize(
    ("text", "chain"), [(None, ()), (" ", ()), ("a", ("a",)), ("a, agent_b", ("a", "agent_b"))]
)
def test_chain_of_a_header_is_read_and_written(text: str | None, chain: tuple[str, ...]) -> None:
    assert parse_chain(text) == chain
    assert parse_chain(format_chain(chain)) == chain


@pytest.mark.parametrize(
    "parts", ["a", [1], [""], ["a,b"], ["a b"], ["ä"], ["x" * 129], ["a"] * 65, {"a": 1}]
)
def test_chain_that_is_no_list_of_names_is_refused(parts: object) -> None:
    with pytest.raises(AgentChainInvalid):
        check_chain(parts)


def test_chain_ends_at_a_cycle_and_at_its_length() -> None:
    assert extended(("a",), "b", 2) == ("a", "b")
    with pytest.raises(AgentCallCycle):
        extended(("a", "b"), "a", 8)
    with pytest.raises(AgentChainTooLong):
        extended(("a", "b"), "c", 2)


@pytest.mark.parametrize(
    ("part", "agent", "skill", "arguments"),
    [
        ({"text": "Status."}, AGENT, "agent_status", {"agent": AGENT}),
        ({"text": f"run {AGENT} max_cost=0.05"}, None, "run_agent",
         {"agent": AGENT, "max_cost": "0.05"}),
        ({"text": "decisions limit=5"}, AGENT, "agent_decisions", {"agent": AGENT, "limit": 5}),
        ({"text": "approve act_1"}, AGENT, "approve_agent_action",
         {"agent": AGENT, "action": "act_1"}),
        ({"data": {"skill": "agent_decisions", "arguments": {"limit": 5.0}}}, AGENT,
         "agent_decisions", {"agent": AGENT, "limit": 5}),
        ({"data": {"skill": "list"}}, None, "list_agents", {}),
    ],
)  # fmt: skip
def test_message_is_read_as_a_skill_with_arguments(
    part: dict[str, Any], agent: str | None, skill: str, arguments: dict[str, Any]
) -> None:
    found = read_command([Part(**part)], agent)
    assert (found.skill, dict(found.arguments)) == (skill, arguments)


@pytest.mark.parametrize(
    ("part", "agent"),
    [
        ({"text": ""}, None),
        ({"text": "run the pump"}, AGENT),
        ({"text": "list"}, AGENT),
        ({"text": "run agent_b"}, AGENT),
        ({"data": []}, None),
        ({"data": {"skill": "run", "arguments": []}}, None),
        ({"data": {"skill": "run", "agent": AGENT}}, None),
        ({}, None),
    ],
)
def test_message_that_is_not_understood_is_refused(part: dict[str, Any], agent: str | None) -> None:
    with pytest.raises(A2aError):
        read_command([Part(**part)], agent)


def test_errors_keep_their_code_and_are_invalid_refused_or_internal() -> None:
    refused = from_app_error(RateLimited("Wait.", headers={"retry-after": "5"}))
    assert (refused.code, refused.reason) == (-32000, "RATE_LIMIT_EXCEEDED")
    assert refused.metadata["retry-after"] == "5"
    assert from_app_error(Unavailable("Down.")).code == -32603
    assert from_app_error(AgentChainInvalid("No.")).code == -32602
