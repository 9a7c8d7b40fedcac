"""The counters of several servers as one text, which Prometheus and we ourselves can read."""

from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from serving.text.prometheus import (
    COUNTER_NAMES,
    METRIC_NAMES,
    UNCOUNTED_METRIC,
    merge_texts,
    render_metrics,
    render_uncounted_engines,
)


def counted(model: str, generated: int) -> CollectorRegistry:
    registry = CollectorRegistry()
    for name, value in (("vllm:generation_tokens", generated), ("vllm:prompt_tokens", 1)):
        Counter(name, "Of tokens.", ["model_name"], registry=registry).labels(model).inc(value)
    return registry


def counters(model: str, generated: int) -> str:
    return generate_latest(counted(model, generated)).decode()


def test_one_is_left_as_it_is() -> None:
    text = counters("a", 5)
    assert sorted(merge_texts([text]).splitlines()) == sorted(text.splitlines())
    assert merge_texts([]) == ""


def test_a_metrics_lines_stand_together() -> None:
    """Each type is said once, before the lines that it is of."""
    lines = merge_texts([counters("a", 5), counters("b", 6)]).splitlines()
    types = [line for line in lines if line.startswith("# TYPE")]
    assert len(types) == len(set(types)) == 4
    families = list(text_string_to_metric_families("\n".join(lines)))
    assert len(families) == 4
    (generated,) = (one for one in families if one.name == "vllm:generation_tokens")
    assert generated.type == "counter"
    assert {s.labels["model_name"]: s.value for s in generated.samples} == {"a": 5, "b": 6}


def test_replicas_that_say_the_same_are_two() -> None:
    texts = [render_metrics(counted("a", 5), METRIC_NAMES, replica) for replica in ("x", "y")]
    families = text_string_to_metric_families(merge_texts(texts))
    (generated,) = (one for one in families if one.name == "vllm:generation_tokens")
    assert [sample.value for sample in generated.samples] == [5, 5]
    assert {sample.labels["replica"] for sample in generated.samples} == {"x", "y"}


def test_only_what_is_named_is_told() -> None:
    registry = counted("a", 5)
    Counter("vllm:other", "Of others.", registry=registry)
    Gauge("vllm:num_requests_running", "Of requests.", registry=registry)
    now, after = (render_metrics(registry, names, "x") for names in (METRIC_NAMES, COUNTER_NAMES))
    assert "vllm:other" not in now + after
    assert "vllm:num_requests_running" in now
    # Of one that has ended none is under way.
    assert "vllm:num_requests_running" not in after
    assert 'vllm:generation_tokens_created{model_name="a",replica="x"}' in after


def test_of_how_many_there_are_none() -> None:
    text = merge_texts([render_uncounted_engines("a", 0), render_uncounted_engines('b"\\', 2)])
    (family,) = text_string_to_metric_families(text)
    assert (family.name, family.type) == (UNCOUNTED_METRIC, "gauge")
    assert {s.labels["model_name"]: s.value for s in family.samples} == {"a": 0, 'b"\\': 2}
