"""What a run reads besides its settings: its data sets, the weights that it starts from, other runs."""

from pathlib import Path

from calrec_recbole.plugin.data.data_settings import SourceSettings
from calrec_recbole.plugin.data.prepared import Prepared, sha256
from calrec_recbole.plugin.own_models import own_files
from calrec_recbole.runs.run_folder import CHECKPOINT, METRICS_FILE

__all__ = ["edited_since_prepare", "input_files", "input_hashes"]

WEIGHTS = (f"{CHECKPOINT}/best/model.safetensors", f"{CHECKPOINT}/model.safetensors", "model.safetensors")


def input_hashes(prepared: Prepared, sources: SourceSettings) -> dict[str, str]:
    """sha256 by file: ``inter`` and ``item`` of the run's own data set, ``CDs.inter``, ``CDs.item`` of others,
    ``pre_model`` for the weights behind ``pre_model_path``, ``rerank_from``, ``rerank_from.1``, ... for the metrics of
    those runs, ``scores`` for a file of scores, ``model``, ``model.1``, ... for the modules of a model of one's own.

    What is missing is left out here: the model says so in its own words.
    """
    found = dict(prepared.hashes)
    for number, file in enumerate(own_files(prepared.config.model_class)):
        found[f"model.{number}" if number else "model"] = sha256(file)
    for other in _others(prepared, sources):
        found |= {f"{other.name}.{kind}": digest for kind, digest in other.hashes.items()}
    scores = Path(str(sources.scores_file))
    found |= {"scores": sha256(scores)} if sources.scores_file and scores.is_file() else {}
    weights = next((file for file in _candidates(str(sources.pre_model_path)) if file.is_file()), None)
    found |= {"pre_model": sha256(weights)} if weights else {}
    for number, file in enumerate(_first_stages(sources)):
        found |= {f"rerank_from.{number}" if number else "rerank_from": sha256(file)} if file.is_file() else {}
    return found


def input_files(prepared: Prepared, sources: SourceSettings) -> list[Path]:
    """Every file whose presence or content decides ``input_hashes``; some may be missing."""
    of_data = [file for one in (prepared, *_others(prepared, sources)) for file in one.files.values()]
    own = own_files(prepared.config.model_class)
    own += [Path(str(sources.scores_file))] if sources.scores_file else []
    return [*of_data, *_candidates(str(sources.pre_model_path)), *_first_stages(sources), *own]


def edited_since_prepare(prepared: Prepared, sources: SourceSettings) -> list[str]:
    """One line for each atomic file that is not as `calrec prepare` wrote it."""
    return [
        f"{file} was edited since prepare: run calrec check --dataset={one.name}"
        for one in (prepared, *_others(prepared, sources))
        for file in one.edited
    ]


def _others(prepared: Prepared, sources: SourceSettings) -> list[Prepared]:
    return [prepared.on(name) for name in sources.datasets if name != prepared.name]


def _first_stages(sources: SourceSettings) -> list[Path]:
    """What a run whose candidates are reranked has come to; its folder may be another place tomorrow."""
    return [Path(name).expanduser() / METRICS_FILE for name in sources.first_stages]


def _candidates(path: str) -> list[Path]:
    """Where the weights of ``path`` may lie: itself, or a file of a run's or a transformers folder."""
    start = Path(path).expanduser()
    return [start, *(start / name for name in WEIGHTS)] if path else []
