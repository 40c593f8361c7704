"""Runs as jobs, through submitit itself, of a stand-in for the cluster: sbatch, srun and squeue as small scripts."""

import sys
import time

import pytest

from calrec_recbole.comparison import Row, slurm
from calrec_recbole.comparison.slurm import Slurm
from calrec_recbole.errors import ConfigError

SBATCH = """#!/bin/sh
number=$(($(ls jobs | wc -l) + 1))
name=$(sed -n 's/^#SBATCH --job-name=//p' "$1")
cp "$1" jobs/$number
echo "$number|$name" > queued/$number
export SLURM_JOB_ID=$number SLURM_NTASKS=1 SLURM_JOB_NUM_NODES=1 SLURM_NODEID=0 SLURM_PROCID=0 SLURM_LOCALID=0
(while [ -e full ]; do sleep 0.05; done; sh jobs/$number; rm queued/$number) >/dev/null 2>&1 &
echo "Submitted batch job $number"
"""
SRUN = """#!/bin/sh
while [ "${1#--}" != "$1" ]; do
    case $1 in
        --output) out=$2; shift 2;;
        --error) err=$2; shift 2;;
        --cpus-per-task=*) export SLURM_CPUS_PER_TASK=${1#*=}; shift;;
        *) shift;;
    esac
done
log=$(echo "$out" | sed "s/%j/$SLURM_JOB_ID/; s/%t/0/")
exec "$@" > "$log" 2> "${log%.out}.err"
"""
SQUEUE = """#!/bin/sh
cat queued/* 2>/dev/null
exit 0
"""


@pytest.fixture
def cluster(tmp_path, monkeypatch):
    """Its folder: ``jobs`` holds what was submitted; while a file ``full`` is there, jobs wait."""
    for name, text in {"sbatch": SBATCH, "srun": SRUN, "squeue": SQUEUE}.items():
        (tmp_path / "bin").mkdir(exist_ok=True)
        (tmp_path / "bin" / name).write_text(text)
        (tmp_path / "bin" / name).chmod(0o755)
    for name in ("jobs", "queued"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    monkeypatch.setattr(slurm, "POLL_SECONDS", 0.1)
    return tmp_path


def row(label, **settings):
    return Row("LIR", label, {"name": label, **settings})


def test_runs_are_jobs_and_a_failure_is_told(cluster, compare):
    given = Slurm({"time": 30, "partition": "short", "cpus_per_task": 3})
    ended, states = compare(row("a"), row("b", fail=1), slurm=given, jobs=9)
    assert ended["a"].finished
    assert ended["b"].error == "job 2: it cannot"
    assert states[:2] == [("a on A", "submitted"), ("b on A", "submitted")]
    asked = (cluster / "jobs" / "1").read_text()
    for line in ("--time=30", "--partition=short", "--cpus-per-task=3", "--job-name=A-LIR-a"):
        assert f"#SBATCH {line}\n" in asked
    assert asked.count("--cpus-per-task=3") == 2  # of srun too


def test_texts_are_lines_and_words_and_a_mapping_is_any_option(cluster, compare):
    lists = {"setup": "echo one > set\necho two >> set", "srun_args": "--mpi=none --label", "cpus_per_task": 2}
    given = Slurm({"time": 30, **lists, "teardown": ["echo three >> set"], "additional_parameters": {"nice": 7}})
    ended, _ = compare(row("a"), slurm=given)
    assert ended["a"].finished
    asked = (cluster / "jobs" / "1").read_text()
    assert " --cpus-per-task=2 --mpi=none --label " in asked
    assert "#SBATCH --nice=7\n" in asked
    assert (cluster / "set").read_text() == "one\ntwo\nthree\n"


def test_jobs_outlive_the_comparison_which_takes_them_up_again(cluster, compare, monkeypatch):
    (cluster / "full").touch()

    def interrupt(self):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(compare.watcher, "refresh", interrupt)
        with pytest.raises(KeyboardInterrupt):
            compare(row("a"), slurm=Slurm({"time": 1}))
    (cluster / "full").unlink()
    ended, states = compare(row("a"), slurm=Slurm({"time": 1}))
    assert ended["a"].finished
    assert ("a on A", "done") in states or ("a on A", "reused") in states
    assert [job.name for job in (cluster / "jobs").iterdir()] == ["1"]


def test_a_job_that_ended_without_results_is_submitted_anew(cluster, compare):
    failed, _ = compare(row("a", fail=1), slurm=Slurm({"time": 1}))
    assert failed["a"].error == "job 1: it cannot"
    ended, _ = compare(row("a", again=1), slurm=Slurm({"time": 1}))
    assert ended["a"].finished
    assert len(list((cluster / "jobs").iterdir())) == 2


def test_a_job_that_never_began_says_what_the_node_said(cluster, compare):
    script = (cluster / "bin" / "srun").read_text()
    (cluster / "bin" / "srun").write_text(
        script.replace('exec "$@" >', 'echo "slurmstepd: error: no disk" > "${log%.out}.err"; exit 1; exec "$@" >')
    )
    ended, _ = compare(row("a"), slurm=Slurm({"time": 1}))
    assert ended["a"].error == "job 1: no disk"


def test_while_squeue_fails_no_job_has_ended(cluster, compare, monkeypatch):
    (cluster / "full").touch()
    given = Slurm({"time": 1})
    (cluster / "bin" / "squeue").write_text("#!/bin/sh\necho away >&2\nexit 1\n")
    begun, refreshed = time.monotonic(), compare.watcher.refresh

    def mend(self):
        refreshed(self)
        if time.monotonic() - begun > 1:
            (cluster / "bin" / "squeue").write_text(SQUEUE)
            (cluster / "full").unlink(missing_ok=True)

    monkeypatch.setattr(compare.watcher, "refresh", mend)
    ended, states = compare(row("a"), slurm=given)
    assert ended["a"].finished
    assert states == [("a on A", "submitted"), ("a on A", "done")]


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({}, r"--slurm.time=None must be the minutes of one job"),
        ({"time": 0}, r"--slurm.time=0 must be the minutes"),
        ({"time": True}, r"--slurm.time=True must be the minutes"),
        ({"time": 5, "partion": "x"}, r"--slurm.partion is none of .*did you mean 'partition'"),
        ({"time": 5, "nodes": 2}, r"--slurm.nodes is none of account, "),
        ({"time": 5, "setup": {"echo a": "b"}}, r"--slurm.setup={'echo a': 'b'} must be a text, or a list of texts"),
        ({"time": 5, "srun_args": "--x='a"}, r"--slurm.srun_args=--x='a is no list of words \(No closing quotation\)"),
        ({"time": 5, "srun_args": [1]}, r"--slurm.srun_args=\[1\] must be a text, or a list of texts"),
        ({"time": 5, "additional_parameters": "x=1"}, r"--slurm.additional_parameters=x=1 must be a mapping, such as"),
        ({"time": 5, "partition": ["a", "b"]}, r"--slurm.partition=\['a', 'b'\] must be one value"),
    ],
)
def test_a_wrong_parameter_is_one_line(given, told, cluster):
    with pytest.raises(ConfigError, match=told):
        Slurm(given)


def test_where_no_cluster_answers_nothing_is_begun(cluster, monkeypatch, capfd):
    (cluster / "bin" / "squeue").write_text(
        "#!/bin/sh\necho 'squeue: error: one\nsqueue: fatal: no source' >&2\nexit 1\n"
    )
    with pytest.raises(ConfigError, match=r"squeue fails \(squeue: fatal: no source\): .* or --launcher=local"):
        Slurm({"time": 5})
    (cluster / "bin" / "squeue").unlink()
    monkeypatch.setenv("PATH", str(cluster / "bin"))
    with pytest.raises(
        ConfigError, match=r"squeue fails \(.*No such file or directory: 'squeue'\): .*--launcher=local"
    ):
        Slurm({"time": 5})
    assert capfd.readouterr() == ("", "")


def test_what_is_missing_is_named(cluster, compare, monkeypatch, capfd):
    (cluster / "bin" / "sbatch").write_text("#!/bin/sh\necho 'invalid partition specified: x' >&2\nexit 1\n")
    with pytest.raises(
        ConfigError, match=r"sbatch refuses \(.*invalid partition specified: x.*\): see --slurm.NAME"
    ) as told:
        compare(row("a"), slurm=Slurm({"time": 5}))
    assert "\n" not in str(told.value)
    assert "sbatch" not in capfd.readouterr().err
    monkeypatch.setenv("PATH", str(cluster / "jobs"))
    with pytest.raises(ConfigError, match=r"finds no srun here: .*--launcher=local"):
        Slurm({"time": 5})
    monkeypatch.setitem(sys.modules, "submitit", None)
    with pytest.raises(ConfigError, match="needs submitit: pip install submitit"):
        Slurm({"time": 5})
