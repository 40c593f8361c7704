"""The memory that this machine has, and what is refused because it cannot fit: found out before it is tried."""

import os
import resource
from pathlib import Path

from calrec_recbole.errors import ConfigError

__all__ = ["check_memory", "machine_memory"]

CONTAINER = Path("/sys/fs/cgroup/memory.max")  # Linux: the limit of the container that the process runs in
UNITS = ("bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB")


def machine_memory() -> int:
    """Bytes that a process may have here: of the machine, of its container, or by its own limit."""
    limits = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    if CONTAINER.is_file() and (told := CONTAINER.read_text().strip()).isdigit():
        limits.append(int(told))
    if (own := resource.getrlimit(resource.RLIMIT_AS)[0]) != resource.RLIM_INFINITY:
        limits.append(own)
    return min(limits)


def check_memory(what: str, least: float, advice: str) -> None:
    """Raises ``ConfigError`` where ``least`` bytes, which ``what`` needs in any case, are more than there are."""
    if least > (here := machine_memory()):
        raise ConfigError(f"{what} needs {shown(least)} at least, and this machine has {shown(here)}: {advice}")


def shown(size: float) -> str:
    """
    >>> shown(17), shown(3 * 2**30), shown(2.0**90)
    ('17 bytes', '3 GiB', '1073741824 EiB')
    """
    unit = 0
    while size >= 1024 and unit < len(UNITS) - 1:
        size, unit = size / 1024, unit + 1
    return f"{size:.3g} {UNITS[unit]}" if size < 1000 else f"{size:.0f} {UNITS[unit]}"
