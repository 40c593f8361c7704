import pytest
import torch
from safetensors.torch import load_file

from calrec_recbole.errors import BackboneError, ConfigError
from calrec_recbole.runs.hub.weight_delta import add_delta, write_delta


@pytest.fixture
def weights():
    draw = torch.Generator().manual_seed(0)
    base = {"a": torch.randn(30, 7, generator=draw), "b": torch.randn(5, generator=draw)}
    return base, {name: one + 0.01 * torch.randn(one.shape, generator=draw) for name, one in base.items()}


def test_whole_levels_come_back_exactly_with_their_signs(tmp_path):
    """A group of 64 whose largest is 7: at 4 bits the scale is 1, and each whole number from -7 to 7 is a level."""
    base = {"a": torch.zeros(64)}
    tuned = {"a": torch.tensor([float(place % 15 - 7) for place in range(64)])}
    lost = write_delta(base, tuned, tmp_path / "delta", bits=4)
    assert lost == (0.0, 0.0)
    assert torch.equal(add_delta(base, tmp_path / "delta")["a"], tuned["a"])
    levels = load_file(tmp_path / "delta")["a.levels"]
    assert len(levels) == 32  # two a byte
    assert levels[0].item() == 0b1010_1001  # -7 is 1001 in four bits, -6 is 1010


@pytest.mark.parametrize(("bits", "least", "most"), [(2, 0.3, 0.8), (4, 0.05, 0.2), (8, 0.0, 0.02)])
def test_the_told_error_is_that_of_the_rebuilt_weights(weights, tmp_path, bits, least, most):
    base, tuned = weights
    lost = write_delta(base, tuned, tmp_path / "delta", bits)
    rebuilt = add_delta(base, tmp_path / "delta")
    error, difference, whole = (
        sum(float(one.double().square().sum()) for one in parts) ** 0.5
        for parts in ([rebuilt[n] - tuned[n] for n in base], [base[n] - tuned[n] for n in base], tuned.values())
    )
    assert lost.of_difference == pytest.approx(error / difference, rel=1e-3)
    assert lost.of_weights == pytest.approx(error / whole, rel=1e-3)
    assert least < lost.of_difference < most


def test_another_base_other_tensors_other_bits_and_a_damaged_file_are_told(weights, tmp_path):
    base, tuned = weights
    write_delta(base, tuned, tmp_path / "delta")
    with pytest.raises(BackboneError, match=r"is a difference from other weights than the base's"):
        add_delta(base | {"b": base["b"] + 1}, tmp_path / "delta")
    with pytest.raises(BackboneError, match=r"base of the same tensors: b differs; push without --delta"):
        write_delta(base, tuned | {"b": torch.zeros(6)}, tmp_path / "other")
    with pytest.raises(ConfigError, match=r"--bits=3 must be one of 2, 4, 8"):
        write_delta(base, tuned, tmp_path / "other", bits=3)
    (tmp_path / "delta").write_bytes(b"no tensors")
    with pytest.raises(BackboneError, match=r"delta cannot be read .*: pull it again"):
        add_delta(base, tmp_path / "delta")
