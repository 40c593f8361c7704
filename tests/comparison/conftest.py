"""A comparison whose runs are small programs, on this machine or on a stand-in for a cluster."""

import pytest

from calrec_recbole.comparison import Experiment, process
from calrec_recbole.comparison.plan import plan
from calrec_recbole.comparison.scheduler import Machine, execute

FAKE = """
import pathlib, sys, time
given = dict(argument[2:].split('=', 1) for argument in sys.argv[1:])
folder = pathlib.Path(given['folder'])
folder.mkdir(parents=True, exist_ok='again' in given)
(folder / 'started').write_text(str(time.time()))
time.sleep(float(given.get('sleep', 0)))
deadline = time.monotonic() + 100
while 'meets' in given and not (folder.parent / given['meets'] / 'started').exists():
    if time.monotonic() > deadline:
        sys.exit('error: it is alone')
    time.sleep(0.02)
if 'fail' in given:
    sys.exit('error: it cannot')
(folder / 'metrics.json').write_text(str(time.time()))
"""


class Told:
    """Remembers what it is told."""

    def __init__(self):
        self.states = []

    def tell(self, name, state, run):
        self.states.append((name, state))

    def refresh(self):
        pass


@pytest.fixture
def compare(monkeypatch, tmp_path):
    """Runs rows whose settings are those of FAKE; the folder of a row is named by its label."""
    monkeypatch.setattr(process, "START", FAKE)
    asked = []

    def resolve(requests):
        asked.append(len(requests))
        answers = []
        for one in requests:
            settings = dict(one["settings"])
            name = settings.pop("name")
            folder = tmp_path / "runs" / name
            sources = {"start": settings.pop("pre_model_path", ""), "candidates": settings.pop("rerank_from", "")}
            if settings.pop("wrong", False):
                answers.append({"error": f"{name} is wrong", "unknown": {}})
                continue
            settings |= {"folder": str(folder)} | {key: value for key, value in sources.items() if value}
            unknown = {key: "" for key in one["shared"] if key != "known"}
            found = {"run_id": name, "parent": str(folder.parent), "settings": settings, "unknown": unknown}
            answers.append(found | {"files": [str(tmp_path / "data" / "A.inter")]})
        return answers

    def run(*rows, jobs=1, shared=None, slurm=None):
        told = Told()
        experiment = Experiment("x", datasets=["A"], rows=rows)
        ended = execute(
            plan(experiment), shared or {}, resolve, Machine(jobs, jobs, slurm=slurm), told, tmp_path / "logs"
        )
        return {one.row.label: one for one in ended}, told.states

    run.asked, run.watcher = asked, Told
    run.folder = tmp_path / "runs"
    return run
