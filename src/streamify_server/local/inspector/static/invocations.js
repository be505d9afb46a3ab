// The table of invocations, newest first.

import { drawShape } from "./chart.js";
import { byId, element, markSelected, roveRows, setText, svg } from "./dom.js";
import { bytes, clock, count, time } from "./format.js";

const SYMBOLS = { running: "●", success: "✓", error: "✕", timeout: "✕" };

export function statusOf(invocation) {
  const failed = invocation.status === "success" && (invocation.error || invocation.httpStatus >= 400);
  const kind = failed ? "error" : invocation.status;
  const named = kind === "success" ? "ok" : kind;
  const text = invocation.httpStatus && kind !== "timeout" ? String(invocation.httpStatus) : named;
  return { kind, text, symbol: SYMBOLS[kind] };
}

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

  update(invocation, span) {
    const row = this.rows.get(invocation.number) ?? this.#add(invocation);
    const { kind, text, symbol } = statusOf(invocation);
    const [status, , first, duration, size, chunks, shape] = row.cells;
    status.firstChild.dataset.kind = kind;
    setText(status.firstChild, `${symbol} ${text}`);
    setText(first, time(invocation.firstByte));
    setText(duration, time(invocation.duration ?? span));
    setText(size, bytes(invocation.bytes));
    setText(chunks, count(invocation.chunks));
    row.dataset.hint = invocation.hint?.kind ?? "";
    drawShape(shape.firstChild, invocation, span);
    setText(shape.lastChild, invocation.hint?.text ?? "");
    byId("empty").hidden = true;
  }

  select(number) {
    markSelected(this.body, this.rows.get(number));
  }

  #add(invocation) {
    const number = (text = "") => element("td", { class: "number" }, text);
    const row = element(
      "tr",
      { tabindex: this.rows.size ? "-1" : "0", "aria-selected": "false" },
      element("td", {}, element("span", { class: "status" })),
      element(
        "td", { class: "name" },
        element("strong", {}, invocation.function),
        element("span", { class: "aside" }, clock(invocation.started)),
      ),
      number(), number(), number(), number(),
      element("td", {}, svg("svg", { class: "shape", "aria-hidden": "true" }), element("span", { class: "visually-hidden" })),
    );
    row.dataset.number = invocation.number;
    this.rows.set(invocation.number, row);
    this.body.prepend(row);
    return row;
  }
}
