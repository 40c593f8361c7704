"""Run folders as the runner leaves them, small enough to reckon by hand."""

import json

import pandas as pd
import pytest
import yaml

LOG = "2026-01-01 10:00:00,000 INFO SASRec on Tiny: runs/Tiny/SASRec/1-ab\n"
CURVES = """\
step,seconds,metric,value
1,59.5,train/loss,7.5
1,60.0,valid/ndcg_pes@10,0.1
2,150.0,valid/ndcg_pes@10,0.3
"""

# (optimistic, pessimistic) ranks of the users u1, u2, u3, u4
RANKS = {"SASRec": [(1, 1), (2, 2), (20, 20), (3, 3)], "LIR": [(1, 2), (1, 2), (11, 30), (1, 4)]}


@pytest.fixture(scope="session")
def run_writer():
    """Makes ``write_run`` for a folder."""

    def writer(place):
        def write(model, ranks=None, dataset="Tiny", seed=1, name=None, targets="abcd", curves=CURVES, **config):
            """A finished run of ``model`` -> its folder."""
            from calrec_recbole.evaluation.per_user import metric_vectors, read_ranks

            folder = place / "runs" / dataset / model / (name or f"{seed}-ab")
            folder.mkdir(parents=True)
            pairs = ranks or RANKS[model]
            users = [f"u{number}" for number in range(1, len(pairs) + 1)]
            table = {"user_id": users, "item_id": list(targets)[: len(pairs)]}
            optimistic, pessimistic = zip(*pairs, strict=True)
            pd.DataFrame(table | {"optimistic": optimistic, "pessimistic": pessimistic}).to_parquet(
                folder / "ranks.parquet"
            )
            test = metric_vectors(read_ranks(folder)).mean().to_dict()
            config = {
                "model": model,
                "dataset": dataset,
                "seed": seed,
                "epochs": 3,
                "valid_metric": "ndcg_pes@10",
                "data_path": "/secret/place",
                "scores_file": "/secret/scores.csv",
                **config,
            }
            (folder / "config.yaml").write_text(yaml.safe_dump(config))
            (folder / "metrics.json").write_text(json.dumps({"valid": {"ndcg_pes@10": 0.3}, "test": test}))
            environment = {
                "command": f"run_recbole --model={model} --dataset={dataset}",
                "versions": {"python": "3.11.7"},
                "data_sha256": {"inter": "0123456789abcdef"},
                "devices": {"device": "cpu", "name": "x86_64", "threads": 2},
                "seconds": {"train": {"wall": 90.0, "cpu": 100.0}, "evaluate": {"wall": 0.4, "cpu": 0.4}},
                "seconds_before_resume": 10.0,
                "peak_memory_mib": {"process": 512.0, "device": 2048.0},
                "users": {"valid": 4, "test": len(pairs)},
            }
            (folder / "environment.json").write_text(json.dumps(environment))
            (folder / "log.txt").write_text(LOG)
            (folder / "curves.csv").write_text(curves)
            return folder

        return write

    return writer


@pytest.fixture
def write_run(run_writer, tmp_path):
    """Writes a finished run into ``tmp_path`` and answers its folder."""
    return run_writer(tmp_path)
