"""Raw files from their public address: nothing but whole gzip files of JSON lines, a broken download resumed."""

import fcntl
import gzip
import os
import re
import sys
import time
import urllib.error
import urllib.request
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPException, HTTPResponse
from pathlib import Path

from tqdm import tqdm

from calrec_recbole.data.raw_file import BadLineError, parse_line
from calrec_recbole.errors import DataError
from calrec_recbole.stored_files import one_line

__all__ = ["BASE_URL", "check_packed", "download", "raw_urls"]

# The McAuley lab's copy of the 2018 release; the page https://nijianmo.github.io/amazon/ leads there.
BASE_URL = "https://mcauleylab.ucsd.edu/public_datasets/data/amazon_v2/"
ATTEMPTS = 5
TIMEOUT = 60  # seconds without a byte
CHUNK = 1 << 20
LONGEST_LINE = 1 << 24  # bytes
GZIP = b"\x1f\x8b"
RANGE_NOT_SATISFIABLE = 416

_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+|\*)")


class _BrokenOffError(Exception):
    """The connection ended early, or what is on disk does not go on; what still fits is kept."""


def raw_urls(stem: str, base_url: str = BASE_URL) -> tuple[str, str]:
    """Addresses of the 5-core reviews and of the metadata."""
    base = base_url.rstrip("/")
    return f"{base}/categoryFilesSmall/{stem}_5.json.gz", f"{base}/metaFiles2/meta_{stem}.json.gz"


def download(url: str, folder: Path, sleep: Callable[[float], None] = time.sleep) -> Path:
    """Fetches ``url`` into ``folder`` and returns the file; one that is there under its name stays.

    Bytes go to `<name>.part`, which takes the name once it has the size that the server announced and is a whole gzip
    file of JSON lines. A broken connection is taken up again where it ended (by ``Range``; from the start where the
    server does not honour it, or has another version of the file by now), five times with growing pauses, then on the
    next call. Of two downloads of one file the second waits for the first.

    Raises:
        DataError: HTTP 4xx, something else than such a file, or still broken after the last attempt.
    """
    path = folder / url.rsplit("/", 1)[1]
    folder.mkdir(parents=True, exist_ok=True)
    if path.exists():
        return _present(path)
    part = path.with_name(path.name + ".part")
    with _alone_with(part):
        return _present(path) if path.exists() else _fetched(url, part, path, sleep)


def _present(path: Path) -> Path:
    with path.open("rb") as file:
        begins = file.read(80)
    if begins[:2] != GZIP:
        raise DataError(f"{path} is no gzip file (it begins {begins[:40]!r}): remove it, and it is fetched again")
    return path


@contextmanager
def _alone_with(part: Path) -> Iterator[None]:
    """Within the block no other process or thread writes ``part``; waits for one that does."""
    lock = part.with_name(f".{part.name}.lock")
    with lock.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f"{part} is being written by another download: waiting for it", file=sys.stderr, flush=True)
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _fetched(url: str, part: Path, path: Path, sleep: Callable[[float], None]) -> Path:
    reason = ""
    for attempt in range(ATTEMPTS):
        try:
            _attempt(url, part)
        except _BrokenOffError as error:
            reason = str(error)
            sleep(min(2.0**attempt, 30) if attempt < ATTEMPTS - 1 else 0)
        else:
            os.replace(part, path)
            for beside in (_version_file(part), part.with_name(f".{part.name}.lock")):
                beside.unlink(missing_ok=True)  # whoever waits at the lock finds the file
            return path
    raise DataError(f"{url}: broken off ({reason}) {ATTEMPTS} times; run the same command again to resume")


def _attempt(url: str, part: Path) -> None:
    """One connection; returns when ``part`` is whole.

    Raises:
        _BrokenOffError: it ended early.
        DataError: the server refuses, or sends something else.
    """
    start = part.stat().st_size if part.exists() else 0
    try:
        with _open(url, start, _version_file(part)) as response:
            total = _append(response, part, start)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == RANGE_NOT_SATISFIABLE:
            part.unlink()  # longer than the file, or of an older one
            raise _BrokenOffError("the part on disk does not fit") from None
        if error.code >= 500:
            raise _BrokenOffError(f"HTTP {error.code}") from None
        reason = " ".join(str(error.reason).split())
        raise DataError(f"{url}: HTTP {error.code} {reason}; check --base_url and the category's stem") from None
    except (HTTPException, OSError) as error:  # URLError is an OSError
        raise _BrokenOffError(one_line(error)) from None
    size = part.stat().st_size
    if total is not None and size != total:
        raise _BrokenOffError(f"{size} of {total} bytes")
    _check_arrived(url, part)


def _open(url: str, start: int, version: Path) -> HTTPResponse:
    """The response from byte ``start`` on; the server may ignore the range and send the whole (status 200), as it does
    where it has another version of the file than the one that the part is of.
    """
    headers = {"Accept-Encoding": "identity"}
    if start:
        headers["Range"] = f"bytes={start}-"
        if version.is_file():
            headers["If-Range"] = version.read_text(encoding="latin-1")
    response: HTTPResponse = urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=TIMEOUT)
    return response


def _append(response: HTTPResponse, part: Path, start: int) -> int | None:
    """Appends the body to ``part`` from byte ``start``; the size that the whole file should have, None if unknown."""
    version = _version_file(part)
    if response.status == 206:
        total = _checked_range(response, part, start)
    else:
        start, total = 0, _number(response.headers.get("Content-Length"))
        version.unlink(missing_ok=True)
        if told := _version(response):
            version.write_text(told, encoding="latin-1")
    with part.open("r+b" if part.exists() else "wb") as file:
        file.truncate(start)
        file.seek(start)
        with tqdm(total=total, initial=start, unit="B", unit_scale=True, desc=part.stem, mininterval=0.5) as bar:
            while chunk := response.read(CHUNK):
                file.write(chunk)
                bar.update(len(chunk))
        file.flush()
        os.fsync(file.fileno())
    return total


def _checked_range(response: HTTPResponse, part: Path, start: int) -> int | None:
    """Raises ``_BrokenOffError``, and drops the part, unless the body goes on where it ends, of the same version."""
    told = response.headers.get("Content-Range")
    found = _RANGE.fullmatch(told or "")
    now, before = _version(response), _version_file(part)
    changed = now and before.is_file() and before.read_text(encoding="latin-1") != now
    if changed or (told is not None and (found is None or int(found[1]) != start)):
        part.unlink(missing_ok=True)
        raise _BrokenOffError("the file has changed" if changed else f"asked from byte {start}, it sent {told}")
    if found and found[2] != "*":
        return int(found[2])
    length = _number(response.headers.get("Content-Length"))
    return None if length is None else start + length


def _version_file(part: Path) -> Path:
    """Holds what the server calls the version of the file that ``part`` is of."""
    return part.with_name(f".{part.name}.version")


def _version(response: HTTPResponse) -> str:
    """A strong ETag or the time of the last change, as ``If-Range`` takes them; empty where there is none."""
    tag = response.headers.get("ETag") or ""
    return tag if tag.startswith('"') else response.headers.get("Last-Modified") or ""


def _number(header: str | None) -> int | None:
    return int(header) if header and header.isascii() and header.isdigit() else None


def _check_arrived(url: str, part: Path) -> None:
    """Drops ``part`` where it can never become the file. Raises as ``_attempt``."""
    if not part.stat().st_size:
        raise _BrokenOffError("an empty answer")
    try:
        check_packed(part)
    except EOFError:
        raise _BrokenOffError(f"the gzip data end early, after {part.stat().st_size} bytes") from None
    except (zlib.error, gzip.BadGzipFile) as problem:
        with part.open("rb") as file:
            begins = file.read(80)
        part.unlink()
        if begins[:2] == GZIP:  # of two versions, or damaged on its way
            raise _BrokenOffError(f"damaged gzip data: {one_line(problem)}") from None
        raise DataError(f"{url}: the server sent no gzip file but {begins[:40]!r}...; check --base_url") from None
    except BadLineError as problem:
        part.unlink()
        raise DataError(f"{url}: the first line is no JSON object ({problem}); check --base_url") from None


def check_packed(file: Path) -> None:
    """Unpacks ``file`` to its end. Raises ``EOFError`` where it is cut, ``zlib.error`` or ``BadGzipFile`` where it is
    damaged or no gzip, ``BadLineError`` where its first line is no JSON object.
    """
    with gzip.open(file) as unpacked:
        parse_line(unpacked.readline(LONGEST_LINE))
        while unpacked.read(CHUNK):
            pass
