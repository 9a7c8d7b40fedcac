"""Limits of the owner decide about each command, whoever sends it."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.plant.commands.checks import (
    check_before_write,
    check_rate,
    check_step,
    check_value,
    is_confirmed,
)
from gateway.plant.commands.documents import digest, read_key, sign_limits, verify_limits
from gateway.plant.commands.errors import CommandLimitsInvalid, CommandLimitsUntrusted
from gateway.plant.commands.values import Refusal
from tests.support.plant.commands import NOW, command, limits, owner_keys, point

BEFORE = timedelta(seconds=30)


class TestCommand:
    def test_command_within_limits_is_allowed(self) -> None:
        assert check_before_write(limits(), command(), (), NOW) is None

    @pytest.mark.parametrize(
        ("fields", "refusal"),
        [
            ({"value": 1.99}, Refusal.VALUE_OUTSIDE),
            ({"value": 6.01}, Refusal.VALUE_OUTSIDE),
            ({"value": float("nan")}, Refusal.VALUE_OUTSIDE),
            ({"value": float("inf")}, Refusal.VALUE_OUTSIDE),
            ({"unit": "kPa"}, Refusal.UNIT_DIFFERS),
            ({"unit": ""}, Refusal.UNIT_DIFFERS),
            ({"tag": "P-102.SP"}, Refusal.POINT_NOT_LISTED),
            ({"not_after": NOW - timedelta(seconds=1)}, Refusal.COMMAND_EXPIRED),
            ({"created_at": NOW + timedelta(hours=1)}, Refusal.CLOCK_DIFFERS),
        ],
    )
    def test_command_outside_limits_is_refused(
        self, fields: dict[str, Any], refusal: Refusal
    ) -> None:
        assert check_before_write(limits(), command(**fields), (), NOW) is refusal

    @pytest.mark.parametrize(
        ("at", "refusal"),
        [
            (NOW + timedelta(days=30), Refusal.LIMITS_EXPIRED),
            (NOW - timedelta(days=1), Refusal.CLOCK_DIFFERS),
        ],
    )
    def test_document_counts_in_its_time_only(self, at: datetime, refusal: Refusal) -> None:
        assert check_before_write(limits(), command(at=at), (), at) is refusal
        assert check_before_write(None, command(), (), NOW) is Refusal.LIMITS_MISSING

    @given(value=st.floats(), lower=st.floats(-1e9, 1e9), upper=st.floats(-1e9, 1e9))
    def test_no_value_outside_the_range_is_allowed(
        self, value: float, lower: float, upper: float
    ) -> None:
        allowed = check_value(command(value), point(minimum=lower, maximum=upper)) is None
        assert allowed == (lower <= value <= upper)


class TestRate:
    def test_second_write_waits_for_the_interval(self) -> None:
        one = point(min_interval_s=60)
        assert check_rate(one, [NOW - BEFORE], NOW) is Refusal.TOO_SOON
        assert check_rate(one, [NOW - 2 * BEFORE], NOW) is None

    def test_writes_of_an_hour_are_counted(self) -> None:
        one = point(max_per_hour=2)
        times = [NOW - timedelta(minutes=61), NOW - timedelta(minutes=59), NOW - BEFORE]
        assert check_rate(one, times, NOW) is Refusal.TOO_MANY
        assert check_rate(one, times[:2], NOW) is None

    def test_clock_set_back_allows_no_further_write(self) -> None:
        later = NOW + timedelta(days=1)
        assert check_rate(point(min_interval_s=1), [later], NOW) is Refusal.TOO_SOON
        assert check_rate(point(max_per_hour=1), [later], NOW) is Refusal.TOO_MANY

    @given(st.lists(st.integers(0, 7_200), max_size=30), st.integers(1, 5))
    def test_no_hour_has_more_writes_than_allowed(self, waits: list[int], most: int) -> None:
        one, at, written = point(max_per_hour=most), NOW, list[datetime]()
        for wait in waits:
            at += timedelta(seconds=wait)
            if check_rate(one, written, at) is None:
                written.append(at)
        for first, end in zip(written, written[most:], strict=False):
            assert end - first >= timedelta(hours=1)


class TestStep:
    @pytest.mark.parametrize(
        ("current", "refusal"),
        [
            (3.5, None),
            (4.5, None),
            (3.4, Refusal.STEP_TOO_LARGE),
            (None, Refusal.VALUE_UNKNOWN),
            (float("nan"), Refusal.VALUE_UNKNOWN),
        ],
    )
    def test_step_is_measured_from_the_value_of_the_device(
        self, current: float | None, refusal: Refusal | None
    ) -> None:
        assert check_step(command(4.0), point(max_step=0.5), current) is refusal

    def test_without_a_step_the_current_value_may_be_unknown(self) -> None:
        assert check_step(command(), point(), None) is None

    def test_value_read_back_as_a_32_bit_float_is_confirmed(self) -> None:
        assert is_confirmed(point(), 4.1, 4.099999904632568)
        assert not is_confirmed(point(), 4.1, 4.11)
        assert is_confirmed(point(tolerance=0.02), 4.1, 4.11)
        assert not is_confirmed(point(), 4.1, None)


class TestDocument:
    def test_signed_document_is_read_with_the_public_key(self) -> None:
        private, public = owner_keys()
        token = sign_limits(limits(), private)
        assert verify_limits(token, [public]) == limits()
        assert len(digest(token)) == 64

    def test_key_that_is_not_trusted_is_refused(self) -> None:
        (private, _), (_, other) = owner_keys(), owner_keys()
        token = sign_limits(limits(), private)
        for keys in ([], [other]):
            with pytest.raises(CommandLimitsUntrusted):
                verify_limits(token, keys)

    @pytest.mark.parametrize("part", [0, 1, 2])
    def test_tampered_document_is_refused(self, part: int) -> None:
        private, public = owner_keys()
        parts = sign_limits(limits(), private).split(".")
        wider = sign_limits(limits(point(maximum=99.0)), private).split(".")
        parts[part] = wider[part] if part else parts[part][:-2] + "AA"
        with pytest.raises(CommandLimitsUntrusted):
            verify_limits(".".join(parts), [public])

    def test_public_key_cannot_sign(self) -> None:
        with pytest.raises(CommandLimitsUntrusted):
            sign_limits(limits(), owner_keys()[1])

    @pytest.mark.parametrize(
        "text", ["", "{}", "-----BEGIN PUBLIC KEY-----", "{", '{"kty": "RSA"}']
    )
    def test_text_that_is_no_key_is_refused(self, text: str) -> None:
        with pytest.raises(CommandLimitsUntrusted):
            read_key(text)

    @pytest.mark.parametrize(
        ("wrong", "param"),
        [
            (limits(point(minimum=7.0)), "points[0].minimum"),
            (limits(point(maximum=float("inf"))), "points[0]"),
            (limits(point(max_step=0.0)), "points[0].max_step"),
            (limits(point(tolerance=-1.0)), "points[0].tolerance"),
            (limits(point(dead_man_s=60.0)), "points[0].safe_value"),
            (limits(point(), point()), "points"),
            (limits(expires_at=NOW - timedelta(days=1)), "expires_at"),
        ],
    )
    def test_contradictory_limits_are_not_signed(self, wrong: Any, param: str) -> None:
        with pytest.raises(CommandLimitsInvalid) as raised:
            sign_limits(wrong, owner_keys()[0])
        assert raised.value.param == param
