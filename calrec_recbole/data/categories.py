"""The data sets that `configs/dataset/*.yaml` describes: raw file stem, root of the category path, sampling."""

from dataclasses import dataclass, fields
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml

from calrec_recbole.errors import ConfigError, did_you_mean

__all__ = ["PUBLISHED_AT", "Category", "category", "known_categories", "missing_dataset_message"]

PUBLISHED_AT = {  # release -> the page that publishes its raw files
    2023: "https://amazon-reviews-2023.github.io/",
    2018: "https://nijianmo.github.io/amazon/",
    2014: "https://jmcauley.ucsd.edu/data/amazon/index_2014.html",
}


@dataclass(frozen=True)
class Category:
    """The ``prepare:`` mapping of a dataset YAML; ``name`` is the file's name.

    ``stem``: raw files are `<stem>_5.json.gz` and `meta_<stem>.json.gz`. ``root``: cut off category paths (None: the
    first part is). ``user_fraction`` in (0, 1], drawn with ``user_seed``. ``ties``: how repeats at one time are found,
    `file` (in the order of the file) or `item` (see ``dedup``). ``release``: one of
    ``PUBLISHED_AT``.
    """

    name: str
    stem: str
    root: str | None = None
    category_source: str = "main_cat"
    user_fraction: float = 1.0
    user_seed: int = 0
    ties: str = "file"
    release: int = 2018


def _category(name: str, settings: dict[str, Any]) -> Category:
    known = {field.name for field in fields(Category)} - {"name"}
    for key in settings:
        if key not in known:
            raise ConfigError(f"dataset/{name}.yaml: unknown key 'prepare.{key}'{did_you_mean(key, known)}")
    return Category(name=name, **settings)


@cache
def known_categories() -> dict[str, Category]:
    """Name -> category, of every shipped dataset YAML that has a ``prepare:`` mapping, in order of name."""
    folder = files("calrec_recbole.configs") / "dataset"
    found = {}
    for file in sorted(folder.iterdir(), key=lambda file: file.name):
        name, _, suffix = file.name.rpartition(".")
        settings = yaml.safe_load(file.read_text(encoding="utf-8")) if suffix == "yaml" else None
        if settings and "prepare" in settings:
            found[name] = _category(name, settings["prepare"])
    return found


def category(name: str) -> Category:
    """The category of a short name or of a raw file stem, upper and lower case alike.

    Raises:
        ConfigError: there is none; names the nearest.
    """
    known = known_categories()
    names = {stem.lower(): short for short, stem in ((c.name, c.stem) for c in known.values())}
    names |= {short.lower(): short for short in known}
    if name.lower() not in names:
        near = did_you_mean(name, [*known, *(c.stem for c in known.values())]) or f"; known are {', '.join(known)}"
        raise ConfigError(f"--category={name} is not a known category{near} (for files of your own: --reviews=FILE)")
    return known[names[name.lower()]]


def missing_dataset_message(name: str, data_path: str | Path) -> str:
    """One line for a data set without prepared files: the command to run and where raw files are published."""
    folder = Path(data_path) / name
    known = known_categories()
    if name not in known:
        if name.endswith("2023"):
            command = f"calrec prepare --category={name[:-4]} --release=2023 --download --out={data_path}"
            return f"--dataset={name}: no {folder / name}.inter; of the Amazon reviews of 2023: run `{command}`"
        near = did_you_mean(name, known)
        return f"--dataset={name}: no {folder / name}.inter and no such Amazon category{near}"
    command = f"calrec prepare --category={name} --raw=DIR --out={data_path}"
    page = PUBLISHED_AT[known[name].release]
    download = ", or with --download added it fetches them" if known[name].release == 2018 else ""
    return f"--dataset={name}: no {folder / name}.inter; run `{command}` (raw files: {page}{download})"
