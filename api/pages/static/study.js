// keeps a study's page up to date: events say when, the server renders what
"use strict";

const QUIET_MS = 1500;
const root = document.getElementById("study");
const study = root.dataset.study;
const cost = document.getElementById("cost");
const connection = document.getElementById("connection");

function drawn() {
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
  await drawn();
}

let planned = null;
function plan() {
  planned ??= setTimeout(() => { planned = null; refresh().catch(() => undefined); }, QUIET_MS);
}

function follow() {
  const source = new EventSource(`/v1/studies/${study}/events?after=${root.dataset.lastEvent}`);
  const kinds = ["study.submitted", "study.wish", "study.state", "trial.proposed", "trial.state", "run.started", "run.ended"];
  source.onopen = () => { connection.textContent = "Live"; };
  source.onerror = () => { connection.textContent = source.readyState === EventSource.CLOSED ? "Ended" : "Reconnecting…"; };
  for (const kind of kinds) source.addEventListener(kind, plan);
  source.onmessage = plan;
}

cost.addEventListener("change", drawn);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawn);
drawn();
if (!("final" in root.dataset)) follow();
