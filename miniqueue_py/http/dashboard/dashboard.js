// The page: asks each second, one question at a time, and shows what it was told last.

import { Chart } from './chart.js';
import { COUNTS, SECONDS, SERIES, ask } from './stats.js';
import { count, duration, rate, shellWord } from './words.js';

const EACH_MS = 1000;
const EACH_HIDDEN_MS = 10_000;

/** @param {string} id */
const part = (id) => /** @type {HTMLElement} */ (document.getElementById(id));

/** @type {import('./stats.js').Stats | null} */
let stats = null;
let seenAt = 0;
/** @type {number | null} */
let lookedAt = null;

const chart = new Chart(/** @type {any} */ (part('chart')), (second) => {
  lookedAt = second;
  showSummary();
});

/** Shows an answer; without one, what is known stays, and is marked as old. */
function show(/** @type {import('./stats.js').Answer} */ answer) {
  const isLive = answer.state === 'live';
  if (isLive) {
    stats = answer.stats;
    seenAt = performance.now();
    showFigures(stats);
    showHints(stats);
  }
  const isPaused = isLive && answer.stats.paused;
  document.body.dataset.state = isPaused ? 'paused' : answer.state;
  say('state', isLive ? (isPaused ? 'Paused' : 'Live') : answer.why);
  showDetail();
  chart.show(stats?.history ?? null, !isLive);
  showSummary();
  showTable();
  const first = isLive ? `${count(answer.stats.pending)} pending` : answer.why;
  document.title = `${first} · Task queue`;
}

/** @param {import('./stats.js').Stats} stats */
function showFigures(stats) {
  for (const name of COUNTS) say(name, count(stats[name]));
  for (const name of SERIES) say(`rate-${name}`, rate(stats.rates[name]));
  const oldest = stats.oldest_pending_seconds;
  say('pending-note', oldest === null ? 'waiting for a worker' : `the oldest for ${duration(oldest)}`);
  part('dead-figure').classList.toggle('alert', stats.dead_letter > 0);
  // All are as large as the longest leaves room for: what is alike looks alike. Up to 9,999
  // their size does not change.
  const longest = Math.max(5, ...COUNTS.map((name) => count(stats[name]).length));
  part('figures').style.setProperty('--characters', String(longest));
  const longestRate = Math.max(5, ...SERIES.map((name) => rate(stats.rates[name]).length));
  part('rates').style.setProperty('--characters', String(longestRate));
  part('rates').classList.toggle('stacked', longestRate > 8);
}

/** @param {import('./stats.js').Stats} stats */
function showHints(stats) {
  const moved = SERIES.some((name) => stats.history[name].some((value) => value > 0));
  const kept = stats.pending + stats.processing + stats.retrying + stats.dead_letter;
  const isIdle = stats.workers === 0 && stats.processing === 0;
  reveal('hint-start', !moved && kept === 0);
  reveal('hint-paused', stats.paused);
  reveal('hint-workers', !stats.paused && isIdle && stats.pending + stats.retrying > 0);
  reveal('hint-dead', stats.dead_letter > 0);
  const topic = shellWord(stats.dead_letter_topic);
  say('dead-topic-peek', topic);
  say('dead-topic-redrive', topic);
}

/** What stands beside the state: how old what is shown is, or the broker itself. */
function showDetail() {
  const isStale = ['away', 'broken'].includes(document.body.dataset.state ?? '');
  const ago = (performance.now() - seenAt) / 1000;
  if (stats === null) say('detail', isStale ? 'nothing seen yet' : '');
  else if (isStale) say('detail', `last seen ${duration(Math.max(1, ago))} ago`);
  else say('detail', `broker up for ${duration(stats.uptime_seconds)}`);
}

/** The minute in a sentence, or the second that is pointed at. */
function showSummary() {
  if (stats === null) return;
  const { history } = stats;
  const told = (/** @type {(each: number[]) => number} */ of) =>
    SERIES.map((name) => `${count(of(history[name]))} ${name}`).join(', ');
  if (lookedAt === null) {
    say('summary', `In all: ${told((each) => each.reduce((sum, value) => sum + value, 0))}`);
  } else {
    const second = lookedAt;
    say('summary', `${SECONDS - second} s ago: ${told((each) => each[second])}`);
  }
}

const table = /** @type {HTMLDetailsElement} */ (part('seconds'));

/** Written in place, so that whoever reads it keeps the row; and only while it is open. */
function showTable() {
  if (stats === null || !table.open) return;
  const { history } = stats;
  const body = /** @type {HTMLTableSectionElement} */ (table.querySelector('tbody'));
  while (body.rows.length < SECONDS) {
    const row = body.insertRow();
    row.append(...['th', 'td', 'td', 'td'].map((name) => document.createElement(name)));
    row.cells[0].scope = 'row';
  }
  [...body.rows].forEach((row, index) => {
    const values = SERIES.map((name) => history[name][SECONDS - 1 - index]);
    [index + 1, ...values].forEach((value, cell) => (row.cells[cell].textContent = count(value)));
  });
}

/** Writes only what is new: a screen reader says it once. @param {string} id @param {string} text */
function say(id, text) {
  const element = part(id);
  if (element.textContent !== text) element.textContent = text;
}

/** Likewise. @param {string} id @param {boolean} isShown */
function reveal(id, isShown) {
  const element = part(id);
  if (element.hidden === isShown) element.hidden = !isShown;
}

/** The command as it works from here: the broker's address, and its own authority. */
function showCommand() {
  const url = new URL('task', location.href).href;
  const authority = location.protocol === 'https:' ? ' --cacert certs/ca.pem' : '';
  say('curl', `curl${authority} -X POST ${url} \\
  -H "Content-Type: application/json" \\
  -d '{"type": "email-notification", "payload": "user@example.com"}'`);
}

/** Likewise, where the page comes from the broker's own port; clear HTTP is not for commands. */
function showBroker() {
  if (location.protocol !== 'https:' || location.origin === 'https://localhost:8080') return;
  for (const element of document.querySelectorAll('.broker')) {
    element.textContent = ` --url ${location.origin}`;
  }
}

let wake = () => {};

/** @param {number} milliseconds */
function pause(milliseconds) {
  return new Promise((/** @type {(_: void) => void} */ resolve) => {
    const timer = setTimeout(resolve, milliseconds);
    wake = () => {
      clearTimeout(timer);
      resolve();
    };
  });
}

async function watch() {
  for (;;) {
    const asked = performance.now();
    show(await ask());
    const took = performance.now() - asked;
    await pause(document.hidden ? EACH_HIDDEN_MS : Math.max(0, EACH_MS - took));
  }
}

document.addEventListener('visibilitychange', () => document.hidden || wake());
table.addEventListener('toggle', showTable);
setInterval(showDetail, EACH_MS);
showCommand();
showBroker();
watch();
