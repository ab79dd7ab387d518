// Asking the broker for its figures, once, and believing only an answer that is one.

/**
 * @typedef {Record<'queued' | 'completed' | 'failed', number>} Rates
 * @typedef {Record<'queued' | 'completed' | 'failed', number[]>} History
 * @typedef {{
 *   pending: number, processing: number, retrying: number, dead_letter: number, workers: number,
 *   oldest_pending_seconds: number | null, paused: boolean, uptime_seconds: number,
 *   dead_letter_topic: string,
 *   rates: Rates, history: History,
 * }} Stats
 * @typedef {{ state: 'live', stats: Stats } | { state: 'away' | 'broken', why: string }} Answer
 */

export const COUNTS = /** @type {const} */ (
  ['pending', 'processing', 'retrying', 'dead_letter', 'workers']
);
export const SERIES = /** @type {const} */ (['queued', 'completed', 'failed']);
export const SECONDS = 60;

const PATIENCE_MS = 2000;

/** Never throws: whatever happens is an answer. @returns {Promise<Answer>} */
export async function ask() {
  let response, text;
  try {
    const signal = AbortSignal.timeout(PATIENCE_MS);
    response = await fetch('stats', { cache: 'no-store', redirect: 'error', signal });
    text = await response.text();
  } catch {
    return { state: 'away', why: 'The broker does not answer' };
  }
  if (response.status === 401) return { state: 'broken', why: 'Sign in first, at /login of the broker itself' };
  if (!response.ok) return { state: 'broken', why: `The broker answers with error ${response.status}` };
  const stats = parse(text);
  if (isStats(stats)) return { state: 'live', stats };
  return { state: 'broken', why: 'The answer of the broker makes no sense' };
}

/** @param {string} text */
function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** @param {any} value @returns {value is Stats} */
function isStats(value) {
  return (
    COUNTS.every((name) => isAmount(value?.[name])) &&
    (value.oldest_pending_seconds === null || isAmount(value.oldest_pending_seconds)) &&
    typeof value.paused === 'boolean' &&
    typeof value.dead_letter_topic === 'string' &&
    isAmount(value.uptime_seconds) &&
    SERIES.every((name) => isAmount(value.rates?.[name]) && isMinute(value.history?.[name]))
  );
}

/** @param {any} value */
const isAmount = (value) => Number.isFinite(value) && value >= 0;

/** @param {any} value */
const isMinute = (value) =>
  Array.isArray(value) && value.length === SECONDS && value.every(isAmount);
