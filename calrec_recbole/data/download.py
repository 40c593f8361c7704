"""Raw files from their public address: sizes checked, a broken download resumed."""

import os
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from http.client import HTTPException, HTTPResponse
from pathlib import Path

from tqdm import tqdm

from calrec_recbole.errors import DataError

__all__ = ["BASE_URL", "download", "raw_urls"]

# The McAuley lab's copy of the 2018 release; the page https://nijianmo.github.io/amazon/ leads there.
BASE_URL = "https://mcauleylab.ucsd.edu/public_datasets/data/amazon_v2/"
ATTEMPTS = 5
TIMEOUT = 60  # seconds without a byte
CHUNK = 1 << 20
RANGE_NOT_SATISFIABLE = 416


class _BrokenOffError(Exception):
    """The connection ended early; what arrived is kept."""


def raw_urls(stem: str, base_url: str = BASE_URL) -> tuple[str, str]:
    """Addresses of the 5-core reviews and of the metadata."""
    base = base_url.rstrip("/")
    return f"{base}/categoryFilesSmall/{stem}_5.json.gz", f"{base}/metaFiles2/meta_{stem}.json.gz"


def _open(url: str, start: int) -> HTTPResponse:
    """The response from byte ``start`` on; the server may ignore the range and send the whole (status 200)."""
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={start}-"} if start else {})
    response: HTTPResponse = urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=TIMEOUT)
    return response


def _total(response: HTTPResponse, start: int) -> int | None:
    """Size of the whole file in bytes, None where the server does not say."""
    length = response.headers.get("Content-Length")
    return start + int(length) if length is not None else None


def _append(response: HTTPResponse, part: Path, start: int) -> int | None:
    """Appends the body to ``part`` from byte ``start``; the size that the whole file should have."""
    if response.status != 206:
        start = 0
    total = _total(response, start)
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


def _attempt(url: str, part: Path) -> None:
    """One connection; returns when ``part`` is whole.

    Raises:
        _BrokenOffError: it ended early.
        DataError: the server refuses.
    """
    start = part.stat().st_size if part.exists() else 0
    try:
        with _open(url, start) as response:
            total = _append(response, part, start)
    except urllib.error.HTTPError as error:
        if error.code == RANGE_NOT_SATISFIABLE:
            part.unlink()  # longer than the file, or of an older one
            raise _BrokenOffError("the part on disk does not fit") from None
        if error.code >= 500:
            raise _BrokenOffError(f"HTTP {error.code}") from None
        raise DataError(f"{url}: HTTP {error.code} {error.reason}; check --base_url and the category's stem") from None
    except (HTTPException, OSError) as error:  # URLError is an OSError
        raise _BrokenOffError(str(getattr(error, "reason", error)) or type(error).__name__) from None
    size = part.stat().st_size
    if total is not None and size != total:
        raise _BrokenOffError(f"{size} of {total} bytes")


def download(url: str, folder: Path, sleep: Callable[[float], None] = time.sleep) -> Path:
    """Fetches ``url`` into ``folder`` and returns the file; a file that is there under its name is whole and stays.

    Bytes go to `<name>.part`, which takes the name once its size is the one that the server announced. A broken
    connection is taken up again where it ended (by ``Range``; from the start where the server does not honour it), five
    times with growing pauses, then on the next call.

    Raises:
        DataError: HTTP 4xx, or still broken after the last attempt.
    """
    path = folder / url.rsplit("/", 1)[1]
    if path.exists():
        return path
    folder.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    reason = ""
    for attempt in range(ATTEMPTS):
        try:
            _attempt(url, part)
        except _BrokenOffError as error:
            reason = str(error)
            sleep(min(2.0**attempt, 30) if attempt < ATTEMPTS - 1 else 0)
        else:
            os.replace(part, path)
            return path
    raise DataError(f"{url}: broken off ({reason}) {ATTEMPTS} times; run the same command again to resume")
