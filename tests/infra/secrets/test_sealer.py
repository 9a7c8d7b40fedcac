"""Sealing: opens with the same secret, for the same purpose, unchanged."""

import pytest

from infra.secrets.sealer import SealBroken, Sealer

SEALER = Sealer(b"s" * 32)


@pytest.mark.parametrize("text", ["", "a", "第二步", "x" * 1_000_000])
def test_opens(text: str) -> None:
    assert SEALER.open(SEALER.seal(text, "totp:1"), "totp:1") == text


def test_the_same_twice_looks_different() -> None:
    assert SEALER.seal("a", "totp:1") != SEALER.seal("a", "totp:1")


def test_is_broken() -> None:
    sealed = SEALER.seal("secret", "totp:1")
    changed = sealed[:-1] + bytes([sealed[-1] ^ 1])
    for sealer, one, purpose in (
        (Sealer(b"t" * 32), sealed, "totp:1"),
        (SEALER, sealed, "totp:2"),
        (SEALER, changed, "totp:1"),
        (SEALER, sealed[:-1], "totp:1"),
        (SEALER, sealed[:5], "totp:1"),
        (SEALER, b"", "totp:1"),
    ):
        with pytest.raises(SealBroken):
            sealer.open(one, purpose)
