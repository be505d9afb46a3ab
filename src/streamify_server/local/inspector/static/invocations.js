// The table of invocations, newest first.

import { drawShape } from "./chart.js";
import { byId, element, markSelected, roveRows, setText, svg } from "./dom.js";
import { bytes, clock, count, time } from "./format.js";

const SYMBOLS = { running: "●", success: "✓", error: "✕", timeout: "✕" };

export function statusOf(invocation) {
  const failed = invocation.status === "success" && (invocation.error || invocation.httpStatus >= 400);
  const kind = failed ? "error" : invocation.status;
  const named = kind === "success" ? "ok" : kind;
  // A stream that ended with an error is shown as an error, whatever its HTTP status.
  const text = invocation.httpStatus && kind !== "timeout" && !invocation.error ? String(invocation.httpStatus) : named;
  return { kind, text, symbol: SYMBOLS[kind] };
}

// The part of a continued stream that an invocation is; empty if it is a whole stream.
export function partOf({ part, handedOver }) {
  return part > 1 || handedOver ? `part ${part}` : "";
}

// Whether all words of the filter occur in the text of the table and the heading.
export function matches(invocation, words) {
  const { error, request, contentType, httpStatus, stream } = invocation;
  const said = [statusOf(invocation).text, invocation.function, invocation.id, invocation.mode, request, partOf(invocation), stream, contentType, httpStatus, error?.type, error?.message];
  const text = said.filter(Boolean).join(" ").toLowerCase();
  return words.every((word) => text.includes(word));
}

const what = (invocation) => [clock(invocation.started), partOf(invocation), invocation.request].filter(Boolean).join(" ");

export class InvocationTable {
  constructor(onSelect) {
    this.body = byId("invocations");
    this.rows = new Map();
    roveRows(this.body, (row) => onSelect(Number(row.dataset.number)));
  }

  keep(numbers) {
    const kept = new Set(numbers);
    for (const [number, row] of this.rows) {
      if (kept.has(number)) continue;
      row.remove();
      this.rows.delete(number);
    }
    byId("empty").hidden = this.rows.size > 0;
  }

  // Show only the rows of these invocations.
  filter(isShown) {
    let shown = 0;
    for (const [number, row] of this.rows) {
      row.hidden = !isShown(number);
      shown += !row.hidden;
    }
    byId("unmatched").hidden = shown > 0 || this.rows.size === 0;
  }

  update(invocation, span) {
    const row = this.rows.get(invocation.number) ?? this.#add(invocation);
    const { kind, text, symbol } = statusOf(invocation);
    const [status, name, first, duration, size, shape] = row.cells;
    status.firstChild.dataset.kind = kind;
    setText(status.firstChild, `${symbol} ${text}`);
    setText(name.children[1], what(invocation));
    name.children[1].title = what(invocation);
    setText(name.lastChild, invocation.error?.type ?? "");
    setText(first, time(invocation.firstByte));
    setText(duration, time(invocation.duration ?? span));
    setText(size.firstChild, bytes(invocation.bytes));
    setText(size.lastChild, `${count(invocation.chunks)} ${invocation.chunks === 1 ? "chunk" : "chunks"}`);
    row.dataset.hint = invocation.hint?.kind ?? "";
    row.dataset.kind = kind;
    drawShape(shape.firstChild, invocation, span);
    setText(shape.lastChild, invocation.hint?.text ?? "");
    byId("empty").hidden = true;
  }

  select(number) {
    markSelected(this.body, this.rows.get(number));
  }

  #add(invocation) {
    const cell = (className, ...children) => element("td", { class: className, role: "gridcell" }, ...children);
    const row = element(
      "tr",
      { tabindex: this.rows.size ? "-1" : "0", "aria-selected": "false", role: "row" },
      cell("of-status", element("span", { class: "status" })),
      cell(
        "name",
        element("strong", { title: invocation.function }, invocation.function),
        element("span", { class: "aside" }),
        element("span", { class: "failure" }),
      ),
      cell("number of-first"),
      cell("number of-duration"),
      cell("number of-size", element("span"), element("span", { class: "aside" })),
      cell("of-shape", svg("svg", { class: "shape", preserveAspectRatio: "none", "aria-hidden": "true" }), element("span", { class: "visually-hidden" })),
    );
    row.dataset.number = invocation.number;
    this.rows.set(invocation.number, row);
    this.body.prepend(row);
    return row;
  }
}
