import { durationMs } from "@bufbuild/protobuf/wkt";
import type { TestContext } from "node:test";

import {
  ClosingReason,
  Code,
  ConnectError,
  create,
  ErrorInfoSchema,
  follow,
  ListOrderEventsResponseSchema,
  OrderEventSchema,
  RetryInfoSchema,
  stop,
  StreamFrom,
  StreamOrderEventsResponseSchema,
  type CallOptions,
  type Events,
  type FollowOptions,
  type ListOrderEventsResponse,
  type MessageInitShape,
  type ListOrderEventsRequestSchema,
  type OrderEvent,
  type StreamOrderEventsRequestSchema,
  type StreamOrderEventsResponse,
} from "@kvitpay/client";

/** Told is what the server's end of one stream sends. */
export type Told = AsyncGenerator<StreamOrderEventsResponse, void, undefined>;

type Request = MessageInitShape<typeof StreamOrderEventsRequestSchema | typeof ListOrderEventsRequestSchema>;

export function cursor(position: bigint): string {
  return `at-${position}`;
}

export function event(position: bigint): OrderEvent {
  return create(OrderEventSchema, {
    id: `evt_${position}`,
    position,
    cursor: cursor(position),
    type: "order.created",
    orderId: `A-${position}`,
  });
}

export function eventsOf(from: bigint, to: bigint): OrderEvent[] {
  const told: OrderEvent[] = [];
  for (let position = from; position <= to; position++) {
    told.push(event(position));
  }
  return told;
}

export function batch(scannedTo: bigint, ...events: OrderEvent[]): StreamOrderEventsResponse {
  return create(StreamOrderEventsResponseSchema, { content: { case: "events", value: { events, scannedTo } } });
}

/** tell is a message with events without a gap. */
export function tell(from: bigint, to: bigint): StreamOrderEventsResponse {
  return batch(to, ...eventsOf(from, to));
}

export function beat(position: bigint, closing = ClosingReason.UNSPECIFIED): StreamOrderEventsResponse {
  return create(StreamOrderEventsResponseSchema, {
    content: { case: "heartbeat", value: { cursor: cursor(position), closing } },
  });
}

/** cut is what a connection that breaks looks like: no headers, and often a misleading code. */
export function cut(): never {
  throw new ConnectError("protocol error: promised 30 bytes, received 5", Code.InvalidArgument);
}

/** refusal is an error that the server answers. */
export function refusal(code: Code, reason: string, retryAfterMs?: number): ConnectError {
  const details: NonNullable<ConstructorParameters<typeof ConnectError>[3]> = [{ desc: ErrorInfoSchema, value: { domain: "kvit.v1", reason } }];
  if (retryAfterMs !== undefined) {
    details.push({ desc: RetryInfoSchema, value: { retryDelay: { seconds: BigInt(retryAfterMs / 1000) } } });
  }
  return new ConnectError("refused", code, { "content-type": "application/json" }, details);
}

/** ended waits for the end of a call. */
export function ended(signal: AbortSignal | undefined): Promise<never> {
  return new Promise((_, reject) => {
    const end = (): void => reject(new ConnectError("the call was ended", Code.Canceled));
    if (signal?.aborted === true) {
      end();
    }
    signal?.addEventListener("abort", end, { once: true });
  });
}

export function pause(waitMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, waitMs));
}

/** Fake is a server whose journal holds events 1, 2, 3 ... and whose behaviour a test says. */
export class Fake implements Events {
  /** Places where streams and single calls began. */
  readonly streams: Request[] = [];
  readonly lists: Request[] = [];
  onStream: (number: number, after: bigint, signal: AbortSignal | undefined) => Told = (_, after, signal) =>
    this.serve(after, signal);
  onList: (number: number, after: bigint) => Promise<ListOrderEventsResponse> | undefined = () => undefined;
  private grown: (() => void)[] = [];

  constructor(public head: bigint) {}

  grow(): void {
    this.head++;
    this.grown.splice(0).forEach((wake) => wake());
  }

  streamOrderEvents(request: MessageInitShape<typeof StreamOrderEventsRequestSchema>, options?: CallOptions): Told {
    this.streams.push(request);
    return this.onStream(this.streams.length, this.place(request), options?.signal);
  }

  async listOrderEvents(
    request: MessageInitShape<typeof ListOrderEventsRequestSchema>,
    options?: CallOptions,
  ): Promise<ListOrderEventsResponse> {
    this.lists.push(request);
    const after = this.place(request);
    const waitMs = durationMs({ $typeName: "google.protobuf.Duration", seconds: 0n, nanos: 0, ...request.wait });
    return (await this.onList(this.lists.length, after)) ?? this.list(after, waitMs, options?.signal);
  }

  private place({ start }: Request): bigint {
    if (start?.case === "cursor") {
      return BigInt(start.value.replace("at-", ""));
    }
    return start?.value === StreamFrom.NOW ? this.head : 0n;
  }

  /** serve answers a stream as the real server does, until it is ended. */
  async *serve(after: bigint, signal: AbortSignal | undefined): Told {
    if (this.head === after) {
      yield beat(after);
    }
    for (;;) {
      if (this.head > after) {
        const from = after + 1n;
        after = this.head;
        yield tell(from, after);
      }
      if (!(await this.news(15_000, signal))) {
        yield beat(after);
      }
    }
  }

  private async list(after: bigint, waitMs: number, signal: AbortSignal | undefined): Promise<ListOrderEventsResponse> {
    if (this.head === after && waitMs > 0) {
      await this.news(waitMs, signal);
    }
    return create(ListOrderEventsResponseSchema, {
      events: eventsOf(after + 1n, this.head),
      nextCursor: cursor(this.head),
      scannedTo: this.head,
    });
  }

  /** news waits until the journal grows, and says whether it did in time. */
  private async news(waitMs: number, signal: AbortSignal | undefined): Promise<boolean> {
    const wait = new AbortController();
    const end = (): void => wait.abort();
    signal?.addEventListener("abort", end, { once: true });
    const timer = setTimeout(end, waitMs);
    const grown = new Promise<boolean>((resolve) => this.grown.push(() => resolve(true)));
    try {
      return await Promise.race([grown, ended(wait.signal)]);
    } catch (error) {
      if (signal?.aborted === true) {
        throw error;
      }
      return false;
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener("abort", end);
    }
  }
}

/** Seen collects the positions that were told, and stops after the last one wanted. */
export class Seen {
  readonly positions: bigint[] = [];

  constructor(private readonly until?: bigint) {}

  readonly onEvent = ({ position }: OrderEvent): typeof stop | undefined => {
    this.positions.push(position);
    return position === this.until ? stop : undefined;
  };
}

export function range(from: bigint, to: bigint): bigint[] {
  return eventsOf(from, to).map(({ position }) => position);
}

/** World is time that passes only while a test waits in it. */
export class World {
  private readonly began: number;

  constructor(private readonly context: TestContext) {
    context.mock.timers.enable({ apis: ["setTimeout", "Date"] });
    this.began = Date.now();
  }

  get passedMs(): number {
    return Date.now() - this.began;
  }

  /** live lets time pass until something is settled, at most for an hour. */
  async live<T>(something: Promise<T>, stepMs = 50): Promise<T> {
    let settled = false;
    const done = (): void => void (settled = true);
    something.then(done, done);
    while (!settled && this.passedMs < 3_600_000) {
      for (let i = 0; i < 4 && !settled; i++) {
        await new Promise(setImmediate);
      }
      if (!settled) {
        this.context.mock.timers.tick(stepMs);
      }
    }
    return settled ? something : Promise.reject(new Error("nothing happens any more"));
  }

  /** follow follows a fake until that ends. */
  async follow(fake: Fake, seen: Seen, options: Partial<FollowOptions> = {}, stepMs = 50): Promise<void> {
    return this.live(follow(fake, { from: "beginning", onEvent: seen.onEvent, ...options }), stepMs);
  }
}
