"use strict";
// Planes and curves on canvases: one drawing for the page of songs and for the pages of `lstmcore serve`.
const Drawing = (() => {
  const words = name => name.replaceAll("_", " ");
  const round = value => value === null ? "–" : String(Number(value.toPrecision(3))).replace("-", "−");
  const clock = seconds => `${Math.floor(seconds / 60)}:${String(Math.floor(seconds % 60)).padStart(2, "0")}`;
  const colour = name => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const curveColour = k => colour(`--curve-${k % 6}`);

  // The curves of a string of bytes, each between its two ends.
  function unpacked(text, ends) {
    const bytes = Uint8Array.from(atob(text), letter => letter.charCodeAt(0));
    const count = bytes.length / (ends.length / 2);
    return Array.from({ length: ends.length / 2 }, (_, part) => {
      const [low, high] = ends.slice(2 * part, 2 * part + 2);
      return Array.from(bytes.subarray(part * count, (part + 1) * count), b => low + (high - low) * b / 255);
    });
  }

  // A canvas in the screen's own pixels.
  function prepared(canvas) {
    const box = canvas.getBoundingClientRect(), ratio = window.devicePixelRatio || 1;
    canvas.width = Math.round(box.width * ratio);
    canvas.height = Math.round(box.height * ratio);
    const pen = canvas.getContext("2d");
    pen.scale(ratio, ratio);
    pen.font = "12px system-ui, sans-serif";
    return { pen, width: box.width, height: box.height };
  }

  function ticks(low, high, most) {
    const rough = (high - low) / most, power = 10 ** Math.floor(Math.log10(rough));
    const step = [1, 2, 5, 10].map(n => n * power).find(n => n >= rough);
    const found = [];
    for (let n = Math.ceil(low / step - 1e-9); n * step <= high + 1e-9 * step; n++) found.push(n * step);
    return found;
  }

  const timeSteps = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600];
  function timeTicks(high, most = 10) {
    const step = timeSteps.find(n => high / n <= most) || 7200;
    return Array.from({ length: Math.floor(high / step) + 1 }, (_, n) => n * step);
  }

  // The axes of a plane. An axis: { range: [low, high], name, middle: where a darker line is, or null }.
  function plane(canvas, x, y) {
    const { pen, width, height } = prepared(canvas);
    const margin = { left: 52, right: 12, top: 12, bottom: 40 };
    const wide = width - margin.left - margin.right, high = height - margin.top - margin.bottom;
    const atX = value => margin.left + (value - x.range[0]) / (x.range[1] - x.range[0]) * wide;
    const atY = value => margin.top + (y.range[1] - value) / (y.range[1] - y.range[0]) * high;
    const pale = colour("--pale");
    const upright = at => { pen.beginPath(); pen.moveTo(at, margin.top); pen.lineTo(at, margin.top + high); pen.stroke(); };
    const level = at => { pen.beginPath(); pen.moveTo(margin.left, at); pen.lineTo(margin.left + wide, at); pen.stroke(); };
    pen.strokeStyle = colour("--line");
    pen.fillStyle = pale;
    pen.textAlign = "center";
    for (const tick of ticks(...x.range, 6)) {
      upright(atX(tick));
      pen.fillText(round(tick), atX(tick), margin.top + high + 16);
    }
    pen.textAlign = "right";
    for (const tick of ticks(...y.range, 6)) {
      level(atY(tick));
      pen.fillText(round(tick), margin.left - 6, atY(tick) + 4);
    }
    pen.strokeStyle = pale;
    if (x.middle !== null && x.range[0] < x.middle && x.middle < x.range[1]) upright(atX(x.middle));
    if (y.middle !== null && y.range[0] < y.middle && y.middle < y.range[1]) level(atY(y.middle));
    pen.fillStyle = colour("--ink");
    pen.textAlign = "center";
    pen.fillText(x.name, margin.left + wide / 2, height - 6);
    pen.save();
    pen.translate(13, margin.top + high / 2);
    pen.rotate(-Math.PI / 2);
    pen.fillText(y.name, 0, 0);
    pen.restore();
    const inside = draw => {
      pen.save();
      pen.beginPath(); pen.rect(margin.left, margin.top, wide, high); pen.clip();
      draw();
      pen.restore();
    };
    return { pen, width, atX, atY, inside };
  }

  // The way of a song through a plane, from dark to bright.
  function path({ pen, atX, atY }, first, second) {
    pen.lineWidth = 2;
    pen.lineCap = "round";
    for (let n = 1; n < first.length; n++) {
      const share = n / (first.length - 1);
      pen.strokeStyle = `hsl(${265 - 215 * share} 85% ${38 + 17 * share}%)`;
      pen.beginPath();
      pen.moveTo(atX(first[n - 1]), atY(second[n - 1]));
      pen.lineTo(atX(first[n]), atY(second[n]));
      pen.stroke();
    }
  }

  // The axes of a curve over time, up to the second `last`, with its name in its colour.
  function curveAxes(canvas, { range: [low, high], last, name, hue }) {
    const { pen, width, height } = prepared(canvas);
    const left = 52, right = 12, top = 20, bottom = 20;
    const atX = time => left + Math.max(0, time) / last * (width - left - right);
    const atY = value => top + (high - value) / (high - low) * (height - top - bottom);
    const timeAt = x => Math.min(1, Math.max(0, (x - left) / (width - left - right))) * last;
    pen.strokeStyle = colour("--line");
    pen.fillStyle = colour("--pale");
    pen.textAlign = "right";
    for (const tick of ticks(low, high, 5)) {
      pen.beginPath(); pen.moveTo(left, atY(tick)); pen.lineTo(width - right, atY(tick)); pen.stroke();
      pen.fillText(round(tick), left - 6, atY(tick) + 4);
    }
    pen.textAlign = "center";
    for (const tick of timeTicks(last, Math.min(10, width / 45))) pen.fillText(clock(tick), atX(tick), height - 5);
    pen.fillStyle = hue;
    pen.textAlign = "left";
    pen.font = "bold 12px system-ui, sans-serif";
    pen.fillText(name, left, 12);
    return { pen, width, height, left, right, top, bottom, atX, atY, timeAt };
  }

  // Values over time with a band of ± their spread; `dash` tells one model's curve from another's.
  function curve({ pen, atX, atY }, { times, values, spread }, hue, dash = []) {
    pen.fillStyle = hue;
    pen.globalAlpha = .2;
    pen.beginPath();
    times.forEach((time, n) => pen.lineTo(atX(time), atY(values[n] + spread[n])));
    [...times.keys()].reverse().forEach(n => pen.lineTo(atX(times[n]), atY(values[n] - spread[n])));
    pen.fill();
    pen.globalAlpha = 1;
    pen.strokeStyle = hue;
    pen.lineWidth = 2;
    pen.lineJoin = "round";
    pen.setLineDash(dash);
    pen.beginPath();
    times.forEach((time, n) => pen.lineTo(atX(time), atY(values[n])));
    if (times.length === 1) pen.arc(atX(times[0]), atY(values[0]), 2, 0, 7);
    pen.stroke();
    pen.setLineDash([]);
  }

  // Lowest and highest value of a curve's band, and of the scale where it is known; never the same.
  function rangeOf(curves, scale) {
    let low = Infinity, high = -Infinity;
    for (const { values, spread } of curves) {
      values.forEach((value, n) => { low = Math.min(low, value - spread[n]); high = Math.max(high, value + spread[n]); });
    }
    if (scale) [low, high] = [Math.min(low, scale[0]), Math.max(high, scale[1])];
    return low === high ? [low - 1, high + 1] : [low, high];
  }

  return { words, round, clock, unpacked, colour, curveColour, prepared, ticks, timeTicks, plane, path, curveAxes, curve, rangeOf };
})();
