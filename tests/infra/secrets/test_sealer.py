"""Sealer: sealed bytes open only unchanged, with the same secret and purpose."""

import pytest

from infra.secrets.sealer import SealBroken, Sealer

SEALER = Sealer(b"s" * 32)


@pytest.mark.parametrize("text", ["", "a", "第二步", "x" * 1_000_000])
def test_sealed_text_is_opened_unchanged(text: str) -> None:
    assert SEALER.open(SEALER.seal(text, "totp:1"), "totp:1") == text


def test_sealing_the_same_text_twice_gives_different_bytes() -> None:
    assert SEALER.seal("a", "totp:1") != SEALER.seal("a", "totp:1")


def test_changed_bytes_secret_or_purpose_raise_seal_broken() -> None:
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
