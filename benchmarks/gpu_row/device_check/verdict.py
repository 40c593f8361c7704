"""One check of the device: what was found, what is allowed, and whether it holds."""

from typing import Any

__all__ = ["verdict"]


def verdict(name: str, value: float, limit: float, least: bool = False) -> dict[str, Any]:
    """``value`` may be at most ``limit``, or with ``least`` must be at least that; NaN holds nowhere.

    >>> verdict("gap", 2e-6, 1e-5)["ok"], verdict("share", 0.5, 0.9, least=True)["ok"]
    (True, False)
    """
    return {"name": name, "value": value, "limit": limit, "ok": bool(value >= limit if least else value <= limit)}
