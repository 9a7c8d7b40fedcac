"""The tools of the MCP server at `/mcp`: specialists, search, quotes and usage.

`protocol.py` alone knows the protocol and its SDK; the other modules know tools.
"""
