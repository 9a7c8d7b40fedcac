"""The password policy, and password hashes."""

import asyncio
import time

import pytest
from argon2 import PasswordHasher

from gateway.identity.passwords import PasswordInvalid, Passwords, SignInBusy, validate_password
from tests.support.passwords import QUICK

EMAIL = "li.wei.zhang@plant.example"


class TestPasswordPolicy:
    @pytest.mark.parametrize(
        "password",
        [
            "three wise turbines",
            "三台聪明的涡轮机转得很快",
            "correcthorse",
            "kF8-wq2!zN",
            "passwords are for people",
            "x1" * 2 + "qrstuvz" * 28,
        ],
    )
    def test_strong_password_is_accepted(self, password: str) -> None:
        validate_password(password, EMAIL)

    @pytest.mark.parametrize(
        ("password", "why"),
        [
            ("", "short"),
            ("kF8-wq2!z", "short"),
            ("a" * 201, "long"),
            ("\ufdfa" * 20, "long"),  # one character that NFKC expands to eighteen
            ("word " * 1_000_000, "long"),
            (EMAIL.upper(), "email"),
            ("li.wei.zhang", "email"),
            ("Password123456", "common"),
            ("1234567890", "common"),
            ("0987654321", "common"),
            ("qwertyuiop", "common"),
            ("ababababab", "common"),
            ("admin-admin-2026", "common"),
        ],
    )
    def test_weak_password_is_rejected_with_a_reason(self, password: str, why: str) -> None:
        with pytest.raises(PasswordInvalid) as caught:
            validate_password(password, EMAIL)
        assert caught.value.reason == why
        assert len(password) < 5 or password not in caught.value.message


class TestPasswordHashes:
    async def test_hash_verifies_only_its_own_password(self) -> None:
        known = await QUICK.hash("three wise turbines")
        assert known.startswith("$argon2id$")
        assert known != await QUICK.hash("three wise turbines")
        assert await QUICK.verify(known, "three wise turbines")
        for other in ("Three wise turbines", "", " ", "three wise turbines" * 100_000, "\ud800"):
            assert not await QUICK.verify(known, other)

    async def test_composed_and_decomposed_unicode_verify_alike(self) -> None:
        known = await QUICK.hash("turbine é très sage")
        assert await QUICK.verify(known, "turbine e\u0301 tre\u0300s sage")

    async def test_missing_or_invalid_hash_verifies_no_password(self) -> None:
        assert not await QUICK.verify(None, "nobody")
        assert not await QUICK.verify("", "nobody")
        assert not await QUICK.verify("not a hash", "nobody")

    async def test_outdated_hash_is_rehashed_once(self) -> None:
        known = await QUICK.hash("three wise turbines")
        assert await QUICK.rehash_if_outdated(known, "three wise turbines") is None
        stronger = Passwords(PasswordHasher(time_cost=2, memory_cost=16, parallelism=1))
        renewed = await stronger.rehash_if_outdated(known, "three wise turbines")
        assert renewed is not None
        assert await stronger.verify(renewed, "three wise turbines")
        assert await stronger.rehash_if_outdated(renewed, "three wise turbines") is None

    async def test_verification_without_a_hash_takes_as_long_as_with_a_hash(self) -> None:
        slow = Passwords(PasswordHasher(time_cost=2, memory_cost=32 << 10, parallelism=1))
        known = await slow.hash("three wise turbines")

        async def seconds(of: str | None) -> float:
            began = time.process_time()
            await slow.verify(of, "some other password")
            return time.process_time() - began

        somebody = min([await seconds(known) for _ in range(5)])
        nobody = min([await seconds(None) for _ in range(5)])
        assert 0.5 < nobody / somebody < 2

    async def test_concurrent_verifications_over_the_limit_raise_sign_in_busy(self) -> None:
        crowd = Passwords(PasswordHasher(time_cost=1, memory_cost=8 << 10, parallelism=1))
        told = await asyncio.gather(
            *(crowd.verify(None, "nobody") for _ in range(100)), return_exceptions=True
        )
        assert 0 < sum(isinstance(one, SignInBusy) for one in told) <= 36
        assert not await crowd.verify(None, "nobody")
