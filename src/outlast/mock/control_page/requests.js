// The request strip: the newest requests, coloured by what the reply let the client know.

const SHOWN = 100; // requests in the strip

const rows = new Map(); // ordinal: { row, record, text }

const told = (record) => record.told ?? "waiting";
const writes = (record) => /^orders\.(create|amend|cancel|cancel_all|deadman)$/.test(record.endpoint);

function wanted(record) {
  const only = $("only").value;
  if (!only) return true;
  if (only === "=faults") return record.rule != null;
  return only.startsWith("=") ? told(record) === only.slice(1) : record.endpoint.startsWith(only);
}

function showRequests(requests, now_ms, several) {
  $("requests-count").textContent = requests.total + " answered" + (requests.waiting.length ? `, ${requests.waiting.length} waiting` : "");
  const all = [...requests.requests, ...requests.waiting].sort((a, b) => a.ordinal - b.ordinal).slice(-SHOWN);
  $("ribbon").replaceChildren(...all.map((record) => el("i", { class: told(record), title: `${record.ordinal} ${record.endpoint}` })));
  if ($("hold").checked) return;
  const shown = all.filter(wanted).reverse();
  const kept = new Set(shown.map((record) => record.ordinal));
  for (const [ordinal, { row }] of rows) {
    if (!kept.has(ordinal)) {
      row.remove();
      rows.delete(ordinal);
    }
  }
  const body = $("strip").tBodies[0];
  shown.forEach((record, index) => {
    const text = JSON.stringify(record) + (record.told == null ? now_ms : "");
    let known = rows.get(record.ordinal);
    if (known?.text !== text) {
      // A row is replaced only when it says something new, so that focus and selection stay.
      const row = requestRow(record, now_ms, several);
      if (known?.row.contains(document.activeElement)) queueMicrotask(() => row.querySelector("button").focus());
      known?.row.replaceWith(row);
      known = { row, text };
      rows.set(record.ordinal, known);
    }
    if (body.children[index] !== known.row) body.insertBefore(known.row, body.children[index] ?? null);
  });
  $("no-requests").hidden = shown.length > 0;
  $("no-requests").textContent = all.length ? "None of the newest requests is of this kind." : "Nothing has arrived yet.";
}

function requestRow(record, now_ms, several) {
  const kind = told(record);
  // The traps of an outage: it is done although nobody was told, or will be done later.
  const trap = kind !== "ok" && (record.landed === "yes" || record.landed === "later");
  const mine = writes(record);
  return el("tr", { class: kind, "data-ordinal": record.ordinal, "data-endpoint": record.endpoint, "data-reply": record.reply },
    el("td", {}, el("button", { type: "button", "aria-label": `Request ${record.ordinal}, the whole record`, onclick: () => showOne(record) }, String(record.ordinal))),
    el("td", {}, hour(record.arrived_ms)),
    el("td", {}, record.endpoint, el("small", {}, [several ? record.venue : "", record.symbol].filter(Boolean).join(" "))),
    el("td", {}, inWords(record.reply), record.lied ? el("small", {}, "untrue") : ""),
    el("td", { class: "told " + kind }, kind + (record.limited ? " " + record.limited : "")),
    el("td", {}, mine ? inWords(record.effect) : ""),
    el("td", { class: trap ? "trap" : "" }, mine ? record.landed : ""),
    el("td", { class: "number" }, [record.status, record.code].filter((part) => part != null).join(" ")),
    el("td", { class: "number" }, record.replied_ms != null ? latency(record.replied_ms - record.arrived_ms) : kind === "waiting" ? latency(Math.max(0, now_ms - record.arrived_ms)) + " …" : "never"),
    el("td", {}, record.rule ?? ""));
}

function showOne(record) {
  $("one-title").textContent = `Request ${record.ordinal}, ${record.endpoint}`;
  $("one").querySelector("pre").textContent = JSON.stringify(record, null, 2);
  $("one").showModal();
}

$("one-close").addEventListener("click", () => $("one").close());
$("only").addEventListener("change", lookNow);
$("hold").addEventListener("change", lookNow);
