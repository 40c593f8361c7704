"""docs/paper_index.md names code, tests and settings; each of them exists."""

import ast
import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
CONFIGS = sorted((ROOT / "configs").rglob("*.yaml"))


def _rows() -> list[list[str]]:
    lines = (ROOT / "docs" / "paper_index.md").read_text(encoding="utf-8").splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("| ")]
    return cells[1:]  # without the titles


def _named(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def _defined(file: Path) -> set[str]:
    """Functions, classes and constants at the top of ``file``."""
    found = set()
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            found |= {target.id for target in targets if isinstance(target, ast.Name)}
    return found


def _settings() -> set[str]:
    """Keys and file names of all shipped YAMLs."""
    keys = {key for file in CONFIGS for key in yaml.safe_load(file.read_text(encoding="utf-8")) or {}}
    return keys | {file.name for file in CONFIGS}


def test_the_index_has_all_that_the_paper_numbers():
    told = " ".join(row[0] for row in _rows())
    numbered = ["3.2", "3.3", "3.4", "3.5", "4", "6", "Fig. 1", "Eq. 1", "Eq. 4", "Algorithm 1"]
    assert [name for name in numbered if not re.search(rf"(?<![\d.]){re.escape(name)}(?![\d.])", told)] == []
    assert {f"Table {number}" for number in range(1, 9)} <= set(re.findall(r"Table \d", told))


@pytest.mark.parametrize("row", _rows(), ids=lambda row: f"{row[0]}: {row[1]}")
def test_everything_in_a_row_exists(row):
    _, _, code, tests, settings = row
    assert _named(code)
    assert _named(tests)
    for address in _named(code) + _named(tests):
        path, _, name = address.partition(":")
        assert (ROOT / path).is_file(), f"{path} is no file"
        assert not name or name in _defined(ROOT / path), f"{path} defines no {name}"
    assert all(":" in address or address.startswith("tests/") for address in _named(tests))
    assert set(_named(settings)) <= _settings()
