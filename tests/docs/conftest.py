"""The pages of the manual and the blocks of code in them."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "results/README.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
]

_FENCED = re.compile(r"^( *)```(\w*)\n(.*?)^\1```", re.MULTILINE | re.DOTALL)


def blocks(page: Path, language: str) -> list[str]:
    """The fenced blocks of ``language``, in their order."""
    found = _FENCED.findall(page.read_text(encoding="utf-8"))
    return [re.sub(rf"(?m)^{indent}", "", code) for indent, name, code in found if name == language]


def shell_lines(page: Path) -> Iterator[str]:
    """Lines that a reader may type: indented blocks, fences without a language, inline code with an option."""
    text = page.read_text(encoding="utf-8")
    for code in blocks(page, "") + blocks(page, "bash"):
        yield from code.splitlines()
    text = _FENCED.sub("", text)
    text = re.sub(r"\\\n\s+", "", text)  # a command over several lines
    for line in text.splitlines():
        if line.startswith("    "):
            yield line.strip()
        else:
            yield from (code for code in re.findall(r"`([^`]+)`", line) if " --" in code)


@pytest.fixture(params=PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def page(request: pytest.FixtureRequest) -> Path:
    return request.param
