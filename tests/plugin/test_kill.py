"""CALRec's run, killed by SIGKILL wherever it may be, goes on by the same command to the same bits."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from calrec_recbole.plugin.runner import run
from calrec_recbole.runs.curves import read_points

SERVER = Path(__file__).with_name("deadly_runs.py")
CALREC = {  # a run whose validations at steps 2 and 3 are the best so far, those at steps 4 and 6 are not
    **{"seed": 3, "learning_rate": 0.02, "lr_warmup_steps": 1, "train_steps": 6, "warmup_steps": 3, "eval_interval": 2},
    **{"scratch_vocab_size": 420, "scratch_hidden_size": 16, "scratch_intermediate_size": 32},
    **{"scratch_num_hidden_layers": 1, "scratch_num_attention_heads": 2, "train_batch_size": 4, "valid_users": 0},
    **{"n_gen": 8, "max_new_tokens": 12, "retrieval": "okapi", "valid_metric": "mrr_pes", "lr_schedule": "cosine"},
    **{"checkpoint_minutes": 0.0, "report_interval": 2},  # the state of every step is written
    "eval_batch_size": 3,  # eight users are three batches
}
EVERYWHERE = ["step", "validation", "sync"] + [
    f"{what} {name}{ending}"
    for what in ("rename to", "removal of")
    for name in (
        *("last", "best", "config.yaml", "trained.json", "samples", "samples.parquet"),
        *("part-00000.parquet", "part-00001.parquet", "ranks.parquet", "environment.json", "metrics.json"),
    )
    for ending in ("", ".old")
]


@pytest.fixture
def settings(tiny_settings):
    return {**{key: value for key, value in tiny_settings.items() if key != "epochs"}, **CALREC}


def result_of(folder):
    """Everything that a run leaves and that does not tell the time."""
    best = folder / "checkpoint" / "best"
    files = [folder / "metrics.json", folder / "ranks.parquet", *sorted(best.iterdir())]
    assert not (folder / "checkpoint" / "last").exists()
    assert not (folder / "samples").exists()
    samples = pq.read_table(folder / "samples.parquet").replace_schema_metadata(None)  # it tells how long they took
    validations = {  # reports of training are means since the last report or resumption
        (point.step, point.metric): point.value
        for point in read_points(folder / "curves.csv")
        if point.metric.startswith("valid/")
    }
    return {file.name: file.read_bytes() for file in files} | {"samples": samples, "validations": validations}


@pytest.fixture(scope="module")
def server():
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    with subprocess.Popen([sys.executable, SERVER], text=True, env=environment, **pipes) as process:
        yield process
        process.stdin.close()


@pytest.fixture
def lives(server, settings):
    """Lives through a run up to a moment -> the exit status."""

    def live(places, when="before", calls=1):
        moment = {"places": [places] if isinstance(places, str) else places, "when": when, "calls": calls}
        server.stdin.write(json.dumps({"settings": settings, "moment": moment}) + "\n")
        server.stdin.flush()
        return int(server.stdout.readline())

    return live


@pytest.fixture
def whole(settings, tmp_path):
    """The result of the run that nobody killed."""
    found = result_of(run("CALRec", overrides={**settings, "output_dir": str(tmp_path / "whole")}, show=False).folder)
    assert json.loads(found["state.json"])["step"] == 3  # what LIVES takes for granted
    return found


# a moment, and what it leaves of checkpoint/last and checkpoint/best; each life goes on from where the last one died
LIVES = [
    ("step", "before", ()),
    ("rename to last", "before", ()),  # the first state is written, but has no name yet
    ("rename to last", "after", ("last",)),
    ("rename to last.old", "before", ("last",)),
    ("rename to last.old", "after", ("last.old",)),
    ("validation", "before", ("last",)),
    ("validation", "after", ("last",)),
    ("rename to best", "before", ("last",)),  # the state says that step 2 is the best; no best weights are on disk
    ("rename to best", "after", ("best", "last")),
    ("rename to best.old", "before", ("best", "last")),  # the state says step 3, the weights are still of step 2
    ("rename to best.old", "after", ("best.old", "last")),
    ("rename to best", "after", ("best", "last")),  # recovered, as the next life begins
    ("rename to best", "after", ("best", "best.old", "last")),
    ("step", "after", ("best", "last")),
    ("rename to trained.json", "before", ("best", "last")),
    ("rename to trained.json", "after", ("best", "last", "trained.json")),  # training is over
    ("rename to part-00000.parquet", "before", ("best", "trained.json")),  # sampled, and not on disk
    ("rename to part-00000.parquet", "after", ("best", "trained.json")),
    ("rename to part-00001.parquet", "before", ("best", "trained.json")),
    ("rename to part-00002.parquet", "after", ("best", "trained.json")),
    ("rename to samples.parquet", "before", ("best", "trained.json")),
    ("rename to samples.parquet", "after", ("best", "trained.json")),
    ("removal of samples", "after", ("best", "trained.json")),
    ("rename to ranks.parquet", "before", ("best", "trained.json")),
    ("rename to metrics.json", "before", ("best", "trained.json")),
]


def test_kills_at_every_delicate_moment_change_nothing(lives, whole, settings):
    folders = Path(settings["output_dir"], "Tiny", "CALRec")
    for place, when, left in LIVES:
        assert lives(place, when) == -signal.SIGKILL, (place, when)
        (checkpoint,) = folders.glob("*/checkpoint")
        assert tuple(sorted(path.name for path in checkpoint.glob("[!.]*"))) == left, (place, when)
    assert result_of(run("CALRec", overrides=settings, show=False).folder) == whole


def test_kills_at_random_moments_change_nothing(lives, whole, settings):
    rng = np.random.default_rng(1)
    ends = []
    while len(ends) < 8 and 0 not in ends:  # a whole life passes some 120 of these places
        ends.append(lives(EVERYWHERE, str(rng.choice(["before", "after"])), int(rng.integers(1, 40))))
    assert ends.count(-signal.SIGKILL) >= 3
    if 0 not in ends:
        run("CALRec", overrides=settings, show=False)
    (folder,) = Path(settings["output_dir"], "Tiny", "CALRec").iterdir()
    assert result_of(folder) == whole
