"""A run's values as training tells them: to its ``curves.csv`` and its TensorBoard, ``<run folder>/tensorboard``.

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
from calrec_recbole.runs.curves import CURVES_FILE, CurvesFile
from calrec_recbole.runs.run_folder import TENSORBOARD
from calrec_recbole.training import Processes

__all__ = ["Curves", "tensorboard_of"]


class Curves:
    """The methods of ``SummaryWriter`` that RecBole calls. Nothing is written before the first value, so reloading a
    run leaves it as it is; every value is on disk at once, so a kill loses none. ``folder`` None writes no TensorBoard.
    """

    def __init__(self, folder: Path | None, file: CurvesFile | None = None, valid_metric: str = "score") -> None:
        self.folder, self.file = folder, file or CurvesFile(None)
        self.own_names = {"Loss/Train": "train/loss", "Vaild_score": f"valid/{valid_metric}"}  # RecBole's tags
        self.first_step: int | None = None
        self._writer: SummaryWriter | None = None
        self._close: Callable[[], object] | None = None

    @classmethod
    def of_run(cls, run_dir: Path | None, shown: bool, valid_metric: str) -> Self:
        """Those of the run's folder, by its first process. Without a run there are none; not ``shown``
        there is no TensorBoard.
        """
        if run_dir is None or not Processes.present().first:
            return cls(None)
        return cls(run_dir / TENSORBOARD if shown else None, CurvesFile(run_dir / CURVES_FILE), valid_metric)

    def begin(self, began: float, resumed_at: float = 0.0, step: int | None = None) -> None:
        """Training began at ``began`` on ``time.perf_counter``. Of an interrupted run stays what came before
        ``resumed_at`` seconds of training, in TensorBoard before ``step``; the rest is done again.
        """
        self.file.begin(began, resumed_at)
        self.first_step = step

    def add_scalar(self, tag: str, value: Any, step: int) -> None:
        """A value by RecBole's tag at its epoch, which it counts from 0: curves.csv tells how many are done."""
        self.file.add({self.own_names.get(tag, tag): float(value)}, step + 1)
        self._show({tag: float(value)}, step)

    def add_scalars(self, values: Mapping[str, float], step: int) -> None:
        """Values by tag at ``step``."""
        self.file.add(values, step)
        self._show(values, step)

    def add_end(self, values: Mapping[str, float]) -> None:
        """Values by tag of the whole run, to TensorBoard alone."""
        self._show(values, None)

    def _show(self, values: Mapping[str, float], step: int | None) -> None:
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
