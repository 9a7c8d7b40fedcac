"""Sign and verify documents of limits: compact JWS of the owner's key (Ed25519 or P-256).

The key that signed is in the payload's header by its thumbprint (`kid`) only: whoever verifies must
know the public key from elsewhere.
"""

from collections.abc import Iterable
from hashlib import sha256
from math import isfinite

import msgspec
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OKPKey

from gateway.plant.commands.errors import CommandLimitsInvalid, CommandLimitsUntrusted
from gateway.plant.commands.values import CommandLimits, PointLimits
from gateway.plant.identifiers.errors import StatementUntrusted
from gateway.plant.identifiers.keys import Key, load_key
from gateway.plant.identifiers.statements import StatementType, key_id, sign, verify

# 1,000 points; statements of identifiers have at most as many bytes.
MAX_BYTES = 64 << 10
_MAX_NUMBER = 1e15
_Kinds = (OKPKey, ECKey)


def read_key(text: str) -> Key:
    """Return an owner's key from PEM or a JWK. Raises CommandLimitsUntrusted."""
    try:
        if text.lstrip().startswith("{"):
            return load_key(msgspec.json.decode(text, type=dict[str, object]))
        jwk = _import_pem(text)
        return load_key(jwk.as_dict(private=jwk.is_private))
    except (StatementUntrusted, msgspec.DecodeError, JoseError, ValueError, TypeError):
        raise CommandLimitsUntrusted(
            "A key must be an Ed25519 or P-256 key in PEM or JWK.", param="key"
        ) from None


def sign_limits(limits: CommandLimits, key: Key) -> str:
    """Return the signed document. Raises CommandLimitsInvalid, CommandLimitsUntrusted."""
    check_limits(limits)
    if not key.jwk.is_private:
        raise CommandLimitsUntrusted("Limits are signed with a private key.", param="key")
    token = sign(StatementType.COMMAND_LIMITS, msgspec.to_builtins(limits), key)
    if len(token) > MAX_BYTES:
        raise CommandLimitsInvalid(f"The signed document has more than {MAX_BYTES:,} bytes.")
    return token


def verify_limits(token: str, keys: Iterable[Key]) -> CommandLimits:
    """Return the limits of a document that one of the keys signed.

    Raises CommandLimitsUntrusted, CommandLimitsInvalid.
    """
    kid = key_id(token[:MAX_BYTES])
    key = next((one for one in keys if one.kid == kid), None)
    if key is None:
        raise CommandLimitsUntrusted("The limits are not signed by a trusted key.", param="limits")
    try:
        payload = verify(StatementType.COMMAND_LIMITS, token, key)
    except StatementUntrusted as error:
        raise CommandLimitsUntrusted(str(error), param="limits") from None
    return _read(payload)


def digest(token: str) -> str:
    """Return the SHA-256 of a signed document in hexadecimal."""
    return sha256(token.encode()).hexdigest()


def check_limits(limits: CommandLimits) -> None:
    """Raise CommandLimitsInvalid for limits that contradict themselves."""
    _check(limits.expires_at > limits.issued_at, "expires_at", "must be after `issued_at`.")
    tags = [point.tag for point in limits.points]
    _check(len(tags) == len(set(tags)), "points", "must name each tag once.")
    for index, point in enumerate(limits.points):
        _check_point(point, f"points[{index}]")


def _check_point(point: PointLimits, at: str) -> None:
    """Raise CommandLimitsInvalid for limits of a point that contradict themselves."""
    stated = (point.minimum, point.maximum, point.max_step, point.tolerance, point.safe_value)
    numbers = [one for one in stated if one is not None]
    is_number = all(isfinite(one) and abs(one) <= _MAX_NUMBER for one in numbers)
    _check(is_number, at, f"must have numbers of at most {_MAX_NUMBER:g}.")
    _check(point.minimum <= point.maximum, f"{at}.minimum", "must not exceed `maximum`.")
    _check(point.max_step is None or point.max_step > 0, f"{at}.max_step", "must be above 0.")
    _check(point.tolerance >= 0, f"{at}.tolerance", "must be 0 or more.")
    has_safe = point.dead_man_s is None or point.safe_value is not None
    _check(has_safe, f"{at}.safe_value", "is required with `dead_man`.")


def _read(payload: object) -> CommandLimits:
    """Return the limits of a verified payload. Raises CommandLimitsInvalid."""
    try:
        limits = msgspec.convert(payload, CommandLimits)
    except msgspec.ValidationError as error:
        raise CommandLimitsInvalid(f"{error}.", param="limits") from None
    check_limits(limits)
    return limits


def _import_pem(text: str) -> OKPKey | ECKey:
    """Return the key of a PEM text. Raises ValueError."""
    for kind in _Kinds:
        try:
            return kind.import_key(text)
        except (ValueError, TypeError, JoseError):
            continue
    raise ValueError("no key of a supported type")


def _check(is_valid: bool, param: str, problem: str) -> None:
    """Raise CommandLimitsInvalid unless a condition holds."""
    if not is_valid:
        raise CommandLimitsInvalid(f"`{param}` {problem}", param=param)
