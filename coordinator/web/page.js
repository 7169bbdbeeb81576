// Draws what /events sends (coordinator/web/state_json.h). Everything that comes from the farm is set as text, never as
// markup. Nothing is kept here but the last state: the coordinator knows the history.
"use strict";

const SVG = "http://www.w3.org/2000/svg";
const at = (id) => document.getElementById(id);

// element("p", {class: "soft"}, "text", child, ...)
function element(name, attributes, ...children) {
  const e = ["svg", "path", "rect", "line"].includes(name) ? document.createElementNS(SVG, name) : document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) e.setAttribute(key, value);
  e.append(...children.filter((c) => c !== null));
  return e;
}

const count = (n) => n.toLocaleString("en-US");
const one = (n, what) => `${count(n)} ${what}${n === 1 ? "" : "s"}`;

function speed(perSecond) {
  if (!perSecond) return "–";
  if (perSecond < 0.1) return `${(perSecond * 60).toFixed(1)} /min`;
  return `${perSecond.toFixed(perSecond < 10 ? 2 : 1)} /s`;
}

function duration(seconds) {
  const s = Math.round(seconds);
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min ${s % 60} s`;
  if (s < 86400) return `${Math.floor(s / 3600)} h ${Math.floor(s / 60) % 60} min`;
  return `${Math.floor(s / 86400)} d ${Math.floor(s / 3600) % 24} h`;
}

// Parts of a whole, as coloured lengths.
function bar(parts) {
  const svg = element("svg", { viewBox: "0 0 1000 8", preserveAspectRatio: "none", "aria-hidden": "true" });
  let x = 0;
  for (const [share, colour] of parts) {
    const width = Math.max(0, Math.min(1000 - x, share * 1000));
    if (width > 0) svg.append(element("rect", { x, y: 0, width, height: 8, class: `fill-${colour}` }));
    x += width;
  }
  return svg;
}

// Pictures done over time: the last point is now.
function chart(job) {
  const points = [...job.history.done, job.done];
  const first = points[0], span = Math.max(1, job.done - first);
  const x = (i) => (points.length > 1 ? (i / (points.length - 1)) * 300 : 300);
  const y = (v) => 60 - ((v - first) / span) * 54;
  const trace = points.map((v, i) => `${i ? "L" : "M"}${x(i).toFixed(1)} ${y(v).toFixed(1)}`).join("");
  const svg = element("svg", { class: "chart", viewBox: "0 0 300 64", preserveAspectRatio: "none", role: "img",
    "aria-label": `${count(job.done - first)} pictures in ${duration(job.history.done.length * job.history.step_s)}` },
    element("path", { class: "area", d: `${trace}L300 62L0 62Z` }),
    element("line", { class: "base", x1: 0, y1: 62, x2: 300, y2: 62 }),
    element("path", { class: "trace", d: trace }));
  return element("div", {}, svg, element("div", { class: "axis" },
    element("span", {}, `${duration(job.history.done.length * job.history.step_s)} ago`),
    element("span", {}, `+${count(job.done - first)}`)));
}

function fact(value, what, kind) {
  return element("span", kind ? { class: kind } : {}, element("b", {}, value), ` ${what}`);
}

const ended = (job) => job.state === "done" || job.state === "cancelled";

function jobCard(job) {
  const n = job.images || 1;
  const facts = [fact(`${count(job.done)} / ${count(job.images)}`, "pictures"),
    fact(`${Math.floor((100 * (job.done + job.failed)) / n)} %`, "")];
  if (!ended(job)) {
    facts.push(fact(speed(job.images_per_second), ""), fact(count(job.workers), job.workers === 1 ? "worker" : "workers"));
    if (job.eta_seconds >= 0) facts.push(fact(duration(job.eta_seconds), "left"));
  }
  if (job.failed) facts.push(fact(count(job.failed), "failed", "bad"));
  if (job.retried) facts.push(fact(count(job.retried), "retried"));
  for (const [flag, n] of Object.entries(job.flagged)) if (n) facts.push(fact(count(n), flag.replaceAll("_", " ")));
  if (job.conflicts) facts.push(fact(count(job.conflicts), "conflicts", "bad"));
  facts.push(element("span", {}, `${job.model}, ${job.dtype}`));
  const text = element("div", {},
    element("div", { class: "head" }, element("h3", {}, job.title || job.id, element("code", {}, job.id)),
      element("span", { class: `state ${job.state}` }, job.state)),
    element("div", { class: "bar" }, bar([[job.done / n, "done"], [job.failed / n, "bad"],
      [(ended(job) ? 0 : job.leased) / n, "work"]])),
    element("div", { class: "facts" }, ...facts),
    job.problem ? element("p", { class: "problem" }, job.problem) : null);
  return element("article", { class: "job card" }, text, chart(job));
}

function workerRow(worker, fastest) {
  const cell = (text, kind) => element("td", kind ? { class: kind } : {}, text);
  const rate = element("div", { class: "speed" }, speed(worker.images_per_second),
    bar([[fastest ? worker.images_per_second / fastest : 0, "done"]]));
  const state = element("span", { class: `state ${worker.state}` }, worker.state);
  return element("tr", {}, cell(worker.name, "name"), element("td", {}, state), element("td", { class: "number" }, rate),
    cell(count(worker.leased), "number"), cell(count(worker.done), "number"), cell(count(worker.failed), "number wide"),
    cell(`${worker.ranks} × ${worker.threads}`, "number wide"));
}

function workerTable(state) {
  const titles = [["Worker", ""], ["State", ""], ["Speed", "number"], ["In work", "number"], ["Done", "number"],
    ["Failed", "number wide"], ["Ranks × threads", "number wide"]];
  const fastest = Math.max(0, ...state.workers.map((w) => w.images_per_second));
  return element("table", {},
    element("thead", {}, element("tr", {}, ...titles.map(([t, kind]) => element("th", { class: kind }, t)))),
    element("tbody", {}, ...state.workers.map((w) => workerRow(w, fastest))));
}

function failureRow(job, failure) {
  return element("div", { class: "failure" }, element("p", { class: "error" }, failure.error),
    element("p", { class: "of" },
      `${job.title || job.id}, line ${failure.line}, ${failure.attempts === 1 ? "1 try" : `${failure.attempts} tries`}: ${failure.prompt}`));
}

function picture(p) {
  const img = element("img", { src: `/thumb/${p.job}/${p.row}?v=${p.sha256.slice(0, 12)}`, alt: p.prompt });
  img.addEventListener("error", () => img.closest("figure").remove()); // packed into a shard meanwhile
  return element("figure", { "data-key": p.sha256, title: `${p.prompt}\nseed ${p.seed}, ${p.width}×${p.height}, ${duration(p.seconds)}` },
    img, element("figcaption", {}, p.prompt || `picture ${p.row}`));
}

// Pictures that are there already keep their element, so that nothing flickers.
function drawPictures(list) {
  const box = at("pictures"), old = new Map([...box.children].map((f) => [f.dataset.key, f]));
  const wanted = list.map((p) => old.get(p.sha256) || picture(p));
  if (!list.length) wanted.push(element("div", { class: "card empty" }, "none since the coordinator was started"));
  if (wanted.length !== box.children.length || wanted.some((f, i) => f !== box.children[i])) box.replaceChildren(...wanted);
}

function fill(id, children, nothing) {
  const box = at(id);
  box.replaceChildren(...(children.length ? children : [element("div", { class: "card empty" }, nothing)]));
}

function drawTotals(state) {
  const live = state.jobs.filter((j) => !ended(j));
  const sum = (key) => live.reduce((s, j) => s + j[key], 0);
  const left = sum("images") - sum("done") - sum("failed");
  const rows = [["Speed", speed(sum("images_per_second"))], ["Pictures left", count(left)],
    ["Workers", count(state.n_workers)], ["Jobs running", count(live.length)]];
  at("totals").replaceChildren(...rows.map(([what, value]) =>
    element("div", {}, element("dt", {}, what), element("dd", {}, value))));
}

function draw(state) {
  const failures = state.jobs.flatMap((j) => j.failures.map((f) => failureRow(j, f)));
  at("problem").hidden = !state.store_problem;
  at("problem").textContent = state.store_problem;
  drawTotals(state);
  fill("jobs", state.jobs.map(jobCard), "no jobs yet: diffarm submit sends one");
  drawPictures(state.pictures);
  fill("workers", state.workers.length ? [element("div", { class: "card" }, workerTable(state))] : [],
    "no workers: diffarm worker starts one");
  fill("failures", failures.length ? [element("div", { class: "card" }, ...failures)] : [], "none");
  const more = state.n_workers - state.workers.length;
  at("about").textContent = `${state.software}, up ${duration(state.uptime_s)}` +
    (more > 0 ? `; ${one(more, "worker")} more are not shown` : "");
  document.title = titleOf(state);
}

function titleOf(state) {
  const live = state.jobs.filter((j) => !ended(j) && j.images);
  if (!live.length) return "diffarm";
  const done = live.reduce((s, j) => s + j.done + j.failed, 0), all = live.reduce((s, j) => s + j.images, 0);
  return `${Math.floor((100 * done) / all)} % – diffarm`;
}

function link(kind, text) {
  at("link").className = kind;
  at("link").textContent = text;
}

const events = new EventSource("/events"); // connects again by itself
events.addEventListener("open", () => link("live", "live"));
events.addEventListener("error", () => link("lost", "the coordinator does not answer"));
events.addEventListener("message", (message) => {
  link("live", "live");
  draw(JSON.parse(message.data));
});
