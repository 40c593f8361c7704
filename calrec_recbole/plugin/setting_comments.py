"""The settings of a model with their values and comments, from the YAML files behind them.

Imports no model but one of the user's own.
"""

import ast
import importlib.util
import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path

import yaml

from calrec_recbole.plugin.registry import OURS, is_own, known_bases, known_model, model_class, recbole_models
from calrec_recbole.setting_files import CONFIGS, read_settings

__all__ = ["Setting", "commented_settings", "model_help", "read_comments"]

SHIPPED = Path(str(CONFIGS))
WITHOUT_EPOCHS = ("CALRec", "LIR")  # RecBole's settings of a training by epochs have no effect on them
TRAINING = "Training Settings"  # the section of RecBole's overall.yaml
REFUSED = ("save_dataset", "dataset_save_path", "save_dataloaders", "dataloaders_save_path", "checkpoint_dir")
COLUMN, WIDTH = 34, 118  # where comments begin, and the length of a line
EXPLAINS = 6  # words of a comment that names more than a source

_SETTING = re.compile(r"(\w+):(?=\s|$)")
_MORE = re.compile(r"\s+#\s*(.*)$")  # a comment that goes on, not one inside a mapping
_KIND = re.compile(r"^\([a-z][^)]*\)\s*")  # RecBole's "(int) "


@dataclass(frozen=True)
class Setting:
    """``value`` as YAML, the ``comment`` behind it, ``section``: the comment line above it, the ``file`` it is from."""

    name: str
    value: str
    comment: str
    section: str
    file: Path


def read_comments(file: Path) -> tuple[list[str], list[Setting]]:
    """The lines of the comment at the head of ``file``, and its top-level settings in their order."""
    values = read_settings(file)
    lines = file.read_text(encoding="utf-8").splitlines()
    length = next((number for number, line in enumerate(lines) if not line.startswith("#")), len(lines))
    found: list[Setting] = []
    section = ""
    for line in lines[length:]:
        if line.startswith("#"):
            section = line.removeprefix("#").strip()
        elif (setting := _SETTING.match(line)) and setting[1] in values:
            value, _, comment = line.removeprefix(setting[0]).partition(" #")
            value = value.strip() or yaml.safe_dump(values[setting[1]], default_flow_style=True, width=10_000).strip()
            found.append(Setting(setting[1], value, comment.strip(), section, file))
        elif found and (more := _MORE.match(line)):
            found[-1] = replace(found[-1], comment=f"{found[-1].comment} {more[1]}")
    return [line.removeprefix("#").removeprefix(" ") for line in lines[:length]], found


def commented_settings(model: str, dataset: str = "") -> list[Setting]:
    """Every setting of ``model`` (on ``dataset``) with the value that holds, the model's own first, then those of all.

    Where our comment names no more than a source, RecBole's description stands behind it. Raises ``ConfigError`` for
    an unknown model.
    """
    known_model(model)
    below = _recbole_files(model)
    described = {one.name: _KIND.sub("", one.comment).rstrip(". ") for file in below for one in read_comments(file)[1]}
    # of the models that one of ours is built on, words only
    own = [file for file in below if file.stem in ("overall", model) or is_own(model)]
    files = [*own, *_our_files(model, dataset)]
    chosen: dict[str, Setting] = {}
    for file in files:
        for one in read_comments(file)[1]:
            ours = one.comment if file.is_relative_to(SHIPPED) else ""
            recboles = described.get(one.name, "") if len(ours.split()) < EXPLAINS else ""
            chosen.pop(one.name, None)  # the order is that of the last file
            chosen[one.name] = replace(one, comment="; ".join(part for part in (ours, recboles) if part))
    place = {file: (file.stem == "overall", -number) for number, file in enumerate(files)}
    return sorted((one for one in chosen.values() if _has_effect(one, model)), key=lambda one: place[one.file])


def model_help(model: str, dataset: str = "") -> str:
    """What `run_recbole --model=MODEL --help` prints."""
    told = [f"{model}: settings and their defaults, as --name=value or as `name: value` in a YAML file"]
    file = SHIPPED / "model" / f"{model}.yaml"
    told += ["", *(f"  {line}".rstrip() for line in (read_comments(file)[0] if file.is_file() else ()))]
    for origin, settings in groupby(commented_settings(model, dataset), key=lambda one: one.file):
        told += ["", _origin(origin)]
        for section, rows in groupby(settings, key=lambda one: one.section):
            told += [f"  # {section}"] if section else []
            told += [line for one in rows for line in _shown(one)]
    return "\n".join(told)


def _recbole_files(model: str) -> list[Path]:
    """RecBole's own YAMLs: of all models, of the models that ``model`` is built on, and its own."""
    spec = importlib.util.find_spec("recbole")
    assert spec is not None, "the registry has found it"
    assert spec.submodule_search_locations, "a package"
    folder = Path(spec.submodule_search_locations[0]) / "properties"
    names = [*_bases(model), model]
    return [folder / "overall.yaml"] + [
        file for name in names if name in recbole_models() and (file := folder / "model" / f"{name}.yaml").is_file()
    ]


def _our_files(model: str, dataset: str) -> list[Path]:
    """As the settings of a run are read, later wins."""
    names = [name for name in _bases(model) if name in OURS or is_own(model)]
    files = [
        "overall",
        *(f"model/{name}" for name in (*names, model)),
        f"dataset/{dataset}",
        f"model/{model}-{dataset}",
    ]
    return [file for name in files if (file := SHIPPED / f"{name}.yaml").is_file()]


def _bases(model: str) -> list[str]:
    """Models that the class of ``model`` derives from, the farthest first: of ours read from the source."""
    if is_own(model):
        return known_bases(model_class(model))[::-1]
    if model not in OURS:
        return []
    module, _, name = OURS[model].partition(":")
    spec = importlib.util.find_spec(module)
    assert spec is not None, f"{module} is a module of this package"
    assert spec.origin, "with a file"
    tree = ast.parse(Path(spec.origin).read_text(encoding="utf-8"))
    own = next(node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == name)
    direct = [base.id for base in own.bases if isinstance(base, ast.Name) and base.id in {*OURS, *recbole_models()}]
    return [name for base in direct for name in (*_bases(base), base)]


def _has_effect(one: Setting, model: str) -> bool:
    recboles = not one.file.is_relative_to(SHIPPED)
    by_epochs = one.section == TRAINING and model in WITHOUT_EPOCHS
    unread = one.name == "trim_padding" and is_own(model)
    return not unread and not (recboles and (by_epochs or one.name in REFUSED))


def _origin(file: Path) -> str:
    if file.is_relative_to(SHIPPED):
        return f"configs/{file.relative_to(SHIPPED)}" + (": of every model" if file.stem == "overall" else "")
    return "RecBole's own" + (", of every model" if file.stem == "overall" else f" for {file.stem}")


def _shown(one: Setting) -> Iterator[str]:
    """``  --name=value   comment``, the comment wrapped beside it, below where the value is long."""
    given = f"  --{one.name}={one.value}"
    lines = textwrap.wrap(one.comment, WIDTH - COLUMN, break_long_words=False)
    if len(given) >= COLUMN or not lines:
        yield given
    else:
        yield given.ljust(COLUMN) + lines.pop(0)
    yield from (" " * COLUMN + line for line in lines)
