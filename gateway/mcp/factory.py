"""Build the toolbox of a gateway process."""

from dataclasses import dataclass

from prometheus_client import Counter

from gateway.agents.skills.parts import SkillParts
from gateway.inference.pipeline_client import PipelineClient
from gateway.inference.quotes import Quotes
from gateway.inference.stages import Stages
from gateway.mcp.account_tools import AccountTools
from gateway.mcp.agent_tools import AgentTools
from gateway.mcp.asset_tools import AssetTools
from gateway.mcp.model_tools import ModelTools
from gateway.mcp.search_tool import SearchTool
from gateway.mcp.toolbox import Toolbox
from gateway.retrieval.search import VectorStoreSearcher
from gateway.upstream.availability import Availability
from gateway.upstream.signatures import Signatures
from infra.clock import Clock
from infra.database.database import Database


@dataclass(frozen=True, slots=True)
class ToolDependencies:
    """What the tools work with."""

    availability: Availability
    quotes: Quotes
    searcher: VectorStoreSearcher
    signatures: Signatures
    client: PipelineClient
    database: Database
    clock: Clock
    calls: Counter
    agents: SkillParts


def build_toolbox(stages: Stages, parts: ToolDependencies) -> Toolbox:
    """Return all tools of the MCP server."""
    return Toolbox(
        [
            AccountTools(parts.availability, parts.quotes, parts.database),
            SearchTool(parts.searcher, stages.internal_calls, parts.database, parts.clock),
            AssetTools(parts.client, parts.database),
            AgentTools(parts.agents),
            ModelTools(parts.availability, stages.parser, parts.signatures, parts.client),
        ],
        parts.calls,
    )
