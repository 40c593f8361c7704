"""A run's folder to a model hub and back, under the names that its files have here; the card of a data set to it."""

import fnmatch
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from huggingface_hub import HfApi, snapshot_download
from torch import Tensor

from calrec_recbole.backbone import Backbone, load_backbone, read_backbone, save_backbone
from calrec_recbole.data.pipeline import summary_file
from calrec_recbole.durable_files import replacing_folder
from calrec_recbole.errors import CalrecError, ConfigError, DataError
from calrec_recbole.runs.hub.data_card import data_card
from calrec_recbole.runs.hub.run_card import run_card
from calrec_recbole.runs.hub.weight_delta import Lost, add_delta, write_delta
from calrec_recbole.runs.run_folder import CHECKPOINT, METRICS_FILE, TRAINED_ON
from calrec_recbole.setting_files import read_settings
from calrec_recbole.stored_files import one_line

__all__ = ["fetch", "publish", "publish_card"]

# no logs, no samples, which hold texts of the data, and nothing pickled
FILES = ("config.yaml", "environment.json", METRICS_FILE, TRAINED_ON, "ranks.parquet", "curves.csv")
WEIGHTS = ("*.safetensors", "*.json", "*.jinja", "*.txt", "*.model")
BEST = Path(CHECKPOINT, "best")
DELTA_FILE = "delta.safetensors"
OURS = {  # of a push, by kind of repository: what tells it, and what of it goes with the next one
    "model": (METRICS_FILE, [*FILES, f"{CHECKPOINT}/*"]),
    "dataset": (summary_file(Path("*")).name, [summary_file(Path("*")).name]),
}
GIT = ".gitattributes"  # of a new repository


def publish(
    run: Path,
    repo: str,
    *,
    licence: str = "",
    private: bool = True,
    bits: int = 0,
    replace: bool = False,
    endpoint: str | None = None,
) -> tuple[str, Lost | None]:
    """Uploads the finished ``run`` to ``repo`` (``name/of-it``), made where it is missing; the address of the commit.

    An earlier push goes; other files of the repository only with ``replace``. With ``bits`` the weights go as their
    difference from the run's ``backbone``; what that loses comes second. Raises ``DataError`` (no finished run),
    ``ConfigError`` (what the hub refuses, a repository of other files, a run without a public base) or
    ``BackboneError``.
    """
    if not (run / METRICS_FILE).is_file():
        raise DataError(f"--run={run} holds no {METRICS_FILE}: give the folder of a finished run")
    with tempfile.TemporaryDirectory(prefix="calrec-push-") as name:
        folder = Path(name)
        _copy(run, folder)
        lost = _to_delta(run, folder, bits) if bits else None
        run_card(run, repo, licence, lost, bits).save(folder / "README.md")
        return _upload(folder, repo, "model", f"Run {run.name}", private, replace, endpoint), lost


def publish_card(
    data: Path,
    repo: str,
    *,
    licence: str = "",
    private: bool = True,
    replace: bool = False,
    endpoint: str | None = None,
) -> str:
    """Uploads the card and the summary of the prepared data set in the folder ``data``, not the data; the address.

    ``repo`` is one of data sets; ``replace`` as of ``publish``. Raises ``DataError`` (no such data set) or
    ``ConfigError`` (what the hub refuses, a repository of other files).
    """
    with tempfile.TemporaryDirectory(prefix="calrec-push-") as name:
        folder = Path(name)
        data_card(data, licence).save(folder / "README.md")
        shutil.copy(summary_file(data), folder)
        return _upload(folder, repo, "dataset", f"Card of {data.name}", private, replace, endpoint)


def fetch(repo: str, out: Path, *, revision: str | None = None, base: str = "", endpoint: str | None = None) -> None:
    """Makes the run folder ``out`` of what ``publish`` left at ``repo``; it is whole or absent.

    A difference is added to ``base``, by default the ``backbone`` of the run. Raises as ``publish`` does, and
    ``ConfigError`` where ``base`` is given for whole weights.
    """
    if out.exists():
        raise ConfigError(f"--out={out} exists: give another folder")
    out.parent.mkdir(parents=True, exist_ok=True)
    with replacing_folder(out) as folder:
        with _hub(repo):
            snapshot_download(repo, revision=revision, local_dir=folder, endpoint=endpoint)
        shutil.rmtree(folder / ".cache", ignore_errors=True)
        if not (folder / METRICS_FILE).is_file():
            raise DataError(f"--repo={repo} holds no {METRICS_FILE}: it was not pushed by calrec")
        if (folder / BEST / DELTA_FILE).is_file():
            _from_delta(folder, base)
        elif base:
            raise ConfigError(f"--base={base} is for a difference, and --repo={repo} has whole weights: leave it out")


def _upload(folder: Path, repo: str, kind: str, told: str, private: bool, replace: bool, endpoint: str | None) -> str:
    known, of_ours = OURS[kind]
    with _hub(repo):
        api = HfApi(endpoint=endpoint)
        api.create_repo(repo, repo_type=kind, private=private, exist_ok=True)
        there = [name for name in api.list_repo_files(repo, repo_type=kind) if name != GIT]
        if there and not replace and not fnmatch.filter(there, known):
            raise ConfigError(
                f"--repo={repo} holds other files ({there[0]} and {len(there) - 1} more): give an empty or a new one, "
                "or --replace, by which they go"
            )
        goes = "*" if replace else of_ours
        commit = api.upload_folder(
            repo_id=repo, repo_type=kind, folder_path=folder, commit_message=told, delete_patterns=goes
        )
    return str(commit.commit_url)


def _copy(run: Path, folder: Path) -> None:
    kept = [run / name for name in FILES]
    kept += [file for pattern in WEIGHTS for file in sorted((run / CHECKPOINT).rglob(pattern))]
    for file in kept:
        if file.is_file():
            (folder / file.relative_to(run)).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, folder / file.relative_to(run))


def _to_delta(run: Path, folder: Path, bits: int) -> Lost:
    base = _base(run, "")
    tuned = read_backbone(run / BEST, samples=False)
    lost = write_delta(_weights(base), _weights(tuned), folder / BEST / DELTA_FILE, bits)
    for file in (folder / BEST).glob("model*"):
        file.unlink()
    return lost


def _from_delta(folder: Path, given: str) -> None:
    file = folder / BEST / DELTA_FILE
    backbone = _base(folder, given)
    own = _weights(backbone)
    for name, value in add_delta(own, file).items():
        own[name].copy_(value)  # the model's own memory
    kept = {path: path.read_bytes() for path in (folder / BEST).iterdir() if path != file}  # the tokenizer, as it was
    save_backbone(backbone, folder / BEST)
    for path, data in kept.items():
        path.write_bytes(data)
    file.unlink()


def _base(run: Path, given: str) -> Backbone:
    source = given or str(read_settings(run / "config.yaml").get("backbone") or "")
    if source in ("", "scratch"):
        raise ConfigError(f"--delta needs a run whose backbone others have, not backbone={source!r}: push without it")
    return load_backbone(source, samples=False)


def _weights(backbone: Backbone) -> dict[str, Tensor]:
    """Without those that are others under a second name."""
    tied = backbone.model.all_tied_weights_keys
    return {name: value for name, value in backbone.model.state_dict().items() if name not in tied}


@contextmanager
def _hub(repo: str) -> Iterator[None]:
    """Turns what the hub's client raises into one line."""
    try:
        yield
    except CalrecError:
        raise
    except Exception as problem:
        raise ConfigError(
            f"--repo={repo}: the hub refuses or is not reached ({one_line(problem)}): check the name, "
            "`hf auth login`, and HF_ENDPOINT for a hub of your own"
        ) from problem
