// The page: keeps the invocations that the server sends, and shows them.

import { Detail } from "./detail.js";
import { byId, element, setText } from "./dom.js";
import { InvocationTable, matches } from "./invocations.js";

const invocations = new Map();
const detail = new Detail({ onReplay: (number) => replay(number), onPart: (number) => select(number, { byHand: true }) });
const table = new InvocationTable((number) => select(number, { byHand: true }));
let selected = null;
let following = true;
let drawing = false;
let words = [];
const stale = new Set();

// The length of an invocation's time axis: until its end, or until now.
function span(invocation) {
  const known = Math.max(invocation.duration ?? 0, invocation.lastByte ?? 0);
  if (invocation.status !== "running") return Math.max(known, 0.001);
  return Math.max(known, (performance.now() - invocation.noticed) / 1000 + invocation.elapsed, 0.001);
}

function draw() {
  drawing = false;
  for (const number of stale) {
    const invocation = invocations.get(number);
    if (!invocation) continue;
    table.update(invocation, span(invocation));
  }
  if ([...stale].some((number) => ofSelected(number))) show(selected);
  if (stale.size) applyFilter();
  stale.clear();
}

function drawSoon() {
  if (drawing) return;
  drawing = true;
  requestAnimationFrame(draw);
}

function select(number, { byHand = false } = {}) {
  if (byHand && number !== selected) follow(number === newest());
  selected = number;
  table.select(number);
  show(number);
}

const sameStream = (one, other) => one?.stream === other?.stream && one?.function === other?.function;

// Whether an invocation is the selected one, or another part of its stream.
const ofSelected = (number) => invocations.has(selected) && sameStream(invocations.get(number), invocations.get(selected));

function show(number) {
  const invocation = invocations.get(number);
  if (!invocation) return detail.show(null, 1);
  const parts = [...invocations.values()].filter((one) => sameStream(one, invocation));
  parts.sort((one, other) => one.part - other.part || one.number - other.number);
  return detail.show(invocation, span(invocation), parts);
}

const isShown = (number) => invocations.has(number) && matches(invocations.get(number), words);

function newest() {
  const shown = [...invocations.keys()].filter(isShown);
  return shown.length ? Math.max(...shown) : null;
}

function applyFilter() {
  table.filter(isShown);
}

function onFilter() {
  words = byId("filter").value.toLowerCase().split(/\s+/).filter(Boolean);
  applyFilter();
  if (selected === null || !isShown(selected)) select(newest());
}

// Repeat an invocation, and follow the new one.
async function replay(number) {
  follow(true);
  const answer = await fetch(`replay/${number}`, { method: "POST" }).catch(() => null);
  if (answer?.ok) return "";
  return answer ? (await answer.text()).trim() : "The connection is lost.";
}

function follow(on) {
  following = on;
  byId("follow").setAttribute("aria-pressed", String(on));
}

function take(change, now) {
  const known = invocations.get(change.number);
  const bars = known ? known.bars.slice(0, change.from).concat(change.bars) : change.bars;
  const lines = change.linesFrom && known ? known.lines.concat(change.lines) : change.lines;
  invocations.set(change.number, {
    ...change, bars, lines, noticed: performance.now(), elapsed: Math.max(0, now - change.started),
  });
  stale.add(change.number);
}

function onChanges({ kept, invocations: changed, now }) {
  for (const change of changed) take(change, now);
  const left = new Set(kept);
  for (const number of invocations.keys()) if (!left.has(number)) invocations.delete(number);
  table.keep(kept);
  draw();
  applyFilter();
  if (!invocations.size) select(null);
  else if ((following && newest() !== selected) || !invocations.has(selected)) select(newest());
}

function onHello({ endpoint, region, longGap }) {
  invocations.clear();
  table.keep([]);
  select(null);
  detail.longGap = longGap;
  byId("about").replaceChildren("Lambda API ", element("code", {}, endpoint), ` ${region}`);
  connection("live", "Live");
}

function connection(state, text) {
  byId("connection").dataset.state = state;
  setText(byId("connection"), text);
}

function listen() {
  const source = new EventSource("events");
  source.addEventListener("hello", (event) => onHello(JSON.parse(event.data)));
  source.addEventListener("message", (event) => onChanges(JSON.parse(event.data)));
  source.addEventListener("error", () => {
    const ended = source.readyState === EventSource.CLOSED;
    connection("lost", ended ? "Ended: open the URL that the next start prints" : "Connection lost, trying again");
  });
}

byId("follow").addEventListener("click", () => {
  follow(!following);
  if (following && invocations.size) select(newest());
});
byId("filter").addEventListener("input", onFilter);
byId("clear").addEventListener("click", () => fetch("clear", { method: "POST" }).catch(() => {}));
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input")) return;
  if (event.key === "f") byId("follow").click();
  if (event.key === "/") {
    event.preventDefault();
    byId("filter").focus();
  }
});
// Running invocations are redrawn between their chunks too.
setInterval(() => {
  for (const [number, { status }] of invocations) if (status === "running") stale.add(number);
  if (stale.size) drawSoon();
}, 100);
listen();
