"""Files that are whole or absent: written under a temporary name, synced, then renamed."""

import errno
import fcntl
import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from glob import escape
from pathlib import Path
from typing import Any

from calrec_recbole.errors import StorageError

__all__ = [
    "file_name",
    "no_folder",
    "recover_folder",
    "replacing_file",
    "replacing_folder",
    "sweep",
    "write_json",
    "write_text",
    "writing",
]

MOST_BYTES = 200  # of a name: file systems take 255, and some endings come behind it
FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}  # the disk, a quota, the process's limit


def no_folder(setting: str, folder: str | Path) -> str:
    """Says that a file stands where ``setting`` wants a folder, or above it; empty where a folder is or can be made."""
    wanted = Path(folder)
    for place in (wanted, *wanted.parents):
        if place.exists() and not place.is_dir():
            return f"{setting}={folder}{'' if place == wanted else f': {place}'} is a file: give a folder"
    return ""


@contextmanager
def writing(path: str | Path) -> Iterator[None]:
    """Turns the error of a full disk, whoever raises it in the block, into a ``StorageError`` that names ``path``."""
    try:
        yield
    except Exception as problem:
        number = _full(problem)
        if number is None:
            raise
        raise StorageError(
            f"{path} cannot be written ({os.strerror(number)}): free space there and start the same command again; "
            "what it held before is intact"
        ) from problem


def _full(problem: BaseException | None) -> int | None:
    """The errno that says so. Rust's libraries (safetensors, tokenizers) have it in their message only."""
    if isinstance(problem, StorageError):  # of a file inside a folder
        return _full(problem.__cause__)
    found = re.search(r"\(os error (\d+)\)", str(problem))
    number = problem.errno if isinstance(problem, OSError) else int(found[1]) if found else None
    return number if number in FULL else None


def file_name(text: str) -> str:
    """``text`` as the name of a file in a folder, whatever it holds; unlike texts have unlike names.

    >>> file_name("Pet Supplies"), file_name("../../etc/x")
    ('Pet Supplies', 'etc-x-56da1a2e')
    """
    name = re.sub(r"[^\w&'()+,. -]+", "-", text).encode()[:MOST_BYTES].decode(errors="ignore").strip(" .-")
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return name if name and name == text else "-".join(part for part in (name, digest) if part)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def replacing_file(path: str | Path) -> Iterator[Path]:
    """Yields a temporary path beside ``path``; on success it takes the name ``path``, on error it is removed."""
    path = Path(path)
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
        os.close(descriptor)
        temporary = Path(name)
        try:
            yield temporary
            _sync(temporary)
            temporary.chmod(0o644)
            os.replace(temporary, path)
            _sync(path.parent)
        finally:
            temporary.unlink(missing_ok=True)


def recover_folder(path: str | Path) -> None:
    """Mends what a kill inside ``replacing_folder`` may leave: ``<path>.old`` takes its name back, temporary folders
    go.

    Only for a caller who is alone with ``path``.
    """
    path = Path(path)
    old = path.with_name(f"{path.name}.old")
    if old.exists() and not path.exists():
        os.replace(old, path)
    shutil.rmtree(old, ignore_errors=True)
    for temporary in path.parent.glob(f".{escape(path.name)}.*.tmp"):
        shutil.rmtree(temporary, ignore_errors=True)


@contextmanager
def replacing_folder(path: str | Path) -> Iterator[Path]:
    """Yields a temporary folder beside ``path``; on success it replaces ``path``, on error it is removed.

    A folder cannot be replaced in one step: an older ``path`` is first renamed to ``<path>.old``. A kill between the
    two renames leaves ``<path>.old`` whole; ``recover_folder`` puts it back.
    """
    path = Path(path)
    old = path.with_name(f"{path.name}.old")
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary, lock = _locked_folder(path)
        try:
            yield temporary
            for file in (*sorted(temporary.rglob("*")), temporary):
                _sync(file)
            temporary.chmod(0o755)
            if path.exists():
                shutil.rmtree(old, ignore_errors=True)
                os.replace(path, old)
            os.replace(temporary, path)
            _sync(path.parent)
            shutil.rmtree(old, ignore_errors=True)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
            os.close(lock)


def sweep(path: str | Path) -> None:
    """Removes the temporary folders that killed ``replacing_folder(path)`` left; those of living ones stay."""
    path = Path(path)
    for temporary in path.parent.glob(f".{escape(path.name)}.*.tmp"):
        try:
            lock = os.open(temporary, os.O_RDONLY)
        except OSError:  # gone by now
            continue
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(temporary, ignore_errors=True)
        except OSError:  # somebody works in it, or locks are unknown to this file system
            continue
        finally:
            os.close(lock)


def _locked_folder(path: Path) -> tuple[Path, int]:
    """A new temporary folder beside ``path``, and the descriptor that holds its lock as long as this process lives."""
    while True:
        temporary = Path(tempfile.mkdtemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent))
        lock = os.open(temporary, os.O_RDONLY)
        with suppress(OSError):  # somebody's ``sweep`` holds it, or locks are unknown to this file system
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if temporary.is_dir():  # not swept before it was locked
            return temporary, lock
        os.close(lock)


def write_text(path: str | Path, text: str) -> None:
    """Writes ``text`` as UTF-8, whole or not at all."""
    with replacing_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: str | Path, value: Any) -> None:
    """Writes ``value`` as indented JSON, whole or not at all."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")
