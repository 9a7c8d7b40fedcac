"""All tools of the MCP server: listed per account, and called by name."""

from collections.abc import Mapping, Sequence
from typing import Any

from prometheus_client import Counter

from gateway.call.errors import ModelNotFound
from gateway.mcp.tools import Tool, ToolAnswer, ToolCaller, ToolProvider
from infra.errors import AppError, error_object

_UNKNOWN, _OK = "unknown", "ok"


class Toolbox:
    """The tools of one gateway process. Calls are counted by kind of tool and outcome."""

    def __init__(self, providers: Sequence[ToolProvider], calls: Counter) -> None:
        self._providers = providers
        self._calls = calls

    async def list_tools(self, caller: ToolCaller) -> list[Tool]:
        """Return all tools that the caller may use."""
        return [tool for one in self._providers for tool in await one.list_tools(caller)]

    async def call(self, caller: ToolCaller, name: str, arguments: Mapping[str, Any]) -> ToolAnswer:
        """Call a tool; every refusal is an answer with the gateway's error object."""
        kind, answer = await self._try_providers(caller, name, arguments)
        self._calls.labels(kind, "error" if answer.is_error else _OK).inc()
        return answer

    async def _try_providers(
        self, caller: ToolCaller, name: str, arguments: Mapping[str, Any]
    ) -> tuple[str, ToolAnswer]:
        """Return the answer of the group that has the tool, and the group's kind."""
        for provider in self._providers:
            try:
                answer = await provider.call(caller, name, arguments)
            except AppError as error:
                return provider.kind, ToolAnswer(error_object(error), is_error=True)
            if answer is not None:
                return provider.kind, answer
        unknown = ModelNotFound(f"The tool {name[:100]!r} does not exist.", param="name")
        return _UNKNOWN, ToolAnswer(error_object(unknown), is_error=True)
