// opossum: breaker, timeout, and its capacity as a bulkhead. It has no retry, so one stands around it.

import { setTimeout as wait } from 'node:timers/promises';

import CircuitBreaker from 'opossum';

import { increment, serve } from './serve.mjs';

const max_attempts = 3;

const breaker = new CircuitBreaker(increment, {
  timeout: 30 * 60 * 1000,
  resetTimeout: 60 * 1000,
  volumeThreshold: 5,
  capacity: 2_000_000,
  // In its favour: every second it would sort the durations of all calls of the last ten, and that would
  // fall into our slices, not into its own.
  rollingPercentilesEnabled: false,
});

async function guarded(x) {
  for (let attempt = 1; ; ++attempt) {
    try {
      return await breaker.fire(x);
    } catch (error) {
      if (attempt === max_attempts)
        throw error;
      await wait(Math.random() * 1000 * 2 ** (attempt - 1));
    }
  }
}

await serve(guarded);
