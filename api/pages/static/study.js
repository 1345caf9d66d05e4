// keeps a study's page up to date: events say when, the server renders what
"use strict";

const QUIET_MS = 1500;
const RETRY_MS = 15000;
const KINDS = ["study.submitted", "study.wish", "study.state", "trial.proposed", "trial.state", "run.started", "run.ended"];
const root = document.getElementById("study");
const study = root.dataset.study;
const cost = document.getElementById("cost");
const connection = document.getElementById("connection");

function say(text, live = false) {
  connection.textContent = text;
  connection.toggleAttribute("data-live-now", live);
}

function redraw() {
  return draw(study, cost.value).catch(() => say("The plot could not be updated."));
}

async function refresh() {
  const response = await fetch(location.href, { headers: { Accept: "text/html" } });
  if (!response.ok || response.redirected) return;
  const fresh = new DOMParser().parseFromString(await response.text(), "text/html");
  if ("final" in (fresh.getElementById("study")?.dataset ?? {})) root.dataset.final = "";
  for (const part of document.querySelectorAll("[data-live]")) {
    const next = fresh.getElementById(part.id);
    // a part that the reader is inside of stays as it is until the next time
    if (next && !part.contains(document.activeElement) && part.innerHTML !== next.innerHTML) part.replaceChildren(...next.childNodes);
  }
  await redraw();
}

let planned = null;
function plan() {
  planned ??= setTimeout(() => { planned = null; refresh().catch(() => undefined); }, QUIET_MS);
}

let source = null;
let seen = root.dataset.lastEvent;

// a browser gives up a stream that was refused: the study has ended, or there are too many streams for now
async function closed() {
  await refresh().catch(() => undefined);
  if ("final" in root.dataset) {
    say("Ended");
  } else {
    say("Waiting to follow again");
    setTimeout(rest, RETRY_MS);
  }
}

function follow() {
  source = new EventSource(`/v1/studies/${study}/events?after=${seen}`);
  source.onopen = () => say("Live", true);
  source.onerror = () => { source.readyState === EventSource.CLOSED ? closed() : say("Reconnecting…"); };
  for (const kind of KINDS) source.addEventListener(kind, (event) => { seen = event.lastEventId; plan(); });
}

// a browser has six connections for one host: a page that nobody sees must not hold one
function rest() {
  if (document.hidden) {
    source.close();
  } else if (source.readyState === EventSource.CLOSED) {
    follow();
  }
}

cost.addEventListener("change", redraw);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
redraw();
if (!("final" in root.dataset)) {
  follow();
  document.addEventListener("visibilitychange", rest);
}
