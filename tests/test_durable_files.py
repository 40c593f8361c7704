"""Files and folders that are whole or absent, also where the disk is full."""

import errno
import os
import shutil
import signal
import subprocess
import sys

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save_file
from tokenizers import Tokenizer, models

from calrec_recbole.durable_files import (
    file_name,
    recover_folder,
    replacing_file,
    replacing_folder,
    sweep,
    write_json,
    write_text,
    writing,
)
from calrec_recbole.errors import StorageError

MIB = 2**20


@pytest.fixture
def small_disk(tmp_path):
    """A real file system of 1 MiB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", disk], capture_output=True, text=True)
    if mounted.returncode:
        pytest.skip(f"mounting a tmpfs is not allowed here: {mounted.stderr.strip()}")
    yield disk
    subprocess.run(["umount", disk], check=True)


WRITERS = {  # Python, safetensors and tokenizers each raise an error type of their own
    "text": lambda path: path.write_text("x" * 2 * MIB),
    "safetensors": lambda path: save_file({"a": torch.zeros(MIB)}, path),
    "tokenizer": lambda path: Tokenizer(models.BPE({"x" * n: n for n in range(2000)}, [])).save(str(path)),
}


@pytest.mark.parametrize("kind", WRITERS)
def test_a_full_disk_is_named_and_what_was_there_stays(kind, small_disk):
    write_text(small_disk / "file", "before")
    with replacing_folder(small_disk / "folder") as temporary:
        (temporary / "inside").write_text("before")
    for path, inner, replacing in (("file", "", replacing_file), ("folder", "inside", replacing_folder)):
        with pytest.raises(StorageError) as caught, replacing(small_disk / path) as temporary:
            WRITERS[kind](temporary / inner if inner else temporary)
        assert str(caught.value).startswith(f"{small_disk / path} cannot be written (No space left on device): free ")
        assert "\n" not in str(caught.value)
    assert sorted(os.listdir(small_disk)) == ["file", "folder"]  # nothing temporary is left behind
    assert (small_disk / "file").read_text() == (small_disk / "folder" / "inside").read_text() == "before"


def test_the_limit_of_a_process_is_a_full_disk_too(tmp_path):
    """Runs everywhere: the kernel refuses what goes beyond RLIMIT_FSIZE."""
    write_text(tmp_path / "file", "before")
    lines = (
        "import resource, sys, torch",
        "from safetensors.torch import save_file",
        "from calrec_recbole.durable_files import replacing_file",
        "resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))",
        "with replacing_file(sys.argv[1]) as temporary:",
        "    save_file({'a': torch.zeros(100_000)}, temporary)",
    )
    command = [sys.executable, "-c", "\n".join(lines), str(tmp_path / "file")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert f"StorageError: {tmp_path}/file cannot be written (File too large)" in done.stderr
    assert os.listdir(tmp_path) == ["file"]
    assert (tmp_path / "file").read_text() == "before"


def test_a_folder_is_named_not_its_temporary_file(tmp_path, monkeypatch):
    def full(descriptor):
        raise OSError(errno.EDQUOT, "quota")

    monkeypatch.setattr(os, "fsync", full)
    name = f"^{tmp_path}/folder cannot be written"
    with pytest.raises(StorageError, match=name) as caught, replacing_folder(tmp_path / "folder") as temporary:
        write_json(temporary / "inside", {})
    assert ".tmp" not in str(caught.value)
    assert os.listdir(tmp_path) == []


def test_other_errors_stay_what_they_are(tmp_path):
    for problem in (PermissionError(errno.EACCES, "no"), KeyError("x"), ValueError("(os error 2)")):
        with pytest.raises(type(problem)) as caught, writing(tmp_path):
            raise problem
        assert caught.value is problem


class Killed(BaseException):
    pass


def kill_at(place: str, when: str, calls: int) -> None:
    """From now on this process dies by SIGKILL before, or after, the ``calls``-th call of ``place``."""
    owner, name = {"rename": (os, "replace"), "sync": (os, "fsync"), "removal": (shutil, "rmtree")}[place]
    original, left = getattr(owner, name), [calls]

    def deadly(*arguments, **options):
        left[0] -= 1
        if left[0] == 0 and when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        result = original(*arguments, **options)
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    setattr(owner, name, deadly)


@pytest.mark.parametrize(
    ("place", "when", "calls", "found"),
    [
        ("sync", "before", 1, "old"),  # the new content may not be on disk yet
        ("rename", "before", 1, "old"),
        ("rename", "after", 1, "old"),  # the old folder has made room, the new one has not come
        ("rename", "after", 2, "new"),
        ("removal", "before", 2, "new"),  # the old one is still beside it; the first call finds nothing to remove
    ],
)
def test_a_kill_leaves_the_old_or_the_new_folder_whole(place, when, calls, found, tmp_path):
    with replacing_folder(tmp_path / "folder") as temporary:
        (temporary / "inside").write_text("old")
    child = os.fork()
    if child == 0:
        kill_at(place, when, calls)
        with replacing_folder(tmp_path / "folder") as temporary:
            (temporary / "inside").write_text("new")
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    for _ in range(2):  # recovering twice is as good as once
        recover_folder(tmp_path / "folder")
        assert os.listdir(tmp_path) == ["folder"]
        assert (tmp_path / "folder" / "inside").read_text() == found


@given(before=st.none() | st.text(), after=st.text(), fails=st.booleans())
def test_a_file_is_replaced_whole_or_not_at_all(before, after, fails, tmp_path_factory):
    folder = tmp_path_factory.mktemp("folder")
    path = folder / "file"
    if before is not None:
        path.write_bytes(before.encode())
    try:
        with replacing_file(path) as temporary:
            temporary.write_bytes(after.encode())
            if fails:
                raise Killed
    except Killed:
        pass
    expected = before if fails else after
    assert os.listdir(folder) == ([] if expected is None else ["file"])
    assert expected is None or path.read_bytes() == expected.encode()
    shutil.rmtree(folder)


def test_only_what_dead_processes_left_is_swept(tmp_path):
    folder = tmp_path / "[Name]"
    dead, alive = tmp_path / ".[Name].dead.tmp", tmp_path / ".Other.dead.tmp"
    for left in (dead, alive):
        (left / "inside").mkdir(parents=True)
    with replacing_folder(folder) as temporary:
        (temporary / "file").write_text("x")
        sweep(folder)
        assert temporary.is_dir()
    assert not dead.exists()
    assert alive.exists()
    assert (folder / "file").read_text() == "x"


def test_a_killed_writer_leaves_what_is_swept(tmp_path):
    code = (
        "import os, signal; from calrec_recbole.durable_files import replacing_folder\n"
        f"with replacing_folder({str(tmp_path / 'Name')!r}): os.kill(os.getpid(), signal.SIGKILL)"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == -signal.SIGKILL
    assert len(list(tmp_path.glob(".Name.*.tmp"))) == 1
    sweep(tmp_path / "Name")
    assert list(tmp_path.iterdir()) == []


@given(st.text(max_size=300))
def test_a_file_name_stays_in_its_folder(text):
    name = file_name(text)
    assert name == os.path.basename(name)
    assert name not in ("", ".", "..")
    assert not name.startswith(".")
    assert len(name.encode()) <= 255
    assert name.isprintable()
    assert file_name(name) == name or name != text


@given(st.text(max_size=20), st.text(max_size=20))
def test_unlike_texts_have_unlike_file_names(one, two):
    assert one == two or file_name(one) != file_name(two)
