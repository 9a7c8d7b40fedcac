"""Wire shapes of hosted specialist tools: the tool, the requests of a loop's steps, the answer."""

from gateway.wire.hosted_tools.tool import (
    SPECIALIST,
    TOOLS_HEADER,
    extract_specialist_tool,
    is_specialist_tool,
    offer_specialist,
)

__all__ = [
    "SPECIALIST",
    "TOOLS_HEADER",
    "extract_specialist_tool",
    "is_specialist_tool",
    "offer_specialist",
]
