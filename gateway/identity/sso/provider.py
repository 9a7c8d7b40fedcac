"""What all identity providers have in common: their description, the identity, and errors."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass

from infra.errors import AppError


class ProviderUnavailable(AppError):
    """The identity provider did not answer, or not as documented. Trying again may help."""

    status = 502
    type = "api_error"
    code = "login_provider_unavailable"


class IdentityNotVerified(AppError):
    """The identity provider's answer does not prove who the person is."""

    status = 401
    type = "invalid_request_error"
    code = "login_not_verified"


@dataclass(frozen=True, slots=True)
class ExternalIdentity:
    """A person as an identity provider names it: `subject` never changes and is never reused.

    `verified_email` is an address that the provider states to be verified, else None.
    """

    subject: str
    name: str = ""
    verified_email: str | None = None


@dataclass(frozen=True, slots=True)
class SignInAttempt:
    """The secrets of one sign-in at a provider, kept in the browser's encrypted cookie.

    `state` binds the provider's answer to the browser, `nonce` the ID token to the attempt, and
    `verifier` the authorization code to this gateway (PKCE).
    """

    state: str
    nonce: str
    verifier: str
    redirect_uri: str


class IdentityProvider(ABC):
    """A configured identity provider."""

    @abstractmethod
    async def authorization_url(self, attempt: SignInAttempt) -> str:
        """Return the provider's page to send the browser to. Raises ProviderUnavailable."""

    @abstractmethod
    async def identify(
        self, attempt: SignInAttempt, parameters: Mapping[str, str]
    ) -> ExternalIdentity:
        """Return who signed in, from the parameters with which the provider sent the browser back.

        Raises IdentityNotVerified, ProviderUnavailable.
        """


def authorization_code(parameters: Mapping[str, str], name: str = "code") -> str:
    """Return the authorization code. Raises IdentityNotVerified, for example if it was refused."""
    code = parameters.get(name, "")
    if not code or len(code) > 4096:
        raise IdentityNotVerified("The sign-in was cancelled or refused by the provider.")
    return code
