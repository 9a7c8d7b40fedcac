"""The counters of several servers as one text, which Prometheus and we ourselves can read."""

from prometheus_client import CollectorRegistry, Counter, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from serving.exposition import joined


def counters(model: str, generated: int) -> str:
    registry = CollectorRegistry()
    for name, value in (("vllm:generation_tokens", generated), ("vllm:prompt_tokens", 1)):
        Counter(name, "Of tokens.", ["model_name"], registry=registry).labels(model).inc(value)
    return generate_latest(registry).decode()


def test_one_is_left_as_it_is() -> None:
    text = counters("a", 5)
    assert sorted(joined([text]).splitlines()) == sorted(text.splitlines())
    assert joined([]) == ""


def test_a_metrics_lines_stand_together() -> None:
    """Each type is said once, before the lines that it is of."""
    lines = joined([counters("a", 5), counters("b", 6)]).splitlines()
    types = [line for line in lines if line.startswith("# TYPE")]
    assert len(types) == len(set(types)) == 4
    families = list(text_string_to_metric_families("\n".join(lines)))
    assert len(families) == 4
    (generated,) = (one for one in families if one.name == "vllm:generation_tokens")
    assert generated.type == "counter"
    assert {s.labels["model_name"]: s.value for s in generated.samples} == {"a": 5, "b": 6}
