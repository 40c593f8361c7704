"""For mkdocstrings: a docstring's doctests become code blocks, which Markdown would read as quotations."""

import re
from typing import Any

from griffe import Extension, Object

DOCTEST = re.compile(r"(?:^[ \t]*>>> .*\n?(?:^[ \t]*\S.*\n?)*)+", re.MULTILINE)


class DoctestBlocks(Extension):
    """Fences every run of lines that begins with ``>>>``, up to the next empty line."""

    def on_object(self, *, obj: Object, **kwargs: Any) -> None:
        if obj.docstring:
            obj.docstring.value = DOCTEST.sub(
                lambda found: f"\n```pycon\n{found[0].strip()}\n```\n", obj.docstring.value
            )
