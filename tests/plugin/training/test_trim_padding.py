import pytest
import torch

from calrec_recbole.errors import ConfigError
from calrec_recbole.plugin.config import Config
from calrec_recbole.plugin.data.prepared import prepare
from calrec_recbole.plugin.runner import build_model
from calrec_recbole.plugin.training.trim_padding import forward_by_length, length_groups

ROWS = torch.tensor([[7, 0, 0, 0, 0], [1, 2, 3, 4, 5], [6, 6, 0, 0, 0], [1, 0, 3, 0, 0], [0, 0, 0, 0, 0]])
LENGTHS = torch.tensor([1, 5, 2, 3, 1])


def test_groups_hold_every_row_once_and_double_in_width():
    groups = [(rows.tolist(), width) for rows, width in length_groups(ROWS)]
    assert groups == [([0, 4], 1), ([2], 2), ([3], 3), ([1], 5)]


def test_outputs_come_back_in_the_order_of_the_rows():
    def last_item(item_seq, lengths):
        return item_seq.gather(1, lengths[:, None] - 1)

    assert torch.equal(forward_by_length(last_item, ROWS, LENGTHS), last_item(ROWS, LENGTHS))


def test_outputs_for_every_place_are_zero_at_pads():
    widths = []

    def states(item_seq, vectors, scale=1):
        assert item_seq.shape == vectors.shape[:2]
        widths.append(item_seq.shape[1])
        return scale * (item_seq[:, :, None] + vectors)

    vectors = torch.arange(50).reshape(5, 5, 2)
    found = forward_by_length(states, ROWS, vectors, scale=2)
    assert widths == [1, 2, 3, 5]
    for row, width in enumerate((1, 5, 2, 3, 1)):
        expected = 2 * (ROWS[row, :width, None] + vectors[row, :width])
        assert torch.equal(found[row, :width], expected)
        assert not found[row, width:].any()


@pytest.mark.parametrize("model", ["SASRec", "BERT4Rec", "BERT4RecFull"])
def test_loss_gradients_and_scores_are_those_with_the_pads(model, tiny_settings):
    found = {}
    for trim in (True, False):
        config = Config(model, config_dict={**tiny_settings, "MAX_ITEM_LIST_LENGTH": 12, "trim_padding": trim})
        data = prepare(config).loaders
        built = build_model(config, data.train.dataset).eval()
        batch = next(iter(data.train))
        loss = built.calculate_loss(batch)
        loss.backward()
        scores = built.full_sort_predict(next(iter(data.test))[0])
        found[trim] = [loss, built.item_embedding.weight.grad, built.position_embedding.weight.grad, scores]
    for with_cut, without in zip(found[True], found[False], strict=True):
        torch.testing.assert_close(with_cut, without, atol=1e-6, rtol=1e-5)


def test_a_model_that_reads_a_fixed_length_has_no_such_setting(tiny_settings):
    with pytest.raises(ConfigError, match="'trim_padding' is unknown to Caser"):
        Config("Caser", config_dict={**tiny_settings, "trim_padding": True})
