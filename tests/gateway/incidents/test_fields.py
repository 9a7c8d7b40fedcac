"""Fields of incidents: what is accepted, and which error names which field."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from gateway.incidents.fields import (
    IncidentInvalid,
    LocalText,
    require_impact,
    require_models,
    require_started_at,
    require_status,
    require_text,
    require_title,
)

NOW = datetime(2026, 11, 30, tzinfo=UTC)


def test_text_in_one_language_is_used_for_both() -> None:
    assert require_title(LocalText(zh=" 接口变慢 ")) == LocalText("接口变慢", "接口变慢")
    assert require_text(LocalText("Slow\nagain", "慢")) == LocalText("Slow\nagain", "慢")


def test_models_are_stripped_and_named_once() -> None:
    assert require_models(["llm", " llm ", "", "vib"]) == ["llm", "vib"]


@pytest.mark.parametrize(
    ("check", "param"),
    [
        (lambda: require_title(LocalText(" ", "")), "title"),
        (lambda: require_title(LocalText("x" * 121)), "title"),
        (lambda: require_title(LocalText("two\nlines")), "title"),
        (lambda: require_text(LocalText("x" * 2001)), "text"),
        (lambda: require_text(LocalText("a\x00b")), "text"),
        (lambda: require_impact("huge"), "impact"),
        (lambda: require_status("open"), "status"),
        (lambda: require_models(["x" * 201]), "models"),
        (lambda: require_models([str(number) for number in range(101)]), "models"),
        (lambda: require_started_at(NOW + timedelta(seconds=1), NOW), "started_at"),
        (lambda: require_started_at(NOW - timedelta(days=31), NOW), "started_at"),
        (lambda: require_started_at(NOW.replace(tzinfo=None), NOW), "started_at"),
    ],
)
def test_invalid_field_is_named(check: Callable[[], object], param: str) -> None:
    with pytest.raises(IncidentInvalid) as caught:
        check()
    assert caught.value.param == param
