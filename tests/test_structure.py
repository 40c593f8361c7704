"""The direction of imports, what importing costs, and the names that others may rely on (design.md)."""

import ast
import importlib
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "calrec_recbole"
KNOW_RECBOLE = {"plugin", "baselines", "cli", "comparison"}

BESIDE = ("errors", "durable_files", "setting_groups")  # what every room may import
ROOMS = {  # a room -> the rooms it may import, beside those and itself
    "prompts": set(),
    "losses": set(),
    "fusion": set(),
    "evaluation": set(),
    "data": {"configs", "prompts"},
    "catalogue": {"prompts"},
    "examples": {"prompts"},
    "backbone": {"generation", "prompts"},
    "two_tower": {"examples"},
    "paper": {"data"},
    "report": {"data", "evaluation", "paper", "runs"},
    "retrieval": {"fusion", "prompts"},
    "engines": {
        *("attention", "backbone", "examples", "fusion", "generation", "inference", "losses", "recommender"),
        *("retrieval", "training", "two_tower"),
    },
    "attention": set(),
    "generation": {"attention"},
    "training": {"attention", "backbone", "examples", "generation", "losses", "two_tower"},
    "experimental": {"reranking"},
    "reranking": {"backbone", "examples", "generation", "training", "two_tower"},
    "inference": {"fusion", "generation"},
    "recommender": {"backbone", "catalogue", "examples", "fusion", "generation", "inference"},
    "runs": {"inference", "recommender", "training"},
}

PUBLIC = {
    "calrec_recbole.prompts": {"item_text": ["attributes"], "user_prompt": ["item_texts"]},
    "calrec_recbole.losses": {
        "info_nce": ["users", "items", "temperature"],
        "calrec_loss": ["nig", "tt", "ut", "alpha", "beta"],
    },
    "calrec_recbole.fusion": {"quasi_round_robin": ["scores", "logprobs", "epsilon"]},
    "calrec_recbole.evaluation": {
        "tie_ranks": ["scores", "targets"],
        "ndcg": ["ranks", "k"],
        "recall": ["ranks", "k"],
        "reciprocal_rank": ["ranks", "k"],
    },
    "calrec_recbole.retrieval": {"LuceneBM25": ["texts", "k1", "b"], "OkapiBM25": ["texts", "k1", "b", "tokenize"]},
    "calrec_recbole.data": {"drop_consecutive_duplicates": ["events"]},
    "calrec_recbole.generation": {
        "sample": ["model", "prompts", "n", "temperature", "max_new_tokens", "generator"],
    },
}


def imports(file: Path) -> set[str]:
    """Dotted names of everything that ``file`` imports, at any depth."""
    names = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
    return names


def files_of(room: str) -> list[Path]:
    folder = PACKAGE / room
    return sorted(folder.rglob("*.py")) if folder.is_dir() else [PACKAGE / f"{room}.py"]


def test_every_room_is_listed():
    rooms = {path.stem for path in PACKAGE.iterdir() if path.suffix == ".py" or (path / "__init__.py").is_file()}
    assert rooms - KNOW_RECBOLE - {"__init__", *BESIDE} == set(ROOMS)


@pytest.mark.parametrize("room", sorted(ROOMS))
def test_the_core_imports_only_what_lies_before_it_and_never_recbole(room):
    allowed = ROOMS[room] | {room, *BESIDE}
    for file in files_of(room):
        for name in imports(file):
            top, _, rest = name.partition(".")
            assert top not in {"recbole", "ray"}, f"{file.name} imports {name}"
            assert top != "calrec_recbole" or not rest or rest.split(".")[0] in allowed, f"{file.name} imports {name}"


def test_importing_the_package_is_light():
    heavy = ["recbole", "ray", "jnius", "torch", "transformers", "pandas", "numba"]
    code = f"import sys, calrec_recbole; print([name for name in {heavy} if name in sys.modules])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


@pytest.mark.parametrize("module", sorted(PUBLIC))
def test_public_names_and_their_arguments_stand(module):
    found = importlib.import_module(module)
    for name, arguments in PUBLIC[module].items():
        assert name in found.__all__
        parameters = list(inspect.signature(getattr(found, name)).parameters)
        assert parameters[: len(arguments)] == arguments


def test_no_room_is_named_by_nothing():
    nothing = {"utils", "helpers", "common", "misc"}
    assert not [path for path in PACKAGE.rglob("*.py") if path.stem in nothing]
