// Draws a response on a time axis: a small shape for the table, and a chart of its bytes.

import { svg } from "./dom.js";
import { axisTime, bytes, ticks, time } from "./format.js";

const SHAPE = { width: 120, height: 18 };
const MARGIN = { left: 52, right: 14, top: 10, bottom: 46 };
const LANE = 12;
// The marks of the log lines, below those of the chunks.
const LOG = { top: 19, height: 5 };

// Draw the chunks between the start and the end of the invocation.
export function drawShape(node, invocation, span) {
  const x = (seconds) => (Math.min(1, seconds / span) * (SHAPE.width - 3) + 1).toFixed(1);
  node.setAttribute("viewBox", `0 0 ${SHAPE.width} ${SHAPE.height}`);
  const parts = [svg("path", { class: "shape-base", d: `M1 9H${SHAPE.width - 1}` })];
  if (invocation.firstByte !== null) {
    const [from, to] = [x(invocation.firstByte), x(invocation.lastByte)];
    parts.push(svg("path", { class: "shape-span", d: `M${from} 9H${to}` }));
    // One mark for each pixel.
    const marks = new Set(invocation.bars.filter((bar) => bar[5] !== "error").map((bar) => Math.round(x(bar[0]))));
    parts.push(svg("path", { class: "shape-chunk", d: [...marks].map((at) => `M${at} 3V15`).join("") }));
  }
  if (invocation.error) parts.push(svg("path", { class: "shape-error", d: `M${SHAPE.width - 3} 0V18` }));
  node.replaceChildren(...parts);
}

function axis(width, height, x, span, most) {
  const base = height - MARGIN.bottom;
  const parts = [svg("path", { class: "axis", d: `M${MARGIN.left} ${base}H${width - MARGIN.right}` })];
  for (const at of ticks(span, most)) {
    parts.push(svg("path", { class: "grid", d: `M${x(at).toFixed(1)} ${MARGIN.top}V${base}` }));
    const anchor = at === 0 ? "start" : x(at) > width - 40 ? "end" : "middle";
    parts.push(svg("text", { class: "tick", x: x(at), y: height - 6, "text-anchor": anchor }, axisTime(at, span)));
  }
  return parts;
}

// The pauses: before the first byte, and the longest later one if it is long.
function silences(invocation, x, base, longGap, span) {
  const zone = (kind, from, to, label) => {
    const width = Math.max(0, x(to) - x(from));
    const parts = [svg("rect", { class: kind, x: x(from), y: MARGIN.top, width, height: base - MARGIN.top })];
    if (width > 100) parts.push(svg("text", { class: "zone-label", x: x(from) + 6, y: MARGIN.top + 14 }, label));
    return parts;
  };
  const first = invocation.firstByte ?? span;
  const none = invocation.status === "running" ? "nothing so far" : "no byte left";
  const parts = zone("waiting", 0, first, invocation.firstByte === null ? none : `first byte ${time(first)}`);
  const gap = invocation.gap;
  if (gap && gap.end - gap.start >= longGap) parts.push(...zone("gap", gap.start, gap.end, `gap ${time(gap.end - gap.start)}`));
  return parts;
}

function staircase(invocation, x, y, span) {
  let sum = 0;
  let path = `M${x(0).toFixed(1)} ${y(0).toFixed(1)}`;
  for (const [at, until, size, , , kind] of invocation.bars) {
    path += `H${x(at).toFixed(1)}`;
    // An error report is no progress of the response.
    sum += kind === "error" ? 0 : size;
    path += until > at ? `L${x(until).toFixed(1)} ${y(sum).toFixed(1)}` : `V${y(sum).toFixed(1)}`;
  }
  return `${path}H${x(span).toFixed(1)}`;
}

// The marks below the axis: chunks by kind, and log lines.
function lanes(invocation, x, base) {
  const of = (...kinds) => invocation.bars.filter((bar) => kinds.includes(bar[5]));
  const marks = (bars) => bars.map((bar) => `M${x(bar[0]).toFixed(1)} ${base + 4}v${LANE}`).join("");
  const lines = new Set(invocation.lines.map(([at]) => x(at).toFixed(1)));
  return [
    svg("path", { class: "chunk", d: marks(of("data")) }),
    svg("path", { class: "chunk chunk-frame", d: marks(of("head", "checkpoint", "keepalive", "end", "hand-over")) }),
    svg("path", { class: "chunk chunk-error", d: marks(of("error")) }),
    svg("path", { class: "log-mark", d: [...lines].map((at) => `M${at} ${base + LOG.top}v${LOG.height}`).join("") }),
  ];
}

// Where a failed response ended, and with which error.
function failure(invocation, x, width, base, span) {
  if (!invocation.error) return [];
  const at = Math.min(x(invocation.duration ?? span), width - MARGIN.right);
  const anchor = at > width / 2 ? "end" : "start";
  const label = { class: "error-label", x: at + (anchor === "end" ? -7 : 7), y: MARGIN.top + 14, "text-anchor": anchor };
  return [
    svg("path", { class: "error-end", d: `M${at.toFixed(1)} ${MARGIN.top}V${base + 4 + LANE}` }),
    svg("text", label, `✕ ${invocation.error.type}`),
  ];
}

// Shorten the label of the error so that it fits into the chart, beside that of a pause.
function fitWords(node, width) {
  const words = node.querySelector(".error-label");
  if (!words) return;
  const silence = node.querySelector(".zone-label")?.getBBox();
  const left = silence ? silence.x + silence.width + 8 : MARGIN.left;
  for (let length = Math.min(words.textContent.length, 60); length > 3; length--) {
    const { x, width: taken } = words.getBBox();
    if (x >= left && x + taken <= width) return;
    words.textContent = `${words.textContent.slice(0, length - 1)}…`;
  }
}

// Draw the chart: a staircase if the response streams, a cliff if it comes all at once.
export function drawChart(node, invocation, span, { longGap, highlighted }) {
  const width = Math.max(280, node.clientWidth);
  const height = Math.max(140, node.clientHeight);
  const base = height - MARGIN.bottom;
  const x = (seconds) => MARGIN.left + (seconds / span) * (width - MARGIN.left - MARGIN.right);
  const total = invocation.bars.reduce((sum, bar) => sum + (bar[5] === "error" ? 0 : bar[2]), 0);
  // Room for the label above the line.
  const room = invocation.error ? 24 : 8;
  const y = (size) => base - (size / Math.max(1, total)) * (base - MARGIN.top - room);
  node.setAttribute("viewBox", `0 0 ${width} ${height}`);
  const line = staircase(invocation, x, y, span);
  const parts = [
    ...silences(invocation, x, base, longGap, span),
    ...axis(width, height, x, span, Math.max(3, Math.floor(width / 120))),
    svg("path", { class: "area", d: `${line}V${base}H${MARGIN.left}Z` }),
    svg("path", { class: "line", d: line }),
    ...lanes(invocation, x, base),
    ...failure(invocation, x, width, base, span),
    svg("text", { class: "tick", x: MARGIN.left - 6, y: base, "text-anchor": "end" }, "0"),
  ];
  if (total) {
    const top = { class: "tick", x: MARGIN.left - 6, y: y(total) + 4, "text-anchor": "end" };
    parts.push(svg("text", top, bytes(total)));
  }
  const bar = invocation.bars[highlighted];
  if (bar) parts.push(svg("path", { class: "cross", d: `M${x(bar[0]).toFixed(1)} ${MARGIN.top}V${base + 4 + LANE}` }));
  node.replaceChildren(...parts);
  fitWords(node, width);
}

// The bar closest to the pointer.
export function nearestBar(node, invocation, span, clientX) {
  const box = node.getBoundingClientRect();
  const seconds = ((clientX - box.left - MARGIN.left) / (box.width - MARGIN.left - MARGIN.right)) * span;
  let best = -1;
  invocation.bars.forEach((bar, index) => {
    if (best < 0 || Math.abs(bar[0] - seconds) < Math.abs(invocation.bars[best][0] - seconds)) best = index;
  });
  return best;
}
