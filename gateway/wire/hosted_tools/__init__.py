"""Wire shapes of hosted specialist tools: the tool, the requests of a loop's steps, the answer."""

from gateway.wire.hosted_tools.tool import (
    PLANT_GRAPH,
    SPECIALIST,
    TOOLS_HEADER,
    extract_hosted_tools,
    extract_specialist_tool,
    is_specialist_tool,
    offer_plant_graph,
    offer_specialist,
)

__all__ = [
    "PLANT_GRAPH",
    "SPECIALIST",
    "TOOLS_HEADER",
    "extract_hosted_tools",
    "extract_specialist_tool",
    "is_specialist_tool",
    "offer_plant_graph",
    "offer_specialist",
]
