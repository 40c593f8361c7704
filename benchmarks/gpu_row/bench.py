"""The folder of results: what each phase came to, and the run behind each system."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from calrec_recbole.durable_files import write_json
from calrec_recbole.errors import ConfigError, DataError
from calrec_recbole.plugin.config import Config
from calrec_recbole.plugin.run_identity import resolve
from calrec_recbole.plugin.runner import RunResult, run
from calrec_recbole.report.inputs.finished_runs import Run, read_run
from calrec_recbole.runs.run_folder import users_left
from calrec_recbole.setting_files import read_settings
from gpu_row.systems import System, steps_together

__all__ = ["MODEL", "Bench", "check_same", "settings_before"]

MODEL = "CALRec"
SETTINGS_FILE = "settings.json"


@dataclass(frozen=True)
class Bench:
    """``settings`` are those of all runs, below the systems' own; ``sizes``, of a dry run, lie above both.

    ``longest``: minutes that a training may take.
    """

    out: Path
    dataset: str
    settings: Mapping[str, Any]
    sizes: Mapping[str, Any] = field(default_factory=dict)
    longest: float = math.inf

    def record(self, phase: str) -> dict[str, Any]:
        """What is known of ``phase``; empty where it has not begun."""
        file = self._file(phase)
        return dict(json.loads(file.read_text(encoding="utf-8"))) if file.is_file() else {}

    def keep(self, phase: str, **found: Any) -> dict[str, Any]:
        """Adds ``found`` to what is known of ``phase``, whole or not at all."""
        record = self.record(phase) | found
        write_json(self._file(phase), record)
        return record

    def _file(self, phase: str) -> Path:
        return self.out / "phases" / f"{phase}.json"

    def config(self, files: tuple[str, ...], changes: Mapping[str, Any]) -> Config:
        """The settings of a recipe with ``changes``."""
        return Config(MODEL, self.dataset, list(files), {**self._shared, **changes, **self.sizes})

    def own_settings(self, system: System) -> dict[str, Any]:
        """All that is laid over the recipes of ``system``; the runs that it needs are there."""
        own = {**self._shared, **system.settings}
        if system.after:
            own["pre_model_path"] = str(self.folder_of(system.after))
        own |= self.sizes
        if system.steps_of:
            own |= steps_together([read_settings(self.folder_of(name) / "config.yaml") for name in system.steps_of])
        minutes = self.record(f"train-{system.name}").get("train_minutes")
        return own | ({"train_minutes": minutes} if minutes else {})

    @cached_property
    def _shared(self) -> dict[str, Any]:
        return {**self.settings, "output_dir": str(self.out / "runs")}

    def run_of(self, system: System) -> Path:
        """The folder of its run, which need not be there yet."""
        request = {"model": MODEL, "dataset": self.dataset, "config_files": list(system.files), "shared": {}}
        answer = resolve({**request, "settings": self.own_settings(system)})
        if "error" in answer:
            raise ConfigError(answer["error"])
        return Path(answer["parent"]) / answer["run_id"]

    def start(self, system: System, evaluate_minutes: float) -> RunResult:
        """Its run, from where it stood."""
        own = {**self.own_settings(system), "evaluate_minutes": evaluate_minutes}
        return run(MODEL, self.dataset, list(system.files), own, show=False)

    def folder_of(self, name: str) -> Path:
        """The run of a system that has been trained. Raises ``DataError`` where there is none."""
        for phase in (f"test-{name}", f"train-{name}"):
            folder = self.record(phase).get("folder")
            if folder and users_left(self.out / folder) is not None:
                return self.out / folder
        raise DataError(f"it needs {name}, which is not there")

    def has_run(self, name: str) -> bool:
        """Whether a system has been trained, or tested where it need not be."""
        try:
            return bool(self.folder_of(name))
        except DataError:
            return False

    def read(self, name: str) -> Run:
        """What its run came to."""
        return read_run(self.folder_of(name))


def settings_before(out: Path) -> dict[str, Any]:
    """Those of the rows in ``out``; empty where there is none."""
    file = out / SETTINGS_FILE
    return dict(json.loads(file.read_text(encoding="utf-8"))) if file.is_file() else {}


def check_same(out: Path, settings: Mapping[str, Any]) -> None:
    """Keeps ``settings`` in ``out``. Raises ``ConfigError`` where it holds the rows of others."""
    before = settings_before(out) or settings
    other = [
        f"{name}={before.get(name)} before, now {settings.get(name)}"
        for name in sorted({*before, *settings})
        if before.get(name) != settings.get(name)
    ]
    if other:
        raise ConfigError(f"--out={out} holds rows by other settings ({', '.join(other)}): give another --out")
    write_json(out / SETTINGS_FILE, dict(settings))
