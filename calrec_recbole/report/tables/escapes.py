"""Texts of runs and settings as LaTeX and Markdown print them: what they hold is shown, never carried out."""

import re
import unicodedata

__all__ = ["for_latex", "for_markdown", "one_line", "without_html"]

LATEX = {character: f"\\{character}" for character in "&%$#_{}"} | {
    **{character: f"{{{character}}}" for character in "[]*"},  # which mean something after the end of a row
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    **{"<": "$<$", ">": "$>$", "|": "$|$", '"': "''", "`": r"\textasciigrave{}"},  # OT1 has no straight quote
    **{"−": "$-$", "–": "--", "—": "---", "±": r"$\pm$", "×": r"$\times$", "…": r"\ldots{}", "·": r"$\cdot$"},
    **{"≤": r"$\le$", "≥": r"$\ge$", "≠": r"$\ne$", "→": r"$\to$", "∞": r"$\infty$", "°": r"$^\circ$"},
    **{"†": r"\dag{}", "“": "``", "”": "''", "‘": "`", "’": "'", "\N{NO-BREAK SPACE}": "~"},
    **{"α": r"$\alpha$", "β": r"$\beta$", "ε": r"$\epsilon$", "τ": r"$\tau$", "λ": r"$\lambda$", "μ": r"$\mu$"},
}

# letters of OT1: ASCII with these marks, and a few of their own
MARKS = {chr(code) for code in (0x300, 0x301, 0x302, 0x303, 0x304, 0x306, 0x307, 0x308, 0x30A, 0x30B, 0x30C, 0x327)}
LETTERS = set("æœøåßłÆŒØÅŁ")

OTHER = "\x00"  # around a letter that OT1 lacks; ``one_line`` leaves none

_MARKDOWN = re.compile(r"([\\|*`\[\]])")
_ENTITY = re.compile(r"&(?=#?\w+;)")


def one_line(text: str) -> str:
    """Line breaks of any kind, tabs and other control characters become blanks.

    >>> one_line("a\\r\\nb\\x85c\\x00")
    'a b c '
    """
    return re.sub(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+", " ", text)


def for_latex(text: str) -> str:
    """Compiles under pdfLaTeX, LuaLaTeX and XeLaTeX; pdfLaTeX, which has few letters, shows the numbers of the others.

    >>> for_latex("50% of a_b, −3"), for_latex("é 中")
    ('50\\\\% of a\\\\_b, $-$3', 'é \\\\ifdefined\\\\Umathcode 中\\\\else [U+4E2D]\\\\fi{}')
    """
    parts = re.split(r"([^\x00-\x7f])", one_line(text))
    return _joined("".join(LATEX.get(part, _letter(part)) if len(part) == 1 else _ascii(part) for part in parts))


def _ascii(text: str) -> str:
    return "".join(LATEX.get(character, character) for character in text)


def _letter(character: str) -> str:
    """Itself where OT1 has it; else it is put between ``OTHER`` marks, for ``_joined``."""
    base, *marks = list(unicodedata.normalize("NFD", character))
    plain = base.isascii() and len(marks) == 1 and marks[0] in MARKS and ord(character) < 0x180
    return character if character.isascii() or plain or character in LETTERS else f"{OTHER}{character}{OTHER}"


def _joined(text: str) -> str:
    """A branch for each stretch of letters that pdfLaTeX lacks."""

    def branch(found: re.Match[str]) -> str:
        letters = found[0].replace(OTHER, "")
        numbers = " ".join(f"U+{ord(letter):04X}" for letter in letters)
        return rf"\ifdefined\Umathcode {letters}\else [{numbers}]\fi{{}}"

    return re.sub(f"(?:{OTHER}[^{OTHER}]{OTHER})+", branch, text)


def for_markdown(text: str) -> str:
    """GitHub's Markdown of a cell or a heading: no HTML, no link, no further cell.

    >>> for_markdown("<b>|")
    '&lt;b&gt;\\\\|'
    """
    return _MARKDOWN.sub(r"\\\1", without_html(one_line(text)))


def without_html(text: str) -> str:
    """Markdown in which nothing is HTML."""
    return _ENTITY.sub("&amp;", text).replace("<", "&lt;").replace(">", "&gt;")
