// cockatiel: all four patterns, in the same order as in a guard.

import {
  bulkhead, circuitBreaker, ConsecutiveBreaker, ExponentialBackoff, handleAll, retry, timeout,
  TimeoutStrategy, wrap,
} from 'cockatiel';

import { increment, serve } from './serve.mjs';

const policy = wrap(
  // Its attempts don't count the first.
  retry(handleAll, {
    maxAttempts: 2,
    backoff: new ExponentialBackoff({ initialDelay: 1000, maxDelay: 60 * 1000 }),
  }),
  circuitBreaker(handleAll, { halfOpenAfter: 60 * 1000, breaker: new ConsecutiveBreaker(5) }),
  bulkhead(2_000_000, 1000),
  // Aggressive: the caller is answered in time whatever the target does, as a guard's is.
  timeout(30 * 60 * 1000, TimeoutStrategy.Aggressive),
);

await serve((x) => policy.execute(() => increment(x)));
