"""URLs of dashboard pages that are sent by e-mail or printed by the CLI."""

from dataclasses import dataclass

from infra.settings import Settings


@dataclass(frozen=True, slots=True)
class Links:
    """Builds page URLs from the gateway's public base URL, which has no trailing slash."""

    base: str

    @classmethod
    def from_settings(cls, settings: Settings) -> "Links":
        """Use the configured public URL, else the listen address."""
        if settings.public_url is not None:
            return cls(settings.public_url.rstrip("/"))
        return cls(f"http://{connectable_host(settings.host)}:{settings.port}")

    @property
    def dashboard(self) -> str:
        """The URL of the dashboard's start page."""
        return f"{self.base}/dashboard"

    def invitation(self, secret: str) -> str:
        """Return the URL at which the invitation with this secret is accepted."""
        return f"{self.dashboard}/invitation/{secret}"

    def password_reset(self, secret: str) -> str:
        """Return the URL at which the reset link's secret allows a new password."""
        return f"{self.dashboard}/reset/{secret}"


def connectable_host(host: str) -> str:
    """Return a host to connect to on this machine: 127.0.0.1 for a wildcard listen address."""
    return "127.0.0.1" if host in ("0.0.0.0", "::") else host  # noqa: S104
