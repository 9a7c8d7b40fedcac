"""Password hashes for tests with the weakest parameters, because their duration is not tested."""

from argon2 import PasswordHasher

from gateway.identity.passwords import Passwords


def quick_passwords() -> Passwords:
    return Passwords(PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))


QUICK = quick_passwords()
