// Charts as SVG, coloured by the style sheet: they follow light and dark, and are sharp on paper.
const { round, clock, unpacked, ticks, timeTicks } = Drawing;
const element = id => document.getElementById(id);
const SVG = "http://www.w3.org/2000/svg";

function drawn(kind, attributes = {}, text = null) {
  const made = document.createElementNS(SVG, kind);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  if (text !== null) made.textContent = text;
  return made;
}

function made(kind, attributes = {}, ...content) {
  const found = document.createElement(kind);
  for (const [name, value] of Object.entries(attributes)) found.setAttribute(name, value);
  found.append(...content);
  return found;
}

const fixed = value => Math.round(value * 10) / 10;
const pathOf = points => points.map(([x, y], n) => `${n ? "L" : "M"}${fixed(x)} ${fixed(y)}`).join("");

// Axes of a chart: a linear or logarithmic scale from values to pixels, with grid and numbers.
function chart({ width, height, x, y, title = "", label = "", xLabel = "", yLabel = "", xTicks = null, yTicks = null, xText = round, yText = round, log = false, left = 46 }) {
  const top = title ? 22 : 8, right = 10, bottom = xLabel ? 36 : 22;
  const svg = drawn("svg", { class: "chart", viewBox: `0 0 ${width} ${height}`, width, height, role: "img", "aria-label": label || title });
  const up = log ? Math.log10 : value => value;
  const atX = value => left + (value - x[0]) / ((x[1] - x[0]) || 1) * (width - left - right);
  const atY = value => top + (up(y[1]) - up(value)) / ((up(y[1]) - up(y[0])) || 1) * (height - top - bottom);
  const back = drawn("g"), front = drawn("g");
  for (const tick of yTicks || ticks(y[0], y[1], Math.max(2, Math.floor(height / 45)))) {
    if (tick < y[0] - 1e-9 || tick > y[1] + 1e-9) continue;
    back.append(drawn("line", { class: "grid", x1: left, x2: width - right, y1: atY(tick), y2: atY(tick) }),
      drawn("text", { x: left - 6, y: atY(tick) + 4, "text-anchor": "end" }, yText(tick)));
  }
  for (const tick of xTicks || ticks(x[0], x[1], Math.max(3, Math.floor(width / 60)))) {
    back.append(drawn("line", { class: "grid", x1: atX(tick), x2: atX(tick), y1: height - bottom, y2: height - bottom + 4 }),
      drawn("text", { x: atX(tick), y: height - bottom + 16, "text-anchor": "middle" }, xText(tick)));
  }
  back.append(drawn("line", { class: "axis", x1: left, x2: width - right, y1: height - bottom, y2: height - bottom }));
  if (title) back.append(drawn("text", { class: "title", x: left, y: 13 }, title));
  if (xLabel) back.append(drawn("text", { x: (left + width - right) / 2, y: height - 4, "text-anchor": "middle" }, xLabel));
  if (yLabel) back.append(drawn("text", { x: width - right, y: 13, "text-anchor": "end" }, yLabel));
  svg.append(back, front);
  return { svg, back, front, atX, atY, left, right, top, bottom, width, height };
}

// A range with a little room around what is drawn.
function around(values, more = .05) {
  const known = values.filter(value => value !== null && Number.isFinite(value));
  if (!known.length) return [0, 1];
  let low = Infinity, high = -Infinity;
  for (const value of known) { low = Math.min(low, value); high = Math.max(high, value); }
  const room = more * ((high - low) || Math.abs(high) || 1);
  return [low - room, high + room];
}

const logTicks = (low, high) => {
  const found = [], steps = high / low > 100 ? [1] : high / low > 8 ? [1, 3] : high / low > 3 ? [1, 2, 5] : [1, 1.5, 2, 2.5, 3, 4, 5, 6, 7, 8, 9];
  for (let power = Math.floor(Math.log10(low)); power <= Math.ceil(Math.log10(high)); power++) {
    for (const step of steps) if (step * 10 ** power >= low && step * 10 ** power <= high) found.push(step * 10 ** power);
  }
  return found.length > 1 ? found : ticks(low, high, 3).filter(value => value > 0);
};

function key(...entries) {
  return made("div", { class: "legend" }, ...entries.map(([text, ...marks]) => {
    const icon = drawn("svg", { class: "chart", width: 26, height: 12, "aria-hidden": "true" });
    icon.append(...marks);
    return made("span", {}, icon, text);
  }));
}
const lineMark = kind => drawn("line", { class: kind, x1: 0, x2: 26, y1: 6, y2: 6 });
const bandMark = kind => drawn("rect", { class: kind, x: 0, y: 1, width: 26, height: 10 });
