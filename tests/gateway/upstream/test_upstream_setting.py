"""The setting `MAAS_SERVING_URL`: servers for all models or for named models."""

import pytest

from gateway.upstream.server_specs import ServerSpec, parse_upstreams
from infra.settings import SettingsInvalid

A, C = "http://a:1", "http://c:3"
B = "http://b:2"


def test_single_url_serves_every_model() -> None:
    assert parse_upstreams("http://a:1/prefix//") == (ServerSpec("http://a:1/prefix"),)


def test_entries_are_separated_by_commas_or_whitespace() -> None:
    assert parse_upstreams(f" {A}/ ,{B}\n\torg/m.1={C}/,") == (
        ServerSpec(A),
        ServerSpec(B),
        ServerSpec(C, "org/m.1"),
    )


def test_equals_sign_within_url_is_not_a_model_name() -> None:
    assert parse_upstreams("http://a/x=y") == (ServerSpec("http://a/x=y"),)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "no URL"),
        (" , ", "no URL"),
        (f"{A} localhost:8000", "entry 2 is neither"),
        ("m=ftp://a", "entry 1 is neither"),
        ("m=", "entry 1 is neither"),
        (f"={A}", "entry 1 has `=` without a model"),
        ("http://a?x=1", "entry 1 is neither"),
        ("http://:80", "entry 1 has no usable host"),
        ("http://a:99999", "entry 1 has no usable host"),
        ("http://[::1", "entry 1 has no usable host"),
        ("http://me:hunter2@a", "entry 1 holds credentials"),
        (f"m={A},{A},m={A}/", "entry 3 is there twice"),
    ],
)
def test_invalid_serving_url_is_rejected_with_reason(text: str, fault: str) -> None:
    with pytest.raises(SettingsInvalid, match=fault) as caught:
        parse_upstreams(text)
    assert "hunter2" not in caught.value.message
