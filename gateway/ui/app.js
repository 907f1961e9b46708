// The page of the gateway: search, list, read and hear conversations.
//
// Everything that comes from the API is put into the page as text, never as markup. The key stays
// in sessionStorage: it is gone with the tab.
"use strict";

const KEY = "colloquy-key";
const PAGE = 30;
const $ = (id) => document.getElementById(id);

/** Grows with each view that is opened, so that late answers of an earlier one are dropped. */
let view = 0;
/** The object URL of the recording that is in the player. */
let sound = null;
/** Stops the event stream that is followed. */
let following = null;

// ---- talking to the API -------------------------------------------------------------------------

class ApiError extends Error {
  constructor(status, problem) {
    super(problem.detail || problem.title || `The gateway answered ${status}.`);
    this.status = status;
  }
}

async function api(path, options = {}) {
  const key = sessionStorage.getItem(KEY);
  const headers = { ...options.headers };
  if (key) headers.Authorization = `Bearer ${key}`;
  const response = await fetch(path, { ...options, headers });
  if (response.ok) return response;
  let problem = {};
  try { problem = await response.json(); } catch { /* not from the gateway */ }
  throw new ApiError(response.status, problem);
}

const json = async (path) => (await api(path)).json();

// ---- small helpers ------------------------------------------------------------------------------

/** An element with properties and children; strings become text. */
function el(name, props = {}, ...children) {
  const element = Object.assign(document.createElement(name), props);
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

function clock(ms) {
  const seconds = Math.floor(ms / 1000);
  const pad = (n) => String(n).padStart(2, "0");
  const [h, m, s] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  return h > 0 ? `${h}:${pad(m)}:${pad(s)}` : `${m}:${pad(s)}`;
}

const when = (time) => (time ? new Date(time).toLocaleString() : "");

function say(text, bad = false) {
  $("message").textContent = text;
  $("message").classList.toggle("bad", bad);
}

function fail(error) {
  if (error instanceof ApiError && error.status === 401) {
    sessionStorage.removeItem(KEY);
    show("sign-in");
    $("key").focus();
  }
  say(error.message, true);
}

function show(section) {
  for (const id of ["sign-in", "list", "conversation"]) $(id).hidden = id !== section;
}

/** Highlights are ranges of Unicode characters, so the text is cut by code points. */
function highlighted(text, ranges) {
  const characters = Array.from(text);
  const parts = document.createDocumentFragment();
  let next = 0;
  for (const [start, end] of ranges) {
    parts.append(characters.slice(next, start).join(""));
    parts.append(el("mark", { textContent: characters.slice(start, end).join("") }));
    next = end;
  }
  parts.append(characters.slice(next).join(""));
  return parts;
}

/** A turn's text with the labels of redacted entities set apart. */
function redacted(text) {
  const parts = document.createDocumentFragment();
  for (const part of text.split(/(\[[A-Z][A-Z0-9_]*\])/)) {
    const label = /^\[[A-Z]/.test(part);
    parts.append(label ? el("span", { className: "label", textContent: part.slice(1, -1) }) : part);
  }
  return parts;
}

// ---- list and search ----------------------------------------------------------------------------

function summary(item) {
  const call = item.call || {};
  const about = [
    item.duration_ms === undefined ? null : clock(item.duration_ms),
    (call.agent || item.agent) && `agent ${call.agent || item.agent}`,
    item.language,
    ...(item.categories || []),
  ].filter(Boolean).join(" · ");
  const title = when(call.started_at || item.started_at || item.received_at) || item.id;
  const line = el("div", { className: "title" },
    el("a", { href: `#/c/${item.id}`, textContent: title }),
    item.status && el("span", { className: `status ${item.status}`, textContent: item.status }),
    el("span", { className: "faint", textContent: about }));
  const entry = el("li", {}, line);
  if (item.error) entry.append(el("p", { className: "faint", textContent: item.error.reason }));
  for (const turn of item.turns || []) entry.append(snippet(item.id, turn));
  return entry;
}

function snippet(id, turn) {
  const open = () => { location.hash = `#/c/${id}/${turn.start_ms}`; };
  const time = el("button", { type: "button", textContent: clock(turn.start_ms), onclick: open });
  return el("p", { className: "snippet" },
    time, ` ${turn.role}: `, highlighted(turn.snippet, turn.highlights));
}

async function openList(query) {
  const mine = ++view;
  show("list");
  $("list-title").textContent = query ? `Search: ${query}` : "Conversations";
  $("query").value = query;
  $("items").replaceChildren();
  $("more").hidden = true;
  await page(mine, query, null);
}

async function page(mine, query, cursor) {
  const params = new URLSearchParams({ limit: PAGE });
  if (query) params.set("q", query);
  if (cursor) params.set("cursor", cursor);
  say("Loading…");
  const found = await json(`/v1/${query ? "search" : "conversations"}?${params}`);
  if (mine !== view) return;
  const items = found.hits || found.conversations;
  $("items").append(...items.map(summary));
  $("more").hidden = !found.next_cursor;
  $("more").onclick = () => page(mine, query, found.next_cursor).catch(fail);
  say(outcome(query, found, items));
}

function outcome(query, found, items) {
  const missing = (found.partitions_missing || []).length;
  const partly = missing ? ` ${missing} of 64 parts of the index did not answer.` : "";
  if (query) return `${found.total} found.${partly}`;
  return items.length || $("items").children.length ? "" : "No conversations yet. Upload a call.";
}

// ---- one conversation ---------------------------------------------------------------------------

async function openConversation(id, at) {
  const mine = ++view;
  reset();
  show("conversation");
  say("Loading…");
  const conversation = await json(`/v1/conversations/${encodeURIComponent(id)}`);
  if (mine !== view) return;
  describe(conversation);
  if (conversation.status === "completed") {
    say("");
    await Promise.all([openTranscript(mine, conversation), openSound(mine, conversation, at)]);
  } else if (conversation.status === "error") {
    say(conversation.error ? conversation.error.reason : "It ended with an error.", true);
  } else if (conversation.status === "erased") {
    say("This conversation was erased.");
  } else {
    say("Still in work…");
    await follow(mine, conversation);
    if (mine === view) await openConversation(id, at);
  }
}

function reset() {
  following?.abort();
  following = null;
  $("player").pause();
  $("player").removeAttribute("src");
  $("player").load();
  if (sound) URL.revokeObjectURL(sound);
  sound = null;
  $("player-box").hidden = true;
  for (const id of ["facts", "turns", "downloads"]) $(id).replaceChildren();
  $("conversation-title").textContent = "";
}

function describe(conversation) {
  const { call, analysis } = conversation;
  const labels = Object.entries(call.labels || {}).map(([key, value]) => `${key}: ${value}`);
  const redactions = Object.entries(conversation.redactions).map(([kind, n]) => `${kind} ${n}`);
  const talk = (analysis?.speakers || [])
    .map((speaker) => `${speaker.role} ${Math.round(speaker.talk_share * 100)} %`);
  const rows = [
    ["Status", conversation.status],
    ["Received", when(conversation.received_at)],
    ["Length", conversation.duration_ms === undefined ? "" : clock(conversation.duration_ms)],
    ["Agent", call.agent],
    ["Customer", call.customer],
    ["Direction", call.direction],
    ["Language", conversation.language],
    ["Labels", labels.join(", ")],
    ["Talk", talk.join(", ")],
    ["About", (analysis?.categories || []).map((category) => category.name).join(", ")],
    ["Mood", analysis?.sentiment ? analysis.sentiment.score.toFixed(2) : ""],
    ["Redacted", redactions.join(", ")],
  ];
  $("conversation-title").textContent =
    when(call.started_at || conversation.received_at) || conversation.id;
  $("facts").replaceChildren();
  for (const [name, value] of rows) {
    if (value) $("facts").append(el("dt", { textContent: name }), el("dd", { textContent: value }));
  }
}

async function openTranscript(mine, conversation) {
  const transcript = await json(conversation.links.transcript);
  if (mine !== view) return;
  $("turns").replaceChildren(...transcript.turns.map((turn) => {
    const who = turn.role === "unknown" ? `speaker ${turn.channel + 1}` : turn.role;
    const time = el("button", {
      type: "button",
      className: "time",
      textContent: clock(turn.start_ms),
      onclick: () => jump(turn.start_ms, true),
    });
    const line = el("li", { className: "turn" },
      time,
      el("span", { className: `who ${turn.role}`, textContent: who }),
      el("p", {}, redacted(turn.text)));
    line.dataset.start = turn.start_ms;
    line.dataset.end = turn.end_ms;
    return line;
  }));
  const link = (format) => el("button", {
    type: "button",
    className: "quiet",
    textContent: format,
    onclick: () => download(conversation, format).catch(fail),
  });
  $("downloads").replaceChildren(...["txt", "srt", "vtt"].map(link));
}

/** An audio element cannot send the key, so the recording is fetched and played from memory. */
async function openSound(mine, conversation, at) {
  const blob = await (await api(conversation.links.audio)).blob();
  if (mine !== view) return;
  sound = URL.createObjectURL(blob);
  $("player").src = sound;
  $("player-box").hidden = false;
  if (at !== null) {
    $("player").addEventListener("loadedmetadata", () => jump(at, false), { once: true });
  }
}

function jump(ms, play) {
  $("player").currentTime = ms / 1000;
  mark(ms, true);
  // Browsers refuse to play before a click; then the player stands at the right place.
  if (play) $("player").play().catch(() => {});
}

function mark(ms, scroll) {
  for (const line of $("turns").children) {
    const now = ms >= Number(line.dataset.start) && ms < Number(line.dataset.end);
    if (now && scroll) line.scrollIntoView({ block: "center" });
    line.classList.toggle("now", now);
  }
}

async function download(conversation, format) {
  const blob = await (await api(`${conversation.links.transcript}?format=${format}`)).blob();
  const url = URL.createObjectURL(blob);
  el("a", { href: url, download: `${conversation.id}.${format}` }).click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

/** Reads the event stream to its end. EventSource cannot send the key, fetch can. */
async function follow(mine, conversation) {
  following = new AbortController();
  const { signal } = following;
  try {
    const response = await api(conversation.links.stream, { signal });
    const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
    let rest = "";
    while (reader) {
      const { done, value } = await reader.read();
      if (done || mine !== view) break;
      const lines = (rest + value).split("\n");
      rest = lines.pop();
      const events = lines.filter((line) => line.startsWith("event:"));
      for (const line of events) say(`${line.slice("event:".length).trim()}…`);
    }
  } catch (error) {
    if (signal.aborted) return;
    throw error;
  }
  // The read model may lag behind the log for a moment.
  await new Promise((resolve) => setTimeout(resolve, 700));
}

// ---- uploads ------------------------------------------------------------------------------------

async function upload(file) {
  say(`Uploading ${(file.size / 1_000_000).toFixed(1)} MB…`);
  const form = new FormData();
  // The file's own name does not go along: it may name a person.
  form.append("audio", file, "recording");
  const headers = { "Idempotency-Key": crypto.randomUUID?.() ?? String(Math.random()) };
  const response = await api("/v1/conversations", { method: "POST", body: form, headers });
  const { id } = await response.json();
  location.hash = `#/c/${id}`;
}

// ---- which view ---------------------------------------------------------------------------------

function route() {
  reset();
  if (!sessionStorage.getItem(KEY)) {
    ++view;
    show("sign-in");
    say("");
    return;
  }
  const [, kind, ...rest] = location.hash.split("/");
  if (kind === "c" && rest[0]) {
    const at = rest[1] === undefined ? null : Number(rest[1]) || 0;
    openConversation(rest[0], at).catch(fail);
  } else if (kind === "s" && rest[0]) {
    let query = "";
    try { query = decodeURIComponent(rest.join("/")); } catch { /* a mangled address */ }
    openList(query).catch(fail);
  } else {
    openList("").catch(fail);
  }
}

$("key-form").addEventListener("submit", (event) => {
  event.preventDefault();
  sessionStorage.setItem(KEY, $("key").value.trim());
  $("key").value = "";
  route();
});

$("search-form").addEventListener("submit", (event) => {
  event.preventDefault();
  const query = $("query").value.trim();
  const hash = query ? `#/s/${encodeURIComponent(query)}` : "#/";
  if (location.hash === hash) route(); else location.hash = hash;
});

$("sign-out").addEventListener("click", () => {
  sessionStorage.removeItem(KEY);
  route();
});

$("upload-button").addEventListener("click", () => $("upload").click());
$("upload").addEventListener("change", () => {
  const [file] = $("upload").files;
  $("upload").value = "";
  if (file) upload(file).catch(fail);
});

$("back").addEventListener("click", (event) => {
  if (history.length > 1) { event.preventDefault(); history.back(); }
});

$("player").addEventListener("timeupdate", () => mark($("player").currentTime * 1000, false));
window.addEventListener("hashchange", route);
route();
