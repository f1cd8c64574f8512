"use strict";
// Sorts the table by the column whose heading is pressed; what has no value stays at the end.
(() => {
  const table = document.getElementById("models");
  if (!table) return;
  const body = table.tBodies[0];
  const headings = Array.from(table.querySelectorAll("thead th"));
  const original = Array.from(body.rows);
  const keyOf = (row, index) => row.cells[index].dataset.key ?? "";
  const compare = (index, down) => (a, b) => {
    const [x, y] = [keyOf(a, index), keyOf(b, index)];
    if (x === "" || y === "") return (x === "") - (y === "");
    const numeric = headings[index].dataset.kind === "number";
    const order = numeric ? Number(x) - Number(y) : x.localeCompare(y);
    return down ? -order : order;
  };
  headings.forEach((heading, index) => {
    const button = heading.querySelector("button");
    if (!button) return;
    button.addEventListener("click", () => {
      const now = heading.getAttribute("aria-sort");
      const next = now === "ascending" ? "descending" : now === "descending" ? "none" : "ascending";
      headings.forEach((other) => other.setAttribute("aria-sort", "none"));
      heading.setAttribute("aria-sort", next);
      const rows = next === "none" ? original : [...original].sort(compare(index, next === "descending"));
      body.append(...rows);
    });
  });
})();
