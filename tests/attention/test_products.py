"""How float32 matrices are multiplied."""

import pytest
import torch

from calrec_recbole.attention.products import exact_products, product_precisions


@pytest.fixture
def rounded():
    before = product_precisions()
    torch.backends.cuda.matmul.fp32_precision = "tf32"
    torch.backends.mkldnn.matmul.fp32_precision = "bf16"
    yield
    torch.backends.cuda.matmul.fp32_precision, torch.backends.mkldnn.matmul.fp32_precision = before


def test_products_are_exact_inside_the_block_and_as_before_after_it(rounded):
    with exact_products():
        assert product_precisions() == ("ieee", "ieee")
    assert product_precisions() == ("tf32", "bf16")


def test_they_come_back_after_an_error(rounded):
    with pytest.raises(KeyError), exact_products():
        raise KeyError
    assert product_precisions() == ("tf32", "bf16")
