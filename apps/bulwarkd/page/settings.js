// A policy's settings as a list of paths, and what is typed as values.

/// {"retry": {"max-attempts": 3}} -> [["retry.max-attempts", 3]], keys in the daemon's order.
export function flatten(settings, prefix = '') {
  return Object.entries(settings ?? {}).flatMap(([key, value]) =>
    value !== null && typeof value === 'object' && !Array.isArray(value)
      ? flatten(value, `${prefix}${key}.`) : [[prefix + key, value]]);
}

/// The way back.
export function nest(fields) {
  const result = {};
  for (const [path, value] of fields) {
    const keys = path.split('.');
    const last = keys.pop();
    let place = result;
    for (const key of keys)
      place = place[key] ??= {};
    place[last] = value;
  }
  return result;
}

/// What is typed, as what was there before; what makes no sense goes as text, for the daemon to say so.
export function parse(text, before) {
  const trimmed = text.trim();
  if (typeof before === 'number' && trimmed !== '' && Number.isFinite(Number(trimmed)))
    return Number(trimmed);
  if (typeof before === 'boolean')
    return trimmed === 'true';
  if (Array.isArray(before)) {
    try {
      return JSON.parse(trimmed);
    } catch {
      return trimmed;
    }
  }
  return trimmed;
}
