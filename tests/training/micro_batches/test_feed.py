"""What goes through a backbone in training."""

from calrec_recbole.training import Training
from calrec_recbole.training.micro_batches.sizes import Sizes


def test_training_is_a_dataclass_that_knows_no_sizes_before_its_first_step(tiny_training):
    run = tiny_training()
    assert isinstance(run, Training)
    assert run.sizes is None
    run.run(1, lambda report: None)
    assert run.sizes == Sizes(120, 0, 256)
