// keeps a study's page up to date: events say when, the server renders what
"use strict";

const QUIET_MS = 1500;
const KINDS = ["study.submitted", "study.wish", "study.state", "trial.proposed", "trial.state", "run.started", "run.ended"];
const root = document.getElementById("study");
const study = root.dataset.study;
const cost = document.getElementById("cost");
const connection = document.getElementById("connection");

function redraw() {
  return draw(study, cost.value).catch(() => { connection.textContent = "The plot could not be updated."; });
}

async function refresh() {
  const response = await fetch(location.href, { headers: { Accept: "text/html" } });
  if (!response.ok || response.redirected) return;
  const fresh = new DOMParser().parseFromString(await response.text(), "text/html");
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

function follow() {
  source = new EventSource(`/v1/studies/${study}/events?after=${seen}`);
  source.onopen = () => { connection.textContent = "Live"; };
  source.onerror = () => { connection.textContent = source.readyState === EventSource.CLOSED ? "Ended" : "Reconnecting…"; };
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
