"use strict";
(() => {
  const { element, made, asked, repeat } = Page;
  const { colour, curveColour, round } = Drawing;
  const states = {
    working: "at work", finished: "finished", stopped: "not at work: run the same command again to go on",
  };
  let runs = [], seen = "";

  const look = repeat(async () => {
    try {
      runs = await asked("/api/runs");
      element("trouble").hidden = true;
    } catch (error) {
      element("trouble").textContent = error.message;
      element("trouble").hidden = false;
      return 5000;
    }
    const text = JSON.stringify(runs);
    if (text !== seen) {
      seen = text;
      const [left, top] = [...document.querySelectorAll(".wide")].map(one => [one.scrollLeft, one.scrollTop])[0] || [0, 0];
      element("runs").replaceChildren(...runs.map(section));
      const first = document.querySelector(".wide");
      if (first) [first.scrollLeft, first.scrollTop] = [left, top];
      draw();
    }
    return runs.some(run => run.state === "working") ? 2000 : 5000;
  });

  function section(run) {
    const cells = new Map();
    for (const job of run.networks) {
      const place = `${job.fold} ${job.trial}`;
      cells.set(place, [...(cells.get(place) || []), job]);
    }
    const each = Math.max(1, run.sets, ...[...cells.values()].map(jobs => jobs.length));
    const total = run.folds.length * run.trials * each;
    const ended = run.networks.filter(job => job.state !== "working").length;
    const bar = made("progress", { max: total, value: ended, "aria-label": "networks that have ended" });
    const before = run.others.filter(job => job.state !== "working").length;
    const parts = [
      made("h2", { text: run.name }),
      made("p", { text: `${run.experiment}: ${states[run.state]}. ${ended} of ${total} networks have ended${before ? `, after ${before} pre-trainings` : ""}.` }),
      bar,
    ];
    if (!run.networks.length) {
      const busy = run.others.length ? "Pre-training goes on." : "Features are being computed; the first training hasn't ended its first part yet.";
      parts.push(made("p", { class: "small", text: run.state === "working" ? busy : "No training has begun." }));
    }
    return made("section", { "aria-label": run.name }, ...parts, made("div", { class: "views" },
      made("div", {}, made("h3", { text: "Folds and trials: epochs so far" }), made("div", { class: "wide" }, table(run, cells))),
      made("div", {}, made("h3", { text: "Validation error per frame over epochs, a line for each network" }), made("canvas", { class: "errors", role: "img", "aria-label": "learning curves of all networks" }))));
  }

  function table(run, cells) {
    const trials = Array.from({ length: run.trials }, (_, k) => k);
    const head = made("tr", {}, made("th", { text: "fold" }), ...trials.map(k => made("th", { text: `trial ${k}`, scope: "col" })));
    return made("table", {}, head, ...run.folds.map(fold => made("tr", {}, rowHead(run, fold),
      ...trials.map(trial => cell(cells.get(`${fold} ${trial}`) || [])))));
  }

  // With the line that its curves have in the picture beside.
  const lineOf = (run, fold) => [run.folds.indexOf(fold), Math.floor(run.folds.indexOf(fold) / 6) % 3];
  function rowHead(run, fold) {
    const head = made("th", { text: fold, scope: "row" }), [n, dash] = lineOf(run, fold);
    head.style.borderLeft = `5px ${["solid", "dashed", "dotted"][dash]} ${curveColour(n)}`;
    return head;
  }

  function cell(jobs) {
    if (!jobs.length) return made("td", { class: "open", text: "·", title: "not begun, or nothing written yet" });
    const state = ["diverged", "working", "done"].find(one => jobs.some(job => job.state === one));
    const text = jobs.map(job => job.state === "diverged" ? "✕" : `${job.epochs}${job.state === "working" ? " …" : " ✓"}`).join(", ");
    const title = jobs.map(job => job.diverged || `${job.name}: ${job.state}, best epoch ${job.best_epoch}`).join("\n");
    return made("td", { class: state, text, title });
  }

  function draw() {
    document.querySelectorAll("canvas.errors").forEach((canvas, k) => drawErrors(canvas, runs[k]));
  }

  function drawErrors(canvas, run) {
    const known = run.networks.map(job => [job, job.curve.map(([epoch, , error]) => [epoch, error]).filter(([, error]) => error !== null && error !== undefined)])
      .filter(([, points]) => points.length);
    if (!known.length) { Drawing.prepared(canvas); return; }
    const errors = known.flatMap(([, points]) => points.map(([, error]) => error)).sort((a, b) => a - b);
    // The first epochs of a few networks would press all others flat.
    const low = errors[0], top = errors[Math.floor(.99 * (errors.length - 1))], high = top > low ? top : low + 1;
    const last = Math.max(2, ...known.map(([, points]) => points.at(-1)[0]));
    const drawn = Drawing.plane(canvas, { range: [1, last], name: "epoch", middle: null },
      { range: [low - .03 * (high - low), high + .03 * (high - low)], name: "validation error", middle: null });
    drawn.inside(() => known.forEach(([job, points]) => {
      const { pen, atX, atY } = drawn;
      const [n, dash] = lineOf(run, job.fold);
      pen.strokeStyle = curveColour(n);
      pen.setLineDash([[], [6, 3], [2, 3]][dash]);
      pen.lineWidth = job.state === "working" ? 2.5 : 1;
      pen.beginPath();
      points.forEach(([epoch, error]) => pen.lineTo(atX(epoch), atY(error)));
      pen.stroke();
      const best = points.find(([epoch]) => epoch >= job.best_epoch) || points.at(-1);
      pen.fillStyle = colour("--ink");
      pen.beginPath(); pen.arc(atX(best[0]), atY(best[1]), 1.8, 0, 7); pen.fill();
    }));
    canvas.setAttribute("aria-label", `learning curves of ${known.length} networks; lowest validation error ${round(low)}`);
  }

  window.addEventListener("resize", draw);
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { seen = ""; look(); });
})();
