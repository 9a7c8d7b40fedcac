"""Links: addresses of pages that people are sent, by e-mail or on a terminal."""

from dataclasses import dataclass

from infra.settings import Settings


@dataclass(frozen=True, slots=True)
class Links:
    """`base` is what people reach the gateway at, without a slash at the end."""

    base: str

    @classmethod
    def of(cls, settings: Settings) -> "Links":
        if settings.public_url is not None:
            return cls(settings.public_url.rstrip("/"))
        return cls(f"http://{reachable(settings.host)}:{settings.port}")

    @property
    def dashboard(self) -> str:
        return f"{self.base}/dashboard"

    def invitation(self, secret: str) -> str:
        return f"{self.dashboard}/invitation/{secret}"

    def reset(self, secret: str) -> str:
        return f"{self.dashboard}/reset/{secret}"


def reachable(host: str) -> str:
    """Where what listens on all addresses is found on this machine."""
    return "127.0.0.1" if host in ("0.0.0.0", "::") else host  # noqa: S104
