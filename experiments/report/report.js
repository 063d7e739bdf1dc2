(() => {
  const data = JSON.parse(element("data").textContent);
  const { targets, scale } = data;
  const FIGURES = ["r", "rmse", "ccc", "predicted", "annotated", "alpha"];
  const songs = data.songs.map(([set, name, start, length, ofTargets, distance, outline]) => (
    { set, name, start, length, ofTargets, distance, outline, sought: name.toLowerCase() }));
  const figure = (song, k, what) => song.ofTargets[k][0][FIGURES.indexOf(what)];
  const mean = values => values.some(value => value === null) ? null : values.reduce((a, b) => a + b, 0) / values.length;
  const errorOf = song => mean(targets.map((_, k) => figure(song, k, "rmse")));
  const list = element("list"), search = element("search"), order = element("order"), set = element("set"), whole = element("whole");
  const several = data.sets.length > 1;
  let shown = [], chosen = null;

  const exact = value => value === null ? "–" : value.toFixed(3).replace("-", "−");
  const called = song => /^\d+$/.test(song.name) ? `song ${song.name}` : song.name;

  // Curves of a song in one target, out of their bytes when they are asked for.
  function curvesOf(song, k) {
    const [, kinds, ends, text] = song.ofTargets[k];
    const parts = unpacked(text, ends), count = parts[0].length;
    const hop = data.hop || 0;
    const times = Array.from({ length: count }, (_, n) => song.start - hop / 2 + (n + .5) / count * song.length);
    return { times, ...Object.fromEntries([...kinds].map((kind, n) => [kind, parts[n]])) };
  }

  // ---- the list ----

  const orders = [
    ["largest error", song => -(errorOf(song) ?? -Infinity)],
    ["smallest error", song => errorOf(song) ?? Infinity],
    ...(targets.length > 1 ? targets.map((target, k) => [`error in ${target}`, song => -(figure(song, k, "rmse") ?? -Infinity)]) : []),
    ...(data.whole ? [] : targets.map((target, k) => [`r of ${target}, lowest first`, song => figure(song, k, "r") ?? Infinity])),
    ...targets.flatMap((target, k) => songs.some(song => figure(song, k, "alpha") !== null)
      ? [[`raters' agreement in ${target}, lowest first`, song => figure(song, k, "alpha") ?? Infinity]] : []),
    ["length", song => -song.length],
    ...(songs.some(song => song.distance !== null) ? [["distance from the training songs", song => -(song.distance ?? -Infinity)]] : []),
    ["name", null],
  ];
  const collator = new Intl.Collator(undefined, { numeric: true });

  function sift() {
    const parts = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const inSet = songs.filter(song => set.value === "all" || song.set === Number(set.value));
    shown = inSet.filter(song => parts.every(part => song.sought.includes(part)));
    const by = orders[Number(order.value)][1];
    shown.sort((a, b) => (by ? by(a) - by(b) : 0) || collator.compare(a.name, b.name));
    element("found").textContent = `${shown.length} of ${inSet.length} songs; columns: RMSE of each target. Arrow keys go from song to song.`;
    const cell = (text, kind = "td") => made(kind, {}, text);
    element("list-head").replaceChildren(made("tr", {}, cell("song", "th"), ...targets.map(target => cell(target, "th"))));
    element("list-rows").replaceChildren(...shown.map(song => {
      const name = cell(song.name);
      name.title = song.name;
      const row = made("tr", {}, name, ...targets.map((_, k) => cell(exact(figure(song, k, "rmse")))));
      row.addEventListener("click", () => choose(song));
      song.row = row;
      return row;
    }));
    if (!shown.includes(chosen)) chosen = shown[0] ?? null;
    choose(chosen);
    drawErrors();
  }

  function choose(song, reveal = false) {
    for (const other of shown) other.row.setAttribute("aria-selected", String(other === song));
    chosen = song;
    if (song && reveal) {
      const head = element("list-head").offsetHeight, y = song.row.offsetTop;
      if (y - head < list.scrollTop) list.scrollTop = y - head;
      else if (y + song.row.offsetHeight > list.scrollTop + list.clientHeight) list.scrollTop = y + song.row.offsetHeight - list.clientHeight;
    }
    drawSong();
    markPoints();
  }

  function walk(event) {
    const step = { ArrowDown: 1, ArrowUp: -1, PageDown: 10, PageUp: -10, Home: -Infinity, End: Infinity }[event.key];
    if (step === undefined || !shown.length || (event.target === search && !event.key.startsWith("Arrow"))) return;
    event.preventDefault();
    choose(shown[Math.max(0, Math.min(shown.length - 1, shown.indexOf(chosen) + step))], true);
  }
  list.addEventListener("keydown", walk);
  search.addEventListener("keydown", walk);

  // ---- the chosen song ----

  function drawSong() {
    const box = element("song");
    if (!chosen) { box.replaceChildren(made("p", { class: "small" }, "No song has such a name.")); return; }
    const song = chosen, { title, system } = data.sets[song.set];
    const width = Math.max(280, Math.min(900, box.clientWidth || 700));
    const facts = [several ? title : "", clock(song.length), song.distance === null ? "" : `distance from the training songs ${round(song.distance)}`].filter(Boolean);
    const content = [made("h3", {}, called(song)), made("p", { class: "small" }, facts.join("; "))];
    const kinds = new Set(targets.flatMap((_, k) => [...song.ofTargets[k][1]]));
    content.push(key(
      ["annotation", lineMark("annotation")],
      ...(kinds.has("r") ? [["± one rater's standard deviation", bandMark("raters")]] : []),
      [system, lineMark("prediction")],
      ...(kinds.has("s") ? [["± standard deviation over networks", bandMark("spread")]] : []),
      ...(kinds.has("b") ? [["best baseline", lineMark("baseline")]] : []),
      ...(song.outline ? [["loudness of the sound", bandMark("wave")]] : [])));
    const readout = made("p", { class: "small", id: "readout" });
    targets.forEach((target, k) => content.push(drawCurves(song, target, k, width, readout)));
    content.push(readout);
    if (targets.length > 1 && song.ofTargets[0][2].length && !data.whole) content.push(drawPlane(song, Math.min(width, 420)));
    box.replaceChildren(...content);
  }

  function drawCurves(song, target, k, width, readout) {
    const curves = curvesOf(song, k), { times } = curves;
    const both = (a, b, sign) => a.map((value, n) => value + sign * b[n]);
    const extremes = [...curves.a, ...curves.p, ...(curves.b || [])];
    if (curves.r) extremes.push(...both(curves.a, curves.r, 1), ...both(curves.a, curves.r, -1));
    if (curves.s) extremes.push(...both(curves.p, curves.s, 1), ...both(curves.p, curves.s, -1));
    const [low, high] = whole.checked ? around([...scale, ...extremes], 0) : around(extremes, .1);
    const end = Math.max(times.at(-1), song.outline ? song.outline[0] : 0, song.start + song.length);
    const begin = song.outline ? 0 : Math.max(0, Math.min(times[0], song.start));
    const scores = ["rmse", "r", "ccc"].map(what => [what, figure(song, k, what)]).filter(([, value]) => value !== null)
      .map(([what, value]) => `${{ rmse: "RMSE", r: "r", ccc: "CCC" }[what]} ${exact(value)}`).join(", ");
    const alpha = figure(song, k, "alpha");
    const told = alpha === null ? scores : `${scores}; raters' α ${alpha.toFixed(2).replace("-", "−")}`, narrow = width < 560;
    const drawing = chart({
      width, height: 190, x: [begin, end], y: [low, high], title: target, yLabel: narrow ? "" : told,
      label: `${target} of song ${song.name} over time: ${scores}`, xTicks: timeTicks(end, width / 70).filter(t => t >= begin), xText: clock });
    const { back, front, atX, atY } = drawing;
    if (song.outline) {
      const peaks = unpacked(song.outline[1], [0, 1])[0], middle = (drawing.top + 190 - drawing.bottom) / 2, tall = (190 - drawing.top - drawing.bottom) / 2;
      const at = n => atX((n + .5) / peaks.length * song.outline[0]);
      const points = [...peaks.map((p, n) => [at(n), middle - p * tall]), ...peaks.map((p, n) => [at(n), middle + p * tall]).reverse()];
      back.prepend(drawn("path", { class: "wave", d: `${pathOf(points)}Z` }));
    }
    const band = (values, spread, kind) => front.append(drawn("path", { class: kind, d: `${pathOf([
      ...times.map((t, n) => [atX(t), atY(values[n] + spread[n])]), ...times.map((t, n) => [atX(t), atY(values[n] - spread[n])]).reverse()])}Z` }));
    const line = (values, kind) => {
      front.append(drawn("path", { class: `line ${kind}`, d: pathOf(times.map((t, n) => [atX(t), atY(values[n])])) }));
      if (times.length < 13) times.forEach((t, n) => front.append(drawn("circle", { class: `dot-${kind}`, cx: atX(t), cy: atY(values[n]), r: 2.5 })));
    };
    if (curves.r) band(curves.a, curves.r, "raters");
    if (curves.s) band(curves.p, curves.s, "spread");
    if (curves.b) line(curves.b, "baseline");
    line(curves.a, "annotation");
    line(curves.p, "prediction");
    const cursor = drawn("line", { class: "cursor", y1: drawing.top, y2: 190 - drawing.bottom, visibility: "hidden" });
    front.append(cursor);
    drawing.svg.addEventListener("pointermove", event => {
      const box = drawing.svg.getBoundingClientRect(), x = (event.clientX - box.left) * width / box.width;
      let n = 0;
      times.forEach((t, m) => { if (Math.abs(atX(t) - x) < Math.abs(atX(times[n]) - x)) n = m; });
      for (const end of ["x1", "x2"]) cursor.setAttribute(end, atX(times[n]));
      cursor.setAttribute("visibility", "visible");
      const base = curves.b && data.baselines[k] ? `, ${data.baselines[k]} ${round(curves.b[n])}` : "";
      readout.textContent = `${clock(times[n])}: ${target} annotated ${round(curves.a[n])}, predicted ${round(curves.p[n])}${base}`;
    });
    drawing.svg.addEventListener("pointerleave", () => cursor.setAttribute("visibility", "hidden"));
    return made("div", { class: "keep" }, drawing.svg, ...(narrow ? [made("p", { class: "small" }, told)] : []));
  }

  // Valence is across, as in the circumplex.
  function planeTargets() {
    const [a, v] = [targets.indexOf("arousal"), targets.indexOf("valence")];
    return a >= 0 && v >= 0 ? [v, a] : [0, 1];
  }

  function drawPlane(song, size) {
    const [j, k] = planeTargets(), first = curvesOf(song, j), second = curvesOf(song, k);
    const [low, high] = around([...scale, ...first.a, ...first.p, ...second.a, ...second.p], 0);
    const drawing = chart({
      width: size, height: size, x: [low, high], y: [low, high], title: `${targets[k]} (up) over ${targets[j]}`, xLabel: targets[j],
      label: `the way of song ${song.name} through the plane of ${targets[j]} and ${targets[k]}` });
    const { front, back, atX, atY } = drawing, middle = (scale[0] + scale[1]) / 2;
    back.append(drawn("line", { class: "axis", x1: atX(low), x2: atX(high), y1: atY(middle), y2: atY(middle) }),
      drawn("line", { class: "axis", x1: atX(middle), x2: atX(middle), y1: atY(low), y2: atY(high) }));
    for (const [part, kind] of [["a", "annotation"], ["p", "prediction"]]) {
      const points = first[part].map((value, n) => [atX(value), atY(second[part][n])]);
      front.append(drawn("path", { class: `line ${kind}`, d: pathOf(points) }));
      front.append(drawn("circle", { class: `dot-${kind}`, cx: points[0][0], cy: points[0][1], r: 4.5 }));
      const [x, y] = points.at(-1);
      front.append(drawn("rect", { class: `dot-${kind}`, x: x - 4, y: y - 4, width: 8, height: 8 }));
    }
    return made("div", { class: "keep" }, drawing.svg, made("p", { class: "small" }, "The way through the plane; ● beginning, ■ end."));
  }

  // ---- errors ----

  let points = [];
  function markPoints() {
    for (const [song, point] of points) {
      point.classList.toggle("chosen", song === chosen);
      point.setAttribute("r", song === chosen ? 5.5 : 3);
      if (song === chosen) point.parentNode.append(point);
    }
  }

  function scatter(target, title, xLabel, valueX, valueY, { same = false, zero = false } = {}) {
    const found = shown.map(song => [song, valueX(song), valueY(song)]).filter(([, x, y]) => x !== null && y !== null);
    if (new Set(found.map(row => row[1])).size < 3) return null;
    let x = around(found.map(row => row[1])), y = around(found.map(row => row[2]));
    if (same) x = y = around([...found.flatMap(row => row.slice(1))]);
    if (!same && !zero) y[0] = Math.max(0, y[0]);
    const drawing = chart({ width: 270, height: 250, x, y, title, xLabel, label: `${target}: ${title} over ${xLabel}, a point for each song` });
    const { front, atX, atY } = drawing;
    if (same) front.append(drawn("line", { class: "same", x1: atX(x[0]), y1: atY(x[0]), x2: atX(x[1]), y2: atY(x[1]) }));
    if (zero) front.append(drawn("line", { class: "same", x1: atX(x[0]), y1: atY(0), x2: atX(x[1]), y2: atY(0) }));
    for (const [song, u, v] of found) {
      const point = drawn("circle", { class: "point", cx: fixed(atX(u)), cy: fixed(atY(v)), r: 3 });
      point.append(drawn("title", {}, `${song.name}: ${round(u)}, ${round(v)}`));
      point.addEventListener("click", () => choose(song, true));
      points.push([song, point]);
      front.append(point);
    }
    return drawing.svg;
  }

  function drawErrors() {
    points = [];
    element("error-plots").replaceChildren(...targets.map((target, k) => {
      const error = song => figure(song, k, "rmse"), annotated = song => figure(song, k, "annotated");
      const rest = song => figure(song, k, "predicted") - annotated(song);
      return made("div", {}, made("h3", {}, target), made("div", { class: "panels" }, ...[
        scatter(target, "predicted", "annotated", annotated, song => figure(song, k, "predicted"), { same: true }),
        scatter(target, "predicted less annotated", "annotated", annotated, rest, { zero: true }),
        scatter(target, "RMSE", "length in s", song => song.length, error),
        scatter(target, "RMSE", "raters' agreement (α, −1 at least)", song => { const alpha = figure(song, k, "alpha"); return alpha === null ? null : Math.max(-1, alpha); }, error),
        scatter(target, "RMSE", "distance from the training songs", song => song.distance, error),
      ].filter(Boolean)));
    }));
    markPoints();
  }

  // ---- training ----

  function drawLearning() {
    element("learning").replaceChildren(...data.learning.map(({ title, error, panels }) => {
      const errors = panels.flatMap(([, rows]) => rows.flatMap(([, , curve]) => curve.map(point => point[1]))).filter(value => value > 0);
      const last = Math.max(...panels.flatMap(([, rows]) => rows.map(([, , curve]) => curve.at(-1)[0])));
      const trials = [...new Set(panels.flatMap(([, rows]) => rows.map(row => row[0])))].sort((a, b) => a - b);
      const room = document.body.clientWidth - 32;
      const width = panels.length === 1 ? Math.min(560, room) : Math.min(250, Math.max(160, (room - 32) / Math.min(4, panels.length) - 16));
      const sorted = [...errors].sort((a, b) => a - b), y = [sorted[0] / 1.05, sorted.at(-1) * 1.05];
      const colourOf = trial => trials.indexOf(trial) % 7, dashOf = trial => trials.indexOf(trial) >= 7 ? "4 2" : "none";
      const style = trial => `stroke: var(--trial-${colourOf(trial)}); stroke-width: 1.4; stroke-dasharray: ${dashOf(trial)}`;
      const drawings = panels.map(([name, rows]) => {
        const drawing = chart({
          width, height: panels.length === 1 ? 240 : 160, x: [1, Math.max(2, last)], y, log: true, yTicks: logTicks(...y), xLabel: panels.length === 1 ? "epoch" : "",
          xTicks: ticks(1, last, Math.max(3, width / 60)).filter(Number.isInteger),
          title: panels.length === 1 ? "" : name, label: `${title}, ${name}: ${error} over epochs, a line for each trial` });
        const { front, atX, atY } = drawing;
        for (const [trial, best, curve] of rows) {
          const known = curve.filter(point => point[1] > 0);
          const line = drawn("path", { class: "line", style: style(trial), d: pathOf(known.map(([epoch, value]) => [atX(epoch), atY(value)])) });
          const at = known.find(point => point[0] === best);
          line.append(drawn("title", {}, `${name}, trial ${trial}: best epoch ${best}${at ? `, ${round(at[1])}` : ""}`));
          front.append(line);
          if (at) front.append(drawn("circle", { cx: atX(best), cy: atY(at[1]), r: 3, style: `fill: var(--trial-${colourOf(trial)})` }));
        }
        return drawing.svg;
      });
      return made("div", { class: panels.length === 1 ? "keep" : "" }, made("h3", {}, `${title}: ${error}${panels.length > 1 ? ", over epochs" : ""}`),
        key(...trials.map(trial => [`trial ${trial}`, drawn("line", { x1: 0, x2: 26, y1: 6, y2: 6, style: style(trial) })]),
          ["best epoch", drawn("circle", { cx: 13, cy: 6, r: 3, style: "fill: var(--ink)" })]),
        made("div", { class: "panels" }, ...drawings));
    }));
  }

  // ---- the beginning ----

  const named = data.sets.map(({ title, system }) => `${title}: ${system}`).join("; ");
  element("songs-about").textContent = `All songs, each predicted by networks that did not learn from it (${named}).`;
  data.sets.forEach(({ title }, n) => set.append(made("option", { value: n }, title)));
  if (several) set.append(made("option", { value: "all" }, "all sets"));
  element("set-label").hidden = !several;
  orders.forEach(([text], n) => order.append(made("option", { value: n }, text)));
  whole.addEventListener("change", drawSong);
  for (const control of [set, order]) control.addEventListener("change", sift);
  search.addEventListener("input", sift);
  let width = document.body.clientWidth;
  window.addEventListener("resize", () => {
    if (document.body.clientWidth === width) return;
    width = document.body.clientWidth;
    drawSong();
    drawLearning();
  });
  for (const [event, open] of [["beforeprint", true], ["afterprint", false]]) {
    window.addEventListener(event, () => document.querySelectorAll("details").forEach(one => {
      if (open) { one.dataset.open = one.open; one.open = true; } else one.open = one.dataset.open === "true";
    }));
  }
  sift();
  drawLearning();
})();
