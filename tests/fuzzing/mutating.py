"""Nearly valid inputs: bytes cut, doubled, swapped or replaced by awkward ones; in JSON
also single values replaced, which pass the parser."""

import itertools
import json
from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st

_AWKWARD = [
    *(b"\x00", b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xef\xbb\xbf", b"\r", b"\n", b"\r\n", b"\n\n"),
    *(b'"', b"'", b"\\", b"{", b"}", b"[", b"]", b",", b":", b"=", b";", b"--", b"data:"),
    *(b"null", b"true", b"\\u0000", b"NaN", b"-Infinity", b"1e999", b"-0", b"9" * 30, b"\\ud800"),
    *(b'"usage":', b"[DONE]", b"[" * 300, b'{"a":' * 300, b"x" * 5000, "\u202e火".encode()),
    *(b"%00", b"%ED%A0%80", b"9" * 5000, b"0001-01-01T00:00:00+14:00", b"\xc2\xb2"),
]
# Valid JSON values that some database, date or number type cannot hold.
_VALUES: Sequence[Any] = [
    *("\x00", "a\x00b", "\ud800", "\udc00\ud800", "", " ", "%00", "../..", "'", "9" * 5000),
    *("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "0000-00-00", "2026-02-30"),
    *(2**31, 2**63, -(2**63) - 1, 10**30, -1, 0, 0.1, 1e308, True, None, [], {}, ["\x00"]),
    *({"\x00": "\x00"}, {"a": {"b": ["\ud800"]}}),
]


@st.composite
def mutated(draw: st.DrawFn, seeds: Sequence[bytes]) -> bytes:
    """One of the seeds with up to six changes; sometimes empty."""
    text = draw(st.sampled_from(seeds))
    for _ in range(draw(st.integers(0, 6))):
        start = draw(st.integers(0, len(text)))
        end = draw(st.integers(start, min(len(text), start + 40)))
        match draw(st.integers(0, 4)):
            case 0:
                text = text[:start] + text[end:]
            case 1:
                text = text[:start] + draw(st.sampled_from(_AWKWARD)) + text[start:]
            case 2:
                text = text[:start] + draw(st.sampled_from(_AWKWARD)) + text[end:]
            case 3:
                text = text[:end] + text[start:end] + text[end:]
            case _:
                text = text[:start] + draw(st.binary(max_size=8)) + text[end:]
    return text if draw(st.integers(0, 50)) else draw(st.binary(max_size=200))


def cut(text: bytes, places: Sequence[int]) -> list[bytes]:
    """The bytes, split into pieces."""
    ends = [0, *sorted(min(place, len(text)) for place in places), len(text)]
    return [text[a:b] for a, b in itertools.pairwise(ends)]


PLACES = st.lists(st.integers(0, 3000), max_size=8)


@st.composite
def altered(draw: st.DrawFn, seed: Any) -> bytes:
    """A JSON value with one to three awkward values or names at any depth."""
    value = seed
    for _ in range(draw(st.integers(1, 3))):
        value = _with(draw, value)
    return json.dumps(value).encode()


def _with(draw: st.DrawFn, value: Any) -> Any:
    """The JSON value with one value replaced or one field added."""
    inner = value if isinstance(value, dict | list) and value else None
    if inner is None or not draw(st.integers(0, 9)):
        return draw(st.sampled_from(_VALUES))
    if isinstance(inner, list):
        at = draw(st.integers(0, len(inner) - 1))
        return [*inner[:at], _with(draw, inner[at]), *inner[at + 1 :]]
    if not draw(st.integers(0, 9)):
        return {**inner, draw(st.sampled_from(["\x00", "metadata", "tags", "\ud800"])): _leaf(draw)}
    name = draw(st.sampled_from(sorted(inner)))
    return {**inner, name: _with(draw, inner[name])}


def _leaf(draw: st.DrawFn) -> Any:
    return draw(st.sampled_from(_VALUES))
