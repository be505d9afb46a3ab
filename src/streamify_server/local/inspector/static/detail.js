// The selected invocation: its figures, chart, chunks and their text.

import { drawChart, nearestBar } from "./chart.js";
import { byId, copyText, element, markSelected, roveRows, setText } from "./dom.js";
import { bytes, clock, count, pretty, time } from "./format.js";
import { statusOf } from "./invocations.js";

const MODES = { streaming: "streamed to the caller", buffered: "buffered for the caller", event: "asynchronous" };

// The labels in the table for chunks that are not data of the response.
const KINDS = { head: "head", checkpoint: "checkpoint", keepalive: "keepalive", end: "end", "hand-over": "end, goes on", error: "error" };
const PLATFORM = /^(START|END|REPORT) RequestId: /;

export class Detail {
  constructor({ onReplay, onPart }) {
    this.onPart = onPart;
    this.shownParts = "";
    this.invocation = null;
    this.span = 1;
    this.longGap = 1;
    this.highlighted = -1;
    this.shownBars = [];
    this.shownLines = 0;
    this.log = byId("log");
    this.chunks = byId("chunks");
    this.text = byId("text");
    this.chart = byId("chart");
    roveRows(this.chunks, (row) => this.highlight(row.sectionRowIndex, { scroll: "text" }));
    this.text.addEventListener("pointerover", (event) => this.#pointAt(event.target.dataset?.bar));
    this.chunks.addEventListener("pointerover", (event) => this.#pointAt(event.target.closest("tr")?.sectionRowIndex));
    this.chart.addEventListener("pointermove", (event) => {
      if (this.invocation) this.#pointAt(nearestBar(this.chart, this.invocation, this.span, event.clientX));
    });
    this.chart.addEventListener("click", () => this.chunks.rows[this.highlighted]?.focus());
    byId("copy-id").addEventListener("click", () => this.#copyId());
    byId("replay").addEventListener("click", async () => {
      const { number } = this.invocation;
      this.#tell(await onReplay(number));
    });
    new ResizeObserver(() => this.#draw()).observe(this.chart);
  }

  // `parts` are the invocations of the same stream, including this one.
  show(invocation, span, parts = []) {
    const another = this.invocation?.number !== invocation?.number;
    this.invocation = invocation;
    byId("nothing").hidden = invocation !== null;
    byId("selected").hidden = invocation === null;
    if (invocation === null) return;
    if (another) {
      this.highlighted = -1;
      this.#tell("");
    }
    this.span = span;
    this.#heading();
    this.#metrics();
    this.#notes();
    this.#parts(parts);
    this.#bars(another);
    this.#lines(another);
    this.#boxes();
    this.#draw();
  }

  highlight(index, { scroll = null } = {}) {
    this.highlighted = index;
    markSelected(this.chunks, this.chunks.rows[index]);
    for (const span of this.text.querySelectorAll(".marked")) span.classList.remove("marked");
    const span = this.text.children[index];
    span?.classList.add("marked");
    if (scroll === "text") span?.scrollIntoView({ block: "nearest" });
    this.#draw();
  }

  #pointAt(index) {
    if (index !== undefined && Number(index) >= 0 && Number(index) !== this.highlighted) this.highlight(Number(index));
  }

  #heading() {
    const { function: name, id, contentType, mode, number, request, started, verified } = this.invocation;
    const { kind, text, symbol } = statusOf(this.invocation);
    setText(byId("detail-title"), name);
    const badges = [element("span", { class: "status", "data-kind": kind }, `${symbol} ${text}`)];
    if (verified) badges.push(element("span", { class: "badge", title: "The stream says itself how it ended" }, "verified"));
    badges.push(element("span", { class: "badge" }, MODES[mode] ?? mode));
    byId("badges").replaceChildren(...badges);
    setText(byId("facts"), [request, clock(started), contentType || "no content type"].filter(Boolean).join("  ·  "));
    setText(byId("request-id"), id);
    byId("export").setAttribute("href", `export/${number}`);
  }

  #tell(problem) {
    byId("outcome").hidden = !problem;
    setText(byId("outcome"), problem);
  }

  async #copyId() {
    const button = byId("copy-id");
    await copyText(this.invocation.id).then(() => setText(button, "Copied"), () => setText(button, "Not copied"));
    setTimeout(() => setText(button, "Copy"), 1500);
  }

  #metrics() {
    const { firstByte, lastByte, duration, bytes: size, chunks, gap } = this.invocation;
    const sending = lastByte - firstByte;
    const metrics = [
      ["First byte", time(firstByte)],
      ["Duration", time(duration ?? this.span)],
      ["Size", bytes(size)],
      ["Chunks", count(chunks)],
      ["Longest gap", gap ? time(gap.end - gap.start) : "–"],
      ["Rate", chunks > 1 && sending > 0 ? `${bytes(Math.round(size / sending))}/s` : "–"],
    ];
    const list = byId("metrics");
    if (list.children.length !== metrics.length) {
      list.replaceChildren(...metrics.map(([name]) => element("div", {}, element("dt", {}, name), element("dd"))));
    }
    metrics.forEach(([, value], index) => setText(list.children[index].lastChild, value));
  }

  #notes() {
    const { error, fault, hint } = this.invocation;
    byId("fault").hidden = !fault;
    setText(byId("fault"), fault ? `An injected fault ${fault}.` : "");
    byId("error").hidden = !error;
    setText(byId("error-type"), error?.type ?? "");
    setText(byId("error-message"), error?.message ?? "");
    setText(byId("error-trace"), error?.trace ?? "");
    byId("error-trace").hidden = !error?.trace;
    byId("hint").hidden = !hint;
    byId("hint").dataset.kind = hint?.kind ?? "";
    setText(byId("hint"), hint?.text ?? "");
  }

  #parts(parts) {
    const { part, number, handedOver } = this.invocation;
    const said = JSON.stringify([number, handedOver, parts.map((one) => [one.number, one.part, one.status])]);
    if (said === this.shownParts) return;
    this.shownParts = said;
    const box = byId("parts");
    box.hidden = part === 1 && parts.length < 2 && !handedOver;
    const others = parts.map((one) => {
      const { kind, text, symbol } = statusOf(one);
      const button = element("button", { type: "button", class: "small status", "data-kind": kind, title: `request ${one.id}` }, `${one.part} ${symbol} ${text}`);
      if (one.number === number) button.setAttribute("aria-current", "true");
      button.addEventListener("click", () => this.onPart(one.number));
      return button;
    });
    const ends = handedOver ? ", which goes on in another" : "";
    const focused = box.contains(document.activeElement);
    box.replaceChildren(`Part ${part} of one stream${ends}. Its parts: `, ...others);
    if (focused) box.querySelector("[aria-current]")?.focus();
  }

  #bars(another) {
    const { bars } = this.invocation;
    const same = another ? 0 : alike(this.shownBars, bars);
    while (this.chunks.rows.length > same) {
      this.chunks.lastChild.remove();
      this.text.lastChild.remove();
    }
    const rows = [];
    const spans = [];
    for (let index = same; index < bars.length; index++) {
      rows.push(this.#row(index, index ? bars[index - 1] : null, bars[index]));
      const span = element("span", {}, bars[index][4]);
      span.dataset.bar = index;
      if (bars[index][5] === "error") {
        span.className = "failed";
        span.textContent += `✕ ${[this.invocation.error?.type, this.invocation.error?.message].filter(Boolean).join(": ")}`;
      }
      spans.push(span);
    }
    this.shownBars = bars;
    this.chunks.append(...rows);
    keepingEnd(this.text, another, () => this.text.append(...spans));
    if (this.highlighted >= same) this.highlight(this.highlighted);
    this.chunks.style.setProperty("--span", this.span);
  }

  #lines(another) {
    const { lines, logTruncated } = this.invocation;
    if (another) {
      this.log.replaceChildren();
      this.shownLines = 0;
    }
    const rows = lines.slice(this.shownLines).map(([at, line]) => {
      const kind = PLATFORM.test(line) ? "platform" : line.startsWith("[ERROR]") ? "failed" : "";
      return element("p", { class: kind }, element("span", { class: "aside" }, time(at)), element("code", {}, line));
    });
    this.shownLines = lines.length;
    keepingEnd(this.log, another, () => this.log.append(...rows));
    if (logTruncated && !this.log.querySelector(".cut")) {
      this.log.append(element("p", { class: "aside cut" }, "Only the beginning is kept."));
    }
    byId("log-pane").hidden = !lines.length;
  }

  #row(index, previous, [at, until, size, merged, , kind]) {
    const after = at - (previous ? previous[1] : 0);
    const wait = element("i", { class: "wait" });
    wait.style.setProperty("--from", previous ? previous[1] : 0);
    wait.style.setProperty("--to", at);
    const mark = element("i", { class: "mark" });
    mark.style.setProperty("--from", at);
    mark.style.setProperty("--to", until);
    const number = (text) => element("td", { class: "number" }, text);
    const row = element(
      "tr",
      { tabindex: index ? "-1" : "0", "aria-selected": "false" },
      number(merged > 1 ? `×${merged}` : String(index + 1)),
      number(time(at)),
      number(`+${time(after)}`),
      number(bytes(size)),
      element("td", { class: "track" }, wait, mark, ...(kind in KINDS ? [element("span", { class: "kind" }, KINDS[kind])] : [])),
    );
    row.dataset.kind = kind;
    if (previous && after >= this.longGap) row.dataset.gap = "long";
    return row;
  }

  #boxes() {
    const { payload, payloadTruncated, httpHeaders, textTruncated, bars } = this.invocation;
    const hidden = payload === null;
    const notes = [
      hidden && "Payloads, text and log are switched off (--no-payloads).",
      textTruncated && "Only the beginning is kept.",
      !hidden && bars.some((bar) => bar[3] > 1) && "Neighbouring chunks are drawn as one.",
    ];
    byId("chunks-pane").hidden = byId("text-pane").hidden = !bars.length;
    byId("panes").hidden = !bars.length && !this.invocation.lines.length;
    setText(byId("text-note"), notes.filter(Boolean).join(" "));
    byId("payload-box").hidden = hidden;
    setText(byId("payload"), hidden ? "" : payloadTruncated ? `${payload}…` : pretty(payload));
    byId("headers-box").hidden = !httpHeaders;
    setText(byId("headers"), Object.entries(httpHeaders ?? {}).map(([name, value]) => `${name}: ${value}`).join("\n"));
  }

  #draw() {
    const { invocation, highlighted, longGap } = this;
    if (!invocation) return;
    drawChart(this.chart, invocation, this.span, { longGap, highlighted });
    const bar = invocation.bars[highlighted];
    const previous = invocation.bars[highlighted - 1];
    const gap = bar && bar[0] - (previous ? previous[1] : 0);
    setText(byId("pointer"), bar ? `#${highlighted + 1} · ${time(bar[0])} · +${time(gap)} · ${bytes(bar[2])}` : "");
    const { firstByte, lastByte, bytes: size, chunks } = invocation;
    const when = chunks ? `the first after ${time(firstByte)}, the last after ${time(lastByte)}` : "none so far";
    const ended = invocation.error ? ` It ended with ${invocation.error.type}.` : "";
    this.chart.setAttribute("aria-label", `${count(chunks)} chunks, ${bytes(size)}: ${when}.${ended}`);
  }
}

// The number of bars that two lists have in common at their start; the last bar may change while chunks arrive.
function alike(shown, bars) {
  const end = shown.findIndex((bar, index) => bar !== bars[index] && String(bar) !== String(bars[index]));
  return end < 0 ? shown.length : end;
}

// Add to a scrolling box; if it was scrolled to the end, it stays there.
function keepingEnd(box, another, add) {
  const atEnd = !another && box.scrollTop + box.clientHeight >= box.scrollHeight - 8;
  add();
  if (another) box.scrollTop = 0;
  else if (atEnd) box.scrollTop = box.scrollHeight;
}
