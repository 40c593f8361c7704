"""Ranks and metrics of a CALRec run from its samples, later and elsewhere: no weights, no GPU, no run anew."""

import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from calrec_recbole.durable_files import replacing_file, write_text
from calrec_recbole.errors import ConfigError, DataError, must_be_one_of
from calrec_recbole.evaluation import RankTable
from calrec_recbole.plugin.calrec.retriever import BM25_ENGINES, HIERARCHICAL, NONE, RERANK, check_engines
from calrec_recbole.plugin.calrec.sampled_texts import SampledTexts, SampledTextsRanker
from calrec_recbole.plugin.reload import prepared_of_run
from calrec_recbole.reranking.rerank_settings import RerankSettings
from calrec_recbole.retrieval.engine_settings import RetrievalSettings
from calrec_recbole.runs.environment import Cost, environment
from calrec_recbole.runs.results import ENVIRONMENT_FILE, RunResult, write_results
from calrec_recbole.runs.run_folder import METRICS_FILE, SAMPLES_FILE, TRAINED_ON, alone_in, users_left
from calrec_recbole.runs.user_samples import samples_of_users
from calrec_recbole.setting_files import read_settings
from calrec_recbole.setting_groups import settings_of
from calrec_recbole.stored_files import NUMBER, read_json
from calrec_recbole.training.progress import NATS

__all__ = ["rank"]

BY_TEXTS = (*BM25_ENGINES, HIERARCHICAL)
RERANKING = {"rerank_from": "", "rerank_unseen": 0}  # what only a run of retrieval=rerank sets
OF_RANKING = ("command", "versions", "devices", "seconds", "peak_memory_mib")


def rank(
    run_dir: str | Path,
    retrieval: str = "",
    data_path: str | Path | None = None,
    out: str | Path | None = None,
    show_progress: bool = False,
) -> RunResult:
    """Completes the run in ``run_dir`` where it has no ranks, or leaves a run folder ``out`` beside it.

    ``retrieval`` finds the items of the sampled texts; by default the run's own, or lucene where that is none.
    ``data_path`` says where the prepared data sets lie by now. Raises ``ConfigError`` or ``DataError``, in one line.
    """
    run = Path(run_dir)
    own = _own_retrieval(run)
    wanted = _checked(retrieval or (BY_TEXTS[0] if own == NONE else own))
    with alone_in(run):
        place = _place(run, own, Path(out) if out else None)
        return _rank(run, place, own, wanted, data_path, show_progress)


def _rank(
    run: Path, place: Path, own: str, wanted: str, data_path: str | Path | None, show_progress: bool
) -> RunResult:
    cost = Cost()
    tested = samples_of_users(run / SAMPLES_FILE, "test")
    if not tested:
        raise DataError(f"{run}/{SAMPLES_FILE} holds no samples of test users: the run drew none, by its settings")
    changes = {"retrieval": wanted, **RERANKING}
    prepared = prepared_of_run(run, data_path, {**changes, "gpu_id": "", "log_wandb": False})
    config = prepared.config
    check_engines(settings_of(RetrievalSettings, config), settings_of(RerankSettings, config))
    with cost.phase("data"):
        data = prepared.loaders
    with cost.phase("model"):
        ranker = SampledTextsRanker(config, SampledTexts(config, data.train.dataset))
    with cost.phase("evaluate"):
        ranker.gather_lists(data.test)
        ranks = ranker.ranks(data.test, tested, show_progress)
        lists, ranker.lists = ranker.lists, None
        valid = ranker.ranks(data.valid, samples_of_users(run / SAMPLES_FILE, "valid"), show_progress)
    result = _result(run, place, own == wanted, ranks, valid, ranker.metric_names)
    result = replace(result, lists=lists.summary()) if lists else result
    found = environment(ranker.run.seed, ranker.device, prepared.hashes, cost)
    _copy(run, place, changes)
    told = {"retrieval": wanted, "run": str(run), **{name: found[name] for name in OF_RANKING}}
    write_results(place, ranks, (prepared.users, prepared.items), _environment(run, result, told), result, lists)
    return result


def _own_retrieval(run: Path) -> str:
    """How the run found items. Raises ``DataError`` or ``ConfigError`` where it is unfinished, or not CALRec's."""
    if not (run / METRICS_FILE).is_file():
        raise DataError(f"--run={run} is not a finished run: it has no {METRICS_FILE}; run it again")
    settings = read_settings(run / "config.yaml")
    if settings.get("model") != "CALRec":
        raise ConfigError(f"--run={run} is a run of {settings.get('model')}: only CALRec's keep samples to rank")
    return str(settings.get("retrieval"))


def _checked(retrieval: str) -> str:
    hint = "; reranking needs the weights: run_recbole" if retrieval == RERANK else ""
    must_be_one_of("--retrieval", retrieval, BY_TEXTS, hint)
    return retrieval


def _place(run: Path, own: str, out: Path | None) -> Path:
    """Where the results go: the run's folder as long as it has none."""
    if out is None:
        if _metrics(run)["test"]:
            raise ConfigError(f"--run={run} has ranks already, by retrieval={own}: give --out=DIR for others")
        return run
    if out.exists() and any(out.iterdir()):
        raise ConfigError(f"--out={out} is not empty: give a folder that is not there yet")
    return out


def _metrics(run: Path) -> dict[str, Any]:
    shape = {"valid?": {...: NUMBER}, "test?": {...: NUMBER}, ...: object}
    return {"valid": {}, "test": {}, **read_json(run / METRICS_FILE, "run it again", shape)}


def _result(run: Path, place: Path, alike: bool, ranks: RankTable, valid: RankTable, names: list[str]) -> RunResult:
    """The validation's metrics are those of its samples; without them those of the run as far as they still hold."""
    before = _metrics(run)["valid"]
    kept = before if alike else {name: value for name, value in before.items() if name == NATS}
    users = dict(_read_environment(run).get("users", {})) | {"test": len(ranks)}
    if len(valid):
        kept, users["valid"] = valid.summary(names), len(valid)
    return RunResult(place, kept, ranks.summary(names), float("nan"), users, users_left(run) or 0)


def _read_environment(run: Path) -> dict[str, Any]:
    return dict(read_json(run / ENVIRONMENT_FILE, "run it again", {"users?": {...: int}, ...: object}))


def _environment(run: Path, result: RunResult, ranked: Mapping[str, Any]) -> dict[str, Any]:
    """That of the run, with what ranking ran on and cost; packages that only ranking loads are named there."""
    return _read_environment(run) | {"users": result.users, "ranked": dict(ranked)}


def _copy(run: Path, place: Path, changes: dict[str, Any]) -> None:
    """The run's settings with ``changes``; to another ``place`` also its samples and what it was trained on."""
    settings = read_settings(run / "config.yaml") | changes
    if place != run:
        for name in (SAMPLES_FILE, TRAINED_ON):
            if (run / name).is_file():
                with replacing_file(place / name) as temporary:
                    shutil.copyfile(run / name, temporary)
    write_text(place / "config.yaml", yaml.safe_dump(settings, allow_unicode=True))
