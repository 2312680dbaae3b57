// Asking the mock once a second, its clock, and the run as a whole. This file comes last: it starts.

const ROOT = "/_outlast/";
const POLL_MS = 1000;
const POLL_MS_MAX = 15000;

// -- asking ---------------------------------------------------------------------------------------

class Refused extends Error {
  constructor(error) {
    super(error.message);
    this.key = error.key;
  }
}

async function call(method, path, body, timeout_ms = 10000) {
  const reply = await fetch(ROOT + path, {
    method,
    body: body === undefined ? undefined : typeof body === "string" ? body : JSON.stringify(body),
    headers: { accept: "application/json" },
    cache: "no-store",
    signal: AbortSignal.timeout(timeout_ms),
  });
  const answer = await reply.json();
  if (!reply.ok) throw new Refused(answer.error);
  return answer;
}

let sayTimer = 0;

function say(text) {
  // What came of a press of a button; it does not stay for ever.
  $("said").textContent = text;
  clearTimeout(sayTimer);
  sayTimer = setTimeout(() => { $("said").textContent = ""; }, 20000);
}

async function act(control, method, path, body) {
  // A button was pressed: do it, say what came of it, look again.
  control.disabled = true;
  say("");
  try {
    return await call(method, path, body, 180000);
  } catch (error) {
    say(error instanceof Refused ? error.message : "The mock did not answer: " + error.message);
    return null;
  } finally {
    control.disabled = false;
    control.focus();
    lookNow();
  }
}

let run = null; // the number of the run that is on the page
let seen = null; // the last overview, and when it came
let seenAt = 0;
let wait_ms = POLL_MS;
let timer = 0;
let looking = false;
let again = false;

function lookNow() {
  clearTimeout(timer);
  if (looking) again = true;
  else look();
}

async function look() {
  looking = true;
  again = false;
  try {
    const overview = await call("GET", "overview?requests=" + SHOWN);
    const began = overview.run === run ? null : await Promise.all(["", "choices", "scenarios"].map((name) => call("GET", name)));
    [seen, seenAt, wait_ms] = [overview, performance.now(), POLL_MS];
    found();
    if (began) queueMicrotask(() => beginAnew(overview, ...began));
    queueMicrotask(() => show(overview)); // a mistake in the drawing is not taken for a lost mock
  } catch (error) {
    wait_ms = Math.min(wait_ms * 2, POLL_MS_MAX);
    lost(error);
  } finally {
    looking = false;
    clearTimeout(timer);
    if (again) look();
    else if (!document.hidden) timer = setTimeout(look, wait_ms);
  }
}

let lostSince = null;

function lost(error) {
  lostSince ??= new Date();
  const why = error instanceof Refused ? " (" + error.message + ")" : "";
  $("trouble").textContent = `The mock has not answered since ${local(lostSince)}${why}. ` +
    (seen ? "Below is what it last said. " : "") + `Asking again in ${Math.round(wait_ms / 1000)} s.`;
  $("trouble").hidden = false;
  document.body.classList.add("gone");
}

function found() {
  lostSince = null;
  $("trouble").hidden = true;
  document.body.classList.remove("gone");
}

document.addEventListener("visibilitychange", () => {
  if (!document.hidden) lookNow();
});

// -- once a run -----------------------------------------------------------------------------------

function beginAnew(overview, index, choices, catalogue) {
  run = overview.run;
  rows.clear();
  $("strip").tBodies[0].replaceChildren();
  [judgedAt, judgeTook] = [-Infinity, 0];
  $("verdict").replaceChildren();
  $("scores").replaceChildren();
  const { scenario } = overview;
  document.title = scenario.scenario + " · outlast mock";
  $("title").textContent = scenario.title || scenario.scenario;
  $("about").textContent = [scenario.scenario, scenario.fidelity, "seed " + overview.seed,
    ...scenario.incidents, index.not_served.length ? "not served: " + index.not_served.join(", ") : ""].filter(Boolean).join(" · ");
  layPhases(scenario.phases);
  layVenues(index.venues, index.control);
  layChoices(choices, Object.keys(overview.venues));
  const names = catalogue.map((row) => row.scenario);
  if (!names.includes(scenario.scenario)) names.unshift(scenario.scenario);
  fill($("scenario"), names.map((name) => [name, name]), scenario.scenario);
}

function fill(select, options, chosen) {
  select.replaceChildren(...options.map(([value, text]) => el("option", { value }, text)));
  if (chosen !== undefined && options.some(([value]) => value === chosen)) select.value = chosen;
}

function show(overview) {
  showPhases(overview);
  tick();
  showRequests(overview.requests, overview.clock.now_ms, Object.keys(overview.venues).length > 1);
  showRules(overview.rules);
  showTruth(overview.venues);
  showVenues(overview);
  maybeJudge();
  const notices = overview.clock.notices;
  $("notices").hidden = !notices.length;
  $("notices").replaceChildren(...notices.map((n) => el("li", {}, hour(n.at_ms).slice(0, 8) + " " + n.text)));
}

// -- time -----------------------------------------------------------------------------------------

function tick() {
  // Between two answers the clock goes on by itself; it stands still when the mock is gone.
  if (!seen) return;
  const { clock } = seen;
  const runs = !clock.paused && lostSince === null;
  const ahead_s = runs ? ((performance.now() - seenAt) / 1000) * clock.speed : 0;
  $("now").textContent = utc(clock.now_ms + ahead_s * 1000).slice(0, 19).replace("T", " ");
  $("elapsed").textContent = span(clock.elapsed_s + ahead_s);
  $("left").textContent = clock.ended ? "over" : clock.left_s == null ? "open end" : span(clock.left_s - ahead_s);
  $("speed").textContent = "× " + clock.speed + (clock.paused ? ", paused" : "");
  document.body.classList.toggle("paused", clock.paused);
  const present = $("phases").children[clock.phase_index];
  if (present && !clock.ended) {
    const phase = seen.scenario.phases[clock.phase_index];
    const left_s = clock.phase_left_s == null ? null : Math.max(0, clock.phase_left_s - ahead_s);
    present.querySelector("span").textContent = left_s == null ? "open end" : span(left_s) + " left of " + shortSpan(phase.duration_s);
    present.querySelector("i").style.width = phase.duration_s ? 100 * (1 - left_s / phase.duration_s) + "%" : "100%";
  }
}

function layPhases(phases) {
  $("phases").replaceChildren(...phases.map((phase) => {
    const item = el("li", { title: `${phase.name}: from ${span(phase.start_s)}, ${shortSpan(phase.duration_s)}` },
      el("b", {}, phase.name), el("span", {}, shortSpan(phase.duration_s)), el("i"));
    // Widths follow the square root: a phase of 106 minutes is long, and one of four can be read.
    item.style.flexGrow = Math.sqrt(phase.duration_s || 60);
    return item;
  }));
}

let gotoShown = "";

function showPhases({ clock, scenario }) {
  [...$("phases").children].forEach((item, index) => {
    const past = clock.ended || index < clock.phase_index;
    const state = past ? "past" : index === clock.phase_index ? "present" : "coming";
    if (item.className === state) return;
    item.className = state;
    if (state === "present") item.setAttribute("aria-current", "step");
    else item.removeAttribute("aria-current");
    item.querySelector("i").style.width = past ? "100%" : "0";
    item.querySelector("span").textContent = shortSpan(scenario.phases[index].duration_s);
  });
  $("pause").textContent = clock.paused ? "Resume" : "Pause";
  const coming = clock.ended ? [] : scenario.phases.slice(clock.phase_index + 1).map((phase) => [phase.name, phase.name]);
  const key = run + " " + coming.length;
  if (key !== gotoShown) {
    gotoShown = key;
    fill($("goto"), coming.length ? coming : [["", "no later phase"]], $("goto").value);
    $("goto").disabled = $("goto-go").disabled = !coming.length;
  }
  const speeds = [...new Set([0.5, 1, 2, 10, 60, 300, clock.speed])].sort((a, b) => a - b);
  if ($("speed-choice").value !== String(clock.speed) && document.activeElement !== $("speed-choice")) {
    fill($("speed-choice"), speeds.map((speed) => [String(speed), "× " + speed]), String(clock.speed));
  }
}

$("time").addEventListener("submit", (event) => event.preventDefault());
$("pause").addEventListener("click", () => act($("pause"), "POST", "clock", { pause: !(seen && seen.clock.paused) }));
$("advance-go").addEventListener("click", () => act($("advance-go"), "POST", "clock", { advance: $("advance").value.trim() }));
$("advance").addEventListener("keydown", (event) => {
  if (event.key === "Enter") $("advance-go").click();
});
$("goto-go").addEventListener("click", () => act($("goto-go"), "POST", "clock", { goto: $("goto").value }));
$("speed-choice").addEventListener("change", () => act($("speed-choice"), "POST", "clock", { speed: Number($("speed-choice").value) }));

// -- the run --------------------------------------------------------------------------------------

function askTwice(button, question, action) {
  // What cannot be undone takes a second press within four seconds.
  const words = button.textContent;
  let until = 0;
  button.addEventListener("click", () => {
    if (performance.now() < until) {
      until = 0;
      button.textContent = words;
      action();
      return;
    }
    until = performance.now() + 4000;
    button.textContent = question;
    setTimeout(() => { button.textContent = words; }, 4000);
  });
}

askTwice($("reset"), "Really? The truth is emptied", () => act($("reset"), "POST", "reset", {}));
askTwice($("load"), "Really? This run ends", () => act($("load"), "PUT", "scenario", { name: $("scenario").value }));

setInterval(tick, 250);
look();
