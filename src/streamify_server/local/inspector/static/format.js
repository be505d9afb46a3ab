// Human-readable numbers.

export function time(seconds) {
  if (seconds === null || seconds === undefined) return "–";
  const ms = seconds * 1000;
  if (ms === 0) return "0 ms";
  if (ms < 1) return `${ms.toFixed(2)} ms`;
  if (ms < 10) return `${ms.toFixed(1)} ms`;
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (seconds < 60) return `${seconds.toFixed(2)} s`;
  return `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`;
}

export function bytes(count) {
  if (count < 1000) return `${count} B`;
  for (const unit of ["kB", "MB", "GB"]) {
    count /= 1000;
    if (count < 999.5 || unit === "GB") return `${count < 10 ? count.toFixed(1) : Math.round(count)} ${unit}`;
  }
  return "";
}

export const count = (number) => number.toLocaleString("en-US");

export function clock(epoch) {
  const date = new Date(epoch * 1000);
  return date.toLocaleTimeString("en-GB") + "." + String(date.getMilliseconds()).padStart(3, "0");
}

// Ticks at 1, 2 or 5 times a power of ten, at most `most` of them.
export function ticks(span, most) {
  const rough = span / most;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((size) => size >= rough);
  const found = [];
  for (let index = 0; index * step <= span; index++) found.push(index * step);
  return found;
}

export function axisTime(seconds, span) {
  if (seconds === 0) return "0";
  if (span < 1) return `${+(seconds * 1000).toPrecision(4)} ms`;
  return `${+seconds.toPrecision(4)} s`;
}

// Characters that are invisible or reorder other text; JSON may contain them as escapes.
const UNSEEN = /[\u007f-\u009f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060\u2066-\u2069\ufeff]/g;
const escaped = (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;

// Format JSON over several lines; leave anything else unchanged.
export function pretty(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2).replace(UNSEEN, escaped);
  } catch {
    return text;
  }
}
