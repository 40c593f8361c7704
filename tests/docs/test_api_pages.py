"""The API reference names modules that are there, and the stable names of the package stand in it."""

import re
from importlib.util import find_spec

import pytest

from tests.docs.conftest import ROOT
from tests.test_structure import PUBLIC

PAGES = sorted((ROOT / "docs" / "api").glob("*.md"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_module_of_a_page_exists(page):
    modules = re.findall(r"(?m)^::: (\S+)$", page.read_text(encoding="utf-8"))
    assert modules
    assert [name for name in modules if find_spec(name) is None] == []


@pytest.mark.parametrize("module", sorted(PUBLIC))
def test_every_stable_name_is_in_the_table(module):
    rows = (ROOT / "docs" / "api" / "index.md").read_text(encoding="utf-8").splitlines()
    row = next(line for line in rows if f"`{module}`" in line)
    assert [name for name in PUBLIC[module] if f"`.{name}`" not in row] == []
