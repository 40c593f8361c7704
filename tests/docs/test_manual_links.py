"""Every link of the manual that stays inside the project leads to a file, and to a heading where it names one."""

import re

LINK = re.compile(r"\]\(([^)\s]+)\)")
CODE = re.compile(r"^( *)```.*?^\1```|^    .*$|`[^`\n]+`", re.MULTILINE | re.DOTALL)


def _anchors(text: str) -> set[str]:
    """Headings as mkdocs names them."""
    titles = re.findall(r"(?m)^#+ (.+)$", text)
    return {re.sub(r"[-\s]+", "-", re.sub(r"[^\w\s-]", "", title).strip().lower()) for title in titles}


def test_no_link_is_dead(page):
    text = page.read_text(encoding="utf-8")
    for target in LINK.findall(CODE.sub("", text)):
        if target.startswith(("https://", "http://")):
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path) if path else page
        assert file.exists(), f"{page.name} links to {target}, which is not there"
        assert not anchor or anchor in _anchors(file.read_text(encoding="utf-8")), f"{page.name}: no heading #{anchor}"
