// Numbers and times as people read them. The page is English, whatever the browser speaks.

const whole = new Intl.NumberFormat('en', { maximumFractionDigits: 0 });
const tenths = new Intl.NumberFormat('en', { minimumFractionDigits: 1, maximumFractionDigits: 1 });
const short = new Intl.NumberFormat('en', { notation: 'compact', maximumFractionDigits: 1 });

/** @param {number} value */
export const count = (value) => whole.format(value);

/** @param {number} value */
export const rate = (value) => tenths.format(value);

/** For an axis: its numbers are round, so that nothing is lost. @param {number} value */
export const round = (value) => short.format(value);

/** @type {[string, number][]} */
const UNITS = [
  ['d', 86_400],
  ['h', 3_600],
  ['min', 60],
  ['s', 1],
];

/** The two largest units that say something: `3 min 12 s`. @param {number} seconds */
export function duration(seconds) {
  let left = Math.floor(seconds);
  const first = UNITS.findIndex(([, size]) => left >= size);
  if (first < 0) return 'less than 1 s';
  const parts = [];
  for (const [unit, size] of UNITS.slice(first, first + 2)) {
    const amount = Math.floor(left / size);
    left -= amount * size;
    if (amount > 0) parts.push(`${count(amount)} ${unit}`);
  }
  return parts.join(' ');
}

/** As a shell takes it, whatever is in it. @param {string} name */
export const shellWord = (name) =>
  /^[\w.:@+-]+$/.test(name) ? name : `'${name.replaceAll("'", "'\\''")}'`;
