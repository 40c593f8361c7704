"""What is compared: rows (a label, a model, its settings) on data sets and seeds; from YAML or the command line."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from calrec_recbole.errors import ConfigError, did_you_mean, not_one_of
from calrec_recbole.plugin.registry import known_model
from calrec_recbole.runs.run_folder import model_label
from calrec_recbole.setting_files import config_file, read_settings
from calrec_recbole.stored_files import misfit

__all__ = ["Experiment", "Row", "read_experiment"]

MAPPING = {...: object}
OF_ROW = {  # see ``misfit``
    **{"model": str, "label?": str, "after?": str, "show?": bool, "paper?": str},
    **{"settings?": MAPPING, "config_files?": [str], "datasets?": [str]},
}
OF_EXPERIMENT = {
    **{"name?": str, "title?": str, "paper?": int, "reference?": str, "notes?": [str], "datasets?": [str]},
    **{"seeds?": [int], "models?": [str], "config_files?": [str], "paper_datasets?": {...: str}, "settings?": MAPPING},
}


@dataclass(frozen=True)
class Row:
    """One system of a comparison.

    ``settings`` and ``config_files`` are this row's alone, and every one must be known to its model. ``after`` names a
    row whose run this one starts from (``pre_model_path``): the run on the same data set, or, where that row does not
    run on it, on the first of its ``datasets``. ``first_stage`` names one, or several, whose runs propose the
    candidates (``rerank_from``). ``datasets``: only on these; empty = on all. ``show``: false for a row that is only a
    stage of others. ``paper``: its label in the paper's table, where that differs.
    """

    model: str
    label: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    config_files: Sequence[str] = ()
    after: str = ""
    first_stage: str | Sequence[str] = ""
    datasets: Sequence[str] = ()
    show: bool = True
    paper: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "label", self.label or model_label(self.model))

    @property
    def sources(self) -> dict[str, list[str]]:
        """Setting -> labels of the rows whose runs' folders it names."""
        proposes = list(self.first_stage) if isinstance(self.first_stage, list | tuple) else [str(self.first_stage)]
        found = {"pre_model_path": [self.after], "rerank_from": proposes}
        return {setting: labels for setting, labels in found.items() if any(labels)}

    @property
    def needs(self) -> list[str]:
        """The labels of ``sources``."""
        return [label for labels in self.sources.values() for label in labels]


@dataclass(frozen=True)
class Experiment:
    """``settings`` and ``config_files`` are of all rows: each reaches the models that know it.

    ``paper``: the number of the paper's table whose rows stand beside ours; 0 = the main table's rows of our models.
    ``paper_datasets``: our data set -> the paper's, where the names differ. ``reference``: the label that the tests
    compare with; empty = the best baseline.
    """

    name: str
    title: str = ""
    notes: Sequence[str] = ()
    paper: int = 0
    paper_datasets: Mapping[str, str] = field(default_factory=dict)
    datasets: Sequence[str] = ()
    seeds: Sequence[int] = ()
    models: Sequence[str] = ()
    rows: Sequence[Row] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    config_files: Sequence[str] = ()
    reference: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "rows", (*(Row(model) for model in self.models), *self.rows))
        object.__setattr__(self, "title", self.title or self.name)
        found = [fault for row in self.rows for fault in _faults(row, self.rows)]
        labels = [row.label for row in self.rows]
        for what, values in (("label", labels), ("seed", self.seeds), ("data set", self.datasets)):
            found += [f"{what} {value!r} stands twice" for value, count in Counter(values).items() if count > 1]
        if self.reference:
            found.append(not_one_of("reference", self.reference, labels))
        if found := [fault for fault in found if fault]:
            raise ConfigError(f"{self.name}: {' | '.join(found)}")


def read_experiment(name: str) -> Experiment:
    """The comparison in a YAML file of the user's or, by a bare name such as ``table3``, of ``configs/experiment/``."""
    file = config_file(name)
    found = read_settings(file)
    _check_keys(found, Experiment, OF_EXPERIMENT, f"{file.name}")
    rows = found.pop("rows", [])
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise ConfigError(f"{file.name}: rows must be a list of mappings, such as - {{model: LIR, label: ours}}")
    for row in rows:
        _check_keys(row, Row, OF_ROW, f"{file.name}, row {row.get('label') or row.get('model')}")
    return Experiment(**{"name": Path(file).stem, **found, "rows": [Row(**row) for row in rows]})


def _check_keys(found: Mapping[str, Any], kind: type, shape: Mapping[str, Any], where: str) -> None:
    known = {one.name: one.type for one in fields(kind)}
    for key, value in found.items():
        if key not in known:
            raise ConfigError(f"{where}: unknown key {key!r}{did_you_mean(key, known)}; known: {', '.join(known)}")
        if str(known[key]).removeprefix("collections.abc.").startswith("Sequence") and not isinstance(value, list):
            raise ConfigError(f"{where}: {key}={value!r} must be a list")
    if kind is Row and "model" not in found:
        raise ConfigError(f"{where}: model is missing")
    if fault := misfit(found, {**shape, ...: object}):
        raise ConfigError(f"{where}: {fault}: mend it")


def _faults(row: Row, rows: Sequence[Row]) -> list[str]:
    known_model(row.model)
    others = {other.label: other for other in rows if other is not row}
    for label in row.needs:
        name = "after" if label == row.after else "first_stage"
        if row.label in _reached(label, others):
            return [f"row {row.label!r}: {name}={label!r} starts from this row itself: the rows form a circle"]
        if label not in others:
            return [f"row {row.label!r}: {name}={label!r} is no other row's label{did_you_mean(label, others)}"]
    return []


def _reached(label: str, rows: Mapping[str, Row]) -> set[str]:
    """The labels of the rows that the row ``label`` starts from, directly or not, as far as ``rows`` has them."""
    reached: set[str] = set()
    waiting = [label]
    while waiting:
        one = rows.get(waiting.pop())
        new = set(one.needs) - reached if one else set()
        reached |= new
        waiting += new
    return reached
