"""A run by several processes: joining them, one folder for all, and users of an evaluation shared among them."""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch

from calrec_recbole.evaluation import RankTable
from calrec_recbole.plugin.data.user_rows import loader_of
from calrec_recbole.runs.run_folder import claim
from calrec_recbole.training import Processes

__all__ = ["claimed", "in_order", "joined", "local_rank", "share_of"]

PATIENCE = timedelta(hours=2)  # of a process that waits: one may sample for long while the others have finished


def local_rank() -> int | None:
    """This process's number on its machine, from torchrun's environment; None for a process on its own."""
    return int(os.environ["LOCAL_RANK"]) if int(os.environ.get("WORLD_SIZE", 1)) > 1 else None


@contextmanager
def joined() -> Iterator[Processes]:
    """Within the block the processes that torchrun started form one group; a single process stays alone."""
    if local_rank() is None or torch.distributed.is_initialized():
        yield Processes.present()
        return
    backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
    torch.distributed.init_process_group(backend, timeout=PATIENCE)
    yield Processes.present()
    torch.distributed.destroy_process_group()  # not after an error: torchrun ends the others, nobody waits for them


@contextmanager
def claimed(processes: Processes, parent: Path, name: str, resumes: bool) -> Iterator[Path]:
    """``claim`` by the first process, for all. Where it fails, the others leave without a word of their own."""
    if not processes.first:
        (folder, *_) = processes.gather(None)
        if folder is None:
            raise SystemExit(2)
        logging.getLogger().addHandler(logging.NullHandler())  # the first process logs
        yield Path(folder)
        return
    told = False
    try:
        with claim(parent, name, resumes) as path:
            told = bool(processes.gather(str(path)))
            yield path
    finally:
        if not told:
            processes.gather(None)


def share_of(data: Any, processes: Processes) -> Any:
    """A loader over every ``world``-th user of ``data``; None where none is left for this process."""
    if processes.world == 1:
        return data
    rows = torch.tensor(processes.share(range(len(data._dataset.inter_feat))), dtype=torch.int64)
    return loader_of(data, rows) if len(rows) else None


def in_order(shares: list[RankTable]) -> RankTable:
    """The tables of all processes' shares -> one, each user once, in the order before ``share_of``."""
    whole = RankTable.concatenate(shares)
    places = [torch.arange(len(share)) * len(shares) + rank for rank, share in enumerate(shares)]
    order = torch.cat(places).argsort()
    return whole.rows(order)
