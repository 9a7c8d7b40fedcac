"""Passwords: which are taken, and their hashes (Argon2id).

Owns the policy and the hashing, which is done in a thread and a few at a time: each takes 64 MiB
and much of a core.
"""

import asyncio
import re
import unicodedata
from base64 import b64encode
from secrets import token_bytes

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from infra.errors import AppError

SHORTEST, LONGEST = 10, 200
_AT_ONCE, _WAITING = 2, 64
_ROWS = ("1234567890qwertyuiopasdfghjklzxcvbnm", "abcdefghijklmnopqrstuvwxyz", "qwertzuiop")
_COMMON = re.compile(
    r"(pass(word|wort)?|qwert[yz]|letmein|welcome|admin(istrator)?|iloveyou|changeme|secret|dragon|"
    r"monkey|football|baseball|sunshine|princess|maas|woaini|mima|test|user|login|abc)+"
)


class PasswordUnfit(AppError):
    """A password that is not taken; `why` is `short`, `long`, `email` or `common`."""

    status = 400
    type = "invalid_request_error"
    code = "password_unfit"

    def __init__(self, why: str, message: str) -> None:
        self.why = why
        super().__init__(message, param="password")


class SignInBusy(AppError):
    """More passwords are to be checked than this process gets done."""

    status = 503
    code = "sign_in_busy"


def require_fit(password: str, email: str) -> None:
    """Raises PasswordUnfit. Length is what counts; no rule says which characters there must be."""
    plain = _normal(password[: LONGEST + 1])
    if len(plain) < SHORTEST:
        raise PasswordUnfit("short", f"A password has at least {SHORTEST} characters.")
    if len(plain) > LONGEST or len(password) > LONGEST:
        raise PasswordUnfit("long", f"A password has at most {LONGEST} characters.")
    folded = plain.casefold()
    if folded in (email, email.partition("@")[0]):
        raise PasswordUnfit("email", "The e-mail address is no password.")
    if _is_common(folded):
        raise PasswordUnfit("common", "Others guess this password soon. Take some words instead.")


class Passwords:
    """Hashes and compares. Build one a process."""

    def __init__(self, hasher: PasswordHasher | None = None) -> None:
        # The second choice of RFC 9106, in one lane: other cores are busy with calls.
        self._hasher = hasher or PasswordHasher(time_cost=3, memory_cost=64 << 10, parallelism=1)
        self._slots = asyncio.Semaphore(_AT_ONCE)
        self._waiting = 0
        # What nobody's password is compared with, so that this takes as long as somebody's.
        self._nobody = _nobodys(self._hasher)

    async def hash(self, password: str) -> str:
        """Raises SignInBusy."""
        async with _Turn(self):
            return await asyncio.to_thread(self._hasher.hash, _normal(password))

    async def fits(self, known: str | None, password: str) -> bool:
        """Whether it is the password; None, of whom nobody knows, takes the same time.

        Raises SignInBusy.
        """
        usable = password if 0 < len(password) <= LONGEST else " "
        async with _Turn(self):
            compared = self._nobody if known is None else known
            right = await asyncio.to_thread(self._verify, compared, _normal(usable))
        return right and known is not None and usable is password

    async def renewed(self, known: str, password: str) -> str | None:
        """The hash by today's parameters, where it was made by others."""
        return await self.hash(password) if self._hasher.check_needs_rehash(known) else None

    def _verify(self, known: str, password: str) -> bool:
        try:
            return self._hasher.verify(known, password)
        except (VerificationError, InvalidHashError):
            return False


def _nobodys(hasher: PasswordHasher) -> str:
    """A hash of these parameters that no password is known for, without the time that one takes."""
    salt, digest = (
        b64encode(token_bytes(length)).rstrip(b"=").decode()
        for length in (hasher.salt_len, hasher.hash_len)
    )
    costs = f"m={hasher.memory_cost},t={hasher.time_cost},p={hasher.parallelism}"
    return f"$argon2id$v=19${costs}${salt}${digest}"


class _Turn:
    """A place in the short queue for the few threads that hash."""

    def __init__(self, passwords: Passwords) -> None:
        self._of = passwords

    async def __aenter__(self) -> None:
        if self._of._waiting >= _WAITING:
            raise SignInBusy("Many people sign in just now. Please try again shortly.")
        self._of._waiting += 1
        try:
            await self._of._slots.acquire()
        finally:
            self._of._waiting -= 1

    async def __aexit__(self, *_: object) -> None:
        self._of._slots.release()


def _normal(password: str) -> str:
    """One text however a keyboard composes it; half of a pair is written as a question mark."""
    plain = unicodedata.normalize("NFKC", password)
    return plain.encode(errors="replace").decode()


def _is_common(folded: str) -> bool:
    letters = re.sub(r"[\W\d_]+", "", folded)
    runs = (row + row for row in _ROWS)
    return (
        len(set(folded)) < 5
        or any(folded in run or folded[::-1] in run for run in runs)
        or bool(_COMMON.fullmatch(letters))
    )
