"use strict";
for (const button of document.querySelectorAll("table.sortable th button")) {
  button.addEventListener("click", () => {
    const head = button.closest("th");
    const body = head.closest("table").tBodies[0];
    const place = head.cellIndex;
    const up = head.getAttribute("aria-sort") !== "ascending";
    for (const other of head.parentElement.cells) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", up ? "ascending" : "descending");
    const value = (row) => row.cells[place].dataset.v ?? row.cells[place].textContent.trim();
    const rows = [...body.rows].map((row) => [value(row), row]);
    const numbers = rows.every(([v]) => v === "" || !Number.isNaN(Number(v)));
    rows.sort(([a], [b]) => {
      // What has no value stays at the end, whichever way is sorted.
      if (a === "" || b === "") return (a === "") - (b === "");
      const order = numbers ? Number(a) - Number(b) : a.localeCompare(b);
      return up ? order : -order;
    });
    body.append(...rows.map(([, row]) => row));
  });
}
for (const box of document.querySelectorAll("input[data-hide]")) {
  const apply = () => document.body.classList.toggle(box.dataset.hide, box.checked);
  box.addEventListener("change", apply);
  apply();
}
for (const button of document.querySelectorAll("button.copy")) {
  button.addEventListener("click", async () => {
    const block = document.getElementById(button.dataset.of);
    getSelection().selectAllChildren(block);
    try {
      await navigator.clipboard.writeText(block.textContent);
      button.textContent = "copied";
    } catch {
      button.textContent = "selected: press Ctrl+C";
    }
  });
}
