// draws quality versus cost from the public API: scores with intervals, the front on the axes shown, references as stars
"use strict";

const ROWS = 500;
const COSTS = { params: "Parameters", active_params: "Parameters one token uses", flops_per_token: "Forward FLOPs per token", state_bytes: "Decode state, bytes" };

function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

// plotly reads a few HTML tags and entities in its texts: what comes from users must not be read so
function plain(text) {
  return String(text).replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");
}

function front(trials, cost) {
  const order = [...trials].sort((a, b) => a.cost[cost] - b.cost[cost] || b.score - a.score);
  let best = -Infinity;
  return order.filter((trial) => trial.score > best && ((best = trial.score), true));
}

function markers(name, trials, cost, marker) {
  return {
    type: "scatter", mode: "markers", name, marker,
    x: trials.map((trial) => trial.cost[cost]),
    y: trials.map((trial) => trial.score),
    error_y: {
      type: "data", symmetric: false, thickness: 1, width: 2, color: marker.color,
      array: trials.map((trial) => trial.score_high - trial.score),
      arrayminus: trials.map((trial) => trial.score - trial.score_low),
    },
    text: trials.map((trial) => `<b>${plain(trial.reference || `#${trial.number}`)}</b> · rung ${trial.rung}<br>${plain(trial.summary)}`),
    customdata: trials.map((trial) => trial.number),
    hovertemplate: "%{text}<br>score %{y:.4f} · %{x:.3s}<extra></extra>",
  };
}

// a score at a smaller budget neither beats nor stands beside one at a larger: only the highest rung makes the front
function traces(trials, cost) {
  const highest = Math.max(...trials.map((trial) => trial.rung));
  const edge = front(trials.filter((trial) => trial.rung === highest), cost);
  const own = trials.filter((trial) => !trial.reference && trial.rung === highest);
  const early = trials.filter((trial) => !trial.reference && trial.rung < highest);
  const zoo = trials.filter((trial) => trial.reference);
  return [
    { type: "scatter", mode: "lines", name: "Front", x: edge.map((t) => t.cost[cost]), y: edge.map((t) => t.score),
      line: { shape: "hv", width: 1.5, dash: "dot", color: colour("muted") }, hoverinfo: "skip" },
    markers("Searched, lower rung", early, cost, { color: colour("muted"), size: 7, symbol: "circle-open" }),
    markers("Searched", own, cost, { color: colour("accent"), size: 8, opacity: 0.85 }),
    markers("References", zoo, cost, { color: colour("mark"), size: 13, symbol: "star" }),
  ].filter((trace) => trace.x.length);
}

// round costs in every decade that the data touch: all digits where there is one decade, else 1, 2 and 5
function ticks(values) {
  const decades = values.map((value) => Math.floor(Math.log10(value)));
  const [first, last] = [Math.min(...decades), Math.max(...decades)];
  const digits = first === last ? [1, 2, 3, 4, 5, 6, 7, 8, 9] : [1, 2, 5];
  const found = [];
  for (let decade = first; decade <= last; decade++) found.push(...digits.map((digit) => digit * 10 ** decade));
  return found;
}

const SI = new Intl.NumberFormat("en", { notation: "compact", maximumSignificantDigits: 3 });

function layout(trials, cost) {
  const costs = trials.map((trial) => trial.cost[cost]).filter((value) => value > 0);
  const axis = { gridcolor: colour("line"), zeroline: false, automargin: true, linecolor: colour("line") };
  return {
    margin: { l: 50, r: 12, t: 8, b: 44 },
    paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
    font: { family: getComputedStyle(document.body).fontFamily, size: 12.5, color: colour("text") },
    xaxis: { ...axis, type: "log", title: { text: COSTS[cost] }, tickvals: ticks(costs), ticktext: ticks(costs).map((value) => SI.format(value)) },
    yaxis: { ...axis, title: { text: "Score" } },
    legend: { orientation: "h", x: 0, y: 1.02, yanchor: "bottom" },
    hoverlabel: { align: "left", bgcolor: colour("surface"), bordercolor: colour("line"), font: { color: colour("text") } },
    hovermode: "closest",
  };
}

async function read(path) {
  const response = await fetch(path, { headers: { Accept: "application/json" } });
  if (!response.ok) throw new Error(`${response.status}`);
  return response.json();
}

// the first rows of the leaderboard and everything on the front: what is drawn is said below the plot
async function shownTrials(study) {
  const [page, edge] = await Promise.all([read(`/v1/studies/${study}/leaderboard?limit=${ROWS}`), read(`/v1/studies/${study}/pareto`)]);
  const found = new Map([...page.items.map((row) => row.trial), ...edge].map((trial) => [trial.number, trial]));
  return { trials: [...found.values()].filter((trial) => trial.score !== null && trial.state !== "infeasible"), more: page.next_cursor !== null };
}

async function draw(study, cost) {
  const plot = document.getElementById("plot");
  const { trials, more } = await shownTrials(study);
  await Plotly.react(plot, traces(trials, cost), layout(trials, cost), { displaylogo: false, responsive: true, displayModeBar: false });
  document.getElementById("plot-count").textContent = more ? `The first ${trials.length} trials are drawn.` : `${trials.length} trials are drawn.`;
  if (!plot.dataset.linked) {
    plot.dataset.linked = "yes";
    plot.on("plotly_click", (event) => {
      const number = event.points[0].customdata;
      if (number !== undefined) location.href = `/studies/${study}/trials/${number}`;
    });
  }
}
