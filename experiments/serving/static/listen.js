"use strict";
(() => {
  const { element, made, asked, repeat } = Page;
  const { clock, colour, curveColour, round, words } = Drawing;
  const SEEK_SECONDS = 5, DASHES = [[], [7, 4], [2, 3], [10, 3, 2, 3]], MOST_ROWS = 300;
  const sound = element("sound"), across = element("across"), up = element("up"), plane = element("plane"), whole = element("whole");
  const calm = window.matchMedia("(prefers-reduced-motion: reduce)");
  const pending = ["arriving", "waiting", "working"];
  let models = [], songs = [], uploads = [], mostBytes = Infinity;
  let chosen = null;  // id of the song that is looked at
  let shown = null;   // what is known of it: curves, outline, models
  let isFirst = false;  // whether the next song to arrive is the first of those that were dropped together
  let drawn = null;   // axes of the plane and of the curves
  const hidden = new Set();  // models that aren't shown

  // ---- songs come ----

  function take(files) {
    for (const file of files) {
      const upload = { name: file.name, sent: 0, error: "" };
      if (file.size > mostBytes) upload.error = tooLarge();
      else if (file.size === 0) upload.error = "the file is empty; audio is expected";
      uploads.push(Object.assign(upload, { file, begun: upload.error !== "" }));
    }
    isFirst = true;
    drawList();
    sendNext();
  }

  const tooLarge = () => `too large: at most ${Math.round(mostBytes / 2 ** 20)} MB are taken (--max-mb)`;

  // One after the other; XMLHttpRequest tells how much of a song has gone.
  function sendNext() {
    if (uploads.some(one => one.begun && !one.error)) return;
    const upload = uploads.find(one => !one.begun);
    if (!upload) return;
    upload.begun = true;
    const request = new XMLHttpRequest();
    request.open("POST", `/api/songs?name=${encodeURIComponent(upload.name)}`);
    request.upload.addEventListener("progress", event => { upload.sent = event.loaded / event.total; drawList(); });
    request.addEventListener("loadend", () => {
      let answer = {};
      try { answer = JSON.parse(request.responseText); } catch { answer = { error: request.responseText.trim() }; }
      if (request.status === 201) {
        uploads = uploads.filter(one => one !== upload);
        songs.push(answer);
        if (isFirst) choose(answer.id);
        isFirst = false;
      } else {
        upload.error = answer.error || "it did not arrive whole: has lstmcore serve ended, or is the file too large?";
      }
      upload.file = null;
      look();
      drawList();
      sendNext();
    });
    request.send(upload.file);
  }

  const drop = element("drop");
  element("files").addEventListener("change", event => { take(event.target.files); event.target.value = ""; });
  for (const kind of ["dragenter", "dragover"]) {
    document.addEventListener(kind, event => { event.preventDefault(); drop.classList.add("over"); });
  }
  document.addEventListener("dragleave", event => { if (!event.relatedTarget) drop.classList.remove("over"); });
  document.addEventListener("drop", event => {
    event.preventDefault();
    drop.classList.remove("over");
    take(event.dataTransfer.files);
  });

  // ---- the list ----

  const stateOf = song => ({
    new: "", arriving: "arriving", waiting: song.stage, working: song.stage, done: "", failed: song.error,
  })[song.state];

  function row(name, state, failed, choosing, removing) {
    const texts = [made("span", { class: "of", text: name, title: name })];
    if (state) texts.push(made("span", { class: "state", text: state }));
    const button = choosing ? made("button", { type: "button", class: "choose" }, ...texts) : made("div", { class: "choose" }, ...texts);
    const item = made("li", { class: failed ? "failed" : null }, button);
    if (choosing) button.addEventListener("click", choosing);
    if (removing) {
      const remove = made("button", { type: "button", class: "remove", text: "×", "aria-label": `remove ${name}`, title: "remove" });
      remove.addEventListener("click", removing);
      item.append(remove);
    }
    return item;
  }

  let written = "";
  function drawList() {
    const parts = element("search").value.toLowerCase().split(/\s+/).filter(Boolean);
    const found = songs.filter(song => parts.every(part => song.name.toLowerCase().includes(part)));
    const seen = JSON.stringify([found, chosen, uploads.map(one => [one.name, one.sent, one.error])]);
    if (seen === written) return;
    written = seen;
    const list = element("songs"), focus = document.activeElement?.closest?.("#songs button");
    const place = focus ? [focus.closest("li").dataset.id, focus.className] : null;
    const items = uploads.map(one => row(
      one.name, one.error || (one.begun ? `arriving, ${Math.round(100 * one.sent)} %` : "waiting to be sent"), one.error !== "",
      null, one.error ? () => { uploads = uploads.filter(other => other !== one); drawList(); } : null));
    for (const song of found.slice(0, MOST_ROWS)) {
      const removing = song.uploaded ? () => remove(song) : null;
      const item = row(song.name, stateOf(song), song.state === "failed", () => choose(song.id), removing);
      item.dataset.id = song.id;
      if (song.id === chosen) item.firstChild.setAttribute("aria-current", "true");
      items.push(item);
    }
    const top = list.scrollTop;
    list.replaceChildren(...items);
    list.scrollTop = top;
    if (place) [...list.children].find(item => item.dataset.id === place[0])?.querySelector(`.${place[1]}`)?.focus();
    element("search-line").hidden = songs.length < 8;
    element("more").hidden = found.length <= MOST_ROWS;
    element("more").textContent = `and ${found.length - MOST_ROWS} more: search for them`;
  }
  element("search").addEventListener("input", drawList);

  async function remove(song) {
    await tried(() => asked(`/api/songs/${song.id}`, { method: "DELETE" }));
    if (song.id === chosen) choose(null);
    look();
  }

  async function tried(work) {
    try {
      const answer = await work();
      element("trouble").hidden = true;
      return answer;
    } catch (error) {
      element("trouble").textContent = error.message;
      element("trouble").hidden = false;
      return null;
    }
  }

  // What there is, often while something is being done.
  const look = repeat(async () => {
    const answer = await tried(() => asked("/api/songs"));
    if (!answer) return 3000;
    [models, songs, mostBytes] = [answer.models, answer.songs, answer.most_bytes];
    element("bounds").textContent = `Up to ${Math.round(mostBytes / 2 ** 20)} MB each. They stay on the machine that lstmcore serve runs on, and are deleted when it ends.`;
    drawList();
    await showChosen();
    return songs.some(song => pending.includes(song.state)) ? 500 : 5000;
  });

  // ---- the chosen song ----

  async function choose(id) {
    chosen = id;
    const song = songs.find(one => one.id === id);
    if (song && (song.state === "new" || (song.state === "failed" && !song.uploaded))) {
      await tried(() => asked(`/api/songs/${id}/analyse`, { method: "POST" }));
      look();
    }
    drawList();
    await showChosen();
  }

  async function showChosen() {
    const song = songs.find(one => one.id === chosen);
    element("empty").hidden = Boolean(song);
    element("work").hidden = !song;
    if (!song) {
      element("empty-title").textContent = models.length ? "No song is chosen" : "No model is there yet";
      element("empty-text").textContent = models.length
        ? `A song that is dropped here is analysed by ${models.map(model => model.model).join(" and ")}; then it plays, and a point moves through the plane with it.`
        : "The run that is to leave one hasn't ended; its page shows how far it is.";
    } else {
      element("name").textContent = song.name;
      element("progress").hidden = !pending.includes(song.state);
      element("stage").textContent = song.stage;
      if (song.share === null) element("share").removeAttribute("value");
      else element("share").value = song.share;
      element("failure").hidden = song.state !== "failed";
      element("failure").textContent = song.error;
    }
    const done = song && song.state === "done";
    if (!done) {
      stop();
    } else if (!shown || shown.id !== song.id) {
      const found = await tried(() => asked(`/api/songs/${song.id}`));
      if (found && chosen === song.id && shown?.id !== song.id) show(found);
    }
  }

  function stop() {
    element("shown").hidden = true;
    if (!shown) return;
    shown = null;
    sound.removeAttribute("src");
    sound.load();
  }

  function show(song) {
    shown = song;
    element("shown").hidden = false;
    sound.src = `/api/songs/${song.id}/sound`;
    const said = song.curves.flatMap((curve, k) => curve.warnings.map(text => several() ? `${modelName(k)}: this song ${text}.` : `This song ${text}.`));
    element("warnings").replaceChildren(...said.map(text => made("p", { class: "note", text })));
    showModels();
    showAxes();
    element("whole-label").hidden = shown.models.some(model => !model.scale);
    showAbout();
    element("curves").replaceChildren(...targets().map(target => made("div", { class: "timed", "data-target": target },
      made("canvas", { role: "img", "aria-label": `${target} over time; a click goes there` }), made("div", { class: "playhead" }))));
    for (const timed of document.querySelectorAll(".timed")) seekable(timed);
    draw();
  }

  const several = () => shown.models.length > 1;
  const targets = () => [...new Set(shown.models.flatMap(model => model.targets))];
  const visible = () => shown.models.map((_, k) => k).filter(k => !hidden.has(shown.models[k].model_digest));
  const modelName = k => shown.models[k].model;
  const curveOf = (k, target) => {
    const curve = shown.curves[k].targets[target];
    return curve ? { times: shown.curves[k].times, ...curve } : null;
  };

  function showModels() {
    const box = element("models");
    box.hidden = !several();
    box.replaceChildren(box.firstElementChild, ...shown.models.map((model, k) => {
      const check = made("input", { type: "checkbox" });
      check.checked = !hidden.has(model.model_digest);
      check.addEventListener("change", () => {
        hidden[check.checked ? "delete" : "add"](model.model_digest);
        draw();
      });
      const line = ["solid", "dashed", "dotted", "dash-dotted"][k % 4];
      return made("label", {}, check, made("span", { class: `sign model-${k % 4}` }), `${model.model} (${line})`);
    }));
  }

  // Which targets span the plane: valence and arousal if there are such, else the first two.
  function showAxes() {
    const names = targets();
    const before = [across.value, up.value];
    for (const select of [across, up]) select.replaceChildren(...names.map(name => made("option", { value: name, text: words(name) })));
    const called = word => names.find(name => name.toLowerCase() === word);
    const first = called("valence") && called("arousal") ? [called("valence"), called("arousal")] : names;
    [across.value, up.value] = before.every(name => names.includes(name)) ? before : [first[0], first[1]];
    element("plane-view").hidden = names.length < 2;
    for (const select of [across, up]) select.parentElement.hidden = names.length < 3;
    document.querySelector(".views").classList.toggle("without-plane", names.length < 2);
  }

  function showAbout() {
    element("cautions").replaceChildren(...shown.models.flatMap(model => model.cautions.map(
      text => made("p", { class: "note", text: several() ? `${model.model}: ${text}` : text }))));
    element("about").replaceChildren(...shown.models.flatMap((model, k) => {
      const scale = model.scale ? `${round(model.scale[0])} to ${round(model.scale[1])}` : "unknown";
      const novelty = shown.curves[k].novelty;
      const lines = [
        `${model.model}: ${model.system}, ${model.networks} ${model.networks === 1 ? "network" : "networks"}; scale ${scale}; a value every ${round(model.hop_seconds)} s.`,
        `Time: ${model.time_stamp}.`,
        ...(novelty === null ? [] : [`Novelty ${round(novelty)}: the share of the songs learnt from that lie nearer to the others of them than this one does.`]),
      ];
      return lines.map(text => made("p", { text }));
    }), made("p", { text: "Bands are ± the standard deviation over a model's networks. Between two values of a curve the point moves on the straight line." }));
  }

  // ---- drawing: curves once, and what moves lies above them ----

  function draw() {
    if (!shown) return;
    drawn = { curves: new Map() };
    drawOutline();
    const seen = visible();
    targets().forEach((target, n) => {
      const timed = element("curves").children[n];
      const curves = seen.map(k => [k, curveOf(k, target)]).filter(([, curve]) => curve);
      const axes = Drawing.curveAxes(timed.firstChild, {
        range: Drawing.rangeOf(curves.map(([, curve]) => curve), scaleOf(target)), last: shown.seconds, name: words(target), hue: curveColour(n),
      });
      curves.forEach(([k, curve]) => Drawing.curve(axes, curve, curveColour(n), DASHES[k % 4]));
      drawn.curves.set(timed, axes);
    });
    if (!element("plane-view").hidden) drawPlane(seen);
    move();
  }

  // From the lowest to the highest value of all models' scales; null if one isn't known, or isn't wanted.
  function scaleOf(target) {
    if (!whole.checked) return null;
    const scales = shown.models.filter(model => model.targets.includes(target)).map(model => model.scale);
    if (scales.some(scale => !scale)) return null;
    return [Math.min(...scales.map(scale => scale[0])), Math.max(...scales.map(scale => scale[1]))];
  }

  function drawOutline() {
    const canvas = element("outline"), { pen, width, height } = Drawing.prepared(canvas);
    const left = 52, right = 12, wide = width - left - right, count = shown.outline.length;
    pen.fillStyle = colour("--pale");
    shown.outline.forEach((level, n) => {
      const high = Math.max(1, level * (height - 4));
      pen.fillRect(left + n / count * wide, (height - high) / 2, Math.max(.6, wide / count - .2), high);
    });
    drawn.curves.set(canvas.parentElement, {
      atX: time => left + time / shown.seconds * wide,
      timeAt: x => Math.min(1, Math.max(0, (x - left) / wide)) * shown.seconds,
    });
  }

  function drawPlane(seen) {
    const pairs = seen.map(k => [k, curveOf(k, across.value), curveOf(k, up.value)]).filter(([, a, b]) => a && b);
    const axis = (name, which) => {
      const scale = scaleOf(name), flat = pairs.map(pair => ({ ...pair[which], spread: pair[which].values.map(() => 0) }));
      const range = flat.length || scale ? Drawing.rangeOf(flat, scale) : [0, 1];
      const more = scale ? 0 : .04 * (range[1] - range[0]);
      return { range: [range[0] - more, range[1] + more], name: words(name), middle: scale ? (scale[0] + scale[1]) / 2 : null };
    };
    drawn.plane = Drawing.plane(plane, axis(across.value, 1), axis(up.value, 2));
    drawn.plane.inside(() => pairs.forEach(([k, a, b]) => {
      drawn.plane.pen.setLineDash(DASHES[k % 4]);
      drawn.plane.pen.globalAlpha = .75;
      Drawing.path(drawn.plane, a.values, b.values);
    }));
    plane.setAttribute("aria-label", `${words(up.value)} against ${words(across.value)}: the way of the song, and where it is now`);
    element("plane-note").textContent = "The line is the way of the song, from dark to bright; the point is where it is now.";
    for (const old of document.querySelectorAll(".point")) old.remove();
    drawn.points = pairs.map(([k, a, b]) => {
      const point = made("div", { class: `point model-${k % 4}`, title: modelName(k) });
      plane.parentElement.append(point);
      return [point, a, b];
    });
  }

  // The value of a curve at a time: on the straight line between its neighbours, at its ends the last ones.
  function valueAt({ times }, values, time) {
    let low = 0, high = times.length - 1;
    if (time <= times[0]) return values[0];
    if (time >= times[high]) return values[high];
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (times[middle] <= time) low = middle; else high = middle;
    }
    const share = (time - times[low]) / (times[high] - times[low]);
    return values[low] + share * (values[high] - values[low]);
  }

  // Puts the point and the lines where the sound is.
  function move() {
    if (!shown || !drawn) return;
    const time = Math.min(sound.currentTime, shown.seconds);
    for (const [timed, axes] of drawn.curves) timed.querySelector(".playhead").style.transform = `translateX(${axes.atX(time)}px)`;
    for (const [point, a, b] of drawn.points || []) {
      const [x, y] = [valueAt(a, a.values, time), valueAt(b, b.values, time)];
      point.style.transform = `translate(${drawn.plane.atX(x)}px, ${drawn.plane.atY(y)}px)`;
      Object.assign(point.dataset, { time, across: x, up: y });
    }
    showNow(time);
  }

  let told = "";
  function showNow(time) {
    const seen = visible();
    const rows = targets().map(target => [words(target), ...seen.map(k => {
      const curve = curveOf(k, target);
      return curve ? `${valueAt(curve, curve.values, time).toFixed(2)} ± ${valueAt(curve, curve.spread, time).toFixed(2)}`.replaceAll("-", "−") : "–";
    })]);
    const text = JSON.stringify([clock(time), several(), rows]);
    if (text === told) return;
    told = text;
    const head = made("tr", {}, made("th", { text: `at ${clock(time)}` }), ...seen.map(k => made("th", { text: several() ? modelName(k) : "value ± spread" })));
    element("now").replaceChildren(head, ...rows.map(([name, ...cells]) => made("tr", {}, made("th", { text: name, scope: "row" }), ...cells.map(cell => made("td", { text: cell })))));
  }

  // ---- playing ----

  // With every frame of the screen; as often as the sound itself tells where movement isn't wanted.
  function follow() {
    move();
    if (!sound.paused && !calm.matches) requestAnimationFrame(follow);
  }
  sound.addEventListener("play", follow);
  for (const kind of ["timeupdate", "seeking", "seeked", "pause", "loadedmetadata"]) sound.addEventListener(kind, move);
  sound.addEventListener("error", () => {
    if (!shown) return;
    element("trouble").textContent = "This browser can't play the sound; its curves are here all the same.";
    element("trouble").hidden = false;
  });

  function seek(time) {
    if (!shown) return;
    sound.currentTime = Math.max(0, Math.min(shown.seconds, time));
    move();
  }

  function seekable(timed) {
    if (timed.dataset.seekable) return;
    timed.dataset.seekable = "yes";
    const go = event => seek(drawn.curves.get(timed).timeAt(event.clientX - timed.getBoundingClientRect().left));
    timed.addEventListener("pointerdown", event => {
      if (event.button !== 0) return;
      if (event.pointerType === "mouse") timed.setPointerCapture(event.pointerId);
      go(event);
    });
    timed.addEventListener("pointermove", event => { if (timed.hasPointerCapture(event.pointerId)) go(event); });
  }

  function toggle() {
    if (sound.paused) sound.play().catch(() => {});
    else sound.pause();
  }

  // What has a use for these keys keeps them; on the chosen song in the list, space plays.
  function isOurs(event) {
    if (!shown || event.altKey || event.ctrlKey || event.metaKey) return false;
    const at = event.target;
    if (at.matches("#songs .choose[aria-current]")) return true;
    return !at.closest("input, select, textarea, button, a, summary, audio");
  }
  document.addEventListener("keydown", event => {
    const step = { ArrowLeft: -SEEK_SECONDS, ArrowRight: SEEK_SECONDS, Home: -Infinity, End: Infinity }[event.key];
    if (!isOurs(event) || (step === undefined && event.key !== " ")) return;
    event.preventDefault();
    if (step !== undefined) seek(sound.currentTime + step);
    else if (!event.repeat) toggle();
  });
  document.addEventListener("keyup", event => { if (event.key === " " && isOurs(event)) event.preventDefault(); });

  for (const choice of [across, up, whole]) choice.addEventListener("change", draw);
  window.addEventListener("resize", draw);
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  window.addEventListener("beforeprint", draw);
})();
