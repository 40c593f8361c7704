"""The README.md of fine-tuned weights, with the metadata header that model hubs read."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from huggingface_hub import EvalResult, ModelCard, ModelCardData

from calrec_recbole.training.settings import TrainingSettings

__all__ = ["model_card"]

TEXT = """\
# CALRec on {dataset}

{base}, fine-tuned to write the text of a user's next item by the objective of CALRec
([Li et al., RecSys '24](https://doi.org/10.1145/3640457.3688121)) with calrec-recbole.

- Data: the training part of `{dataset}` (leave-one-out: each user's last two items are held out).
- State: step {step} of at most {train_steps}, the best on validation so far.
- Backbone: `{backbone}`; {parameters:,} parameters.

## Validation

{valid}

## Objective and training

{objective}

## Use

The folder is a plain transformers checkpoint:

```python
from transformers import AutoModelForCausalLM, AutoTokenizer

model = AutoModelForCausalLM.from_pretrained("path/to/this/folder")
tokenizer = AutoTokenizer.from_pretrained("path/to/this/folder")
```

With the catalogue, the sampling and the retrieval around it, from the run's folder (two above this one):

```python
from calrec_recbole.plugin.reload import load_run

model = load_run("path/to/run")[1]
for item in model.recommender.recommend(["<item id>", "<item id>"], k=10):
    print(item.item_id, item.score, item.text)
```

Prompts follow the template of section 3.2, spans tokenised one by one (`calrec_recbole.prompts`,
`calrec_recbole.examples`). Another training starts from these weights with `--backbone=path/to/this/folder`.
The licence is that of the base model and of the data.
"""


def model_card(settings: Mapping[str, Any], parameters: int, state: dict[str, Any]) -> ModelCard:
    """Makes the card of weights of ``parameters`` numbers: ``state`` holds their ``step`` and, after a validation,
    ``valid`` (metrics by name), ``nats`` (a held-out item) and ``users`` (on how many).
    """
    backbone, measured = str(settings["backbone"]), dict(state.get("valid", {}))
    if measured:
        measured["nats_per_item"] = state["nats"]
    hub_id = backbone.count("/") == 1 and not backbone.endswith(".gguf") and not Path(backbone).exists()
    data = ModelCardData(
        base_model=backbone if hub_id else None,
        library_name="transformers",
        pipeline_tag="text-generation",
        tags=["calrec", "recbole", "sequential-recommendation"],
        model_name=f"CALRec on {settings['dataset']}",
        eval_results=[_result(settings["dataset"], name, value) for name, value in measured.items()] or None,
    )
    rows = "\n".join(f"| {name} | {value:.5f} |" for name, value in measured.items())
    table = f"{state.get('users')} users.\n\n| | |\n|-|-|\n{rows}"
    names = [name for name in TrainingSettings.__dataclass_fields__ if settings.get(name) is not None]
    text = TEXT.format(
        base="A small Llama-architecture decoder, made from nothing" if backbone == "scratch" else f"`{backbone}`",
        valid=table if measured else "None: there was no validation.",
        objective="\n".join(f"- `{name}: {settings[name]}`" for name in names),
        **{"dataset": settings["dataset"], "backbone": backbone, "train_steps": settings["train_steps"]},
        **{"step": state["step"], "parameters": parameters},
    )
    return ModelCard(f"---\n{data.to_yaml()}\n---\n\n{text}")


def _result(dataset: str, metric: str, value: float) -> EvalResult:
    return EvalResult(
        task_type="text-generation",
        task_name="Sequential recommendation",
        dataset_type=dataset.lower(),
        dataset_name=dataset,
        dataset_split="validation",
        metric_type=metric,
        metric_value=value,
    )
