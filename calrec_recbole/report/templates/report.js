const root = document.documentElement;
const dark = window.matchMedia("(prefers-color-scheme: dark)");
document.getElementById("theme").addEventListener("click", () => {
  const shown = root.dataset.theme || (dark.matches ? "dark" : "light");
  root.dataset.theme = shown === "dark" ? "light" : "dark";
});

// A click on a column's title sorts: highest first, lowest first, as it was. Rows of gains stay at the end.
const numberIn = (cell) => {
  if (cell.dataset.value !== undefined) return Number(cell.dataset.value);
  const found = cell.textContent.replace("−", "-").replaceAll(",", "").match(/[-+]?(\d+\.?\d*|\.\d+)/);
  return found ? Number(found[0]) : NaN;
};
const compare = (column, falling) => (one, other) => {
  const [a, b] = [one, other].map((row) => row.cells[column]);
  const [x, y] = [numberIn(a), numberIn(b)];
  if (column === 0 || (Number.isNaN(x) && Number.isNaN(y))) {
    const order = a.textContent.trim().localeCompare(b.textContent.trim());
    return column === 0 && falling ? order : column === 0 ? -order : 0;
  }
  if (Number.isNaN(x) || Number.isNaN(y)) return Number.isNaN(x) ? 1 : -1;
  return falling ? y - x : x - y;
};
for (const table of document.querySelectorAll("table.sorts")) {
  const body = table.tBodies[0];
  const rows = [...body.rows];
  const titles = [...table.tHead.rows[0].cells];
  const sort = (title) => {
    const next = { none: "descending", descending: "ascending", ascending: "none" }[title.getAttribute("aria-sort")];
    for (const other of titles) other.setAttribute("aria-sort", "none");
    title.setAttribute("aria-sort", next);
    const stays = (row) => row.classList.contains("gain") && rows.some((one) => !one.classList.contains("gain"));
    const moving = rows.filter((row) => !stays(row));
    if (next !== "none") moving.sort(compare(titles.indexOf(title), next === "descending"));
    body.append(...(next === "none" ? rows : [...moving, ...rows.filter(stays)]));
  };
  for (const title of titles) {
    title.tabIndex = 0;
    title.setAttribute("aria-sort", "none");
    title.addEventListener("click", () => sort(title));
    title.addEventListener("keydown", (event) => {
      if (event.key === "Enter") sort(title);
    });
  }
}
