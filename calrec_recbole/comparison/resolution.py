"""Asks ``plugin.run_identity`` in a process of its own, and remembers: comparing finished runs loads no RecBole."""

import hashlib
import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import calrec_recbole
from calrec_recbole.durable_files import write_json
from calrec_recbole.errors import CalrecError, DataError
from calrec_recbole.setting_files import CONFIGS, config_file
from calrec_recbole.stored_files import read_json

__all__ = ["resolve_all"]

ANSWER: dict[Any, Any] = {  # of a run that could be resolved
    **{"stamps": [object], "files": [str], "run_id": str, "parent?": str, "settings?": {...: object}},
    "unknown?": {...: str},
}


def resolve_all(requests: Sequence[Mapping[str, Any]], memory: Path) -> list[dict[str, Any]]:
    """The answers of ``plugin.run_identity``, in order.

    An answer is kept in the folder ``memory`` and stands as long as the request, the YAML files, our code, RecBole's
    version and the data files (size and time of change) are the same.
    """
    keys = [_key(request) for request in requests]
    found = {key: answer for key in keys if (answer := _remembered(memory / f"{key}.json"))}
    missing = {key: request for key, request in zip(keys, requests, strict=True) if key not in found}
    if missing:
        answers = _ask(list(missing.values()))
        for key, answer in zip(missing, answers, strict=True):
            found[key] = answer
            if "error" not in answer:
                write_json(memory / f"{key}.json", answer | {"stamps": _stamps(answer["files"])})
    return [found[key] for key in keys]


def _ask(requests: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "answers.json"
        command = [sys.executable, "-m", "calrec_recbole.plugin.run_identity", str(file)]
        done = subprocess.run(command, input=json.dumps(requests), capture_output=True, text=True)
        if done.returncode:
            reason = (done.stderr.strip().splitlines() or ["no message"])[-1]
            raise CalrecError(f"the settings could not be resolved: {reason}")
        return list(json.loads(file.read_text(encoding="utf-8")))


def _remembered(file: Path) -> dict[str, Any] | None:
    try:
        answer: dict[str, Any] = read_json(file, "", ANSWER)
    except DataError:  # asked anew
        return None
    return answer if answer.pop("stamps") == _stamps(answer["files"]) else None


def _stamps(files: Sequence[str]) -> list[list[int] | None]:
    """Size and time of change of each file, None for one that is not there."""
    found = [Path(file) for file in files]
    return [[file.stat().st_size, file.stat().st_mtime_ns] if file.is_file() else None for file in found]


def _key(request: Mapping[str, Any]) -> str:
    files = [config_file(name).read_text(encoding="utf-8") for name in request["config_files"]]
    text = json.dumps([request, files, str(Path.cwd()), _code()], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:24]


@cache
def _code() -> str:
    """Of everything that decides how settings are resolved."""
    package = Path(str(calrec_recbole.__file__)).parent
    roots = {package, Path(str(CONFIGS)), Path(str(CONFIGS)).parent / "baselines"}
    found = hashlib.sha256(version("recbole").encode())
    for file in sorted(file for root in roots for file in root.rglob("*") if file.suffix in (".py", ".yaml")):
        found.update(file.read_bytes())
    return found.hexdigest()
