"""The constant upstream: a model server whose latency depends on token counts only."""
