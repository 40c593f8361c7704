"""One array a file, made once, read memory-mapped; a damaged file is noticed and made again."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np

from calrec_recbole.durable_files import replacing_file
from calrec_recbole.errors import ConfigError

__all__ = ["cached_array"]

DIGEST_BYTES = hashlib.sha256().digest_size


def cached_array(file: Path, make: Callable[[], np.ndarray]) -> np.ndarray:
    """What ``make`` returned when ``file`` was written, read-only; calls it where the file is missing or not ours.

    The file is NumPy's ``.npy`` and, after it, the sha256 of its own name and the array: a file that is cut, damaged,
    or was copied under another name is written anew. Raises ``ConfigError`` where the folder cannot be written.
    """
    found = _read(file)
    if found is None:
        array = np.ascontiguousarray(make())
        try:
            _write(file, array)
        except OSError as problem:
            raise ConfigError(f"text_cache={file.parent} cannot be written ({problem.strerror})") from None
        found = _read(file)
        assert found is not None, f"{file} was just written"
    return found


def _write(file: Path, array: np.ndarray) -> None:
    with replacing_file(file) as temporary, temporary.open("wb") as stream:
        np.save(stream, array, allow_pickle=False)
        stream.write(_digest(file, array))


def _read(file: Path) -> np.ndarray | None:
    try:
        array = np.load(file, mmap_mode="r", allow_pickle=False)
        with file.open("rb") as stream:
            stream.seek(-DIGEST_BYTES, 2)
            written = stream.read()
    except (OSError, ValueError, EOFError):
        return None
    return array if isinstance(array, np.memmap) and written == _digest(file, array) else None


def _digest(file: Path, array: np.ndarray) -> bytes:
    digest = hashlib.sha256(file.name.encode())
    digest.update(np.ascontiguousarray(array).data)
    return digest.digest()
