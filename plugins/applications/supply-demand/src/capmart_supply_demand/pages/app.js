"use strict";

/* A browser may forbid storage; the choice of language then lasts as long as the page. */
function remembered(value) {
  try {
    if (value) localStorage.setItem("language", value);
    return localStorage.getItem("language");
  } catch {
    return null;
  }
}

let language = (remembered() || navigator.language || "zh").startsWith("zh") ? "zh" : "en";
let last = null;

const $ = (id) => document.getElementById(id);
const text = (name) => TEXTS[language][name];
const number = (value) => value.toLocaleString(language === "zh" ? "zh-CN" : "en", { maximumFractionDigits: 2 });

function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

function drawing(name, attributes) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

function addRow(side, values = []) {
  const row = element("tr");
  COLUMNS[side].forEach(([name, numeric], i) => {
    const input = element("input", numeric ? { type: "number", min: "0", step: "any" } : { type: "text", maxlength: "100" });
    input.name = name;
    input.value = values[i] ?? "";
    row.append(element("td", numeric ? { class: "numeric" } : {}, input));
  });
  const remove = element("button", { type: "button", class: "remove" }, "×");
  remove.addEventListener("click", () => row.remove());
  row.append(element("td", {}, remove));
  $(side).tBodies[0].append(row);
}

function readTable(side) {
  return [...$(side).tBodies[0].rows].map((row) => {
    const found = {};
    for (const [name, numeric] of COLUMNS[side]) {
      const value = row.querySelector(`[name=${name}]`).value.trim();
      found[name] = name === "serves" ? value.split(/[\s,，、]+/).filter(Boolean) : numeric ? Number(value) : value;
    }
    return found;
  });
}

function showTexts() {
  document.documentElement.lang = language === "zh" ? "zh-CN" : "en";
  document.querySelectorAll("[data-text]").forEach((place) => { place.textContent = text(place.dataset.text); });
  $("language").textContent = text("language");
  for (const side of ["demands", "offers"]) {
    const head = element("tr", {}, ...COLUMNS[side].map(([name]) => element("th", { scope: "col" }, text(name))), element("th"));
    $(side).tHead.replaceChildren(head);
    $(side).querySelectorAll("input").forEach((input) => input.setAttribute("aria-label", text(input.name)));
    $(side).querySelectorAll(".remove").forEach((button) => { button.title = text("remove"); });
  }
  if (last) showResult();
}

function reasons(list) {
  return element("ul", {}, ...list.map((reason) => element("li", {}, reason[language])));
}

function showPicture(input, result) {
  const step = 44, width = 420, height = Math.max(input.demands.length, input.offers.length) * step + 12;
  const svg = drawing("svg", { viewBox: `0 0 ${width} ${height}`, role: "img" });
  const place = (list) => new Map(list.map((one, i) => [one.id, 28 + i * step]));
  const left = place(input.demands), right = place(input.offers);
  for (const match of result.matches) {
    const [from, to] = [left.get(match.demand), right.get(match.offer)];
    svg.append(drawing("path", { d: `M 150 ${from} C 210 ${from}, 210 ${to}, 270 ${to}`, class: "link" }));
  }
  const matched = new Set(result.matches.flatMap((match) => ["d" + match.demand, "o" + match.offer]));
  for (const [list, places, x, mark] of [[input.demands, left, 10, "d"], [input.offers, right, 270, "o"]]) {
    for (const one of list) {
      const y = places.get(one.id);
      svg.append(drawing("rect", { x, y: y - 16, width: 140, height: 32, rx: 8, class: matched.has(mark + one.id) ? "node on" : "node" }));
      const label = drawing("text", { x: x + 12, y: y + 5 });
      label.textContent = `${one.id}  ${one.item}`.slice(0, 16);
      svg.append(label);
    }
  }
  $("picture").replaceChildren(svg);
}

function showResult() {
  const { input, result } = last;
  const tiles = [
    [text("tileMatches"), `${result.matches.length} / ${input.demands.length}`],
    [text("tileAmount"), number(result.total_amount)],
    [text("tileCost"), number(result.total_cost)],
    [text("tilePairs"), number(result.possible_pairs)],
  ];
  $("tiles").replaceChildren(...tiles.map(([name, value]) =>
    element("div", { class: "tile" }, element("strong", {}, value), element("span", {}, name))));
  showPicture(input, result);
  $("matches").replaceChildren(...(result.matches.length ? result.matches.map((match) =>
    element("details", { open: "" },
      element("summary", {}, element("b", {}, `${match.demand} → ${match.offer}`), element("span", { class: "amount" }, `¥ ${number(match.amount)}`)),
      reasons(match.reasons))) : [text("noMatch")]));
  const leftOver = [
    ...result.unmatched_demands.map((one) => [text("demandLeft"), one]),
    ...result.unmatched_offers.map((one) => [text("offerLeft"), one]),
  ];
  $("unmatched").replaceChildren(...(leftOver.length ? leftOver.map(([kind, one]) =>
    element("div", { class: "left" }, element("b", {}, `${kind} ${one.id}`), reasons(one.reasons))) : [text("none")]));
  $("result").hidden = false;
}

function showProblem(message) {
  $("problem").textContent = message;
  $("problem").hidden = !message;
}

async function run() {
  const input = {
    demands: readTable("demands"),
    offers: readTable("offers"),
    preferences: {
      lead_day_cost: Number($("lead_day_cost").value),
      other_region_cost: Number($("other_region_cost").value),
      same_region_only: $("same_region_only").checked,
    },
  };
  $("match").disabled = true;
  showProblem("");
  try {
    const response = await fetch("api/match", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(input),
    });
    const answer = await response.json();
    if (!response.ok) { showProblem(answer[language] || answer.detail); return; }
    last = { input, result: answer };
    showResult();
  } catch {
    showProblem(text("unreachable"));
  } finally {
    $("match").disabled = false;
  }
}

for (const side of ["demands", "offers"]) EXAMPLE[side].forEach((values) => addRow(side, values));
document.querySelectorAll(".add").forEach((button) => button.addEventListener("click", () => { addRow(button.dataset.side); showTexts(); }));
$("language").addEventListener("click", () => {
  language = language === "zh" ? "en" : "zh";
  remembered(language);
  showTexts();
});
$("match").addEventListener("click", run);
showTexts();
