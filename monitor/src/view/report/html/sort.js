"use strict";
// A heading sorts its table: numbers largest first, then the other way round. Rows below another go with it.
const key = (row, column) => {
  const cell = row.cells[column];
  return cell.dataset.key === undefined ? cell.textContent : Number(cell.dataset.key);
};
const compare = (a, b) => (typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b)));
for (const button of document.querySelectorAll("th button")) {
  button.addEventListener("click", () => {
    const heading = button.parentElement;
    const table = heading.closest("table");
    const column = heading.cellIndex;
    const groups = [];
    for (const row of table.tBodies[0].rows) {
      if (row.classList.contains("below") && groups.length > 0) groups[groups.length - 1].push(row);
      else groups.push([row]);
    }
    const now = heading.getAttribute("aria-sort");
    const number = heading.classList.contains("number");
    const next = now ? (now === "ascending" ? "descending" : "ascending") : number ? "descending" : "ascending";
    const sign = next === "ascending" ? 1 : -1;
    groups.sort((a, b) => sign * compare(key(a[0], column), key(b[0], column)));
    for (const other of heading.parentElement.cells) other.removeAttribute("aria-sort");
    heading.setAttribute("aria-sort", next);
    table.tBodies[0].append(...groups.flat());
  });
}
