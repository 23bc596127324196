// The demo page: shows the sandbox's state and lets a person act in it. No framework, no outside request.
"use strict";

const $ = (id) => document.getElementById(id);
const words = { eyes: "eyes", white_check_mark: "check mark", x: "cross", hourglass: "hourglass" };
// Drawn here, because not every machine has a font with emoji.
const icons = {
  eyes: "M1 8c2-4 4.5-5 7-5s5 1 7 5c-2 4-4.5 5-7 5s-5-1-7-5zM8 5.5a2.5 2.5 0 1 0 0 5a2.5 2.5 0 0 0 0-5z",
  white_check_mark: "M2.5 8.5l4 4l7-9",
  x: "M3 3l10 10M13 3l-10 10",
  hourglass: "M4 2h8M4 14h8M4.5 2c0 3 1.5 4 3.5 6c-2 2-3.5 3-3.5 6M11.5 2c0 3-1.5 4-3.5 6c2 2 3.5 3 3.5 6",
};
let last = "";
let answers = null; // the note that the next comment answers
let titles = {};

function element(tag, attributes, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  for (const [key, value] of Object.entries({ viewBox: "0 0 16 16", "aria-hidden": "true" })) svg.setAttribute(key, value);
  const line = { d: icons[name], fill: "none", stroke: "currentColor", "stroke-width": "1.8", "stroke-linecap": "round", "stroke-linejoin": "round" };
  for (const [key, value] of Object.entries(line)) path.setAttribute(key, value);
  svg.append(path);
  return svg;
}

const pill = (status) => element("span", { class: "pill " + status }, status);

/** GitLab's pages are not part of the demo: a link leads to the same thing on this page, or nowhere. */
function here(link) {
  const kinds = [
    [/\/-\/pipelines\/(\d+)$/, "pipeline-"],
    [/\/-\/jobs\/(\d+)$/, "job-"],
    [/\/-\/merge_requests\/\d+$/, "mr-title"],
    [/\/-\/merge_requests\/\d+#note_(\d+)$/, "note-"],
    [/\/-\/environments\?search=(\w+)$/, "env-"],
    [/\/-\/releases\/([^/]+)$/, "release-"],
  ];
  link.title = "in GitLab: " + link.href;
  const kind = kinds.find(([pattern]) => pattern.test(link.href));
  if (kind) link.href = "#" + kind[1] + (kind[0].exec(link.href)[1] || "");
  else link.removeAttribute("href");
}

function text(html) {
  const made = element("div", { class: "text" });
  made.innerHTML = html; // made by the server from Markdown; raw HTML other than details/summary is escaped there
  made.querySelectorAll("a").forEach(here);
  return made;
}

function note(n) {
  const initials = n.author.split(" ").map((word) => word[0]).join("").slice(0, 2);
  const by = element("div", { class: "by" }, element("b", {}, n.author), element("span", {}, "@" + n.username));
  if (n.bot) by.append(element("span", { class: "bot" }, "bot"));
  by.append(element("span", {}, n.at + (n.edited ? ", edited" : "")));
  const avatar = element("span", { class: "avatar", "aria-hidden": "true" }, initials);
  const box = element("section", { class: "note" + (n.reply ? " reply" : ""), id: "note-" + n.id, "data-bot": String(n.bot) }, avatar, by, text(n.html));
  titles[n.id] = n.author;
  const reaction = (name) => element("span", { class: name }, ...(icons[name] ? [icon(name)] : []), words[name] || name);
  if (n.reactions.length) box.append(element("div", { class: "reactions" }, ...n.reactions.map(reaction)));
  if (n.answers) box.append(replies(n));
  return box;
}

/** What can be said in a thread with one click. */
function replies(n) {
  const row = element("div", { class: "replies" });
  if (n.waits) {
    row.append(say("Approve as Otto", { by: "otto", body: "/countersign approve", reply_to: n.answers }, "approve"));
    row.append(say("Cancel as Rita", { by: "rita", body: "/countersign cancel", reply_to: n.answers }, "cancel"));
  }
  const reply = element("button", { type: "button", class: "reply-here", "data-key": "reply-" + n.answers }, "Reply");
  reply.addEventListener("click", () => inThread(n.answers));
  row.append(reply);
  return row;
}

/** A button that comments in somebody's name. */
function say(label, comment, name) {
  const made = element("button", { type: "button", class: "say " + name, title: comment.body, "data-key": comment.body + (comment.reply_to || "") }, label);
  made.addEventListener("click", () => post("/comment", comment).catch(ended));
  return made;
}

/** The next comment answers a note, or, with null, none. */
function inThread(note) {
  answers = note;
  $("thread").hidden = note === null;
  if (note === null) return;
  $("thread").querySelector("b").textContent = titles[note];
  $("comment").focus();
}

/** What one environment runs, and what can be asked for it. */
function environment(e) {
  const r = e.runs;
  const head = element("div", { class: "row" }, element("h2", { class: "grow" }, e.name[0].toUpperCase() + e.name.slice(1)));
  if (e.deploying) head.append(element("span", { class: "pill running" }, "deploying " + e.deploying));
  if (r) head.append(element("span", { class: "pill " + (r.by_hand ? "failed" : "success") }, "runs " + r.release));
  const box = element("article", { id: "env-" + e.name }, head);
  if (!r) box.append(element("p", { class: "empty" }, "Nothing runs here yet."));
  else {
    box.append(element("code", { class: "digest" }, r.digest || "no digest is known"));
    box.append(element("p", { class: "meta" }, how(r)));
    if (r.by_hand) box.append(element("p", { class: "warning" }, "Deployed by hand by " + r.by_hand + ", past Countersign."));
    if (r.tag_differs) box.append(element("p", { class: "warning" }, "The registry tag " + e.name + " names another image."));
  }
  const who = e.name === "staging" ? ["dana", "Dana"] : ["rita", "Rita"];
  const row = element("div", { class: "replies" });
  for (const tag of e.promotable) row.append(say(who[1] + ": promote " + tag, { by: who[0], body: "/countersign promote " + e.name + " " + tag }, "promote"));
  if (r) row.append(say(who[1] + ": roll back", { by: who[0], body: "/countersign rollback " + e.name }, "rollback"));
  if (row.children.length) box.append(row);
  return box;
}

function how(r) {
  const words = ["since " + r.since];
  if (r.requested_by) words.push("promoted by @" + r.requested_by + (r.approved_by.length ? ", approved by @" + r.approved_by.join(", @") : ""), "signed summary beside the image");
  return words.join(" · ");
}

const release = (r) => element("section", { id: "release-" + r.tag }, element("h3", {}, r.name), text(r.html));

function pipeline(p) {
  const rows = [element("div", { class: "row", id: "pipeline-" + p.id }, element("b", { class: "grow" }, "#" + p.id + " on " + p.ref), pill(p.status))];
  for (const job of p.jobs) rows.push(element("div", { class: "row job", id: "job-" + job.id }, element("span", { class: "grow" }, job.name), pill(job.status)));
  for (const s of p.statuses) rows.push(element("div", { class: "row job" }, element("span", { class: "grow" }, s.name + " (commit status)"), pill(s.state), element("small", {}, s.description)));
  return element("section", {}, ...rows);
}

const image = (i) => element("div", { class: "row" }, element("b", { class: "grow" }, i.tag), element("code", {}, i.digest));

function fill(id, children, empty) {
  $(id).replaceChildren(...(children.length ? children : [element("p", { class: "empty" }, empty)]));
}

const named = (details) => details.closest("section").id + details.querySelector("summary").textContent;

function draw(state) {
  // What a person opened stays open when the page is drawn anew.
  const open = new Set([...document.querySelectorAll("details[open]")].map(named));
  const mr = state.merge_request;
  $("mr-title").textContent = "!" + mr.iid + " " + mr.title;
  $("mr-state").textContent = mr.state;
  $("mr-state").className = "pill " + mr.state;
  $("mr-meta").textContent = state.project + " · " + mr.source + " into " + mr.target;
  for (const who of state.people) {
    if (!$("by").querySelector(`[value=${who.username}]`)) $("by").append(element("option", { value: who.username }, who.name + " (" + who.role + ")"));
  }
  const focused = document.activeElement && document.activeElement.dataset.key;
  $("environments").replaceChildren(...state.environments.map(environment));
  fill("notes", state.notes.map(note), "No comments yet.");
  fill("releases", state.releases.map(release), "No release yet.");
  fill("pipelines", state.pipelines.map(pipeline), "No release pipeline yet.");
  fill("registry", state.registry.map(image), "No image yet.");
  for (const details of document.querySelectorAll("details")) details.open = open.has(named(details));
  for (const button of document.querySelectorAll("[data-act]")) button.disabled = !state.can.includes(button.dataset.act);
  for (const first of document.querySelectorAll("[data-instead]")) {
    const other = $(first.dataset.instead);
    [first.hidden, other.hidden] = [!other.disabled, other.disabled];
  }
  if (focused) {
    const again = [...document.querySelectorAll("[data-key]")].find((button) => button.dataset.key === focused);
    if (again) again.focus();
  }
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
  const newest = $("notes").lastElementChild;
  if (answer.ok && path === "/comment" && newest.id) {
    // Where a page has many comments, the newest is far from the button.
    $("told").append(" ", element("a", { href: "#" + (body.reply_to ? "note-" + body.reply_to : newest.id) }, "See the thread"));
  }
}

const ended = () => { $("told").textContent = "The demo has ended."; };

for (const button of document.querySelectorAll("[data-act]")) {
  button.addEventListener("click", () => post("/act/" + button.dataset.act).catch(ended));
}
$("say").addEventListener("submit", (event) => {
  event.preventDefault();
  const body = $("comment").value;
  if (body.trim()) post("/comment", { body, by: $("by").value, reply_to: answers }).catch(ended);
  $("comment").value = "";
  inThread(null);
});
$("comment").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) $("say").requestSubmit();
});
$("no-thread").addEventListener("click", () => inThread(null));
setInterval(() => refresh().catch(ended), 500);
refresh().catch(ended);
