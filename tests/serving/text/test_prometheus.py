"""Counters of several servers merged into one text in Prometheus format."""

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


def test_merge_of_single_metrics_text_keeps_lines() -> None:
    text = counters("a", 5)
    assert sorted(merge_texts([text]).splitlines()) == sorted(text.splitlines())
    assert merge_texts([]) == ""


def test_merge_of_metrics_texts_groups_lines_by_metric() -> None:
    """Each TYPE line occurs once, before the samples of its metric."""
    lines = merge_texts([counters("a", 5), counters("b", 6)]).splitlines()
    types = [line for line in lines if line.startswith("# TYPE")]
    assert len(types) == len(set(types)) == 4
    families = list(text_string_to_metric_families("\n".join(lines)))
    assert len(families) == 4
    (generated,) = (one for one in families if one.name == "vllm:generation_tokens")
    assert generated.type == "counter"
    assert {s.labels["model_name"]: s.value for s in generated.samples} == {"a": 5, "b": 6}


def test_equal_counters_of_two_replicas_are_separate_samples() -> None:
    texts = [render_metrics(counted("a", 5), METRIC_NAMES, replica) for replica in ("x", "y")]
    families = text_string_to_metric_families(merge_texts(texts))
    (generated,) = (one for one in families if one.name == "vllm:generation_tokens")
    assert [sample.value for sample in generated.samples] == [5, 5]
    assert {sample.labels["replica"] for sample in generated.samples} == {"x", "y"}


def test_only_listed_metrics_are_rendered() -> None:
    registry = counted("a", 5)
    Counter("vllm:other", "Of others.", registry=registry)
    Gauge("vllm:num_requests_running", "Of requests.", registry=registry)
    now, after = (render_metrics(registry, names, "x") for names in (METRIC_NAMES, COUNTER_NAMES))
    assert "vllm:other" not in now + after
    assert "vllm:num_requests_running" in now
    # An ended engine has no running requests.
    assert "vllm:num_requests_running" not in after
    assert 'vllm:generation_tokens_created{model_name="a",replica="x"}' in after


def test_number_of_uncounted_engines_is_rendered_per_model() -> None:
    text = merge_texts([render_uncounted_engines("a", 0), render_uncounted_engines('b"\\', 2)])
    (family,) = text_string_to_metric_families(text)
    assert (family.name, family.type) == (UNCOUNTED_METRIC, "gauge")
    assert {s.labels["model_name"]: s.value for s in family.samples} == {"a": 0, 'b"\\': 2}
