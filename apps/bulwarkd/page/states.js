// What states are called and look like, and how bad a guard is. Each state has a shape and a word:
// colour only repeats them.

export const STATES = {
  closed: {word: 'Closed', tone: 'good', means: 'calls go through'},
  half_open: {word: 'Half-open', tone: 'warn', means: 'a few calls go through, as probes'},
  open: {word: 'Open', tone: 'bad', means: 'calls are rejected until the next probe'},
  forced_open: {word: 'Forced open', tone: 'bad', means: 'an operator has calls rejected'},
  disabled: {word: 'Disabled', tone: 'off', means: 'calls go through, whatever happens'},
  metrics_only: {word: 'Metrics only', tone: 'off', means: 'it counts what it would reject, and rejects nothing'},
  none: {word: 'No breaker', tone: 'plain', means: 'this guard has no circuit breaker'},
};

export const stateOf = (name) => STATES[name ?? 'none'] ?? {word: String(name), tone: 'plain', means: ''};
export const iconOf = (name) => ((name ?? 'none') in STATES ? name ?? 'none' : 'none');

/// Every guard is in one of these, the first that fits: worst first.
export const CONDITIONS = [
  {name: 'open', word: 'Open', icon: 'open'},
  {name: 'half_open', word: 'Half-open', icon: 'half_open'},
  {name: 'failing', word: 'Failing', icon: 'failing'},
  {name: 'busy', word: 'Busy', icon: 'busy'},
  {name: 'unprotected', word: 'Switched off', icon: 'disabled'},
  {name: 'normal', word: 'Normal', icon: 'closed'},
];

const FAILING_SHARE = 0.05;

/// `now`: the guard's figures; `recent`: its rates of the last seconds.
export function conditionOf(now, recent) {
  if (now.state === 'open' || now.state === 'forced_open')
    return 'open';
  if (now.state === 'half_open')
    return 'half_open';
  if (recent.share >= FAILING_SHARE)
    return 'failing';
  const permits = now.permits;
  if (permits && (permits.queued > 0 || (permits.limit > 0 && permits.active >= permits.limit)))
    return 'busy';
  if (now.state === 'disabled' || now.state === 'metrics_only' || now.chaos)
    return 'unprotected';
  return 'normal';
}

export const rankOf = (condition) => CONDITIONS.findIndex((each) => each.name === condition);

/// What an operator may do to a breaker, what comes of it, and where it makes no sense.
export const ACTIONS = [
  {name: 'force_open', word: 'Force open', state: 'forced_open', danger: true,
    means: 'Every call is rejected at once, and stays so until somebody resets it.'},
  {name: 'disable', word: 'Disable', state: 'disabled', danger: true,
    means: 'Every call goes through, however many fail, until somebody resets it.'},
  {name: 'metrics_only', word: 'Metrics only', state: 'metrics_only', danger: true,
    means: 'Every call goes through; what it would have rejected is only counted.'},
  {name: 'reset', word: 'Reset', state: null, danger: false,
    means: 'It closes, forgets what it has counted and begins anew.'},
];
