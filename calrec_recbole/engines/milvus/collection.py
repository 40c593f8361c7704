"""Sparse vectors in Milvus, found by inner product: embedded (milvus-lite) or on a server. pymilvus is used only here.

The embedded Milvus sums every posting; a server skips what cannot reach the best. ``drop_ratio_search`` 0 leaves out no
term in either. Source: https://milvus.io/docs/sparse-inverted-index.md.
"""

import importlib
import os
import shutil
import tempfile
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calrec_recbole.errors import ConfigError

__all__ = ["MOST_CANDIDATES", "Collection", "check_milvus"]

MOST_CANDIDATES = 16_384  # Milvus's own limit of a search
FIELD = "terms"
VECTORS_A_WRITE = 1_000
QUERIES_A_SEARCH = 64
SECONDS = 10.0  # to reach a server
EMBEDDED = ".db"
TOKEN = "MILVUS_TOKEN"

Vector = dict[int, float]


class Collection:
    """The collection ``name`` at ``uri``: a server's address, a file ``*.db``, or "" for a temporary folder.

    The temporary folder goes with this object. Raises ``ConfigError`` where Milvus cannot be used.
    """

    def __init__(self, uri: str, name: str) -> None:
        self.uri, self.name = uri, name
        with _one_line(uri):
            self.client = self._connected()

    def _connected(self) -> Any:
        folder = None if self.uri else tempfile.mkdtemp(prefix="calrec-milvus-")
        place = self.uri or f"{folder}/catalogue{EMBEDDED}"
        if self.uri.endswith(EMBEDDED):
            place = str(Path(self.uri).expanduser().absolute())
            Path(place).parent.mkdir(parents=True, exist_ok=True)
        token = os.environ.get(TOKEN, "")  # of the environment: it stands in no settings
        client = _package("pymilvus").MilvusClient(uri=place, token=token, timeout=SECONDS)
        weakref.finalize(self, _close, client, place, folder)
        return client

    def hold(self, keys: Sequence[int], vector: Callable[[int], Vector]) -> None:
        """Creates the collection with the ``vector`` of each key, or completes it; one that is whole is left alone.

        Writing a key again changes nothing, so two processes may fill it at once.
        """
        client, name = self.client, self.name
        with _one_line(self.uri):
            if not client.has_collection(name):
                self._create()
            client.load_collection(name)
            if client.query(name, filter="", output_fields=["count(*)"])[0]["count(*)"] == len(keys):
                return
            for start in range(0, len(keys), VECTORS_A_WRITE):
                part = keys[start : start + VECTORS_A_WRITE]
                client.upsert(name, [{"id": key, FIELD: vector(key)} for key in part])

    def _create(self) -> None:
        kind, client = _package("pymilvus").DataType, self.client
        schema = client.create_schema(auto_id=False, enable_dynamic_field=False)
        schema.add_field("id", kind.INT64, is_primary=True)
        schema.add_field(FIELD, kind.SPARSE_FLOAT_VECTOR)
        index = client.prepare_index_params()
        index.add_index(FIELD, index_type="SPARSE_INVERTED_INDEX", metric_type="IP")
        client.create_collection(self.name, schema=schema, index_params=index, consistency_level="Strong")

    def best(self, queries: Sequence[Vector], wanted: int) -> list[NDArray[np.int64]]:
        """The keys of the ``wanted`` largest inner products above 0 with each query; none with an empty one."""
        found = [np.zeros(0, np.int64)] * len(queries)
        asked = [row for row, query in enumerate(queries) if query]
        for start in range(0, len(asked), QUERIES_A_SEARCH):
            rows = asked[start : start + QUERIES_A_SEARCH]
            with _one_line(self.uri):
                answers = self.client.search(
                    self.name,
                    data=[queries[row] for row in rows],
                    anns_field=FIELD,
                    limit=wanted,
                    search_params={"metric_type": "IP", "params": {"drop_ratio_search": 0.0}},
                    consistency_level="Strong",
                )
            for row, hits in zip(rows, answers, strict=True):
                found[row] = np.fromiter((hit["id"] for hit in hits), np.int64, len(hits))
        return found


def check_milvus(uri: str, candidates: int) -> None:
    """Raises ``ConfigError`` where a package is missing or ``candidates`` is out of range."""
    if not 1 <= candidates <= MOST_CANDIDATES:
        raise ConfigError(
            f"milvus_candidates={candidates} must lie between 1 and {MOST_CANDIDATES}, the most that Milvus answers"
        )
    _package("pymilvus")
    if not uri or uri.endswith(EMBEDDED):
        _package("milvus_lite")


def _package(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as problem:
        raise ConfigError(
            f"retrieval=milvus needs the package {name.replace('_', '-')} ({problem}): "
            "pip install pymilvus milvus-lite, or choose retrieval: lucene"
        ) from problem


@contextmanager
def _one_line(uri: str) -> Iterator[None]:
    """Turns an error of Milvus, or of its file, into one that names the setting."""
    try:
        yield
    except (OSError, _package("pymilvus").MilvusException) as problem:
        reason = " ".join(str(getattr(problem, "message", problem)).split())
        raise ConfigError(
            f"milvus_uri={uri!r} cannot be used ({reason}): give the address of a running Milvus, such as "
            f"http://localhost:19530, a file *{EMBEDDED} that no other process has open, or nothing"
        ) from problem


def _close(client: Any, place: str, folder: str | None) -> None:
    client.close()
    if folder:
        _package("milvus_lite.server_manager").server_manager_instance.release_server(place)
        shutil.rmtree(folder, ignore_errors=True)
