import { Follower } from "./follower.js";
import type { PaymentClient } from "./client.js";
import { ResetReason, type OrderEvent } from "./gen/kvit/v1/event_pb.js";

/** What follow needs of a client. createClient's has it. */
export type Events = Pick<PaymentClient, "streamOrderEvents" | "listOrderEvents">;

/** A place in the journal: everything up to it was handled. Keep it, and begin from it next time. */
export interface Checkpoint {
  /** The server's mark of the place (J6). */
  cursor: string;
  /**
   * That of the event which the cursor came with, absent for a cursor that came without one. With it the first event after a
   * new beginning is checked for a gap too; without it that one is trusted.
   */
  position?: bigint;
}

/**
 * Where to begin (S1): with the first entry of the journal, with what happens after the server's first answer, or after a
 * checkpoint. JSON that stringify wrote of a checkpoint is one too.
 */
export type Start = "beginning" | "now" | { cursor: string; position?: bigint | string };

/** What to follow, and how. */
export interface FollowOptions {
  /** Where to begin. */
  from: Start;
  /** The orders of interest, at most 100. Default: all. */
  orderIds?: readonly string[];
  /** Event types such as order.paid, or prefixes such as order.*, at most 50. Default: all. */
  types?: readonly string[];
  /** Ends it. */
  signal?: AbortSignal;
  /**
   * Told the place after every event that was handled, and whenever the server says that nothing of interest happened up to a
   * place. An error of its ends the following.
   */
  onCheckpoint?: (at: Checkpoint) => void | Promise<void>;
  /** Told when the server is reached, and when it is lost. */
  onStatus?: (status: Status) => void;
  /** The pause after the first failure. Default 200 ms. */
  waitFirstMs?: number;
  /** The longest pause of our own. Default 15 s. */
  waitMaxMs?: number;
}

/** How a following is doing. */
export interface Status {
  /** True after the first answer of the server, and false when it was lost. */
  connected: boolean;
  /** Streams do not get through, and single calls do. */
  polling: boolean;
  /** Why the connection was lost. There is another try after waitMs. */
  error?: unknown;
  waitMs?: number;
}

/**
 * The journal does not know the cursor: a restored backup, or another installation (J6). Compare what you know with the
 * orders as they are, then follow from oldestCursor or from now.
 */
export class ResetError extends Error {
  override readonly name = "ResetError";
  constructor(
    readonly reason: ResetReason,
    readonly oldestCursor: string,
  ) {
    super(`the journal does not know this cursor: ${ResetReason[reason] ?? reason}`);
  }
}

/** Events are missing, again and again at the same place, though the journal has no gaps (J2). */
export class GapError extends Error {
  override readonly name = "GapError";
  constructor(
    /** The last position that was handled. */
    readonly after: bigint,
    /** The one that came instead of the next. */
    readonly next: bigint,
  ) {
    super(`events are missing: after position ${after} came ${next}`);
  }
}

/** Ends a follow without an error, when onEvent returns it. The event counts as handled. */
export const stop: unique symbol = Symbol("stop following");

/**
 * Hands every event from the start on that passes the filter to onEvent, in order, each once, until onEvent returns stop or
 * the signal is aborted.
 *
 * It goes on where it was when a connection is cut, is silent for three heartbeats, or is ended by the server, with growing
 * pauses after failures. Without a filter it checks that no position is missing. A repeat is dropped. Where streams do not get
 * through, it asks with single calls that wait.
 *
 * An event counts as handled when onEvent and onCheckpoint are done. A follow that begins again from the last kept checkpoint
 * repeats at most what was handled after it: at least once, and exactly once for a handler that keeps the checkpoint together
 * with what it changed.
 *
 * It rejects with the signal's reason; with what onEvent or onCheckpoint threw; with a ResetError; with a GapError; or with the
 * server's refusal that no repeat would change (unauthenticated, permission_denied, invalid_argument ...).
 */
export async function follow(
  client: Events,
  options: FollowOptions & { onEvent: (event: OrderEvent) => void | typeof stop | Promise<void | typeof stop> },
): Promise<void> {
  const told = new Follower(client, options).run();
  try {
    let next = await told.next();
    while (next.done !== true) {
      next = await told.next(await options.onEvent(next.value));
    }
  } finally {
    await told.return();
  }
}

/**
 * The same as follow, to be looped over. An event counts as handled when the next one is asked for; one at which the loop is
 * left, by break or by an error, does not, and has no checkpoint.
 */
export function events(client: Events, options: FollowOptions): AsyncGenerator<OrderEvent, void, void> {
  return new Follower(client, options).run();
}
