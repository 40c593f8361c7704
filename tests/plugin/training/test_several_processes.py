"""CALRec by two processes under torchrun against one: one folder, the same metrics, every user once."""

import json
import os
import subprocess
import sys

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from calrec_recbole.errors import ConfigError
from calrec_recbole.evaluation import RankTable
from calrec_recbole.plugin.config import Config
from calrec_recbole.plugin.data.prepared import prepare
from calrec_recbole.plugin.runner import run
from calrec_recbole.plugin.training import several_processes as plugin_processes
from calrec_recbole.plugin.training.several_processes import in_order, share_of
from calrec_recbole.training import Processes

LAUNCH = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2", "-m"]


def by_two(model, settings):
    arguments = [f"--{key}={json.dumps(value)}" for key, value in settings.items()]
    command = [*LAUNCH, "calrec_recbole.cli.run_recbole", f"--model={model}", *arguments]
    return subprocess.run(command, env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True)


def test_two_processes_leave_the_run_of_one_and_stop_and_go_on_together(calrec_settings, tmp_path):
    """Two processes with two users a batch: a limit of time ends both after the same four users."""
    settings = {**calrec_settings, "scratch_dropout": 0.0, "precision": "float32", "eval_batch_size": 2}
    alone = run("CALRec", overrides={**settings, "output_dir": str(tmp_path / "alone")}, show=False)
    done = by_two("CALRec", {**settings, "output_dir": str(tmp_path / "whole")})
    assert done.returncode == 0, done.stderr[-3000:]
    (folder,) = (tmp_path / "whole" / "Tiny" / "CALRec").iterdir()
    assert folder.name == alone.folder.name
    assert {file.name for file in folder.iterdir()} == {file.name for file in alone.folder.iterdir()}
    metrics, expected = (json.loads((place / "metrics.json").read_text()) for place in (folder, alone.folder))
    assert metrics == expected
    tables = [pq.read_table(place / "ranks.parquet") for place in (folder, alone.folder)]
    assert tables[0].equals(tables[1])
    assert sorted(tables[0]["user_id"].to_pylist()) == [f"u{number}" for number in range(8)]
    found, wanted = (json.loads((place / "environment.json").read_text()) for place in (folder, alone.folder))
    assert found["devices"]["processes"] == 2
    assert found["samples"] == wanted["samples"]
    assert found["users"] == wanted["users"] == {"valid": 3, "test": 8, "test_in_all": 8}
    log = (folder / "log.txt").read_text()
    assert log.count("samples of 8 users") == 1
    assert done.stdout.count("run folder:") == 1

    expected, limited = folder, by_two("CALRec", {**settings, "evaluate_minutes": 1e-9})
    assert limited.returncode == 0, limited.stderr[-3000:]
    (folder,) = (tmp_path / "runs" / "Tiny" / "CALRec").iterdir()
    first = np.random.default_rng([3]).permutation(8)[:4]
    assert pq.read_table(folder / "ranks.parquet")["user_id"].to_pylist() == [f"u{number}" for number in sorted(first)]
    assert json.loads((folder / "metrics.json").read_text())["left"] == 4
    rest = by_two("CALRec", settings)
    assert rest.returncode == 0, rest.stderr[-3000:]
    for name in ("metrics.json", "ranks.parquet"):
        assert (folder / name).read_bytes() == (expected / name).read_bytes()
    tables = [pq.read_table(one / "samples.parquet").replace_schema_metadata(None) for one in (folder, expected)]
    assert tables[0].equals(tables[1])
    assert (folder / "log.txt").read_text().count("training is over") == 1


def test_a_fault_is_told_by_the_first_process_and_ends_all(calrec_settings):
    done = by_two("CALRec", {**calrec_settings, "train_batch_size": 5})
    assert done.returncode != 0
    assert "train_batch_size: a step of 5 users cannot be shared by 2 processes; set it to 4" in done.stderr


def test_recboles_own_models_are_refused(tiny_settings, monkeypatch):
    monkeypatch.setattr(plugin_processes.Processes, "present", classmethod(lambda cls: cls(0, 2)))
    with pytest.raises(ConfigError, match="model=SASRec runs in one process, not 2"):
        run("SASRec", overrides=tiny_settings, show=False)


@pytest.mark.parametrize("world", [1, 2, 3, 8, 11])
def test_every_user_is_in_one_share_and_comes_back_to_its_place(calrec_settings, world):
    """8 users: uneven shares, and more processes than users."""
    config = Config("CALRec", config_dict=calrec_settings)
    data = prepare(config).loaders.test
    tables = []
    for rank in range(world):
        own = share_of(data, Processes(rank, world))
        users = [user for batch in own for user in batch[0]["user_id"].tolist()] if own else []
        tables.append(RankTable(*(torch.tensor(users, dtype=torch.int64) for _ in range(8))))
    assert in_order(tables).users.tolist() == data._dataset.inter_feat["user_id"].tolist()
    assert max(map(len, tables)) - min(map(len, tables)) <= 1
