"use strict";
(() => {
  const element = id => document.getElementById(id);
  const about = JSON.parse(element("about").textContent);
  const songs = JSON.parse(element("songs").textContent).map(
    ([file, numbers, ends, curve, ...warnings]) => (
      { file, numbers, ends, curve, warnings, sought: file.toLowerCase() }));
  const targets = about.targets;
  const columns = about.columns;
  const place = new Map(columns.map((name, k) => [name, k]));
  const ROW = 28;
  const plane = element("plane"), tip = element("tip"), list = element("list"), rows = element("rows");
  const across = element("across"), up = element("up"), whole = element("whole");
  const order = element("order"), descending = element("descending"), search = element("search");
  let shown = songs.map((_, k) => k);  // numbers of the songs in the list, in its order
  let chosen = 0;

  const { words, round, clock, colour, curveColour } = Drawing;
  const meanOf = target => `${target}_mean`;
  const isMean = name => targets.some(target => meanOf(target) === name);

  function option(select, value, text) {
    const made = document.createElement("option");
    made.value = value;
    made.textContent = text;
    select.append(made);
  }

  // Values of one target over time, and their spread.
  function curveOf(song, k) {
    const parts = Drawing.unpacked(song.curve, song.ends), count = parts[0].length;
    const hop = about.hop_seconds;
    const length = song.numbers[place.get("seconds")] - about.window_seconds + hop;
    const times = Array.from({ length: count }, (_, n) => (n + .5) / count * length - hop / 2);
    return { times, values: parts[2 * k], spread: parts[2 * k + 1] };
  }

  // ---- the plane ----

  const valueOf = (k, name) => songs[k].numbers[place.get(name)];
  function rangeOf(name) {
    let low = Infinity, high = -Infinity;
    for (let k = 0; k < songs.length; k++) {
      const value = valueOf(k, name);
      if (value === null) continue;
      low = Math.min(low, value);
      high = Math.max(high, value);
    }
    if (about.scale && isMean(name) && whole.checked) {
      return [Math.min(low, about.scale[0]), Math.max(high, about.scale[1])];
    }
    if (low > high) return [0, 1];
    const more = .04 * ((high - low) || Math.abs(high) || 1);
    return [low - more, high + more];
  }

  let view = null;
  function drawPlane() {
    const middle = name => about.scale && isMean(name) ? (about.scale[0] + about.scale[1]) / 2 : null;
    const axis = name => ({ range: rangeOf(name), name: words(name), middle: middle(name) });
    const drawn = Drawing.plane(plane, axis(across.value), axis(up.value));
    const { pen, width, atX, atY } = drawn;
    const points = [];
    const radius = songs.length > 3000 ? 2 : songs.length > 300 ? 3 : 4.5;
    pen.fillStyle = colour("--point");
    pen.globalAlpha = songs.length > 3000 ? .45 : .7;
    for (const k of shown) {
      const [u, v] = [valueOf(k, across.value), valueOf(k, up.value)];
      if (u === null || v === null) continue;
      points.push([k, atX(u), atY(v)]);
      pen.beginPath(); pen.arc(atX(u), atY(v), radius, 0, 7); pen.fill();
    }
    pen.globalAlpha = 1;
    drawn.inside(() => drawPath(drawn));
    const [u, v] = [valueOf(chosen, across.value), valueOf(chosen, up.value)];
    if (u !== null && v !== null) {
      pen.fillStyle = colour("--chosen");
      pen.strokeStyle = colour("--paper");
      pen.lineWidth = 1.5;
      pen.beginPath(); pen.arc(atX(u), atY(v), 6, 0, 7); pen.fill(); pen.stroke();
    }
    view = { points, width };
  }

  const pathTargets = () => [across.value, up.value].map(name => targets.findIndex(target => meanOf(target) === name));

  function drawPath(drawn) {
    const [j, k] = pathTargets();
    element("path-note").hidden = j < 0 || k < 0 || j === k;
    if (element("path-note").hidden) return;
    Drawing.path(drawn, curveOf(songs[chosen], j).values, curveOf(songs[chosen], k).values);
  }

  function nearest(event, reach) {
    const box = plane.getBoundingClientRect();
    const x = event.clientX - box.left, y = event.clientY - box.top;
    let best = null, least = reach * reach;
    for (const [k, u, v] of view.points) {
      const distance = (u - x) ** 2 + (v - y) ** 2;
      if (distance < least) [best, least] = [[k, u, v], distance];
    }
    return best;
  }

  plane.addEventListener("click", event => {
    const found = nearest(event, 40);
    if (found) choose(found[0], true);
  });
  plane.addEventListener("mousemove", event => {
    const found = nearest(event, 14);
    tip.hidden = !found;
    if (!found) return;
    tip.textContent = songs[found[0]].file;
    const right = found[1] > view.width / 2;
    tip.style.top = `${found[2] + 12}px`;
    tip.style.left = right ? "auto" : `${found[1]}px`;
    tip.style.right = right ? `${view.width - found[1]}px` : "auto";
  });
  plane.addEventListener("mouseleave", () => { tip.hidden = true; });

  // To the nearest point that lies rather in the arrow's direction than beside it.
  plane.addEventListener("keydown", event => {
    const way = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (!way) return;
    event.preventDefault();
    const here = view.points.find(([k]) => k === chosen) || view.points[0];
    if (!here) return;
    let best = null, least = Infinity;
    for (const [k, u, v] of view.points) {
      const [dx, dy] = [u - here[1], v - here[2]];
      const along = dx * way[0] + dy * way[1], beside = Math.abs(dx * way[1]) + Math.abs(dy * way[0]);
      if (along > 1e-6 && along >= beside && along + 2 * beside < least) [best, least] = [k, along + 2 * beside];
    }
    if (best !== null) choose(best, true);
  });

  // ---- the list ----

  function sift() {
    const parts = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    shown = [];
    for (let k = 0; k < songs.length; k++) {
      if (parts.every(part => songs[k].sought.includes(part))) shown.push(k);
    }
    if (order.value !== "file") {
      const key = k => valueOf(k, order.value) ?? -Infinity;
      shown.sort((a, b) => key(a) - key(b));
    }
    if (descending.checked) shown.reverse();
    const count = shown.length === songs.length ? "" : `${shown.length} of ${songs.length}; `;
    element("found").textContent = `${count}beside each: ${words(columnShown())}`;
    rows.style.height = `${shown.length * ROW}px`;
    list.scrollTop = 0;
    if (shown.length && !shown.includes(chosen)) choose(shown[0], false);
    else bringIntoView();
    drawRows();
    drawPlane();
  }

  const columnShown = () => order.value === "file" ? columns.find(isMean) : order.value;

  // Only the rows that can be seen are there.
  function drawRows() {
    const first = Math.max(0, Math.floor(list.scrollTop / ROW) - 5);
    const last = Math.min(shown.length, first + Math.ceil(list.clientHeight / ROW) + 10);
    const made = [];
    const column = columnShown();
    for (let n = first; n < last; n++) {
      const k = shown[n];
      const row = document.createElement("div");
      row.className = "row";
      row.id = `row-${k}`;
      row.setAttribute("role", "option");
      row.setAttribute("aria-selected", String(k === chosen));
      row.setAttribute("aria-posinset", String(n + 1));
      row.setAttribute("aria-setsize", String(shown.length));
      row.style.top = `${n * ROW}px`;
      row.title = songs[k].file;
      const name = document.createElement("span"), text = document.createElement("bdi");
      name.className = "of";
      text.textContent = songs[k].file;
      name.append(text);
      const value = document.createElement("span");
      value.className = "value";
      value.textContent = round(valueOf(k, column));
      value.title = words(column);
      row.append(name, value);
      row.addEventListener("click", () => choose(k, false));
      made.push(row);
    }
    rows.replaceChildren(...made);
    list.setAttribute("aria-activedescendant", `row-${chosen}`);
  }

  function bringIntoView() {
    const n = shown.indexOf(chosen);
    if (n < 0) return;
    if (n * ROW < list.scrollTop) list.scrollTop = n * ROW;
    if ((n + 1) * ROW > list.scrollTop + list.clientHeight) list.scrollTop = (n + 1) * ROW - list.clientHeight;
  }

  list.addEventListener("scroll", drawRows);
  function walk(event) {
    const page = Math.max(1, Math.floor(list.clientHeight / ROW) - 1);
    const step = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -Infinity, End: Infinity }[event.key];
    if (step === undefined || !shown.length) return;
    if (event.target === search && !event.key.startsWith("Arrow")) return;
    event.preventDefault();
    choose(shown[Math.max(0, Math.min(shown.length - 1, shown.indexOf(chosen) + step))], true);
  }
  list.addEventListener("keydown", walk);
  search.addEventListener("keydown", walk);

  // ---- the chosen song ----

  function choose(k, reveal) {
    chosen = k;
    if (reveal) bringIntoView();
    drawRows();
    drawPlane();
    drawSong();
  }

  function drawSong() {
    const song = songs[chosen];
    element("name").textContent = `${song.file}, ${clock(song.numbers[place.get("seconds")])}`;
    element("warnings").replaceChildren(...song.warnings.map(
      text => Object.assign(document.createElement("p"), { className: "note", textContent: text })));
    element("curves").replaceChildren(...targets.map((target, k) => {
      const box = document.createElement("div"), canvas = document.createElement("canvas");
      box.className = "curve";
      canvas.setAttribute("role", "img");
      canvas.setAttribute("aria-label", `${target} over time`);
      box.append(canvas);
      return box;
    }));
    targets.forEach((target, k) => drawCurve(element("curves").children[k].firstChild, song, target, k));
    const kinds = [...new Set(columns.filter(c => targets.some(t => c.startsWith(`${t}_`)))
      .map(c => c.slice(targets.filter(t => c.startsWith(`${t}_`)).sort((a, b) => b.length - a.length)[0].length + 1)))];
    const cell = (kind, text) => Object.assign(document.createElement(kind), { textContent: text });
    const line = (...cells) => { const row = document.createElement("tr"); row.append(...cells); return row; };
    const head = line(cell("th", ""), ...kinds.map(kind => cell("th", words(kind))));
    const body = targets.map(target => line(cell("th", target), ...kinds.map(kind => {
      const value = song.numbers[place.get(`${target}_${kind}`)];
      return cell("td", kind.endsWith("_time") && value !== null ? clock(value) : round(value));
    })));
    const used = new Set(targets.flatMap(target => kinds.map(kind => `${target}_${kind}`)));
    const rest = columns.filter(c => c !== "seconds" && !used.has(c))
      .map(c => line(cell("th", words(c)), cell("td", round(song.numbers[place.get(c)]))));
    element("numbers").replaceChildren(head, ...body, ...rest);
  }

  function drawCurve(canvas, song, target, k) {
    const curve = curveOf(song, k);
    const last = Math.max(curve.times.at(-1), about.hop_seconds);
    const axes = { range: Drawing.rangeOf([curve], about.scale), last, name: target, hue: curveColour(k) };
    Drawing.curve(Drawing.curveAxes(canvas, axes), curve, axes.hue);
  }

  // ---- the beginning ----

  element("count").textContent = songs.length === 1 ? "one song" : `${songs.length} songs`;
  for (const name of columns.filter(column => !column.endsWith("_time"))) {
    option(across, name, words(name));
    option(up, name, words(name));
  }
  const both = ["valence", "arousal"].every(name => targets.includes(name));
  across.value = both ? "valence_mean" : meanOf(targets[0]);
  up.value = both ? "arousal_mean" : targets.length > 1 ? meanOf(targets[1]) : `${targets[0]}_slope_per_minute`;
  element("whole-label").hidden = !about.scale;
  option(order, "file", "name");
  for (const name of columns) option(order, name, words(name));
  order.value = "file";
  across.addEventListener("change", drawPlane);
  up.addEventListener("change", drawPlane);
  whole.addEventListener("change", drawPlane);
  order.addEventListener("change", sift);
  descending.addEventListener("change", sift);
  search.addEventListener("input", sift);
  const redraw = () => { drawRows(); drawPlane(); drawSong(); };
  window.addEventListener("resize", redraw);
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
  sift();
  drawSong();
})();
