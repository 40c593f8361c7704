"""What a page quotes and what it should be: claims on tables and on sentences, and how a page is checked by them."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from docs.numbers.pages import Page, Quoted, Table, agrees
from docs.numbers.rows import Source

__all__ = [
    "MEASURED",
    "Above",
    "Below",
    "Checked",
    "Claim",
    "Says",
    "TableOf",
    "Untraced",
    "check",
    "listed",
    "pair",
    "summary",
]

METRICS = {"NDCG@10": "ndcg@10", "Recall@1": "recall@1", "Recall@10": "recall@10", "MRR": "mrr"}
PARTS = {"": "test", "test ": "test", "validation ": "valid"}  # before a metric in the title of a column
DAGGER = "†"
MEASURED = "measured by the command of its section"  # or of the page of results that it names


@dataclass(frozen=True)
class Below:
    """The number that is quoted is a bound, above ``value``."""

    value: float


@dataclass(frozen=True)
class Above:
    """The number that is quoted is a bound, not above ``value``."""

    value: float


Value = float | Below | Above | None


@dataclass
class Checked:
    """What came of a page.

    ``faults``, one a line; ``traced``: the places of the numbers that were recomputed; ``untraced``: the places of
    those that were not, each with its reason.
    """

    page: Page
    faults: list[str] = field(default_factory=list)
    traced: set[int] = field(default_factory=set)
    untraced: dict[int, str] = field(default_factory=dict)

    def fault(self, place: int, text: str) -> None:
        self.faults.append(f"{self.page.name}:{self.page.line(place)}: {text}")

    def compare(self, quoted: Quoted, value: Value, what: str) -> None:
        """Holds the ``quoted`` number against ``value``; None leaves it alone."""
        if value is None:
            return
        self.traced.add(quoted.start)
        written = float(quoted.written.replace("−", "-").replace(",", ""))
        if isinstance(value, Below):
            fits, shown = value.value <= written, f"{value.value:.6g}, not below"
        elif isinstance(value, Above):
            fits, shown = value.value >= written, f"{value.value:.6g}, not above"
        else:
            fits, shown = agrees(quoted.written, value), f"{value:.6g}"
        if not fits:
            self.fault(quoted.start, f"{quoted.written} is quoted, {shown} follows ({what})")


class Claim:
    """Something that a page says."""

    def apply(self, checked: Checked) -> None:
        raise NotImplementedError


@dataclass(frozen=True)
class Says(Claim):
    """The numbers in ``quote``, which stands on the page once, are ``values`` in their order; None: see elsewhere."""

    quote: str
    values: Sequence[Value]

    def apply(self, checked: Checked) -> None:
        start, end = checked.page.find(self.quote)
        numbers = list(checked.page.numbers_in(start, end))
        if len(numbers) != len(self.values):
            written = [one.written for one in numbers]
            checked.fault(start, f"{self.quote!r} has the numbers {written}, {len(self.values)} are claimed")
            return
        for quoted, value in zip(numbers, self.values, strict=True):
            checked.compare(quoted, value, self.quote)


@dataclass(frozen=True)
class Untraced(Claim):
    """The numbers of the ``quotes``, each once on the page, follow from nothing that is kept, for ``reason``."""

    reason: str
    quotes: Sequence[str]

    def apply(self, checked: Checked) -> None:
        for quote in self.quotes:
            start, end = checked.page.find(quote)
            for quoted in checked.page.numbers_in(start, end):
                if quoted.start not in checked.traced:
                    checked.untraced[quoted.start] = self.reason
            if self.reason == MEASURED and not checked.page.has_command(start):
                checked.fault(start, f"{quote!r} is a measurement without a command in its section")


@dataclass(frozen=True)
class TableOf(Claim):
    """The ``number``-th table of a section: first cell, without its marks -> the row that it shows.

    Columns of metrics are known by their titles. ``columns``: of other titles the values of a row, in their order.
    A row of ours bears the dagger where a budget stopped it, and its commit stands in the row or in the section;
    ``commits``: False where an earlier table of the page has the same rows.
    """

    section: str
    rows: Mapping[str, Source]
    number: int = 0
    columns: Mapping[str, Callable[[Source], Sequence[Value]]] = field(default_factory=dict)
    commits: bool = True

    def apply(self, checked: Checked) -> None:
        table = checked.page.tables(self.section)[self.number]
        shown = {_plain(row[0][1]): row for row in table.rows[1:]}
        for label, source in self.rows.items():
            if label not in shown:
                checked.fault(table.rows[0][0][0], f"no row {label!r} in the table of {self.section!r}")
                continue
            self._check_row(checked, table, shown[label], source)

    def _check_row(self, checked: Checked, table: Table, row: Sequence[tuple[int, str]], source: Source) -> None:
        place, first = row[0]
        if source.stopped is not None and source.stopped != (DAGGER in first):
            told = "was stopped by its budget and lacks" if source.stopped else "was not stopped by a budget and has"
            checked.fault(place, f"{first.strip()} {told} the mark {DAGGER}")
        section = checked.page.section_at(place)
        if self.commits and source.commit and source.commit not in checked.page.text[section.start : section.end]:
            checked.fault(place, f"{first.strip()} is of commit {source.commit}, which its section does not say")
        for title, (start, text) in zip(table.header, row, strict=False):
            values = self._values(title.strip(), source)
            numbers = list(checked.page.numbers_in(start, start + len(text)))
            if values is None or not numbers:
                continue
            if isinstance(values, dict):
                _compare_cell(checked, numbers, values, f"{first.strip()}, {title.strip()}")
            elif len(values) != len(numbers):
                checked.fault(start, f"{text.strip()!r} has {len(numbers)} numbers, {len(values)} are claimed")
            else:
                for quoted, value in zip(numbers, values, strict=True):
                    checked.compare(quoted, value, f"{first.strip()}, {title.strip()}")

    def _values(self, title: str, source: Source) -> dict[str, float] | Sequence[Value] | None:
        if title in self.columns:
            return self.columns[title](source)
        for before, part in PARTS.items():
            metric = METRICS.get(title.removeprefix(before).removesuffix(" (pessimistic)"))
            if title.startswith(before) and metric:
                found = source.cases(metric, part)
                return {"pes": found["pes"]} if title.endswith("(pessimistic)") and found else found
        return None


def _compare_cell(checked: Checked, numbers: Sequence[Quoted], values: dict[str, float], what: str) -> None:
    """One number is all cases, two are the bounds, three have the expected metric between them."""
    cases = {1: list(values), 2: ["opt", "pes"], 3: ["opt", "exp", "pes"]}.get(len(numbers), [])
    if not cases or not set(cases) <= set(values):
        checked.fault(numbers[0].start, f"{len(numbers)} numbers stand for {', '.join(values) or 'nothing'} ({what})")
        return
    for place, case in enumerate(cases):
        checked.compare(numbers[min(place, len(numbers) - 1)], values[case], f"{what}, {case}")


def pair(source: Source, metric: str, part: str = "test") -> tuple[float, float]:
    """Optimistic and pessimistic."""
    return source.value(metric, "opt", part), source.value(metric, "pes", part)


def _plain(cell: str) -> str:
    return cell.replace(DAGGER, "").replace("*", "").replace("`", "").strip()


def check(name: str, claims: Sequence[Claim], measured: bool) -> Checked:
    """The page ``name`` by its ``claims``; ``measured``: other measurements on it need a command in their section.

    A number in the form of a metric, a p-value or a percentage that no claim names is a fault.
    """
    checked = Checked(Page(name))
    for claim in claims:
        try:
            claim.apply(checked)
        except (ValueError, KeyError, IndexError) as problem:
            checked.faults.append(f"{name}: {problem}")
    for quoted in _left(checked):
        if quoted.metric:
            checked.fault(quoted.start, f"{quoted.written} is traced to no row")
        elif measured and not checked.page.has_command(quoted.start):
            checked.fault(quoted.start, f"{quoted.written} is a measurement without a command in its section")
        elif measured:
            checked.untraced[quoted.start] = MEASURED
    return checked


def _left(checked: Checked) -> Iterator[Quoted]:
    known = checked.traced | set(checked.untraced)
    return (one for one in checked.page.numbers if one.start not in known and one.measure)


def listed(pages: Sequence[Checked]) -> Iterator[str]:
    """Each number that is not recomputed, with its place and its reason."""
    for checked in pages:
        written = {one.start: one.written for one in checked.page.numbers}
        for place, reason in sorted(checked.untraced.items()):
            yield f"{checked.page.name}:{checked.page.line(place)}: {written[place]} is {reason}"


def summary(pages: Sequence[Checked]) -> list[str]:
    """How many numbers were recomputed, and how many were not, by reason."""
    reasons = Counter(reason for page in pages for reason in page.untraced.values())
    lines = [f"recomputed: {sum(len(page.traced) for page in pages)} numbers on {len(pages)} pages"]
    return lines + [f"not recomputed: {number}, {reason}" for reason, number in reasons.most_common()]
