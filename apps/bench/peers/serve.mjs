// What the peers on Node share: their load, and how they talk with the benchmarks' program (peers.cpp).

import { createInterface } from 'node:readline';

const in_flight = 256; // ours: 64 callers with 4 each

async function nanoseconds_per_call(call, calls) {
  let left = calls;
  const caller = async () => {
    while (left > 0) {
      --left;
      // A pattern that refuses would be fast, and measure nothing.
      if ((await call(1)) !== 2)
        throw new Error('a wrong answer');
    }
  };
  const begin = process.hrtime.bigint();
  await Promise.all(Array.from({ length: in_flight }, caller));
  return Number(process.hrtime.bigint() - begin) / calls;
}

/// The target, the same for all.
export async function increment(x) {
  return x + 1;
}

/// Says "ready", then answers each line, a number of calls, with the nanoseconds for one.
export async function serve(call) {
  console.log('ready');
  for await (const line of createInterface({ input: process.stdin }))
    console.log((await nanoseconds_per_call(call, Number(line))).toFixed(3));
}
