// A song plays; where the pointer is, on the clock of the sound, is written down twice a second.

const $ = (id) => document.getElementById(id);
const audio = $("audio");
const STEP = 0.02; // of the scale, by a key
const LARGE_STEP = 0.1;
const SAVE_EVERY = 1000; // ms
const BACK = 5; // s
const ENDS = {
  arousal: ["calm", "excited"],
  valence: ["negative", "positive"],
  dominance: ["weak", "strong"],
  tension: ["relaxed", "tense"],
};

let about;      // what is rated, as the server says
let rater = "";
let tasks = [];
let task = null; // {song, targets, practice}
let place = [0.5, 0.5]; // of the point, from 0 to 1: to the right, and up
let moved = false; // whether the point has been moved in this song: before, nothing is said
let frames = new Map(); // number of the frame to the values of the targets
let unsaved = new Set();
let next = 0; // frame
let saving = null;
let over = false;
let waits = false; // whether the song is being got ready

async function ask(name, content, keepalive = false) {
  const answer = await fetch(`/api/annotation/${name}`, {
    method: "POST",
    keepalive,
    headers: { "content-type": "application/json" },
    body: JSON.stringify(content),
  });
  const said = await answer.json().catch(() => ({}));
  if (!answer.ok) throw Object.assign(new Error(said.error || `the server says ${answer.status}`), { told: true });
  return said;
}

function show(section) {
  for (const id of ["who", "intro", "rate", "end"]) $(id).hidden = id !== section;
}

function warn(text) {
  $("alert").hidden = !text;
  $("alert").textContent = text || "";
}

function ends(target) {
  const word = target.replaceAll("_", " ");
  const known = ENDS[target];
  return known ? [`${known[0]}`, `${known[1]}`] : [`little ${word}`, `much ${word}`];
}

// Which target the point's way to the right and its way up are: as the field has it, valence lies flat.
function axes() {
  const named = task.targets;
  if (named.length === 1) return [named[0]];
  return named[0] === "arousal" && named[1] === "valence" ? ["valence", "arousal"] : named;
}

function valuesHere() {
  const [low, high] = about.scale;
  const found = {};
  axes().forEach((target, k) => {
    found[target] = Math.round((low + (high - low) * place[k]) * 1e4) / 1e4;
  });
  return found;
}

function minutes(seconds) {
  const whole = Math.max(0, Math.floor(seconds || 0));
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}

// -- who, and what is left ------------------------------------------------------------------------

async function begin(event) {
  event.preventDefault();
  warn("");
  try {
    const said = await ask("begin", { rater: $("rater").value });
    rater = said.rater;
    tasks = said.tasks;
    introduce(said.practice);
  } catch (error) {
    warn(`${error.message}`);
  }
}

function introduce(practice) {
  const left = tasks.filter((one) => !one.done).length;
  tellProgress();
  if (!left) return show("end");
  const names = about.targets.map((t) => t.replaceAll("_", " "));
  const plane = about.view === "plane";
  const songs = `You hear ${count(about.songs, "song")}`;
  $("intro-what").textContent = plane || names.length === 1
    ? `${songs}. While each plays, say how its ${names.join(" and ")} change${plane ? "" : "s"}.`
    : `${songs}, once for each of ${names.join(", ")}. The line above the bar says which it is; say how it changes.`;
  $("intro-how").textContent = `Move the pointer over the ${plane ? "field" : "bar"}; on a phone, keep a finger on it. ` +
    "The arrow keys do the same. What you say counts from your first move on.";
  const begun = tasks.some((one) => one.done);
  $("intro-practice").textContent = practice ? "First comes a short synthetic song to practise with. It isn't kept." : "";
  $("intro-go").textContent = practice ? "Practise" : begun ? "Go on" : "First song";
  $("intro-go").onclick = () => (practice ? open({ practice: true, song: -1, targets: firstTargets() }) : openNext());
  show("intro");
  $("intro-go").focus();
}

function count(number, what) {
  return `${number} ${what}${number === 1 ? "" : "s"}`;
}

function firstTargets() {
  return (tasks.find((one) => !one.done) || tasks[0]).targets;
}

function tellProgress() {
  const done = tasks.filter((one) => one.done).length;
  $("progress").hidden = !tasks.length;
  $("progress").textContent = `${rater}: ${done} of ${tasks.length} done`;
}

// -- one song -------------------------------------------------------------------------------------

function openNext() {
  const one = tasks.find((each) => !each.done);
  if (!one) {
    task = null;
    audio.removeAttribute("src");
    return show("end");
  }
  return open(one);
}

async function open(one, anew = false) {
  task = one;
  audio.pause();
  warn("");
  frames = new Map();
  unsaved = new Set();
  [place, moved, next, over, waits] = [[0.5, 0.5], false, 0, false, true];
  let resumed = 0;
  if (!one.practice) {
    const who = { rater, song: one.song, targets: one.targets };
    try {
      if (anew) await ask("forget", who);
      else {
        const { curves } = await ask("begun", who);
        if (task === one) resumed = take(curves);
      }
    } catch (error) {
      warn(error.message);
    }
  }
  if (task !== one) return;
  const plane = one.targets.length === 2;
  $("rate").className = plane ? "plane" : "slider";
  const [across, up] = axes();
  [$("end-left").textContent, $("end-right").textContent] = ends(across);
  $("end-top").hidden = $("end-bottom").hidden = !plane;
  if (plane) [$("end-bottom").textContent, $("end-top").textContent] = ends(up);
  const number = tasks.indexOf(one) + 1;
  $("what").textContent = (one.practice ? "Practice: " : `Song ${number} of ${tasks.length}: `) +
    one.targets.map((t) => t.replaceAll("_", " ")).join(" and ");
  describePad(plane, across);
  $("legend").replaceChildren(...one.targets.map((target, k) => {
    const span = document.createElement("span");
    const line = document.createElement("i");
    if (k) line.className = "second";
    span.append(line, target.replaceAll("_", " "));
    return span;
  }));
  $("after").hidden = true;
  $("next").disabled = false;
  $("next").textContent = "Next song";
  $("play").disabled = $("back").disabled = true;
  $("saved").textContent = "";
  const ready = (resumed ? `You were at ${minutes(resumed)}; Play goes on there.` : "Play, and move the point as the music goes.");
  hint("The song is being loaded.");
  show("rate");
  draw();
  audio.src = one.practice ? "/api/annotation/practice" : `/api/annotation/songs/${one.song}`;
  audio.load();
  audio.addEventListener("loadedmetadata", () => {
    if (resumed) audio.currentTime = resumed;
    waits = false;
    hint(ready);
    $("play").disabled = $("back").disabled = false;
    $("play").focus();
    draw();
  }, { once: true });
}

function take(curves) {
  const stamps = new Map();
  for (const target of task.targets) {
    for (const [stamp, value] of curves[target] || []) {
      const frame = Math.round(stamp / about.hop_ms);
      stamps.set(frame, { ...stamps.get(frame), [target]: value });
    }
  }
  const whole = [...stamps].filter(([, values]) => task.targets.every((t) => t in values)).sort((a, b) => a[0] - b[0]);
  if (!whole.length) return 0;
  frames = new Map(whole);
  const [last, values] = whole[whole.length - 1];
  const [low, high] = about.scale;
  axes().forEach((target, k) => { place[k] = (values[target] - low) / (high - low); });
  moved = true;
  next = last + 1;
  return (last * about.hop_ms) / 1000;
}

function describePad(plane, across) {
  const pad = $("pad");
  pad.setAttribute("role", plane ? "application" : "slider");
  pad.setAttribute("aria-label", task.targets.join(" and ") + (plane ? ": arrows move the point" : ""));
  if (plane) ["min", "max", "now"].forEach((part) => pad.removeAttribute(`aria-value${part}`));
  else {
    pad.setAttribute("aria-valuemin", about.scale[0]);
    pad.setAttribute("aria-valuemax", about.scale[1]);
    pad.setAttribute("aria-valuenow", valuesHere()[across]);
  }
}

function hint(text) {
  if ($("hint").textContent !== text) $("hint").textContent = text;
}

// Writes down all frames up to now: on the clock of the sound, whatever the wall's clock says.
function listen() {
  if (!task || waits || over || audio.seeking) return;
  const now = Math.floor(audio.currentTime * 1000 / about.hop_ms + 1e-6);
  for (; next <= now; next += 1) {
    if (!moved) continue;
    frames.set(next, valuesHere());
    unsaved.add(next);
  }
}

function move(across, up) {
  const limit = (x) => Math.min(1, Math.max(0, x));
  if (!task || over) return;
  if (!audio.paused) listen(); // what was before the move belongs to the old place
  place = [limit(across), limit(up)];
  if (!audio.paused && !moved) {
    moved = true;
    hint("");
  }
  draw();
}

function byPointer(event) {
  if (event.pointerType === "touch" && !event.buttons && event.type !== "pointerdown") return;
  const box = $("pad").getBoundingClientRect();
  move((event.clientX - box.left) / box.width, 1 - (event.clientY - box.top) / box.height);
}

function byKey(event) {
  if ($("rate").hidden || event.ctrlKey || event.altKey || event.metaKey) return;
  const step = event.shiftKey ? LARGE_STEP : STEP;
  const ways = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowDown: [0, -1], ArrowUp: [0, 1] };
  const onButton = event.target instanceof HTMLButtonElement;
  if (event.key in ways) {
    let [x, y] = ways[event.key];
    if (task.targets.length === 1) [x, y] = [x + y, 0];
    move(place[0] + step * x, place[1] + step * y);
  } else if (event.key === "0" || event.key === "Home") move(0.5, 0.5);
  else if (event.key === " " && !onButton) toggle();
  else if (event.key === "Backspace") goBack();
  else if (event.key === "Enter" && !onButton && over && !$("after").hidden) $("next").click();
  else return;
  event.preventDefault();
}

function toggle() {
  if (waits || over) return;
  if (audio.paused) {
    audio.playbackRate = 1;
    audio.play().catch((error) => warn(`The song can't be played: ${error.message}`));
  } else audio.pause();
}

function goBack() {
  if (waits || over) return;
  listen();
  audio.currentTime = Math.max(0, audio.currentTime - BACK);
}

// Whoever moves the song, such as the keys of a keyboard for media: back, and no further than it was heard.
function sought() {
  if (!task || waits || over) return;
  const heard = (next * about.hop_ms) / 1000;
  if (audio.currentTime > heard && !task.practice) audio.currentTime = heard;
  else next = Math.min(next, Math.ceil(audio.currentTime * 1000 / about.hop_ms));
  draw();
}

async function ended() {
  if (over || waits) return;
  listen();
  if (!moved) {
    hint("You haven't moved the point, so nothing was said. Please play the song again, and move it.");
    audio.currentTime = 0;
    return;
  }
  over = true;
  $("play").disabled = $("back").disabled = true;
  await conclude();
}

async function conclude() {
  if (task.practice) {
    hint("That was the practice; nothing of it was kept.");
    $("next").textContent = "First song";
    $("again").textContent = "Practise again";
  } else {
    $("again").textContent = "Rate this one again";
    try {
      for (let before = Infinity; unsaved.size && unsaved.size < before;) {
        before = unsaved.size;
        await save();
      }
      if (unsaved.size) throw new Error("the server can't be reached");
      await ask("finish", { rater, song: task.song, targets: task.targets });
      warn("");
    } catch (error) {
      unsaved = new Set(frames.keys()); // the next try is whole, whatever the server has had of this one
      warn(`Not saved yet: ${error.message}`);
      hint("What you said is still here.");
      $("next").textContent = "Try again";
      $("next").onclick = conclude;
      $("after").hidden = false;
      return;
    }
    task.done = true;
    tellProgress();
    $("saved").textContent = "saved";
    const left = tasks.some((one) => !one.done);
    hint(left ? "Saved." : "Saved; that was the last one.");
    $("next").textContent = left ? "Next song" : "Finish";
  }
  $("next").onclick = () => openNext();
  $("after").hidden = false;
  $("next").focus();
}

// -- saving ---------------------------------------------------------------------------------------

function pending() {
  const numbers = [...unsaved].sort((a, b) => a - b).slice(0, 2000);
  const values = {};
  for (const target of task.targets) values[target] = numbers.map((n) => frames.get(n)[target]);
  return { numbers, content: { rater, song: task.song, targets: task.targets, stamps: numbers.map((n) => n * about.hop_ms), values } };
}

async function save() {
  if (saving) await saving.catch(() => {});
  if (!task || task.practice || !unsaved.size) return;
  const { numbers, content } = pending();
  const sent = new Map(numbers.map((n) => [n, frames.get(n)]));
  const mine = task;
  saving = ask("save", content);
  try {
    await saving;
    if (mine !== task) return;
    for (const [n, values] of sent) if (frames.get(n) === values) unsaved.delete(n);
    warn("");
    $("saved").textContent = "saved";
  } catch (error) {
    if (mine === task) warn(`Not saved: ${error.told ? error.message : "the server can't be reached"}. It is tried again; what you say is kept here.`);
  } finally {
    saving = null;
  }
}

// -- drawing --------------------------------------------------------------------------------------

function draw() {
  if (!task) return;
  const plane = task.targets.length === 2;
  $("dot").style.left = `${100 * place[0]}%`;
  $("dot").style.top = plane ? `${100 * (1 - place[1])}%` : "50%";
  $("rate").classList.toggle("resting", !moved);
  if (!plane) $("pad").setAttribute("aria-valuenow", valuesHere()[axes()[0]]);
  $("clock").textContent = `${minutes(audio.currentTime)} / ${minutes(audio.duration)}`;
  drawTrace();
}

function drawTrace() {
  const canvas = $("trace");
  const { clientWidth: width, clientHeight: height } = canvas;
  const ratio = window.devicePixelRatio || 1;
  if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
  }
  const pen = canvas.getContext("2d");
  const style = getComputedStyle(document.documentElement);
  const color = (name) => style.getPropertyValue(name).trim();
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  pen.clearRect(0, 0, width, height);
  const length = audio.duration > 0 && Number.isFinite(audio.duration) ? audio.duration : 30;
  const [low, high] = about.scale;
  const edge = 6;
  const x = (seconds) => (seconds / length) * width;
  const y = (value) => edge + (1 - (value - low) / (high - low)) * (height - 2 * edge);
  pen.strokeStyle = color("--rate-line");
  pen.lineWidth = 1;
  pen.beginPath();
  pen.moveTo(0, height / 2);
  pen.lineTo(width, height / 2);
  pen.stroke();
  const numbers = [...frames.keys()].sort((a, b) => a - b);
  task.targets.forEach((target, k) => {
    pen.strokeStyle = color(k ? "--rate-second" : "--rate-first");
    pen.setLineDash(k ? [7, 4] : []);
    pen.lineWidth = 2.5;
    pen.beginPath();
    let before = null;
    for (const n of numbers) {
      const at = [x((n * about.hop_ms) / 1000), y(frames.get(n)[target])];
      if (before === n - 1) pen.lineTo(...at);
      else pen.moveTo(...at);
      before = n;
    }
    pen.stroke();
  });
  pen.setLineDash([]);
  pen.strokeStyle = color("--rate-text");
  pen.lineWidth = 1;
  pen.beginPath();
  pen.moveTo(x(audio.currentTime), 0);
  pen.lineTo(x(audio.currentTime), height);
  pen.stroke();
}

function tick() {
  if (task && !audio.paused) {
    listen();
    draw();
  }
  requestAnimationFrame(tick);
}

// -- all together ---------------------------------------------------------------------------------

$("who-form").addEventListener("submit", begin);
$("play").addEventListener("click", toggle);
$("back").addEventListener("click", goBack);
$("again").addEventListener("click", () => {
  if (!task.practice) task.done = false;
  tellProgress();
  open(task, true);
});
$("other").addEventListener("click", () => {
  [rater, tasks, task] = ["", [], null];
  $("rater").value = "";
  tellProgress();
  show("who");
  $("rater").focus();
});
for (const kind of ["pointermove", "pointerdown"]) $("pad").addEventListener(kind, byPointer);
$("pad").addEventListener("pointerdown", (event) => $("pad").setPointerCapture(event.pointerId));
window.addEventListener("keydown", byKey);
window.addEventListener("resize", draw);
audio.addEventListener("play", () => { $("play").textContent = "Pause"; if (!moved) hint("Move the point: what you say counts from your first move on."); });
audio.addEventListener("pause", () => { $("play").textContent = "Play"; listen(); save(); });
audio.addEventListener("timeupdate", () => { listen(); draw(); });
audio.addEventListener("ratechange", () => { if (audio.playbackRate !== 1) audio.playbackRate = 1; });
audio.addEventListener("seeking", sought);
audio.addEventListener("ended", ended);
audio.addEventListener("error", async () => {
  if (!task || !audio.getAttribute("src")) return;
  const answer = await fetch(audio.src).catch(() => null);
  const said = answer && !answer.ok ? await answer.json().catch(() => ({})) : {};
  warn(said.error || "The song can't be played in this browser.");
  if (task.practice) return openNext();
  over = true;
  hint("It is left out for now.");
  const skipped = task;
  $("after").hidden = false;
  $("next").onclick = () => { tasks = tasks.filter((one) => one !== skipped); tellProgress(); openNext(); };
});
document.addEventListener("visibilitychange", () => { if (document.hidden) audio.pause(); });
window.addEventListener("pagehide", () => {
  if (task && !task.practice && unsaved.size && !over) ask("save", pending().content, true).catch(() => {});
});
setInterval(() => { if (task && !over) save(); }, SAVE_EVERY);
requestAnimationFrame(tick);

try {
  const answer = await fetch("/api/annotation");
  about = await answer.json();
  show("who");
  $("rater").focus();
} catch {
  warn("The server can't be reached; is lstmcore annotate still running?");
}
