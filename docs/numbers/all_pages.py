"""The claims of all pages, and the check of them all."""

from docs.numbers import (
    decoding_modes,
    elsewhere,
    gpu,
    ml_100k,
    overview,
    scientific,
    scientific_baselines,
    stages,
    tables,
)
from docs.numbers.claims import Checked, Claim, check
from docs.numbers.lacking import commit_faults, lacking_faults
from docs.numbers.pages import ROOT
from docs.numbers.rows import folders, results

__all__ = ["CLAIMS", "check_all"]

CLAIMS: dict[str, list[Claim]] = {
    **overview.CLAIMS,
    **scientific.CLAIMS,
    **scientific_baselines.CLAIMS,
    **stages.CLAIMS,
    **tables.CLAIMS,
    **decoding_modes.CLAIMS,
    **gpu.CLAIMS,
    **ml_100k.CLAIMS,
    **elsewhere.CLAIMS,
}


def check_all() -> tuple[list[Checked], list[str]]:
    """Each page of the manual, and every fault: of pages, and of what results/ keeps."""
    names = [
        "README.md",
        "results/README.md",
        *(str(one.relative_to(ROOT)) for one in sorted((ROOT / "docs").rglob("*.md"))),
    ]
    measured = {"README.md", "docs/quick_start.md"}
    pages = [check(name, CLAIMS.get(name, []), name in measured or name.startswith("docs/results/")) for name in names]
    faults = [line for page in pages for line in page.faults]
    faults += [f"{name} has claims and is no page" for name in CLAIMS.keys() - set(names)]
    faults += lacking_faults() + commit_faults()
    return pages, faults + [line for name in folders() for line in results(name).faults()]
