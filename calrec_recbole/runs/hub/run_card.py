"""The README.md of a run on a hub: data, recipe, metrics with their bounds under ties, licence."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from huggingface_hub import EvalResult, ModelCard, ModelCardData

from calrec_recbole.runs.hub.weight_delta import Lost
from calrec_recbole.runs.results import ENVIRONMENT_FILE
from calrec_recbole.runs.run_folder import LEFT, METRICS_FILE
from calrec_recbole.setting_files import read_settings
from calrec_recbole.stored_files import read_json

__all__ = ["run_card"]

ADVICE = "give the folder of a finished run"
TEXT = """\
# {model} on {dataset}

A run of [calrec-recbole]({url}): `{model}` on `{dataset}`, seed {seed}.

## Data

`{dataset}`, not in this repository. Its prepared files have the SHA-256
{hashes}.
{users}

## Metrics

Equal scores are ties: `opt` and `pes` are the metric with the target first and last among its ties, `exp` the
expectation under a random order.

{metrics}

## Recipe

`config.yaml` holds every setting, resolved; `environment.json` versions and times; `ranks.parquet` the ranks of each
test user.
{changed}

## Use

```bash
calrec pull --repo={repo} --out=RUN
```

The folder is then a run like one's own. `calrec report` reads it as it is; `calrec recommend --run=RUN --data_path=DIR`
and `calrec_recbole.load_run("RUN", "DIR")` also need the prepared data, in `DIR/{dataset}/`.
{source}{weights}
"""
SOURCE = "The source of `{model}` is not in this repository: its module must be importable there.\n"
WEIGHTS = (
    'The weights alone: `AutoModelForCausalLM.from_pretrained("{repo}", subfolder="checkpoint/best")`, '
    "of the licence of the base model and of the data."
)
DELTA = (
    "The weights are stored as their difference from `{base}` in {bits} bits a number: the error is {difference:.2%} "
    "of the difference, {whole:.3%} of the weights. `calrec pull` adds the two; the metrics above are of the whole "
    "weights."
)


def run_card(run: Path, repo: str, licence: str = "", lost: Lost | None = None, bits: int = 0) -> ModelCard:
    """Makes the card of the finished run in the folder ``run``; ``lost``: where its weights are a delta of ``bits``."""
    settings = read_settings(run / "config.yaml")
    metrics, environment = (read_json(run / name, ADVICE) for name in (METRICS_FILE, ENVIRONMENT_FILE))
    model, dataset, base = settings["model"], settings["dataset"], str(settings.get("backbone", ""))
    hub_id = base.count("/") == 1 and not base.endswith(".gguf") and not Path(base).exists()
    data = ModelCardData(
        base_model=base if hub_id else None,
        library_name="transformers" if base else "recbole",
        license=licence or None,
        tags=["calrec", "recbole", "sequential-recommendation"],
        model_name=f"{model} on {dataset}",
        eval_results=[_result(dataset, name, value) for name, value in metrics["test"].items()] or None,
    )
    weights = ""
    if lost:
        weights = DELTA.format(base=base, bits=bits, difference=lost.of_difference, whole=lost.of_weights)
    elif base:
        weights = WEIGHTS.format(repo=repo)
    text = TEXT.format(
        **{"model": model, "dataset": dataset, "seed": settings["seed"], "repo": repo, "weights": weights},
        source=SOURCE.format(model=model) if ":" in model else "",
        url="https://doi.org/10.1145/3640457.3688121",
        hashes=", ".join(f"`{name}` {value}" for name, value in environment.get("data_sha256", {}).items()),
        users=_users(environment.get("users", {}), metrics.get(LEFT, 0)),
        metrics=_table(metrics),
        changed=_command(environment),
    )
    return ModelCard(f"---\n{data.to_yaml()}\n---\n\n{text}")


def _users(users: Mapping[str, int], left: int) -> str:
    told = f"Users: {users.get('valid', 0):,} validated on, {users.get('test', 0):,} tested"
    return f"{told}; {left:,} of the test users are left out." if left else f"{told}."


def _command(environment: Mapping[str, Any]) -> str:
    return f"\n    {environment['command']}" if environment.get("command") else ""


def _table(metrics: Mapping[str, Any]) -> str:
    names = [*metrics["test"], *(name for name in metrics["valid"] if name not in metrics["test"])]
    rows = [f"| {name} | {_number(metrics['valid'], name)} | {_number(metrics['test'], name)} |" for name in names]
    return "\n".join(["| | validation | test |", "|-|-|-|", *rows])


def _number(values: Mapping[str, float], name: str) -> str:
    return f"{values[name]:.5f}" if name in values else ""


def _result(dataset: str, metric: str, value: float) -> EvalResult:
    return EvalResult(
        task_type="other",
        task_name="Sequential recommendation",
        dataset_type=dataset.lower(),
        dataset_name=dataset,
        dataset_split="test",
        metric_type=metric,
        metric_value=value,
    )
