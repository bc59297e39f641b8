// Figures as people read them; "–" where there is none.

export const NONE = '–';
const known = (x) => typeof x === 'number' && Number.isFinite(x);

/// Three digits at most: 0, 3.4, 128, 1.2k, 3.4M.
export function count(x) {
  if (!known(x))
    return NONE;
  for (const [unit, size] of [['G', 1e9], ['M', 1e6], ['k', 1e3]])
    if (x >= size * 0.9995)
      return (x / size).toFixed(x < 99.95 * size ? 1 : 0) + unit;
  return x < 9.95 && !Number.isInteger(x) ? x.toFixed(1) : x.toFixed(0);
}

/// All digits: 12,345.
export const exact = (x) => (known(x) ? x.toLocaleString('en-US') : NONE);

export function share(x) {
  if (!known(x))
    return NONE;
  if (x === 0)
    return '0%';
  if (x < 0.001)
    return '<0.1%';
  return (100 * x).toFixed(x < 0.0995 ? 1 : 0) + '%';
}

export function duration(seconds) {
  if (!known(seconds))
    return NONE;
  const s = Math.max(0, seconds);
  if (s === 0)
    return '0';
  if (s < 0.0009995)
    return digits(1e6 * s) + ' µs';
  if (s < 0.9995)
    return digits(1e3 * s) + ' ms';
  if (s < 59.95)
    return digits(s) + ' s';
  const whole = Math.round(s);
  if (whole < 3600)
    return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  if (whole < 86400)
    return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
  return `${Math.floor(whole / 86400)} d ${Math.floor((whole % 86400) / 3600)} h`;
}

const digits = (x) => (x < 9.95 ? x.toFixed(1).replace('.0', '') : x.toFixed(0));

/// In whole seconds, for what is counted while one looks.
export const elapsed = (seconds) => (known(seconds) ? duration(Math.max(0, Math.floor(seconds))).replace(/^0$/, '0 s') : NONE);

const two = (x) => String(x).padStart(2, '0');

/// The time of day, of today; with the date where it isn't.
export function clock(milliseconds) {
  if (!known(milliseconds))
    return NONE;
  const t = new Date(milliseconds);
  const time = `${two(t.getHours())}:${two(t.getMinutes())}:${two(t.getSeconds())}`;
  return t.toDateString() === new Date().toDateString()
    ? time : `${t.getFullYear()}-${two(t.getMonth() + 1)}-${two(t.getDate())} ${time}`;
}

/// circuit_open -> circuit open
export const words = (name) => String(name).replaceAll('_', ' ');
