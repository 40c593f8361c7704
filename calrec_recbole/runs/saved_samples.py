"""The samples of a run on disk as soon as they are drawn: part files while it runs, one file once it is complete."""

import logging
import re
import shutil
from collections.abc import Iterable
from pathlib import Path

from calrec_recbole.errors import DataError
from calrec_recbole.runs.run_folder import PARTS, SAMPLES_FILE
from calrec_recbole.runs.user_samples import Origin, UserSamples, origin_of, read_samples, write_samples

__all__ = ["SavedSamples"]

_NAME = re.compile(r"part-(\d+)\.parquet")

logger = logging.getLogger(__name__)


class SavedSamples:
    """Holds samples by split and user in ``users``, by key in ``by_key``; each ``add`` writes a part file.

    ``weights`` says whose samples these are; every file carries it. ``seconds``: what drawing them took, by this and
    by interrupted runs. Without ``run`` they are kept in memory alone.

    Of ``world`` processes each writes parts of its own: every ``world``-th ``number``.
    """

    def __init__(self, run: Path | None = None, weights: str = "", world: int = 1) -> None:
        self.run, self.weights = run, weights
        self.users: dict[tuple[str, str], UserSamples] = {}
        self.by_key: dict[str, UserSamples] = {}
        self.seconds = 0.0
        self.number, self.world = 0, world

    def take_up(self) -> None:
        """Reads what an earlier run of the same weights left; removes the rest, with a line for each file.

        A part is whole or absent. One that is damaged nevertheless costs its own users alone.
        """
        assert self.run
        parts = self.run / PARTS
        for temporary in parts.glob(".*.tmp"):  # of a kill
            temporary.unlink()
        for file in (self.run / SAMPLES_FILE, *sorted(parts.glob("part-*.parquet"))):
            if file.is_file() and not self._took(file):
                file.unlink()
        numbers = [int(found[1]) for path in parts.glob("*") if (found := _NAME.fullmatch(path.name))]
        self.number = max(numbers, default=-1) + 1

    def _took(self, file: Path) -> bool:
        try:
            origin, found = origin_of(file), read_samples(file)
        except DataError as problem:
            logger.warning("its users are sampled again: %s", problem)
            return False
        if origin.weights != self.weights:
            logger.warning("%s was drawn by other weights: its users are sampled again", file)
            return False
        before = len(self.users)
        self.take_over(found, 0.0)
        self.seconds += origin.seconds if len(self.users) > before else 0.0  # a kill may leave parts that were merged
        return True

    def take_over(self, users: Iterable[UserSamples], seconds: float) -> None:
        """What is on disk already, or another process's; ``seconds`` is what it took."""
        for one in users:
            self.users[one.split, one.user] = self.by_key[one.key] = one
        self.seconds += seconds

    def add(self, users: Iterable[UserSamples], seconds: float = 0.0) -> None:
        """Keeps ``users``, whose samples took ``seconds``, for good: on disk when it returns."""
        new = list(users)
        self.take_over(new, seconds)
        if self.run and new:
            write_samples(self.run / PARTS / f"part-{self.number:05d}.parquet", new, Origin(self.weights, seconds))
            self.number += self.world

    def merge(self) -> None:
        """All of them to samples.parquet, validation first, then by user; the parts go."""
        assert self.run
        ordered = sorted(self.users.values(), key=lambda one: (one.split != "valid", one.user, one.key))
        write_samples(self.run / SAMPLES_FILE, ordered, Origin(self.weights, self.seconds))
        shutil.rmtree(self.run / PARTS, ignore_errors=True)
