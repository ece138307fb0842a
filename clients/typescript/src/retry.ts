import { Code, ConnectError, type CallOptions } from "@connectrpc/connect";

import { fromServer, reasonOf, retryAfterMs } from "./errors.js";

/** retryAfterMaxMs bounds what a server may ask for. */
const retryAfterMaxMs = 60_000;

/** How often and how fast retry calls again. {} is ready to use. */
export interface RetryPolicy {
  /** How many calls are made at most. Default 5. */
  tries?: number;
  /** The wait after the first failure, doubled after each next one, with jitter. Default 100 ms. */
  waitFirstMs?: number;
  /** The longest wait of our own; a server may ask for up to a minute. Default 5 s. */
  waitMaxMs?: number;
  /** How long one call may take. Default: as long as the client allows. */
  tryTimeoutMs?: number;
  /** How long all calls and waits together may take. Default: as long as it takes. */
  timeoutMs?: number;
  /** Ends it. */
  signal?: AbortSignal;
  /** Told of each failure that is followed by another try. */
  onWait?: (error: unknown, waitMs: number) => void;
}

/** Makes an idempotency key that nobody made before: 26 letters and digits. */
export function newKey(): string {
  const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
  const random = crypto.getRandomValues(new Uint8Array(26));
  return Array.from(random, (byte) => alphabet.charAt(byte % alphabet.length)).join("");
}

/**
 * Makes a call, and makes it again while its outcome is unknown or the server asks for patience: unavailable, aborted, rate
 * limited, a deadline or a broken connection. It waits as long as RetryInfo says.
 *
 * The call must send the same request, with the same idempotency key, each time; then an effect that a lost answer hid is not
 * made twice, and the recorded answer comes back (I2). Make the key before retry, not inside the call, and hand the options
 * on: retry((options) => client.cancelOrder(request, options)).
 *
 * What comes back is the last call's answer or error. An error that is not worth repeating comes back at once.
 */
export async function retry<T>(call: (options: CallOptions) => Promise<T>, policy: RetryPolicy = {}): Promise<T> {
  const { tries = 5, waitFirstMs = 100, waitMaxMs = 5_000, signal, onWait } = policy;
  const end = policy.timeoutMs === undefined ? Infinity : Date.now() + policy.timeoutMs;
  for (let attempt = 1; ; attempt++) {
    signal?.throwIfAborted();
    try {
      return await call(optionsOf(policy, end - Date.now()));
    } catch (error) {
      signal?.throwIfAborted();
      const waitMs = retryWaitMs(error, attempt, waitFirstMs, waitMaxMs);
      if (attempt >= tries || !retryable(error) || Date.now() + waitMs >= end) {
        throw error;
      }
      onWait?.(error, waitMs);
      await sleep(waitMs, signal);
    }
  }
}

/**
 * Whether a failed call may be made again as it was: nothing happened, or it is unknown what did. Calls that change something
 * need the same idempotency key.
 */
export function retryable(error: unknown): boolean {
  if (!(error instanceof ConnectError)) {
    return false;
  }
  if (reasonOf(error) === "PSP_NOT_ATTEMPTED") {
    return false; // With this key the answer is recorded; another try is another call.
  }
  switch (error.code) {
    case Code.Unavailable:
    case Code.Aborted:
    case Code.DeadlineExceeded:
    case Code.Canceled:
      return true;
    case Code.ResourceExhausted:
      // A message that is too large is exhausted too, and stays too large.
      return retryAfterMs(error) !== undefined;
    default:
      // What a server says with other codes is final, and so is a request that cannot be written. What is left is an answer
      // that broke off on its way here.
      return !fromServer(error) && !error.rawMessage.startsWith("serialize ");
  }
}

/** optionsOf are those of one call, which ends when its own time is over, or that of all. */
function optionsOf(policy: RetryPolicy, leftMs: number): CallOptions {
  const options: CallOptions = {};
  if (policy.signal !== undefined) {
    options.signal = policy.signal;
  }
  const timeoutMs = Math.min(policy.tryTimeoutMs ?? Infinity, leftMs);
  if (timeoutMs < Infinity) {
    options.timeoutMs = Math.max(1, Math.round(timeoutMs)); // 0 would be no limit.
  }
  return options;
}

/** retryWaitMs is the pause after the failure of that number: what the server asks for, or ours if that is longer. */
export function retryWaitMs(error: unknown, failures: number, firstMs: number, maxMs: number): number {
  const waitMs = backoffMs(failures, firstMs, maxMs);
  const askedMs = retryAfterMs(error) ?? 0;
  // A little more, so that those who were told the same do not come together.
  return askedMs > waitMs ? Math.min(askedMs, retryAfterMaxMs) + waitMs / 4 : waitMs;
}

/** backoffMs doubles from first to most with the number of failures in a row, and takes a random part of the upper half. */
function backoffMs(failures: number, firstMs: number, maxMs: number): number {
  const waitMs = Math.min(firstMs * 2 ** (failures - 1), maxMs);
  return waitMs / 2 + (Math.random() * waitMs) / 2;
}

/** sleep waits, or rejects with the signal's reason. */
export function sleep(waitMs: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted === true) {
      reject(signal.reason);
      return;
    }
    const stopped = (): void => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", stopped);
      resolve();
    }, waitMs);
    signal?.addEventListener("abort", stopped, { once: true });
  });
}
