"""Passwords: which are taken, and their hashes."""

import asyncio
import time

import pytest
from argon2 import PasswordHasher

from gateway.identity.passwords import PasswordInvalid, Passwords, SignInBusy, validate_password
from tests.support.passwords import QUICK

EMAIL = "li.wei.zhang@plant.example"


class TestPolicy:
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
    def test_taken(self, password: str) -> None:
        validate_password(password, EMAIL)

    @pytest.mark.parametrize(
        ("password", "why"),
        [
            ("", "short"),
            ("kF8-wq2!z", "short"),
            ("a" * 201, "long"),
            ("\ufdfa" * 20, "long"),  # one letter of which NFKC makes eighteen
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
    def test_refused(self, password: str, why: str) -> None:
        with pytest.raises(PasswordInvalid) as caught:
            validate_password(password, EMAIL)
        assert caught.value.reason == why
        assert len(password) < 5 or password not in caught.value.message


class TestHashes:
    async def test_fits_itself_only(self) -> None:
        known = await QUICK.hash("three wise turbines")
        assert known.startswith("$argon2id$")
        assert known != await QUICK.hash("three wise turbines")
        assert await QUICK.verify(known, "three wise turbines")
        for other in ("Three wise turbines", "", " ", "three wise turbines" * 100_000, "\ud800"):
            assert not await QUICK.verify(known, other)

    async def test_is_one_however_a_keyboard_composes_it(self) -> None:
        known = await QUICK.hash("turbine é très sage")
        assert await QUICK.verify(known, "turbine e\u0301 tre\u0300s sage")

    async def test_nobody_and_a_broken_hash_fit_nothing(self) -> None:
        assert not await QUICK.verify(None, "nobody")
        assert not await QUICK.verify("", "nobody")
        assert not await QUICK.verify("not a hash", "nobody")

    async def test_is_made_anew_where_parameters_changed(self) -> None:
        known = await QUICK.hash("three wise turbines")
        assert await QUICK.rehash_if_outdated(known, "three wise turbines") is None
        stronger = Passwords(PasswordHasher(time_cost=2, memory_cost=16, parallelism=1))
        renewed = await stronger.rehash_if_outdated(known, "three wise turbines")
        assert renewed is not None
        assert await stronger.verify(renewed, "three wise turbines")
        assert await stronger.rehash_if_outdated(renewed, "three wise turbines") is None

    async def test_nobody_takes_as_long_as_somebody(self) -> None:
        slow = Passwords(PasswordHasher(time_cost=2, memory_cost=32 << 10, parallelism=1))
        known = await slow.hash("three wise turbines")

        async def seconds(of: str | None) -> float:
            began = time.process_time()
            await slow.verify(of, "some other password")
            return time.process_time() - began

        somebody = min([await seconds(known) for _ in range(5)])
        nobody = min([await seconds(None) for _ in range(5)])
        assert 0.5 < nobody / somebody < 2

    async def test_a_crowd_is_told_to_come_again(self) -> None:
        crowd = Passwords(PasswordHasher(time_cost=1, memory_cost=8 << 10, parallelism=1))
        told = await asyncio.gather(
            *(crowd.verify(None, "nobody") for _ in range(100)), return_exceptions=True
        )
        assert 0 < sum(isinstance(one, SignInBusy) for one in told) <= 36
        assert not await crowd.verify(None, "nobody")
