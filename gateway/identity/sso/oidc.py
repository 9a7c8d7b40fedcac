"""OpenID Connect: discovery, authorization code with PKCE, and verified ID tokens."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any
from urllib.parse import urlencode, urlsplit

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from joserfc.util import urlsafe_b64encode

from gateway.identity.sso.http import ProviderHttp
from gateway.identity.sso.provider import (
    ExternalIdentity,
    IdentityNotVerified,
    IdentityProvider,
    ProviderUnavailable,
    SignInAttempt,
    authorization_code,
)
from infra.clock import Clock

# Asymmetric signatures only: with a shared secret, whoever knows it could sign any identity.
_ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA"]
_CLOCK_SKEW_S = 60
_DISCOVERY_LIFETIME = timedelta(hours=1)
# Unknown key ids may be invented: keys are not read again more often.
_KEYS_MIN_AGE = timedelta(seconds=30)
_MAX_SUBJECT_LENGTH = 255  # of the specification


@dataclass(frozen=True, slots=True)
class OidcClient:
    """The gateway as a client of an OpenID Connect issuer."""

    issuer: str
    client_id: str
    client_secret: str
    scopes: tuple[str, ...] = ("openid", "email", "profile")


@dataclass(frozen=True, slots=True)
class _Endpoints:
    """The issuer's endpoints from its discovery document."""

    authorization: str
    token: str
    keys: str
    secret_in_body: bool
    read_at: datetime


class OidcProvider(IdentityProvider):
    """An OpenID Connect issuer, with its discovery document and keys in memory."""

    def __init__(self, client: OidcClient, http: ProviderHttp, clock: Clock) -> None:
        self._client = client
        self._http = http
        self._clock = clock
        self._endpoints: _Endpoints | None = None
        self._keys: tuple[datetime, KeySet] | None = None

    async def authorization_url(self, attempt: SignInAttempt) -> str:
        """Return the issuer's authorization page. Raises ProviderUnavailable."""
        endpoints = await self._discover()
        challenge = urlsafe_b64encode(sha256(attempt.verifier.encode()).digest()).decode()
        query = {
            "response_type": "code",
            "client_id": self._client.client_id,
            "redirect_uri": attempt.redirect_uri,
            "scope": " ".join(self._client.scopes),
            "state": attempt.state,
            "nonce": attempt.nonce,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        separator = "&" if urlsplit(endpoints.authorization).query else "?"
        return f"{endpoints.authorization}{separator}{urlencode(query)}"

    async def identify(
        self, attempt: SignInAttempt, parameters: Mapping[str, str]
    ) -> ExternalIdentity:
        """Exchange the code for an ID token and verify it."""
        # RFC 9207: another issuer's answer must not be exchanged here.
        if parameters.get("iss", self._client.issuer) != self._client.issuer:
            raise IdentityNotVerified("The answer is of another issuer.")
        endpoints = await self._discover()
        answer = await self._exchange(endpoints, attempt, authorization_code(parameters))
        id_token = answer.get("id_token")
        if not isinstance(id_token, str):
            raise IdentityNotVerified("The identity provider refused the authorization code.")
        return _identity(await self._verified_claims(endpoints, id_token, attempt.nonce))

    async def _exchange(
        self, endpoints: _Endpoints, attempt: SignInAttempt, code: str
    ) -> dict[str, Any]:
        """Send the authorization code to the token endpoint."""
        client = self._client
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": attempt.redirect_uri,
            "code_verifier": attempt.verifier,
        }
        if endpoints.secret_in_body:
            secrets = {"client_id": client.client_id, "client_secret": client.client_secret}
            return await self._http.post(endpoints.token, data=form | secrets)
        auth = (client.client_id, client.client_secret)
        return await self._http.post(endpoints.token, data=form, auth=auth)

    async def _verified_claims(
        self, endpoints: _Endpoints, id_token: str, nonce: str
    ) -> Mapping[str, Any]:
        """Return the claims of an ID token whose signature, audience and time are right."""
        registry = jwt.JWTClaimsRegistry(
            now=int(self._clock.now().timestamp()),
            leeway=_CLOCK_SKEW_S,
            iss={"essential": True, "value": self._client.issuer},
            aud={"essential": True, "value": self._client.client_id},
            nonce={"essential": True, "value": nonce},
            sub={"essential": True},
            exp={"essential": True},
            iat={"essential": True},
        )
        try:
            claims = (await self._decode(endpoints, id_token)).claims
            registry.validate(claims)
        except (JoseError, ValueError, TypeError) as error:
            raise IdentityNotVerified("The ID token is not valid.") from error
        if claims.get("azp", self._client.client_id) != self._client.client_id:
            raise IdentityNotVerified("The ID token is for another client.")
        return claims

    async def _decode(self, endpoints: _Endpoints, id_token: str) -> jwt.Token:
        """Verify the signature; read the keys again if none fits, as issuers rotate them."""
        keys = await self._read_keys(endpoints, newer=False)
        try:
            return jwt.decode(id_token, keys, algorithms=_ALGORITHMS)
        except (JoseError, ValueError):
            rotated = await self._read_keys(endpoints, newer=True)
            return jwt.decode(id_token, rotated, algorithms=_ALGORITHMS)

    async def _read_keys(self, endpoints: _Endpoints, *, newer: bool) -> KeySet:
        """Return the issuer's keys from memory, or read anew if `newer` and they are old enough."""
        now = self._clock.now()
        if self._keys is not None:
            read_at, keys = self._keys
            if not newer or now - read_at < _KEYS_MIN_AGE:
                return keys
        found = await self._http.get(endpoints.keys)
        try:
            keys = KeySet.import_key_set(_signing_keys(found))  # type: ignore[arg-type]
        except (JoseError, ValueError, TypeError, KeyError) as error:
            raise ProviderUnavailable("The identity provider's keys cannot be read.") from error
        self._keys = now, keys
        return keys

    async def _discover(self) -> _Endpoints:
        """Return the issuer's endpoints, read at most once an hour."""
        now = self._clock.now()
        known = self._endpoints
        if known is not None and now - known.read_at < _DISCOVERY_LIFETIME:
            return known
        url = f"{self._client.issuer.rstrip('/')}/.well-known/openid-configuration"
        self._endpoints = _parse_discovery(self._client.issuer, await self._http.get(url), now)
        return self._endpoints


def _parse_discovery(issuer: str, document: Mapping[str, Any], now: datetime) -> _Endpoints:
    """Return the endpoints of a discovery document. Raises ProviderUnavailable.

    The document's issuer must be the configured one, and its addresses as secure.
    """
    names = ("authorization_endpoint", "token_endpoint", "jwks_uri")
    urls = [document.get(name) for name in names]
    if document.get("issuer") != issuer:
        raise ProviderUnavailable("The discovery document is of another issuer.")
    scheme = urlsplit(issuer).scheme
    if not all(isinstance(url, str) and urlsplit(url).scheme in ("https", scheme) for url in urls):
        raise ProviderUnavailable("The discovery document lacks endpoints with HTTPS.")
    authorization, token, keys = map(str, urls)
    methods = document.get("token_endpoint_auth_methods_supported") or ["client_secret_basic"]
    in_body = "client_secret_basic" not in methods
    return _Endpoints(authorization, token, keys, in_body, now)


def _signing_keys(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return the key set without keys for encryption."""
    keys = [key for key in document["keys"] if key.get("use", "sig") == "sig"]
    return {"keys": keys}


def _identity(claims: Mapping[str, Any]) -> ExternalIdentity:
    """Return the identity of verified claims.

    Only the boolean `true` says that an address is verified; some issuers send the text "false".
    """
    subject = claims["sub"]
    if not isinstance(subject, str) or not 0 < len(subject) <= _MAX_SUBJECT_LENGTH:
        raise IdentityNotVerified("The ID token has no valid subject.")
    email, name = claims.get("email"), claims.get("name")
    verified = claims.get("email_verified") is True and isinstance(email, str)
    return ExternalIdentity(
        subject, name if isinstance(name, str) else "", str(email) if verified else None
    )
