"""Password policy and Argon2id hashing.

Hashing runs in threads, few at a time: each hash needs 64 MiB and most of a core.
"""

import asyncio
import re
import unicodedata
from base64 import b64encode
from secrets import token_bytes

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from infra.errors import AppError

MIN_LENGTH, MAX_LENGTH = 10, 200
_CONCURRENCY, _MAX_WAITING = 2, 64
_KEYBOARD_ROWS = (
    "1234567890qwertyuiopasdfghjklzxcvbnm",
    "abcdefghijklmnopqrstuvwxyz",
    "qwertzuiop",
)
_COMMON_PASSWORDS = re.compile(
    r"(pass(word|wort)?|qwert[yz]|letmein|welcome|admin(istrator)?|iloveyou|changeme|secret|dragon|"
    r"monkey|football|baseball|sunshine|princess|maas|woaini|mima|test|user|login|abc)+"
)


class PasswordInvalid(AppError):
    """The policy rejects the password; `reason` is `short`, `long`, `email` or `common`."""

    status = 400
    type = "invalid_request_error"
    code = "password_unfit"

    def __init__(self, reason: str, message: str) -> None:
        self.reason = reason
        super().__init__(message, param="password")


class SignInBusy(AppError):
    """The queue for password hashing in this process is full."""

    status = 503
    code = "sign_in_busy"


def validate_password(password: str, email: str) -> None:
    """Raise PasswordInvalid if the policy rejects the password.

    The policy checks length and common passwords, not character classes (NIST SP 800-63B).
    """
    plain = _normalize(password[: MAX_LENGTH + 1])
    if len(plain) < MIN_LENGTH:
        raise PasswordInvalid("short", f"Use at least {MIN_LENGTH} characters.")
    if len(plain) > MAX_LENGTH or len(password) > MAX_LENGTH:
        raise PasswordInvalid("long", f"Use at most {MAX_LENGTH} characters.")
    folded = plain.casefold()
    if folded in (email, email.partition("@")[0]):
        raise PasswordInvalid("email", "The password must not be your e-mail address.")
    if _is_common(folded):
        raise PasswordInvalid(
            "common", "This password is easy to guess. Use a phrase of several words."
        )


class Passwords:
    """Hashes and verifies passwords. Create one per process."""

    def __init__(self, hasher: PasswordHasher | None = None) -> None:
        # The second recommended option of RFC 9106, but with one lane: other cores serve calls.
        self._hasher = hasher or PasswordHasher(time_cost=3, memory_cost=64 << 10, parallelism=1)
        self._slots = asyncio.Semaphore(_CONCURRENCY)
        self._waiting = 0
        # Verified against for unknown people, so that the time reveals nothing.
        self._dummy_hash = _random_hash(self._hasher)

    async def hash(self, password: str) -> str:
        """Return the Argon2id hash of a password. Raises SignInBusy."""
        async with _HashingSlot(self):
            return await asyncio.to_thread(self._hasher.hash, _normalize(password))

    async def verify(self, password_hash: str | None, password: str) -> bool:
        """Whether the password matches the hash.

        `password_hash` None (unknown person) takes equally long and is false. Raises SignInBusy.
        """
        usable = password if 0 < len(password) <= MAX_LENGTH else " "
        async with _HashingSlot(self):
            compared_hash = self._dummy_hash if password_hash is None else password_hash
            matches = await asyncio.to_thread(self._verify_sync, compared_hash, _normalize(usable))
        return matches and password_hash is not None and usable is password

    async def rehash_if_outdated(self, password_hash: str, password: str) -> str | None:
        """Return a new hash if `password_hash` has outdated Argon2 parameters, else None."""
        return await self.hash(password) if self._hasher.check_needs_rehash(password_hash) else None

    def _verify_sync(self, password_hash: str, password: str) -> bool:
        """Whether the password matches the hash, computed in the calling thread."""
        try:
            return self._hasher.verify(password_hash, password)
        except (VerificationError, InvalidHashError):
            return False


def _random_hash(hasher: PasswordHasher) -> str:
    """Return a random hash with the hasher's parameters, without the cost of hashing."""
    salt, digest = (
        b64encode(token_bytes(length)).rstrip(b"=").decode()
        for length in (hasher.salt_len, hasher.hash_len)
    )
    costs = f"m={hasher.memory_cost},t={hasher.time_cost},p={hasher.parallelism}"
    return f"$argon2id$v=19${costs}${salt}${digest}"


class _HashingSlot:
    """A slot of the bounded queue for hashing threads."""

    def __init__(self, passwords: Passwords) -> None:
        self._passwords = passwords

    async def __aenter__(self) -> None:
        if self._passwords._waiting >= _MAX_WAITING:
            raise SignInBusy("Sign-in is busy. Try again in a moment.")
        self._passwords._waiting += 1
        try:
            await self._passwords._slots.acquire()
        finally:
            self._passwords._waiting -= 1

    async def __aexit__(self, *_: object) -> None:
        self._passwords._slots.release()


def _normalize(password: str) -> str:
    """Normalize to NFKC, so that input methods agree; replace lone surrogates."""
    plain = unicodedata.normalize("NFKC", password)
    return plain.encode(errors="replace").decode()


def _is_common(folded: str) -> bool:
    """Whether a folded password repeats few characters, or is a keyboard run or common word."""
    letters = re.sub(r"[\W\d_]+", "", folded)
    runs = (row + row for row in _KEYBOARD_ROWS)
    return (
        len(set(folded)) < 5
        or any(folded in run or folded[::-1] in run for run in runs)
        or bool(_COMMON_PASSWORDS.fullmatch(letters))
    )
