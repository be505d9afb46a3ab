// Creates and navigates elements. Content is always set as text and never parsed as markup.

const SVG = "http://www.w3.org/2000/svg";

export const byId = (id) => document.getElementById(id);

export function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

export function svg(name, attributes = {}, text = null) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== null) made.textContent = text;
  return made;
}

export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

// Copy text to the clipboard; a page from another machine has no clipboard API and must use the selection.
export async function copyText(text) {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  const area = element("textarea", { class: "visually-hidden" });
  area.value = text;
  document.body.append(area);
  area.select();
  document.execCommand("copy");
  area.remove();
}

// Make the rows of a grid one tab stop; arrows, Home, End, Page Up and Page Down move between them.
export function roveRows(body, onFocus) {
  body.addEventListener("keydown", (event) => {
    const row = event.target.closest("tr");
    if (!row || event.ctrlKey || event.metaKey || event.altKey) return;
    const rows = [...body.rows].filter((one) => !one.hidden);
    const index = rows.indexOf(row);
    const moves = {
      ArrowDown: index + 1, ArrowUp: index - 1, j: index + 1, k: index - 1,
      PageDown: index + 10, PageUp: index - 10, Home: 0, End: rows.length - 1,
    };
    if (!(event.key in moves)) return;
    event.preventDefault();
    rows[Math.max(0, Math.min(rows.length - 1, moves[event.key]))].focus();
  });
  body.addEventListener("focusin", (event) => {
    const row = event.target.closest("tr");
    if (row) onFocus(row);
  });
  body.addEventListener("click", (event) => {
    const row = event.target.closest("tr");
    if (row && document.activeElement !== row) row.focus();
  });
}

export function markSelected(body, row) {
  for (const other of body.querySelectorAll("tr[aria-selected='true']")) {
    if (other !== row) {
      other.setAttribute("aria-selected", "false");
      other.tabIndex = -1;
    }
  }
  if (row) {
    row.setAttribute("aria-selected", "true");
    row.tabIndex = 0;
  }
}
