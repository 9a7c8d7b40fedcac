"""Inputs that are nearly right: pieces cut, doubled, swapped, and awkward ones put in."""

import itertools
from collections.abc import Sequence

from hypothesis import strategies as st

_AWKWARD = [
    *(b"\x00", b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xef\xbb\xbf", b"\r", b"\n", b"\r\n", b"\n\n"),
    *(b'"', b"'", b"\\", b"{", b"}", b"[", b"]", b",", b":", b"=", b";", b"--", b"data:"),
    *(b"null", b"true", b"\\u0000", b"NaN", b"-Infinity", b"1e999", b"-0", b"9" * 30, b"\\ud800"),
    *(b'"usage":', b"[DONE]", b"[" * 300, b'{"a":' * 300, b"x" * 5000, "\u202e火".encode()),
]


@st.composite
def mutated(draw: st.DrawFn, seeds: Sequence[bytes]) -> bytes:
    """One of the seeds, changed in up to six places; now and then nothing of it is left."""
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
    """The same in pieces."""
    ends = [0, *sorted(min(place, len(text)) for place in places), len(text)]
    return [text[a:b] for a, b in itertools.pairwise(ends)]


PLACES = st.lists(st.integers(0, 3000), max_size=8)
