"""CALRec's evaluation: what it has finished is not lost at a limit of time, by a kill or by a signal."""

import time
from math import ceil
from typing import Any

import torch
from recbole.data.interaction import Interaction
from torch import Tensor

from calrec_recbole.evaluation import RankTable
from calrec_recbole.plugin.calrec.core_settings import UserLimits
from calrec_recbole.plugin.calrec.saved_weights import CALRecCheckpoints
from calrec_recbole.plugin.calrec.text_ranks import RanksTexts
from calrec_recbole.plugin.data.user_rows import in_random_order
from calrec_recbole.plugin.reranking.choose_mix import ChoosesMix
from calrec_recbole.plugin.training.several_processes import in_order, share_of
from calrec_recbole.plugin.training.tie_aware_trainer import TEST, VALIDATE, Tested, Validated
from calrec_recbole.plugin.training.time_limit import Limited
from calrec_recbole.runs.saved_samples import SavedSamples
from calrec_recbole.runs.trained import Trained
from calrec_recbole.training.best_weights import best_step, check_best, finished_weights, weights_name

__all__ = ["CALRecEvaluation"]

TEST_SAMPLE = [3]  # the order of test users: not by the seed, so that runs of several seeds share users


class CALRecEvaluation(CALRecCheckpoints, RanksTexts, ChoosesMix):
    """Samples are on disk batch by batch; the test users come in one random order, the same for every run."""

    validated_on = ""  # data set
    seconds_before = 0.0  # that interrupted runs had spent on sampling

    def train_once(
        self, train_data: Any, valid_data: Any, show_progress: bool, validated: Validated | None = None
    ) -> tuple[float, dict[str, float]]:
        """``fit``, unless an earlier process of this run has finished it."""
        run = self.run_id
        if not self.model.settings.training.train_steps:
            self._keep_samples(finished_weights(run))
        found, *_ = self.processes.gather(Trained.found(self.checkpoint_dir, run) if self.processes.first else None)
        if found is None:
            score, valid = super().train_once(train_data, valid_data, show_progress, validated)
            self._training_is_over(run, score, valid)
            return score, valid
        self._drop_state()  # where a kill came before it
        self.logger.info(f"training is over: the best weights are those of step {found.step}")
        self.keep_plan(found.planned)
        self.validated_users, self.validated_on, self.chosen = found.users, found.validated_on, found.chosen
        self.resumed_seconds = found.seconds
        if self.model.reranker:
            self.model.reranker.take(self.checkpoint_dir)
        return found.score, found.valid

    @property
    def limits(self) -> UserLimits:
        limits: UserLimits = self.model.settings.users
        return limits

    def _training_is_over(self, run: str, score: float, valid: dict[str, float]) -> None:
        """Written after the best weights; then the state for resuming is no longer needed."""
        if self.processes.first:
            check_best(self.best)
            step, seconds = best_step(self.best, run), time.perf_counter() - self.began
            assert step is not None  # else the weights would be another run's
            names = self.validated_users, self.validated_on, dict(self.chosen)
            Trained(run, step, score, dict(valid), *names, seconds, dict(self.planned)).write(self.checkpoint_dir)
        self._drop_state()

    def _keep_samples(self, weights: str) -> None:
        """From now on samples are kept in the run's folder; what ``weights`` drew there before is taken up."""
        assert self.run_dir is not None
        saved = SavedSamples(self.run_dir, weights, self.processes.world)
        if self.processes.first:
            saved.take_up()
        found = list(saved.users.values()), saved.seconds, saved.number
        (users, seconds, number), *_ = self.processes.gather(found)
        if not self.processes.first:
            saved.take_over(users, seconds)
        saved.number = number + self.processes.rank
        self.model.saved, self.seconds_before = saved, saved.seconds

    def test(self, test_data: Any, show_progress: bool = False) -> Tested:
        """``test_users`` of them, as many as ``evaluate_minutes`` allow; those that were done before count as done."""
        ordered = in_random_order(test_data, self.limits.test_users, TEST_SAMPLE)
        if self.model.settings.training.train_steps:
            self._keep_samples(weights_name(self.best))
        self.model.split = "test"
        self.gather_lists(test_data)
        tables = self._ranks_of_all(self._limited(ordered), show_progress, TEST)
        for number, other in enumerate(self.processes.gather(self.lists) if self.lists else ()):
            if self.lists and number != self.processes.rank:
                self.lists.merge(other)
        ranks = in_the_order_of(test_data, RankTable.concatenate(tables), self.columns.user)
        self._merge_samples()
        wanted, users = len(ordered._dataset), len(ranks) or self.model.sample_shares.users
        if users < wanted:
            self.logger.info(
                f"{users:,} of {wanted:,} test users are done, by evaluate_minutes={self.limits.evaluate_minutes}: "
                "the same command goes on with the others, also with other evaluate_minutes or 0 for all"
            )
        return Tested(ranks, users, wanted - users)

    def _limited(self, ordered: Any) -> Limited:
        rounds = ceil(len(ordered._dataset) / (self.processes.world * self.evaluation.eval_batch_size))
        return Limited(
            share_of(ordered, self.processes),
            ordered._dataset,
            rounds,
            self.limits.evaluate_minutes,
            lambda: len(self.model.saved.users),
            lambda own: any(self.processes.gather(own)),
        )

    def _merge_samples(self) -> None:
        saved = self.model.saved
        for users in self.processes.gather(list(saved.users.values())):
            saved.take_over(users, 0.0)
        if self.processes.first:
            saved.merge()

    def evaluate_ranks(self, eval_data: Any, show_progress: bool = False, part: str = VALIDATE) -> RankTable:
        """Each process ranks its share of the users; all answer with the whole table."""
        return in_order(self._ranks_of_all(share_of(eval_data, self.processes), show_progress, part))

    def _ranks_of_all(self, own: Any, show_progress: bool, part: str) -> list[RankTable]:
        """The ranks of every process's ``own`` users."""
        shares = self.model.count_samples_anew()
        table = super().evaluate_ranks(own, show_progress, part) if own else RankTable.concatenate([])
        tables = self.processes.gather(table)
        shares.become_sum(self.processes.gather(shares.counts))
        self.diagnostics = {"validated_on": self.validated_on, **self.chosen}
        if self.seconds_before:
            self.diagnostics["sampling_seconds_before_resume"] = round(self.seconds_before, 3)
        if shares.users:  # a reranker by log-probability writes none
            self.diagnostics["samples"] = shares.summary()
            told = ", ".join(f"{name} {value:.4g}" for name, value in shares.summary().items() if name != "users")
            self.logger.info(f"samples of {shares.users} users: {told}")
        return tables

    def _bar(self, part: str, eval_data: Any, shown: bool) -> Any:
        """Hears of users within a batch too: one may take minutes."""
        own = eval_data.loader if isinstance(eval_data, Limited) else eval_data
        bar = super()._bar(part, own, shown)
        self.model.tell = self.tell
        return bar

    def _batch_ranks(self, batch: tuple[Interaction, None, Tensor, Tensor]) -> RankTable:
        if self.ranks:
            return super()._batch_ranks(batch)
        self.model.sampled(batch[0])
        return RankTable.concatenate([])

    def _valid_epoch(self, valid_data: Any, show_progress: bool = False) -> tuple[float, dict[str, float]]:
        self.model.split = "valid"
        return super()._valid_epoch(valid_data, show_progress)


def in_the_order_of(data: Any, table: RankTable, user_field: str) -> RankTable:
    """The rows of ``table``, whose users ``data`` has once each, as far as they are there in its order."""
    users = data._dataset.inter_feat[user_field]
    place = torch.empty(int(users.max()) + 1, dtype=torch.int64)
    place[users] = torch.arange(len(users))
    return table.rows(place[table.users].argsort())
