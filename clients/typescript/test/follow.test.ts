/** What follow promises, against a fake server and in time of the test's own. */
import assert from "node:assert/strict";
import { test } from "node:test";

import {
  ClosingReason,
  Code,
  ConnectError,
  create,
  events,
  follow,
  GapError,
  ListOrderEventsResponseSchema,
  reasonOf,
  ResetError,
  ResetReason,
  StreamOrderEventsResponseSchema,
  type Checkpoint,
  type FollowOptions,
  type Status,
} from "@kvitpay/client";

import { batch, beat, cursor, cut, ended, event, eventsOf, Fake, pause, range, refusal, Seen, tell, World, type Told } from "./fake.js";

/** dice is a small random number generator, the same for a seed. */
function dice(seed: number): (sides: number) => number {
  let state = (seed * 2654435761 + 12345) >>> 0;
  return (sides) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * sides);
  };
}

/** mischief is what a stream of a bad day does. */
const mischief: ((after: bigint, to: bigint, roll: (sides: number) => number, signal?: AbortSignal) => Told)[] = [
  async function* breaksOff(after, to) {
    if (to > after) {
      yield tell(after + 1n, to);
    }
    cut();
  },
  async function* neverBegins() {
    cut();
  },
  async function* isAway() {
    throw refusal(Code.Unavailable, "STORE_UNAVAILABLE");
  },
  async function* endsPolitely(after, to, roll) {
    if (to > after) {
      yield tell(after + 1n, to);
    }
    yield beat(to > after ? to : after, 1 + roll(2));
  },
  async function* repeats(after, to, roll) {
    const back = BigInt(roll(4));
    const from = after - (back < after ? back : after) + 1n;
    if (to >= from) {
      yield tell(from, to);
      yield tell(from, to);
    } // And ends without a word.
  },
  async function* leavesOneOut(after, to) {
    if (to > after + 1n) {
      yield tell(after + 2n, to);
    }
    yield beat(to, ClosingReason.ROTATE);
  },
  async function* leavesTheLastOut(after, to) {
    if (to > after + 1n) {
      yield batch(to, ...eventsOf(after + 1n, to - 1n));
    }
    yield beat(to, ClosingReason.SHUTDOWN);
  },
  async function* saysNothing(_after, _to, _roll, signal) {
    await ended(signal);
  },
  async function* fallsSilent(after, to, _roll, signal) {
    if (to > after) {
      yield tell(after + 1n, to);
    }
    await ended(signal);
  },
];

test("S4, J2: whatever happens, every event is told once and in order", async (t) => {
  for (let seed = 1; seed <= 40; seed++) {
    await t.test(`day ${seed}`, (t) => badDay(new World(t), dice(seed)));
  }
});

async function badDay(world: World, roll: (sides: number) => number): Promise<void> {
  const last = 40n;
  const fake = new Fake(BigInt(roll(10)));
  const bad = 1 + roll(30); // After so many bad streams the day is over.
  const shift = roll(100);
  const third = roll(3);
  fake.onStream = (number, after, signal) => {
    if (number > bad) {
      return fake.serve(after, signal);
    }
    const to = after + BigInt(roll(6));
    const known = to < fake.head ? to : fake.head;
    return mischief[(number * 7 + shift) % mischief.length]!(after, known > after ? known : after, roll, signal);
  };
  fake.onList = (number) => (number % 3 === third ? Promise.reject(refusal(Code.Unavailable, "away")) : undefined);
  const growing = (async () => {
    while (fake.head < last) {
      await pause(roll(20_000));
      fake.grow();
    }
  })();
  const seen = new Seen(last);
  const kept: (bigint | undefined)[] = [];
  await world.follow(fake, seen, { onCheckpoint: ({ position }) => void kept.push(position) }, 250);
  await growing;
  assert.deepEqual(seen.positions, range(1n, last));
  assert.deepEqual(kept, seen.positions);
}

test("S4: it goes on after the last told event, with its cursor", async (t) => {
  const fake = new Fake(5n);
  fake.onStream = async function* (number, after, signal) {
    if (number === 1) {
      yield tell(1n, 3n);
      cut();
    }
    yield* fake.serve(after, signal);
  };
  const seen = new Seen(5n);
  await new World(t).follow(fake, seen);
  assert.deepEqual(seen.positions, range(1n, 5n));
  assert.deepEqual(fake.streams[1]?.start, { case: "cursor", value: cursor(3n) });
});

test("S3: a polite end of a stream that worked is no failure", async (t) => {
  const world = new World(t);
  const fake = new Fake(2n);
  fake.onStream = async function* (_, after) {
    yield tell(after + 1n, after + 1n);
    yield beat(after + 1n, after === 0n ? ClosingReason.ROTATE : ClosingReason.SHUTDOWN);
  };
  const states: Status[] = [];
  const seen = new Seen(2n);
  await world.follow(fake, seen, { onStatus: (status) => states.push(status) });
  assert.deepEqual(seen.positions, [1n, 2n]);
  assert.deepEqual(states, [{ connected: true, polling: false }]);
  assert.ok(world.passedMs <= 100, `${world.passedMs} ms`);
});

test("S3: a polite end at once, again and again, makes pauses", async (t) => {
  const world = new World(t);
  const fake = new Fake(0n);
  fake.onStream = async function* (_, after) {
    yield beat(after, ClosingReason.SHUTDOWN);
  };
  await assert.rejects(world.follow(fake, new Seen(), {}, 1000), /nothing happens/);
  assert.ok(fake.streams.length < 600, `${fake.streams.length} streams in an hour`);
});

test("S4: it backs off with jitter, up to 15 s, and begins anew after an event", async (t) => {
  const world = new World(t);
  const fake = new Fake(1n);
  fake.onStream = async function* (number) {
    if (number === 9) {
      yield tell(1n, 1n);
    }
    throw refusal(Code.Unavailable, "STORE_UNAVAILABLE");
  };
  fake.onList = () => Promise.reject(refusal(Code.Unavailable, "STORE_UNAVAILABLE"));
  const aborter = new AbortController();
  const enough = new Error("enough");
  const waits: number[] = [];
  let told = Infinity;
  const followed = follow(fake, {
    from: "beginning",
    signal: aborter.signal,
    onEvent: () => void (told = waits.length),
    onStatus: ({ connected, waitMs }) => {
      if (!connected && waits.push(waitMs ?? 0) === 30) {
        aborter.abort(enough);
      }
    },
  });
  await assert.rejects(world.live(followed), (error) => error === enough);
  let want = 200;
  waits.forEach((wait, i) => {
    want = i === told ? 200 : want;
    assert.ok(wait >= want / 2 && wait <= want, `pause ${i + 1} is ${wait} ms, want up to ${want}`);
    want = Math.min(2 * want, 15_000);
  });
});

test("it waits as long as the server asks", async (t) => {
  const world = new World(t);
  const fake = new Fake(1n);
  fake.onStream = async function* (number) {
    if (number === 1) {
      throw refusal(Code.ResourceExhausted, "RATE_LIMITED", 20_000);
    }
    yield tell(1n, 1n);
  };
  await world.follow(fake, new Seen(1n));
  assert.ok(world.passedMs >= 20_000 && world.passedMs < 21_000, `${world.passedMs} ms`);
});

test("S3: three heartbeats that do not come are a dead connection", async (t) => {
  const world = new World(t);
  const fake = new Fake(2n);
  fake.onStream = async function* (_, after, signal) {
    yield tell(after + 1n, after + 1n);
    await ended(signal);
  };
  const seen = new Seen(2n);
  await world.follow(fake, seen);
  assert.deepEqual(seen.positions, [1n, 2n]);
  assert.ok(world.passedMs >= 45_000 && world.passedMs < 46_000, `${world.passedMs} ms`);
});

test("S3: an idle stream whose heartbeats come is left alone, and so is one whose handler takes its time", async (t) => {
  const world = new World(t);
  const fake = new Fake(1n);
  const seen = new Seen(2n);
  const followed = follow(fake, {
    from: "beginning",
    onEvent: async (event) => {
      await pause(10 * 60_000);
      return seen.onEvent(event);
    },
  });
  void pause(20 * 60_000).then(() => fake.grow());
  await world.live(followed, 500);
  assert.deepEqual(seen.positions, [1n, 2n]);
  assert.equal(fake.streams.length, 1);
});

for (const streams of [true, false]) {
  test(`J6: a reset is the caller's to decide (${streams ? "stream" : "single calls"})`, async (t) => {
    const reset = { reason: ResetReason.OTHER_HISTORY, oldestCursor: cursor(0n) };
    const fake = new Fake(3n);
    fake.onStream = async function* () {
      if (!streams) {
        cut();
      }
      yield create(StreamOrderEventsResponseSchema, { content: { case: "reset", value: reset } });
    };
    fake.onList = () => Promise.resolve(create(ListOrderEventsResponseSchema, { nextCursor: cursor(0n), reset }));
    await assert.rejects(new World(t).follow(fake, new Seen(), { from: { cursor: cursor(7n) } }), (error) => {
      assert.ok(error instanceof ResetError);
      assert.deepEqual([error.reason, error.oldestCursor], [reset.reason, reset.oldestCursor]);
      assert.match(error.message, /OTHER_HISTORY/);
      return true;
    });
  });
}

test("J2: a gap that stays is reported, and nothing after it is told", async (t) => {
  const fake = new Fake(9n);
  fake.onStream = async function* (_, after) {
    yield batch(9n, ...eventsOf(after + 1n, 4n), ...eventsOf(6n, 9n));
    yield beat(9n, ClosingReason.ROTATE);
  };
  const seen = new Seen();
  await assert.rejects(new World(t).follow(fake, seen), (error) => {
    assert.ok(error instanceof GapError);
    assert.deepEqual([error.after, error.next], [4n, 6n]);
    return true;
  });
  assert.deepEqual(seen.positions, range(1n, 4n));
});

test("J2: a gap right after a checkpoint is noticed, by its position", async (t) => {
  const fake = new Fake(9n);
  fake.onStream = async function* () {
    yield tell(7n, 9n);
  };
  await assert.rejects(new World(t).follow(fake, new Seen(), { from: { cursor: cursor(5n), position: "5" } }), GapError);
});

test("J2: that the last events are missing is noticed at once", async (t) => {
  const world = new World(t);
  const fake = new Fake(5n);
  fake.onStream = async function* (number, after, signal) {
    if (number === 1) {
      yield batch(5n, ...eventsOf(1n, 3n));
      after = 5n;
    }
    yield* fake.serve(after, signal);
  };
  const seen = new Seen(5n);
  await world.follow(fake, seen);
  assert.deepEqual(seen.positions, range(1n, 5n));
  assert.ok(world.passedMs < 1000, `${world.passedMs} ms`);
});

test("J2: without a filter a heartbeat does not carry the place over an event that was left out", async (t) => {
  const fake = new Fake(4n);
  fake.onStream = async function* (number, after, signal) {
    if (number === 1) {
      yield tell(1n, 2n);
      yield beat(3n);
      cut();
    }
    yield* fake.serve(after, signal);
  };
  const seen = new Seen(4n);
  await new World(t).follow(fake, seen);
  assert.deepEqual(seen.positions, range(1n, 4n));
});

test("S1: with a filter positions jump, heartbeats carry the place, and nothing comes from what was looked at", async (t) => {
  const fake = new Fake(50n);
  fake.onStream = async function* (number) {
    switch (number) {
      case 1:
        yield batch(10n, event(3n), event(7n));
        yield beat(20n);
        return cut();
      case 2:
        yield batch(30n, event(25n));
        yield batch(40n, event(28n)); // It had said that up to 30 there is none.
        return cut();
      default:
        yield batch(40n, event(28n), event(35n));
    }
  };
  const seen = new Seen(35n);
  const kept: Checkpoint[] = [];
  const options: Partial<FollowOptions> = { types: ["order.*"], onCheckpoint: (at) => void kept.push(at) };
  await new World(t).follow(fake, seen, options);
  assert.deepEqual(seen.positions, [3n, 7n, 25n, 28n, 35n]);
  assert.deepEqual(
    fake.streams.map(({ start }) => start?.value),
    [1, cursor(20n), cursor(25n)],
  );
  assert.deepEqual(kept[2], { cursor: cursor(20n) });
});

test("S1: now is pinned by the first answer", async (t) => {
  const fake = new Fake(7n);
  fake.onStream = async function* (number, after, signal) {
    if (number === 1) {
      yield beat(after);
      fake.grow();
      fake.grow();
      cut();
    }
    yield* fake.serve(after, signal);
  };
  const seen = new Seen(9n);
  await new World(t).follow(fake, seen, { from: "now" });
  assert.deepEqual(seen.positions, [8n, 9n]);
});

test("S3: where streams do not get through, single calls bring the same, and a stream is tried again", async (t) => {
  const world = new World(t);
  const fake = new Fake(3n);
  fake.onStream = async function* (number, after, signal) {
    if (number <= 4) {
      cut();
    }
    yield* fake.serve(after, signal);
  };
  void (async () => {
    for (let i = 0; i < 7; i++) {
      await pause(120_000);
      fake.grow();
    }
  })();
  const seen = new Seen(10n);
  const polling: boolean[] = [];
  const onStatus = (status: Status): unknown => status.connected && polling.push(status.polling);
  await world.follow(fake, seen, { onStatus }, 500);
  assert.deepEqual(seen.positions, range(1n, 10n));
  assert.deepEqual(polling, [true, false]);
  assert.ok(fake.lists.length <= 40, `${fake.lists.length} single calls`);
});

test("S3: after a stream that worked, single calls have to prove again that the server is there", async (t) => {
  const world = new World(t);
  const fake = new Fake(1n);
  fake.onStream = async function* (number, after, signal) {
    if (number === 5) {
      yield beat(after);
    }
    if (number <= 8) {
      cut();
    }
    fake.grow();
    yield* fake.serve(after, signal);
  };
  const seen = new Seen(2n);
  await world.follow(fake, seen, {}, 500);
  assert.deepEqual(seen.positions, [1n, 2n]);
  assert.equal(fake.streams.length, 9);
  const asked = fake.lists.map((request) => ("wait" in request ? request.wait?.seconds : undefined));
  assert.deepEqual([asked[0], asked.at(-1)], [0n, 0n]);
  assert.deepEqual(new Set(asked.slice(1, -1)), new Set([25n]));
});

test("S4: single calls that worked for a while begin with short pauses again", async (t) => {
  const world = new World(t);
  const fake = new Fake(0n);
  fake.onStream = async function* () {
    cut();
  };
  fake.onList = (number) => (number % 3 === 0 ? Promise.reject(refusal(Code.Unavailable, "STORE_UNAVAILABLE")) : undefined);
  const waits: number[] = [];
  const onStatus = ({ waitMs }: Status): void => void (waitMs !== undefined && waits.push(waitMs));
  void pause(9 * 60_000).then(() => fake.grow());
  await world.follow(fake, new Seen(1n), { onStatus }, 250);
  assert.ok(waits.length > 12, `${waits.length} pauses`);
  assert.ok(
    waits.slice(4).every((wait) => wait <= 200),
    `${waits}`,
  );
});

test("S3: cut streams that bring events stay streams", async (t) => {
  const fake = new Fake(20n);
  fake.onStream = async function* (_, after) {
    yield tell(after + 1n, after + 1n);
    cut();
  };
  const seen = new Seen(20n);
  await new World(t).follow(fake, seen);
  assert.deepEqual(seen.positions, range(1n, 20n));
  assert.equal(fake.lists.length, 0);
});

test("S3: a server that ignores the wait is not asked in a tight loop", async (t) => {
  const fake = new Fake(0n);
  fake.onStream = async function* () {
    cut();
  };
  fake.onList = (_, after) =>
    Promise.resolve(create(ListOrderEventsResponseSchema, { nextCursor: cursor(after), scannedTo: after }));
  await assert.rejects(new World(t).follow(fake, new Seen(), {}, 500), /nothing happens/);
  assert.ok(fake.lists.length > 3000 && fake.lists.length < 3700, `${fake.lists.length} calls in an hour`);
});

test("S4: an outage is no reason to poll", async (t) => {
  const world = new World(t);
  const fake = new Fake(2n);
  const away = (): boolean => world.passedMs < 10 * 60_000;
  fake.onStream = async function* (_, after, signal) {
    if (away()) {
      throw new ConnectError("connect ECONNREFUSED", Code.Unavailable, undefined, undefined, new Error("ECONNREFUSED"));
    }
    yield* fake.serve(after, signal);
  };
  fake.onList = () => (away() ? Promise.reject(new TypeError("fetch failed")) : undefined);
  const seen = new Seen(2n);
  await world.follow(fake, seen, { onStatus: ({ polling }) => assert.equal(polling, false) }, 250);
  assert.deepEqual(seen.positions, [1n, 2n]);
  const asked = fake.streams.length + fake.lists.length;
  assert.ok(asked <= 80, `asked ${asked} times in ten minutes`);
});

for (const [code, reason] of [
  [Code.Unauthenticated, "API_KEY_INVALID"],
  [Code.PermissionDenied, "SCOPE_MISSING"],
  [Code.InvalidArgument, "CURSOR_INVALID"],
  [Code.NotFound, "MERCHANT_NOT_FOUND"],
] as const) {
  test(`a refusal ends it: ${reason}`, async (t) => {
    const fake = new Fake(0n);
    fake.onStream = async function* () {
      throw refusal(code, reason);
    };
    await assert.rejects(new World(t).follow(fake, new Seen()), (error) => reasonOf(error) === reason);
    assert.equal(fake.streams.length, 1);
  });
}

for (const up of [true, false]) {
  test(`it ends with its signal, in ${up ? "an idle stream" : "a pause"}`, async (t) => {
    const world = new World(t);
    const fake = new Fake(0n);
    const away = (): Promise<never> => Promise.reject(refusal(Code.Unavailable, "STORE_UNAVAILABLE"));
    if (!up) {
      fake.onStream = async function* () {
        yield await away();
      };
      fake.onList = away;
    }
    const why = new Error("closing time");
    const aborter = new AbortController();
    void pause(7 * 60_000).then(() => aborter.abort(why));
    const followed = world.follow(fake, new Seen(), { from: "now", signal: aborter.signal }, 250);
    await assert.rejects(followed, (error) => error === why);
    assert.ok(world.passedMs <= 7 * 60_000 + 250, `${world.passedMs} ms`);
  });
}

test("after an abort no further event of a batch is told", async (t) => {
  const aborter = new AbortController();
  const seen: bigint[] = [];
  const followed = follow(new Fake(5n), {
    from: "beginning",
    signal: aborter.signal,
    onEvent: ({ position }) => {
      seen.push(position);
      aborter.abort();
    },
  });
  await assert.rejects(new World(t).live(followed), { name: "AbortError" });
  assert.deepEqual(seen, [1n]);
});

test("S4: a place that cannot be kept, and a handler that fails, end it", async (t) => {
  const world = new World(t);
  const full = new Error("the disk is full");
  const seen = new Seen();
  const fail = (): never => {
    throw full;
  };
  await assert.rejects(world.follow(new Fake(3n), seen, { onCheckpoint: fail }), (error) => error === full);
  assert.deepEqual(seen.positions, [1n]);

  let kept = 0;
  const failing = follow(new Fake(3n), { from: "beginning", onEvent: fail, onCheckpoint: () => void kept++ });
  await assert.rejects(world.live(failing), (error) => error === full);
  assert.equal(kept, 0);
});

test("S4: a stream that is left is ended", async (t) => {
  const fake = new Fake(3n);
  let signal: AbortSignal | undefined;
  fake.onStream = (_, after, given) => fake.serve(after, (signal = given));
  await new World(t).live(
    (async () => {
      for await (const { position } of events(fake, { from: "beginning" })) {
        assert.equal(position, 1n);
        break;
      }
    })(),
  );
  assert.equal(signal?.aborted, true);
});

test("S1: where to begin must be said", async () => {
  for (const from of [undefined, "", { cursor: "", position: 3n }]) {
    const options = { from, onEvent: () => undefined } as unknown as Parameters<typeof follow>[1];
    await assert.rejects(follow(new Fake(0n), options), TypeError);
  }
});
