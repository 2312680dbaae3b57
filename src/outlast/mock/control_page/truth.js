// What is: accounts, venues, and the verdict on the bots.

const shownParts = new Map();

function replaceIfNew(node, value, make) {
  // Nothing is drawn again that says the same, so that selections and open details stay.
  const text = JSON.stringify(value);
  if (shownParts.get(node) === text) return;
  shownParts.set(node, text);
  node.replaceChildren(...make());
}

function showTruth(venues) {
  const accounts = Object.entries(venues).flatMap(([venue, { accounts }]) => Object.entries(accounts).map(([name, account]) => ({ venue, name, account })));
  replaceIfNew($("truth"), accounts, () => accounts.map(accountCard));
}

function accountCard({ venue, name, account }) {
  const { counts, positions, balances, open_orders } = account;
  const held = Object.entries(positions).map(([symbol, { qty, entry, unrealised }]) =>
    el("tr", {}, el("td", {}, symbol), number(qty), number(entry), number((+unrealised).toFixed(2))));
  const kept = Object.entries(balances).map(([asset, total]) => el("tr", {}, el("td", {}, asset), number(total)));
  const orders = open_orders.toReversed().map((order) => el("tr", {},
    el("td", {}, `${order.side} ${inWords(order.type)}`), el("td", {}, order.symbol), number(order.qty), number(order.filled_qty),
    number(order.price ?? order.stop_price), el("td", {}, order.reduces ? "reduces" : ""), el("td", { class: "quiet" }, order.client_order_id || "#" + order.order_id)));
  const more = counts.open_orders - open_orders.length;
  return el("div", { class: "account", "data-account": name, "data-venue": venue },
    el("h3", {}, name), el("span", { class: "quiet" }, `${venue} · ${counts.orders} orders, ${counts.open_orders} open, ${counts.fills} fills`),
    el("div", { class: "columns" },
      el("div", {}, table("Balances", ["", "Total"], kept, "none")),
      el("div", {}, held.length || venueHasPositions(venue) ? table("Positions", ["", "Qty", "Entry", "Unrealised"], held, "flat") : "")),
    el("div", { class: "orders", tabindex: open_orders.length > 8 ? "0" : null, role: "region", "aria-label": `Open orders of ${name} on ${venue}` }, table("Open orders" + (more > 0 ? `, the newest ${open_orders.length}` : ""), ["", "", "Qty", "Filled", "Price", "", "Client order id"], orders, "none")));
}

const venueHasPositions = (venue) => seen.venues[venue].product !== "spot";
const number = (amount) => el("td", { class: "number" }, amount == null ? "" : grouped(amount));

function table(caption, heads, body, nothing) {
  if (!body.length) return el("p", { class: "quiet" }, `${caption}: ${nothing}`);
  const numbers = new Set(["Total", "Qty", "Filled", "Price", "Entry", "Unrealised", "Last", "Mark", "Peers"]);
  return el("table", {}, caption ? el("caption", {}, caption) : "",
    el("thead", {}, el("tr", {}, ...heads.map((head) => el(head ? "th" : "td", { scope: head ? "col" : null, class: numbers.has(head) ? "number" : "" }, head)))),
    el("tbody", {}, ...body));
}

// `{"a": {"b": 1}}` as `[["a b", 1]]`
const flat = (object) => Object.entries(object).flatMap(([key, value]) =>
  typeof value === "object" ? flat(value).map(([inner, found]) => [key + " " + inner, found]) : [[key, value]]);

function layVenues(venues, control) {
  $("venues").replaceChildren(...Object.entries(venues).map(([name, { endpoints, ...credentials }]) =>
    el("div", { class: "venue", "data-venue": name },
      el("h3", {}, name), el("span", { class: "mode" }),
      el("div", { class: "prices" }),
      el("details", {}, el("summary", {}, "Endpoints and test key"),
        el("dl", { class: "pairs" },
          ...flat({ ...endpoints, control: control + ROOT, ...credentials }).flatMap(([what, where]) =>
            [el("dt", {}, inWords(what)), el("dd", {}, el("code", {}, where))]))))));
}

function showVenues({ venues, status_page }) {
  $("page-state").textContent = "status page: " + status_page;
  for (const card of $("venues").children) {
    const venue = venues[card.dataset.venue];
    const words = [inWords(venue.mode)];
    if (venue.shown_mode !== venue.mode) words.push("shown as " + inWords(venue.shown_mode));
    if (!venue.matching) words.push("nothing matches");
    if (!venue.listening) words.push("port closed");
    words.push(...venue.lies.map((lie) => inWords(lie.replace(":", ": "))));
    const mode = card.querySelector(".mode");
    mode.textContent = words.join(" · ");
    mode.className = "mode " + (words.length === 1 && venue.mode === "online" ? "well" : "ill");
    replaceIfNew(card.querySelector(".prices"), venue.markets, () => [table("", ["", "Last", "Mark", "Peers"],
      Object.entries(venue.markets).map(([symbol, { last, mark, peer }]) => el("tr", {}, el("td", {}, symbol), number(last), number(mark ?? "–"), number(peer))), "none")]);
  }
}

// -- verdict --------------------------------------------------------------------------------------

const JUDGE_MS = 5000; // at least between two verdicts: judging reads the whole run
const JUDGE_SHARE = 0.05; // of the time at most, where judging takes long

let judgedAt = -Infinity;
let judgeTook = 0;
let judging = false;

function maybeJudge() {
  if (performance.now() - judgedAt >= Math.max(JUDGE_MS, judgeTook / JUDGE_SHARE)) judge();
}

async function judge() {
  if (judging) return;
  judging = true;
  const began = performance.now();
  const of = run;
  try {
    const answer = await call("GET", "verdict", undefined, 60000);
    if (of === run) showVerdict(answer);
  } catch (error) {
    $("verdict-at").textContent = "no verdict: " + error.message;
  } finally {
    judging = false;
    judgedAt = performance.now();
    judgeTook = judgedAt - began;
  }
}

function showVerdict({ at, verdict, scorecards }) {
  const broken = verdict.filter((judgement) => !judgement.holds).length;
  $("verdict-at").textContent = (verdict.length ? (broken ? `${broken} of ${verdict.length} broken` : "all hold") : "nothing is expected") + `, ${at.slice(11, 19)}`;
  replaceIfNew($("verdict"), [run, verdict], () => verdict.map((judgement) => el("li", { "data-invariant": judgement.invariant },
    el("span", { class: judgement.holds ? "holds" : "broken" }, judgement.holds ? "✓ holds" : "✗ broken"),
    el("div", {}, el("div", {}, inWords(judgement.invariant)), el("p", { class: "quiet" }, judgement.evidence)))));
  const shown = ["intents", "orders", "duplicates", "lost", "unresolved", "bans"];
  const cards = Object.entries(scorecards);
  replaceIfNew($("scores"), [run, cards], () => cards.length ? [el("table", {},
    el("thead", {}, el("tr", {}, el("th", { scope: "col" }, "account"), ...shown.map((key) => el("th", { scope: "col", class: "number" }, key)))),
    el("tbody", {}, ...cards.map(([account, card]) => el("tr", {}, el("td", {}, account), ...shown.map((key) => el("td", { class: "number" }, String(card[key] ?? "–")))))))] : []);
}

$("judge").addEventListener("click", judge);
