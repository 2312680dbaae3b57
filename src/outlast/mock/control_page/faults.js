// The rules in force, and the form that adds one.

let rulesShown = "";

function showRules(rules) {
  $("rules-state").textContent = !rules.phase_active && rules.rules.some((rule) => rule.from === "phase") ? "a good half-wave: those of the phase rest"
    : rules.admitted_share > 0 ? percent(rules.admitted_share) + " of requests pass those of the phase" : "the first that holds decides";
  const text = JSON.stringify(rules);
  if (text === rulesShown) return;
  rulesShown = text;
  const focused = document.activeElement?.closest?.("#rules li")?.dataset.rule;
  $("rules").replaceChildren(...rules.rules.map((rule) => ruleItem(rule, rules.phase_active)));
  if (!rules.rules.length) $("rules").append(el("li", { class: "quiet" }, "None: the venue answers as it should."));
  if (focused) $("rules").querySelector(`[data-rule="${CSS.escape(focused)}"] button`)?.focus();
}

function ruleItem(rule, phase_active) {
  const where = Object.entries(rule.where ?? {}).map(([key, value]) => {
    if (key === "reduces") return value ? "reducing" : "adding";
    return Array.isArray(value) ? value.join(", ") : inWords(key) + " " + value;
  });
  const does = [
    (rule.reply || rule.stream) && el("b", {}, partWords(rule.reply ?? rule.stream)),
    rule.effect && (rule.effect.kind !== "none" || !rule.reply) && "effect " + partWords(rule.effect),
    rule.latency && `latency ${latency(Math.round(rule.latency.p50_s * 1000))} to ${latency(Math.round(rule.latency.p99_s * 1000))}`,
  ].filter(Boolean).flatMap((part, index) => (index ? [", ", part] : [part]));
  const worn = rule.times != null && rule.used >= rule.times;
  const uses = rule.times != null ? `used ${rule.used} of ${rule.times} times` : rule.used ? `used ${rule.used} ×` : "not used yet";
  const mine = rule.from === "adhoc";
  return el("li", { class: [mine ? "adhoc" : "", worn || (!mine && !phase_active) ? "resting" : ""].join(" ").trim(), "data-rule": rule.id },
    el("div", {},
      el("div", { class: "says" }, el("b", {}, rule.match.join(", ")), where.length ? ` (${where.join("; ")})` : "",
        rule.p < 1 ? " " + percent(rule.p) : "", " → ", ...does),
      el("div", { class: "id" }, `${rule.id} · ${uses}`)),
    mine ? el("button", { type: "button", "aria-label": `Remove ${rule.id}`, onclick: (event) => remove(event.currentTarget, rule.id) }, "Remove") : "");
}

async function remove(button, id) {
  const answer = await act(button, "DELETE", "faults/" + id);
  if (answer) {
    say(`${answer.removed} is gone.`);
    $("inject-go").focus();
  }
}

// The form writes the rule, the rule is what is sent.

const DEFAULT_MATCH = "orders.create";
const DEFAULT_REPLY = JSON.stringify("unavailable");

function layChoices(choices, venues) {
  const json = (values) => values.map((value) => [JSON.stringify(value), said(value)]);
  fill($("f-match"), choices.match.map((name) => [name, name === "*" ? "* (all requests)" : name]), $("f-match").value || DEFAULT_MATCH);
  fill($("f-reply"), json(choices.reply), $("f-reply").value || DEFAULT_REPLY);
  fill($("f-effect"), [["", "as the reply says"], ...json(choices.effect)], $("f-effect").value);
  fill($("f-stream"), json(choices.stream), $("f-stream").value);
  fill($("f-venue"), [["", "all of them"], ...venues.map((venue) => [venue, venue])], $("f-venue").value);
  showIf($("f-venue"), venues.length > 1);
  writeRule();
}

function showIf(field, yes) {
  field.hidden = !yes;
  document.querySelector(`label[for="${field.id}"]`).hidden = !yes;
}

const matched = () => $("f-match").value;
const isStream = () => /^ws\..*\.stream$/.test(matched());
const hasEffect = () => !isStream() && !/^ws\..*\.connect$/.test(matched());
const hasOrders = () => /^orders\.(create|\*)$/.test(matched()) || matched() === "*";

function writeRule() {
  showIf($("f-reply"), !isStream());
  showIf($("f-effect"), hasEffect());
  showIf($("f-stream"), isStream());
  showIf($("f-reduces"), hasOrders());
  const rule = { match: matched() };
  const where = {};
  if (hasOrders() && $("f-reduces").value) where.reduces = $("f-reduces").value === "true";
  if ($("f-venue").value) where.venue = $("f-venue").value;
  if (Object.keys(where).length) rule.where = where;
  if (Number($("f-p").value) !== 1) rule.p = Number($("f-p").value);
  if (isStream()) rule.stream = JSON.parse($("f-stream").value);
  else rule.reply = JSON.parse($("f-reply").value);
  if (hasEffect() && $("f-effect").value) rule.effect = JSON.parse($("f-effect").value);
  if ($("f-times").value) rule.times = Number($("f-times").value);
  $("f-rule").value = JSON.stringify(rule);
  $("inject-error").hidden = true;
}

for (const field of $("inject").querySelectorAll("select, input")) {
  field.addEventListener("input", writeRule);
  field.addEventListener("change", writeRule);
}

$("inject").addEventListener("submit", async (event) => {
  event.preventDefault();
  const fieldOf = { match: "f-match", reply: "f-reply", effect: "f-effect", stream: "f-stream", p: "f-p", times: "f-times" };
  const button = $("inject-go");
  button.disabled = true;
  try {
    const { id } = await call("POST", "faults", $("f-rule").value);
    $("inject-error").hidden = true;
    say(`${id} decides from now on, in front of all others.`);
    lookNow();
  } catch (error) {
    $("inject-error").textContent = error instanceof Refused ? error.message : "The mock did not answer: " + error.message;
    $("inject-error").hidden = false;
    const field = $(fieldOf[error.key] ?? "f-rule");
    const seen = field.hidden ? $("f-rule") : field;
    if (seen === $("f-rule")) seen.closest("details").open = true;
    seen.focus();
  } finally {
    button.disabled = false;
  }
});
