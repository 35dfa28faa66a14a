// Whether what a pane shows is what the scheduler says: each comparison gives nothing, or what differs in words.

import { inspect, isDeepStrictEqual } from 'node:util';

export function column(shown, title) {
  const at = shown.columns.indexOf(title);
  if (at < 0) {
    throw new Error(`there is no column ${title} among ${shown.columns}`);
  }
  return at;
}

export function sum(facts, of) {
  return Object.values(facts).reduce((total, worker) => total + worker[of], 0);
}

/** The facts of all workers as those of one. */
export function together(facts) {
  const workers = Object.values(facts);
  const names = Object.keys(workers[0]);
  return Object.fromEntries(names.map(of => [of, sum(facts, of)]));
}

export function tally(list, of, count = () => 1) {
  const found = {};
  for (const item of list) {
    found[of(item)] = (found[of(item)] ?? 0) + count(item);
  }
  return found;
}

/** Nothing where both are the same, else what differs. */
export function exactly(shown, expected, what) {
  return isDeepStrictEqual(shown, expected)
    ? undefined
    : `${what}: ${inspect(shown)} is not ${inspect(expected)}`;
}

export function nearly(shown, expected, share, what) {
  const near = typeof shown === 'number' && Math.abs(shown - expected) <= share * Math.max(expected, 1);
  return near ? undefined : `${what}: ${shown} is not nearly ${expected}`;
}

export const exact = of => (shown, facts) => exactly(shown, facts[of], of);
export const near = (of, share) => (shown, facts) => nearly(shown, facts[of], share, of);
/**
 * What workers say that they keep in memory. The scheduler counts at most what the process has, which changes between two
 * looks: where that bounds it, both are only nearly equal.
 */
export const managed = (shown, facts) =>
  (facts.bounded ? near('managed', 0.03) : exact('managed'))(shown, facts);
export const within = (of, distance) => (shown, facts) =>
  Math.abs(shown - facts[of]) <= distance
    ? undefined
    : `${of}: ${shown} is more than ${distance} from ${facts[of]}`;

/** Compares columns of a table with a row for each worker. */
export function perWorker(columns) {
  return (shown, facts) => {
    const address = column(shown, 'Address');
    const wrong = Object.entries(facts).flatMap(([worker, of]) => {
      const row = shown.rows.find(row => row[address] === worker);
      return row
        ? Object.entries(columns).map(([title, compare]) => compare(row[column(shown, title)], of))
        : [`no row for ${worker}`];
    });
    return exactly(shown.rows.length, Object.keys(facts).length, 'rows') ?? wrong.find(Boolean);
  };
}

/** Compares the newest row of a table over time with all workers together. */
export function latest(columns) {
  return (shown, facts) => {
    const [row] = shown.rows;
    if (!row) {
      return 'no rows';
    }
    const all = together(facts);
    return Object.entries(columns)
      .map(([title, compare]) => compare(row[column(shown, title)], all))
      .find(Boolean);
  };
}
