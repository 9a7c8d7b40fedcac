"""The engines' counters and gauges as Prometheus text.

Owns which of vLLM's metrics are told, and making one text of several. Knows neither Ray nor vLLM:
text_server.py reads the counters, counters.py collects the texts.
"""

from collections.abc import Iterable

CONTENT_TYPE = "text/plain; version=0.0.4"
# `_created` is when a counter began: it begins again with the engine.
COUNTERS = (
    *(
        f"vllm:{kind}_tokens_{part}"
        for kind in ("generation", "prompt")
        for part in ("total", "created")
    ),
    "vllm:num_preemptions_total",
    "vllm:num_requests_running",
    "vllm:num_requests_waiting",
    "vllm:kv_cache_usage_perc",
)


def joined(texts: Iterable[str]) -> str:
    """One text of several: a metric's lines stand together, and its type is said once."""
    lines = dict.fromkeys(line for text in texts for line in text.splitlines())
    return "".join(f"{line}\n" for line in sorted(lines, key=_metric))


def _metric(line: str) -> str:
    name = line.removeprefix("# HELP ").removeprefix("# TYPE ")
    return name.split("{")[0].split(" ")[0]
