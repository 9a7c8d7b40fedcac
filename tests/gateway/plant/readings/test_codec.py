"""Blocks of readings: decoding returns the same bits, and damaged blocks are refused."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.plant.readings.codec import (
    BlockDamaged,
    decode,
    encode,
    encode_for_buffer,
)
from gateway.plant.readings.values import HOUR_US, Series

VALUES = st.one_of(
    st.floats(allow_nan=True, allow_infinity=False),
    st.integers(-(10**6), 10**6).map(lambda value: value / 100),
    st.sampled_from([0.0, -0.0, 1.0, float("nan"), 5e-324, 1.7e308]),
)
READINGS = st.lists(
    st.tuples(
        st.one_of(st.just(1_000_000), st.integers(0, 10**12)),
        VALUES,
        st.sampled_from([0, 0, 0x40000000, 0x80000000, 0xFFFFFFFF]),
        st.booleans(),
    ),
    max_size=150,
)


def same(first: Series, second: Series) -> bool:
    """Whether two series have the same bits; all NaN are one."""
    missing = np.isnan(first.values)
    return (
        np.array_equal(first.times, second.times)
        and np.array_equal(missing, np.isnan(second.values))
        and np.array_equal(
            first.values[~missing].view(np.int64), second.values[~missing].view(np.int64)
        )
        and np.array_equal(first.statuses, second.statuses)
        and np.array_equal(first.revised, second.revised)
    )


@given(READINGS)
def test_decoding_returns_what_was_encoded(readings: list[tuple[int, float, int, bool]]) -> None:
    steps, values, statuses, revised = zip(*readings, strict=True) if readings else ([],) * 4
    series = Series.of(np.cumsum(np.asarray(steps, np.int64)), values, statuses, revised)
    assert same(decode(encode(series)), series)
    assert same(decode(encode_for_buffer(series)), series)


def test_regular_decimal_series_takes_about_a_byte_a_reading() -> None:
    walk = np.round(20 + np.cumsum(np.random.default_rng(1).normal(0, 0.05, 3600)), 2)
    series = Series.of(np.arange(3600) * 1_000_000 + 400_000 * HOUR_US, walk)
    assert len(encode(series)) < 1.2 * len(series)


@pytest.mark.parametrize("count", [0, 1, 2, 3, 65, 100])
def test_truncated_and_changed_blocks_are_refused(count: int) -> None:
    series = Series.of(np.arange(count) * 7, np.sqrt(np.arange(count)))
    for block in (encode(series), encode_for_buffer(series)):
        for damaged in (block[:-1], block[:7], b"", b"\x07" + block[1:], block[:1] + b"\xff" * 80):
            with pytest.raises(BlockDamaged):
                decode(damaged)


def test_claimed_size_does_not_reserve_memory() -> None:
    block = bytearray(encode(Series.of([0, 1], [1.0, 2.0])))
    block[4:8] = (4_000_000_000).to_bytes(4, "little")
    with pytest.raises(BlockDamaged):
        decode(bytes(block))
