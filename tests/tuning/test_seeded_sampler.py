import optuna
from optuna.distributions import CategoricalDistribution, FloatDistribution

from calrec_recbole.tuning.seeded_sampler import SeededTPE

SPACE = {"x": FloatDistribution(-1.0, 1.0), "kind": CategoricalDistribution(["a", "b"])}


def drawn(study, trials):
    for _ in range(trials):
        trial = study.ask(SPACE)
        study.tell(trial, -(trial.params["x"] ** 2))
    return [trial.params for trial in study.trials]


def study_of(seed, storage=None, name="one"):
    sampler = SeededTPE(seed, lambda trial: trial.number)
    return optuna.create_study(
        storage=storage, study_name=name, sampler=sampler, direction="maximize", load_if_exists=True
    )


def test_another_process_goes_on_as_the_first_would_have():
    storage = optuna.storages.InMemoryStorage()
    drawn(study_of(7, storage), 4)
    drawn(study_of(7, storage), 8)  # beyond the ten random ones with which TPE begins
    assert drawn(study_of(7, storage), 2) == drawn(study_of(7), 14)
    assert drawn(study_of(8), 3) != drawn(study_of(7), 3)
