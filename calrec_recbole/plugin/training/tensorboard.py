"""A run's TensorBoard, in ``<run folder>/tensorboard``: what RecBole's trainers and CALRec's write.

tensorboard --logdir runs
"""

import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import recbole.trainer.trainer
from torch.utils.tensorboard import SummaryWriter

from calrec_recbole.durable_files import writing
from calrec_recbole.runs.run_folder import TENSORBOARD

__all__ = ["Curves", "tensorboard_of"]


class Curves:
    """The methods of ``SummaryWriter`` that RecBole calls. Nothing is written before the first value, so reloading a
    run leaves it as it is; every value is on disk at once, so a kill loses none. ``folder`` None writes nothing.
    """

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder
        self.first_step: int | None = None
        self._writer: SummaryWriter | None = None
        self._close: Callable[[], object] | None = None

    @classmethod
    def of_run(cls, config: Any) -> Self:
        """Those of the run's folder; none where ``log_tensorboard`` is false or there is no run."""
        wanted = config["log_tensorboard"] and config["run_dir"]
        return cls(Path(config["run_dir"]) / TENSORBOARD if wanted else None)

    def resume(self, step: int) -> None:
        """What an interrupted run wrote for ``step`` and later is not shown: those steps are done again."""
        self.first_step = step

    def add_scalar(self, tag: str, value: Any, step: int | None = None) -> None:
        self.add_scalars({tag: float(value)}, step)

    def add_scalars(self, values: Mapping[str, float], step: int | None) -> None:
        """Values by tag at ``step``."""
        with self._open() as writer:
            if writer:
                for tag, value in values.items():
                    writer.add_scalar(tag, value, step)

    def add_hparams(self, settings: Mapping[str, Any], metrics: Mapping[str, Any]) -> None:
        with self._open() as writer:
            if writer:
                writer.add_hparams(dict(settings), dict(metrics), run_name=".")  # else a folder named by the clock

    def close(self) -> None:
        if self._close:
            self._close()
            self._writer = None

    @contextmanager
    def _open(self) -> Iterator[SummaryWriter | None]:
        """Raises ``StorageError`` where the disk is full."""
        if self.folder is None:
            yield None
            return
        with writing(self.folder):
            if self._writer is None:
                self._writer = SummaryWriter(str(self.folder), purge_step=self.first_step)
                self._close = weakref.finalize(self, self._writer.close)  # also where a run fails
            yield self._writer
            self._writer.flush()


@contextmanager
def tensorboard_of(curves: Curves) -> Iterator[None]:
    """RecBole's trainers open a TensorBoard in the working directory; within the block they take ``curves``."""
    module = recbole.trainer.trainer
    original = module.get_tensorboard
    module.get_tensorboard = lambda logger: curves
    try:
        yield
    finally:
        module.get_tensorboard = original
