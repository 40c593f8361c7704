"""The texts that a run sampled for its users, and a Parquet file of them.

Sampling is nearly all of an evaluation's time. A run of ``train_steps=0`` has the very weights of the run that
``pre_model_path`` names, so where prompt, seed and sampling settings are the same, so are its samples: they are read
instead of drawn again, whatever ``retrieval``, ``pooling``, ``epsilon`` or ``n_pred`` say.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from calrec_recbole.durable_files import replacing_file
from calrec_recbole.errors import DataError
from calrec_recbole.inference import AUTO, CONSTRAINED, NATIVE, InferenceSettings

__all__ = [
    "Origin",
    "Samples",
    "UserSamples",
    "origin_of",
    "read_samples",
    "sample_key",
    "samples_of_users",
    "write_samples",
]

NEEDED = ("key", "text", "logprob")  # all that files of before the users were named hold
SCHEMA = pa.schema(
    [
        *(("split", pa.string()), ("user", pa.string()), ("key", pa.string()), ("text", pa.string())),
        *(("logprob", pa.float64()), ("exact", pa.bool_())),
    ]
)

Samples = list[tuple[str, float]]  # of one prompt: text, log-probability in nats


@dataclass(frozen=True)
class UserSamples:
    """``split``: valid or test; ``user``: the data set's own id; ``key``: see ``sample_key``.

    ``exact``: of constrained decoding, whether the texts are surely the best ones; None of samples. Split and user are
    empty where a file of before they were kept is read.
    """

    split: str
    user: str
    key: str
    samples: Samples
    exact: bool | None = None


class Origin(NamedTuple):
    """Whose weights drew the samples of a file, and how many seconds that took; unknown of older files."""

    weights: str = ""
    seconds: float = 0.0


UNKNOWN = Origin()


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
        if settings.generation_engine != NATIVE:  # the same distribution, other draws
            sampling = f"{settings.generation_engine} {sampling}"
    return hashlib.sha256(sampling.encode() + np.asarray(prompt, np.int64).tobytes()).hexdigest()[:32]


def write_samples(file: Path, users: Iterable[UserSamples], origin: Origin = UNKNOWN) -> None:
    """A Parquet file ``split, user, key, text, logprob, exact``, one row a text in the order drawn; whole or absent."""
    nothing: list[tuple[str | None, float | None]] = [(None, None)]
    rows = [
        (one.split, one.user, one.key, text, logprob, one.exact)
        for one in users
        for text, logprob in one.samples or nothing
    ]
    columns = list(zip(*rows, strict=True)) or [()] * len(SCHEMA)
    table = pa.table([pa.array(values, part.type) for values, part in zip(columns, SCHEMA, strict=True)], schema=SCHEMA)
    metadata = {f"calrec.{name}": str(value) for name, value in origin._asdict().items()}
    with replacing_file(file) as temporary:
        pq.write_table(table.replace_schema_metadata(metadata), temporary, compression="zstd", write_page_checksum=True)


def read_samples(file: Path) -> list[UserSamples]:
    """What ``write_samples`` wrote, in its order. Raises ``DataError`` for a damaged file."""
    try:
        table = pq.read_table(file, page_checksum_verification=True)
        lacking = [name for name in NEEDED if name not in table.column_names]
        if lacking:
            raise ValueError(f"it lacks the column {lacking[0]}")
    except (OSError, ValueError) as problem:  # pyarrow's errors are of these two kinds
        raise DataError(
            f"{file} is damaged ({_one_line(problem)}): remove it, and its samples are drawn again"
        ) from problem
    found: dict[tuple[str, str, str], UserSamples] = {}
    for row in table.to_pylist():
        place = (row.get("split") or "", row.get("user") or "", row["key"])
        if place not in found:
            found[place] = UserSamples(*place, [], row.get("exact"))
        if row["text"] is not None:
            found[place].samples.append((row["text"], row["logprob"]))
    return list(found.values())


def origin_of(file: Path) -> Origin:
    """Empty of a file that does not say so. Raises ``DataError`` for a damaged file."""
    try:
        metadata = pq.read_schema(file).metadata or {}
        weights, seconds = metadata.get(b"calrec.weights", b""), metadata.get(b"calrec.seconds", b"0")
        return Origin(weights.decode(), float(seconds))
    except (OSError, ValueError) as problem:
        raise DataError(f"{file} is damaged ({_one_line(problem)}): remove it") from problem


def samples_of_users(file: Path, split: str) -> dict[str, Samples]:
    """The samples of ``split`` by the data set's own user ids. Raises ``DataError`` for a file that names no users."""
    if not file.is_file():
        raise DataError(f"{file.parent} holds no {file.name}: only runs of CALRec that sample keep one; run it again")
    found = read_samples(file)
    if any(not one.user for one in found):
        raise DataError(
            f"{file} names no users, an older version wrote it: give its run as pre_model_path to run_recbole with "
            "--train_steps=0 --warmup_steps=0"
        )
    return {one.user: one.samples for one in found if one.split == split}


def _one_line(problem: Exception) -> str:
    return " ".join(str(problem).split())
