import { Code, ConnectError } from "@connectrpc/connect";
import { durationFromMs } from "@bufbuild/protobuf/wkt";

import { fromServer } from "./errors.js";
import { GapError, ResetError, stop, type Checkpoint, type Events, type FollowOptions, type Status } from "./follow.js";
import { ClosingReason, StreamFrom, type OrderEvent, type StreamReset } from "./gen/kvit/v1/event_pb.js";
import type { StreamOrderEventsResponse } from "./gen/kvit/v1/payment_service_pb.js";
import { retryWaitMs, sleep } from "./retry.js";

/** How long a stream may take to its first message, which the server sends at once (S1). */
const firstMessageMaxMs = 15_000;
/** Three heartbeats of 15 s that did not come (S3). */
const silenceMaxMs = 45_000;
/** How long a stream must have lived, or what it must have brought, to count as one that works. */
const livedMinMs = 5_000;
/** After how many streams in a row without a single message single calls are tried. */
const muteMax = 3;
/** How often in a row the same gap is met before it is reported. */
const gapMax = 3;

/** How long the server may keep a single call open (S3), and how much longer than that an answer may take. */
const pollWaitMs = 25_000;
const pollSlackMs = 15_000;
/** The least time between single calls that brought nothing. */
const pollMinMs = 1_000;
/** How long single calls are made before a stream is tried again. */
const pollForMs = 10 * 60_000;
/** How many events one single call asks for. */
const pageSize = 200;

/** The answers that no repeat would change. */
const permanent: readonly Code[] = [
  Code.Unauthenticated,
  Code.PermissionDenied,
  Code.InvalidArgument,
  Code.NotFound,
  Code.FailedPrecondition,
  Code.Unimplemented,
  Code.OutOfRange,
  Code.AlreadyExists,
];

/** What a generator of events may be answered: nothing, or that it ends. */
type Answer = void | typeof stop;
type Told<R = void> = AsyncGenerator<OrderEvent, R, Answer>;

/** Stopped ends a following without an error. */
class Stopped extends Error {}

/** Refused is an error that ends a following, whatever kind it is of. */
class Refused extends Error {
  constructor(readonly error: unknown) {
    super("refused");
  }
}

/** Closing is the server's polite end of a stream. */
class Closing extends Error {
  constructor(reason: ClosingReason) {
    super(`the server ended the stream: ${ClosingReason[reason] ?? reason}`);
  }
}

/** Follower is one following under way. */
export class Follower {
  private readonly orderIds: string[];
  private readonly types: string[];
  private readonly signal: AbortSignal | undefined;

  /** at is the place that was reached; from is where to begin while there is none. */
  private at: Checkpoint | undefined;
  private readonly from: StreamFrom;
  /** last is the position of the last handled event; placed is false while it is not known. */
  private last = 0n;
  private placed: boolean;
  /** scanned is up to where this connection said that it had looked. */
  private scanned = 0n;

  private connected = false;
  private polling = false;
  /** works is set by a connection that brought an event or lived for a while. */
  private works = false;
  /** failures, mute and gaps count what happened in a row. */
  private failures = 0;
  private mute = 0;
  private gaps = 0;
  /** proven means that a single call got through after streams did not. */
  private proven = false;

  constructor(
    private readonly client: Events,
    private readonly options: FollowOptions,
  ) {
    this.orderIds = [...(options.orderIds ?? [])];
    this.types = [...(options.types ?? [])];
    this.signal = options.signal;
    const { from } = options;
    this.from = from === "now" ? StreamFrom.NOW : from === "beginning" ? StreamFrom.BEGINNING : StreamFrom.UNSPECIFIED;
    if (typeof from === "object") {
      this.last = BigInt(from.position ?? 0n);
      this.at = checkpoint(from.cursor, this.last);
    }
    if (this.from === StreamFrom.UNSPECIFIED && !this.at?.cursor) {
      throw new TypeError('follow: from must be "beginning", "now" or a checkpoint with a cursor');
    }
    this.placed = this.from === StreamFrom.BEGINNING || this.last > 0n;
  }

  /** run tells events until something ends it. */
  async *run(): Told {
    for (;;) {
      let why: unknown;
      try {
        this.signal?.throwIfAborted();
        yield* this.connect();
      } catch (error) {
        why = error;
      }
      if (why instanceof Stopped) {
        return;
      }
      this.judge(why);
      this.signal?.throwIfAborted();
      await this.pause(why);
    }
  }

  /** connect reads until something ends the connection. */
  private connect(): Told {
    this.scanned = 0n;
    this.works = false;
    return this.mute >= muteMax ? this.poll() : this.stream();
  }

  private async *stream(): Told {
    const connection = new AbortController();
    const silent = new Error("the stream is silent, without heartbeats");
    const watchdog = new Watchdog(() => connection.abort(silent));
    const abort = (): void => connection.abort(this.signal?.reason);
    this.signal?.addEventListener("abort", abort, { once: true });
    this.mute++;
    const began = Date.now();
    let heard = false;
    try {
      watchdog.start(firstMessageMaxMs);
      const stream = this.client.streamOrderEvents(this.request(), { signal: connection.signal });
      const messages = stream[Symbol.asyncIterator]();
      for (let next = await messages.next(); next.done !== true; next = await messages.next()) {
        watchdog.stop(); // The handler may take as long as it likes.
        heard = true;
        this.mute = 0;
        this.proven = false;
        this.reached(false);
        yield* this.take(next.value);
        watchdog.start(silenceMaxMs);
      }
      throw new Error("the stream was cut");
    } catch (error) {
      if (heard) {
        this.lived(began);
      }
      throw connection.signal.reason === silent ? silent : error;
    } finally {
      watchdog.stop();
      this.signal?.removeEventListener("abort", abort);
      connection.abort(); // A stream that is left is ended.
    }
  }

  /** request is where to go on, and what to tell of. */
  private request() {
    const start =
      this.at === undefined
        ? { case: "from" as const, value: this.from }
        : { case: "cursor" as const, value: this.at.cursor };
    return { start, orderIds: this.orderIds, types: this.types };
  }

  /** take looks at one message of a stream. */
  private async *take({ content }: StreamOrderEventsResponse): Told {
    switch (content.case) {
      case "events":
        yield* this.accept(content.value.events, content.value.scannedTo);
        break;
      case "heartbeat":
        await this.advance(content.value.cursor);
        if (content.value.closing !== ClosingReason.UNSPECIFIED) {
          throw new Closing(content.value.closing);
        }
        break;
      case "reset":
        throw reset(content.value);
      case undefined: // A kind of message that came later than this program.
        break;
    }
  }

  /**
   * poll reads with single calls. It is for networks that let no stream through, not for servers that are away: a first call
   * without a wait must succeed, and then a stream must fail once more, before it stays with single calls.
   */
  private async *poll(): Told {
    if (!this.proven) {
      this.mute = muteMax - 1;
      yield* this.page(0);
      this.proven = true;
      return;
    }
    this.reached(true);
    const began = Date.now();
    while (Date.now() - began < pollForMs) {
      const asked = Date.now();
      const count = yield* this.page(pollWaitMs);
      this.lived(began);
      if (count === 0) {
        await sleep(pollMinMs - (Date.now() - asked), this.signal);
      }
    }
    this.mute = muteMax - 1;
  }

  /** page makes one call, tells what it brings, and says how many events that were. */
  private async *page(waitMs: number): Told<number> {
    const options = this.signal === undefined ? {} : { signal: this.signal };
    const answer = await this.client.listOrderEvents(
      { ...this.request(), pageSize, wait: durationFromMs(waitMs) },
      { timeoutMs: waitMs + pollSlackMs, ...options },
    );
    if (answer.reset !== undefined) {
      throw reset(answer.reset);
    }
    yield* this.accept(answer.events, answer.scannedTo);
    await this.advance(answer.nextCursor);
    return answer.events.length;
  }

  /** accept tells what is new among events that were looked up to scannedTo. */
  private async *accept(events: OrderEvent[], scannedTo: bigint): Told {
    for (const event of events) {
      const { position } = event;
      if (this.placed && position <= this.last) {
        continue;
      }
      if (this.unfiltered() && this.placed && position > this.last + 1n) {
        throw new GapError(this.last, position);
      }
      if (position <= this.scanned) {
        throw new Error("an event came from where the server had found none");
      }
      this.signal?.throwIfAborted();
      await this.handled(event, yield event);
    }
    if (this.unfiltered() && this.placed && scannedTo > this.last) {
      throw new GapError(this.last, scannedTo + 1n);
    }
    this.scanned = scannedTo > this.scanned ? scannedTo : this.scanned;
  }

  /** handled moves on after an event. */
  private async handled({ cursor, position }: OrderEvent, answer: Answer): Promise<void> {
    this.at = checkpoint(cursor, position);
    this.last = position;
    this.placed = true;
    this.works = true;
    this.gaps = 0;
    this.failures = 0;
    await this.keep(this.at);
    if (answer === stop) {
      throw new Stopped();
    }
  }

  /**
   * advance takes a cursor that came without an event. Without a filter the place moves with events only, so that one which was
   * left out before the cursor is still noticed.
   */
  private async advance(cursor: string): Promise<void> {
    const known = this.at !== undefined || this.from === StreamFrom.BEGINNING;
    if (cursor === "" || cursor === this.at?.cursor || (this.unfiltered() && known)) {
      return;
    }
    this.at = { cursor };
    await this.keep(this.at);
  }

  private async keep(at: Checkpoint): Promise<void> {
    try {
      await this.options.onCheckpoint?.({ ...at });
    } catch (error) {
      throw new Refused(error);
    }
  }

  private unfiltered(): boolean {
    return this.orderIds.length === 0 && this.types.length === 0;
  }

  /** reached tells once that the server answers. */
  private reached(polling: boolean): void {
    if (!this.connected || this.polling !== polling) {
      this.connected = true;
      this.polling = polling;
      this.tell({ connected: true, polling });
    }
  }

  private tell(status: Status): void {
    try {
      this.options.onStatus?.(status);
    } catch (error) {
      throw new Refused(error);
    }
  }

  /** lived forgets failures once a connection has lasted. */
  private lived(began: number): void {
    if (Date.now() - began >= livedMinMs) {
      this.works = true;
      this.failures = 0;
    }
  }

  /** judge throws what ended a connection when it ends the following too. */
  private judge(why: unknown): void {
    if (why instanceof Refused) {
      throw why.error;
    }
    if (why instanceof GapError && ++this.gaps >= gapMax) {
      throw why;
    }
    if (why instanceof ConnectError && fromServer(why) && permanent.includes(why.code)) {
      throw why;
    }
  }

  /** pause waits before the next connection: not at all after a polite end of a stream that worked. */
  private async pause(why: unknown): Promise<void> {
    if (why === undefined || (why instanceof Closing && this.works)) {
      return;
    }
    this.failures++;
    const { waitFirstMs = 200, waitMaxMs = 15_000 } = this.options;
    const waitMs = retryWaitMs(why, this.failures, waitFirstMs, waitMaxMs);
    this.connected = false;
    this.tell({ connected: false, polling: this.polling, error: why, waitMs });
    await sleep(waitMs, this.signal);
  }
}

function checkpoint(cursor: string, position: bigint): Checkpoint {
  return position > 0n ? { cursor, position } : { cursor };
}

function reset({ reason, oldestCursor }: StreamReset): Refused {
  return new Refused(new ResetError(reason, oldestCursor));
}

/** Watchdog barks once when it was started and not stopped in time. */
class Watchdog {
  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor(private readonly bark: () => void) {}

  start(waitMs: number): void {
    this.stop();
    this.timer = setTimeout(this.bark, waitMs);
  }

  stop(): void {
    clearTimeout(this.timer);
  }
}
