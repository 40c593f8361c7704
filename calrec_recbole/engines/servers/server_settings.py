"""Where the servers of ``generation_engine: openai`` are, and how they are asked."""

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from calrec_recbole.errors import ConfigError, masked
from calrec_recbole.setting_groups import check_ranges, no_effect

__all__ = ["ServerSettings"]


@dataclass(frozen=True)
class ServerSettings:
    """``engine_url``: one address or several, as a list or with commas; ``engine_model``: its name there.

    ``engine_requests`` are in flight at each server. ``engine_patience``: minutes that servers which all fail
    are waited for. None of them changes the distribution of the samples.
    """

    engine_url: str | Sequence[str] = no_effect("")
    engine_model: str = no_effect("")
    engine_requests: int = no_effect(32, within="[1, 4096]")
    engine_patience: float = no_effect(10.0, within="[0, 1e5]")

    def __post_init__(self) -> None:
        check_ranges(self, *(fault for url in self.urls if (fault := _fault(url))))

    @property
    def urls(self) -> list[str]:
        """The addresses without a last ``/v1``, each once."""
        given = self.engine_url.split(",") if isinstance(self.engine_url, str) else list(self.engine_url)
        plain = (str(url).strip().rstrip("/").removesuffix("/v1") for url in given)
        return list(dict.fromkeys(url for url in plain if url))

    def needed(self) -> list[str]:
        """The addresses; ``ConfigError`` where there is none."""
        if not self.urls:
            raise ConfigError(
                "generation_engine=openai needs an address: set engine_url: http://localhost:8000, or several"
            )
        return self.urls


def _fault(url: str) -> str:
    try:
        parts = urlsplit(url)
        if parts.username is not None or ("@" in url and "://" not in url):
            shown = f"***@{url.rpartition('@')[2]}"
            return f"engine_url={shown} holds a name or a password: the key belongs into OPENAI_API_KEY"
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        usable = False
    return "" if usable else f"engine_url={masked(url)!r} must be an address like http://localhost:8000"
