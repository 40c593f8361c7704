"""What a study is about: model, data set, fixed settings and space; all of it checked before any trial."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from calrec_recbole.errors import ConfigError
from calrec_recbole.plugin.config import Config
from calrec_recbole.plugin.data.data_settings import SourceSettings
from calrec_recbole.plugin.data.input_hashes import input_hashes
from calrec_recbole.plugin.data.prepared import prepare
from calrec_recbole.plugin.run_settings import RunSettings
from calrec_recbole.runs.run_folder import model_label
from calrec_recbole.setting_files import config_file, hint_for, read_settings
from calrec_recbole.setting_groups import effective, settings_of
from calrec_recbole.tuning.search_space import Space, ends, inside

__all__ = ["VALID_USERS", "TuningRequest"]

VALID_USERS = "valid_users"
OF_TRIALS = (VALID_USERS, "output_dir")  # not of the run that follows
TEXT_FEATURES = "text_features"


@dataclass(frozen=True)
class TuningRequest:
    """``settings`` lie above ``config_files``; trials lie in ``out``, as runs do in ``output_dir``."""

    model: str
    dataset: str
    space: Space
    config_files: Sequence[str] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    out: Path = Path("runs/tuning")

    @property
    def folder(self) -> Path:
        """The study's, and its trials'."""
        return self.out / self.dataset / model_label(self.model)

    def checked(self) -> Config:
        """The settings without the space's. Raises ``ConfigError`` for every value of the space that a run refuses."""
        base = self._config({})
        faults: dict[str, None] = {}
        for name, distribution in self.space.items():
            if name not in base.known:
                faults[f"{name} of the search space is unknown to {self.model}{hint_for(name, base.known)}"] = None
            elif name in self.settings:  # in a file it is the default
                faults[f"--{name} is in the search space too: leave one of them out"] = None
            else:
                faults |= dict.fromkeys(f"search space: {fault}" for fault in self._refused(name, ends(distribution)))
        if faults:
            raise ConfigError(" | ".join(faults))
        return base

    def _refused(self, name: str, values: Sequence[Any]) -> list[str]:
        found = []
        for value in values:
            try:
                self._config({name: value})
            except ConfigError as problem:
                found.append(str(problem))
        return found

    def _config(self, chosen: Mapping[str, Any]) -> Config:
        return Config(self.model, self.dataset, self.config_files, {**self.settings, **chosen})

    @property
    def fixed(self) -> dict[str, Any]:
        """All that the files and the command line say, later wins."""
        merged: dict[str, Any] = {}
        for file in self.config_files:
            merged |= read_settings(config_file(file))
        merged.pop("prepare", None)
        return {**merged, **self.settings}

    def for_the_run(self, base: Config) -> dict[str, Any]:
        """What the run after the study needs beside the chosen values; the users of short trials are not for it."""
        needed = effective(self.fixed, base.groups)
        if "data_path" in self.fixed:
            needed["data_path"] = base.settings["data_path"]
        return {name: value for name, value in needed.items() if name not in (*OF_TRIALS, "model", "dataset")}

    def trial_settings(self, base: Config, chosen: Mapping[str, Any]) -> dict[str, Any]:
        """The overrides of one trial; texts are encoded once for all runs, not once a study."""
        own: dict[str, Any] = {"output_dir": str(self.out), "show_progress": False}
        if "text_cache" in base.known and not base["text_cache"]:
            own["text_cache"] = str(Path(settings_of(RunSettings, base).output_dir) / TEXT_FEATURES)
        shown = {"show_progress": self.settings["show_progress"]} if "show_progress" in self.settings else {}
        return {**self.settings, **own, **shown, **chosen}

    def identity(self, base: Config) -> dict[str, str]:
        """What trials must share to be compared, each as a text: fixed settings that matter, data, ranges."""
        left = {name: value for name, value in base.settings.items() if name not in self.space}
        settings = {name: repr(value) for name, value in sorted(effective(left, base.groups).items())}
        hashes = input_hashes(prepare(base), settings_of(SourceSettings, base))
        ranges = {f"range of {name}": str(one) for name, one in self.space.items()}
        return settings | {f"data {name}": one for name, one in hashes.items()} | ranges

    def defaults(self, base: Config) -> dict[str, Any]:
        """The values that the settings of the space have untuned."""
        return {name: base[name] for name in self.space}

    def first_trial(self, base: Config) -> dict[str, Any]:
        """The defaults, as far as they lie in the space: what is chosen is then no worse on validation."""
        return {name: value for name, value in self.defaults(base).items() if inside(self.space[name], value)}
