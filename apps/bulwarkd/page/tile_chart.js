// Five minutes of calls in a few pixels: what was served, and in front of it what wasn't. A canvas
// of our own: a thousand charts of a library would cost more than they show.

import {SECONDS} from './store.js';

const scratch = Object.fromEntries(['succeeded', 'failed', 'timed_out', 'rejected'].map((name) => [name, new Float32Array(SECONDS)]));
const all = new Float32Array(SECONDS);
const bad = new Float32Array(SECONDS);

let colours = null;

/// After dark has become light, or light dark.
export function forgetColours() {
  colours = null;
}

export function colour(name) {
  colours ??= new Map();
  if (!colours.has(name))
    colours.set(name, getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim());
  return colours.get(name);
}

/// Only where something has changed since the last time. Returns whether it has drawn.
export function drawTile(canvas, store, guard) {
  const ratio = Math.min(2, devicePixelRatio || 1);
  const [width, height] = [canvas.clientSize.width, canvas.clientSize.height];
  const stamp = `${guard.name}\n${store.second}\n${width}x${height}@${ratio}\n${colour('calls')}`;
  if (canvas.stamp === stamp)
    return false;
  canvas.stamp = stamp;
  const [pixelWidth, pixelHeight] = [Math.round(width * ratio), Math.round(height * ratio)];
  if (canvas.width !== pixelWidth || canvas.height !== pixelHeight)
    [canvas.width, canvas.height] = [pixelWidth, pixelHeight];
  const context = canvas.getContext('2d');
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  const top = sum(store, guard);
  area(context, all, top, width, height, colour('calls-fill'), colour('calls'));
  area(context, bad, top, width, height, colour('lost-fill'), colour('lost'));
  return true;
}

/// For another guard, whose chart comes later.
export function clearTile(canvas) {
  if (canvas.stamp)
    canvas.getContext('2d').clearRect(0, 0, canvas.width, canvas.height);
  canvas.stamp = '';
}

function sum(store, guard) {
  for (const [name, array] of Object.entries(scratch))
    store.read(guard, name, array);
  let top = 1;
  for (let i = 0; i < SECONDS; ++i) {
    bad[i] = scratch.failed[i] + scratch.timed_out[i] + scratch.rejected[i];
    all[i] = scratch.succeeded[i] + bad[i];
    if (all[i] > top)
      top = all[i];
  }
  return top;
}

// Holes stay holes; where there is nothing to show nothing is drawn.
function area(context, values, top, width, height, fill, stroke) {
  const x = (i) => (i + 1) * width / SECONDS;
  const y = (value) => height - 0.5 - (height - 2) * value / top;
  context.fillStyle = fill;
  context.strokeStyle = stroke;
  context.lineWidth = 1;
  for (let i = 0; i < SECONDS; ++i) {
    if (!(values[i] >= 0))
      continue;
    const begin = i;
    const line = new Path2D();
    let something = false;
    for (; i < SECONDS && values[i] >= 0; ++i) {
      line.lineTo(x(i), y(values[i]));
      something ||= values[i] > 0;
    }
    if (!something)
      continue;
    const shape = new Path2D(line);
    shape.lineTo(x(i - 1), height);
    shape.lineTo(x(begin), height);
    context.fill(shape);
    context.stroke(line);
  }
}
