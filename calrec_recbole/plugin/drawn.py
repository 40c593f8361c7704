"""The texts that a run sampled for its test users, kept for runs that change only what comes after sampling.

A run of ``train_steps=0`` also keeps those of its validation users.

Sampling is nearly all of an evaluation's time. A run of ``train_steps=0`` has the very weights of the run that
``pre_model_path`` names, so where prompt, seed and sampling settings are the same, so are its samples: they are read
instead of drawn again, whatever ``retrieval``, ``pooling``, ``epsilon`` or ``n_pred`` say.
"""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from calrec_recbole.durable import replacing_file
from calrec_recbole.errors import DataError
from calrec_recbole.inference import AUTO, CONSTRAINED, VLLM, InferenceSettings
from calrec_recbole.plugin.run_folder import CHECKPOINT
from calrec_recbole.plugin.stages import starting_weights

__all__ = ["SAMPLES_FILE", "Samples", "read_samples", "sample_key", "samples_before", "write_samples"]

SAMPLES_FILE = "samples.parquet"
COLUMNS = ["key", "text", "logprob"]

Samples = list[tuple[str, float]]  # of one prompt: text, log-probability in nats


def sample_key(prompt: NDArray[np.int64], seed: int, settings: InferenceSettings) -> str:
    """32 hex digits that stand for all that decides the samples, besides the weights.

    ``speculate`` is not among it: it changes the passes in which they are drawn, and them by float rounding at most.
    """
    if settings.decoding == CONSTRAINED:
        sampling = f"{CONSTRAINED} {settings.beams} {settings.n_pred} "
    else:
        sampling = f"{seed} {settings.n_gen} {settings.temperature!r} {settings.steps} "
        if settings.decode_precision != AUTO:
            sampling = f"{settings.decode_precision} {sampling}"
        if settings.generation_engine == VLLM:  # the same distribution, other draws
            sampling = f"{VLLM} {sampling}"
    return hashlib.sha256(sampling.encode() + np.asarray(prompt, np.int64).tobytes()).hexdigest()[:32]


def samples_before(config: Any) -> dict[str, Samples]:
    """The samples of the run that ``pre_model_path`` names, by key; none where it keeps none or weights differ."""
    path = config["pre_model_path"]
    if not path or config["train_steps"] != 0:
        return {}
    weights = starting_weights(path)
    file = weights.parent.parent / SAMPLES_FILE
    is_best = weights.name == "best" and weights.parent.name == CHECKPOINT  # a step-N has other weights
    return read_samples(file) if is_best and file.is_file() else {}


def write_samples(file: Path, drawn: Mapping[str, Samples]) -> None:
    """A Parquet file ``key, text, logprob``, one row a text, in the order drawn."""
    rows = [(key, text, logprob) for key, samples in drawn.items() for text, logprob in samples]
    with replacing_file(file) as temporary:
        pd.DataFrame(rows, columns=COLUMNS).to_parquet(temporary, compression="zstd", index=False)


def read_samples(file: Path) -> dict[str, Samples]:
    """What ``write_samples`` wrote. Raises ``DataError`` for a damaged file."""
    found: dict[str, Samples] = {}
    try:
        table = pd.read_parquet(file, columns=COLUMNS)
    except (OSError, ValueError) as problem:  # pyarrow's errors are of these two kinds
        reason = " ".join(str(problem).split())
        raise DataError(f"{file} is damaged ({reason}): remove it, and its samples are drawn again") from problem
    for key, text, logprob in zip(*(table[name].tolist() for name in COLUMNS), strict=True):
        found.setdefault(key, []).append((text, logprob))
    return found
