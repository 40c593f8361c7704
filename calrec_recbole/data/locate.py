"""Where the raw files of a category lie."""

from pathlib import Path

from calrec_recbole.errors import DataError

__all__ = ["find_metadata", "find_reviews", "raw_stem"]

SUFFIXES = (".json.gz", ".json")


def raw_stem(reviews: Path) -> str:
    """`reviews_Beauty_5.json.gz` -> `Beauty`: the name without suffix, 5-core mark, the 2014 release's prefix and the
    part of an official split of 2023."""
    name = reviews.name
    for suffix in (".gz", ".json", ".jsonl", ".csv", ".train", ".valid", ".test", "_5"):
        name = name.removesuffix(suffix)
    return name.removeprefix("reviews_")


def _find(folders: list[Path], names: list[str]) -> list[Path]:
    """The files of the first of ``names`` that is in any of ``folders``."""
    for name in names:
        found = [folder / name for folder in folders if (folder / name).is_file()]
        if found:
            return found
    return []


def _with_children(folder: Path) -> list[Path]:
    return [folder, *sorted(child for child in folder.iterdir() if child.is_dir())]


def find_reviews(folder: Path, stem: str) -> Path:
    """The reviews of ``stem`` in ``folder`` or one level below; the 5-core file comes before the full one.

    Raises:
        DataError: no such folder or file, or the same file in several folders.
    """
    if not folder.is_dir():
        raise DataError(f"--raw={folder} is not a folder; give the one that holds {stem}_5.json.gz, or add --download")
    cores = [f"{prefix}{stem}_5{suffix}" for suffix in SUFFIXES for prefix in ("", "reviews_")]
    found = _find(_with_children(folder), [*cores, *(stem + suffix for suffix in SUFFIXES)])
    if not found:
        raise DataError(
            f"no {stem}_5.json.gz (or {stem}_5.json, {stem}.json.gz, {stem}.json) in --raw={folder} or one level below"
            "; give another --raw, --reviews=FILE, or add --download"
        )
    if len(found) > 1 and found[0].parent != folder:
        raise DataError(f"{found[0]} and {found[1]} both match; choose one by --reviews=FILE")
    return found[0]


def find_metadata(folders: list[Path], stem: str) -> Path | None:
    """`meta_<stem>` as `.json` or `.jsonl`, plain or gzipped, in the first of ``folders`` that has it, else None."""
    for folder in folders:
        found = _find([folder], [f"meta_{stem}{suffix}" for suffix in (*SUFFIXES, ".jsonl.gz", ".jsonl")])
        if found:
            return found[0]
    return None
