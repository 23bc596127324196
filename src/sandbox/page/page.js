// The demo page: shows the sandbox's state and lets a person act in it. No framework, no outside request.
"use strict";

const $ = (id) => document.getElementById(id);
const words = { eyes: "👀 eyes", white_check_mark: "✅ check mark", x: "❌ cross", hourglass: "⌛ hourglass" };
let last = "";

function element(tag, attributes, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

const pill = (status) => element("span", { class: "pill " + status }, status);

function note(n) {
  const by = element("div", { class: "by" }, element("b", {}, n.author), element("span", {}, "@" + n.username));
  if (n.bot) by.append(element("span", { class: "bot" }, "bot"));
  by.append(element("span", {}, n.at + (n.edited ? ", edited" : "")));
  const text = element("div", { class: "text" });
  text.innerHTML = n.html; // made by the server from Markdown; raw HTML other than details/summary is escaped there
  const box = element("section", { class: "note" + (n.reply ? " reply" : ""), id: "note-" + n.id, "data-bot": String(n.bot) }, by, text);
  if (n.reactions.length) box.append(element("div", { class: "reactions" }, ...n.reactions.map((r) => element("span", {}, words[r] || r))));
  return box;
}

function release(r) {
  const text = element("div", { class: "text" });
  text.innerHTML = r.html;
  return element("section", { id: "release-" + r.tag }, element("h3", {}, r.name), text);
}

function pipeline(p) {
  const rows = [element("div", { class: "row" }, element("b", { class: "grow" }, "#" + p.id + " on " + p.ref), pill(p.status))];
  for (const job of p.jobs) rows.push(element("div", { class: "row" }, element("span", { class: "grow" }, job.name), pill(job.status)));
  for (const s of p.statuses) rows.push(element("div", { class: "row" }, element("span", { class: "grow" }, s.name + " (external status)"), pill(s.state), element("small", {}, s.description)));
  return element("section", {}, ...rows);
}

function image(i) {
  return element("div", { class: "row" }, element("b", { class: "grow" }, i.tag), element("code", {}, i.digest));
}

function fill(id, children, empty) {
  $(id).replaceChildren(...(children.length ? children : [element("p", { class: "empty" }, empty)]));
}

/** Open <details> stay open when the page is drawn anew. */
function openDetails() {
  return new Set([...document.querySelectorAll("details[open]")].map((d) => d.closest("section").id + d.querySelector("summary").textContent));
}

function draw(state) {
  const open = openDetails();
  $("mr-title").textContent = "!" + state.merge_request.iid + " " + state.merge_request.title;
  $("mr-meta").textContent = state.project + " · " + state.merge_request.state + " · " + state.merge_request.source + " into " + state.merge_request.target;
  fill("notes", state.notes.map(note), "No comments yet.");
  fill("releases", state.releases.map(release), "No release yet. Push the tag.");
  fill("pipelines", state.pipelines.map(pipeline), "No pipeline yet.");
  fill("registry", state.registry.map(image), "No image yet.");
  for (const d of document.querySelectorAll("details")) d.open = open.has(d.closest("section").id + d.querySelector("summary").textContent);
  for (const button of document.querySelectorAll("[data-act]")) button.disabled = !state.can.includes(button.dataset.act);
}

async function refresh() {
  const answer = await fetch("/state.json");
  const text = await answer.text();
  if (text !== last) {
    last = text;
    draw(JSON.parse(text));
  }
}

async function post(path, body) {
  const answer = await fetch(path, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body || {}) });
  $("told").textContent = await answer.text();
  await refresh();
}

for (const button of document.querySelectorAll("[data-act]")) {
  button.addEventListener("click", () => post("/act/" + button.dataset.act));
}
$("say").addEventListener("submit", (event) => {
  event.preventDefault();
  const body = $("comment").value;
  if (body.trim()) post("/comment", { body });
  $("comment").value = "";
});
setInterval(() => refresh().catch(() => { $("told").textContent = "The demo has ended."; }), 500);
refresh();
