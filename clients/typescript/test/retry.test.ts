import assert from "node:assert/strict";
import { createServer } from "node:http";
import { createServer as createHTTP2Server } from "node:http2";
import type { AddressInfo, Socket } from "node:net";
import { after, before, describe, test } from "node:test";
import { connectNodeAdapter } from "@connectrpc/connect-node";

import {
  Code,
  ConnectError,
  createClient,
  CreatePaymentLinkRequestSchema,
  create,
  follow,
  metadataOf,
  newKey,
  PaymentService,
  reasonOf,
  retry,
  retryable,
  webTransport,
  type PaymentClient,
  type Transport,
} from "@kvitpay/client";
import { nodeTransport } from "@kvitpay/client/node";

import { refusal, World } from "./fake.js";

/** failing fails with each of the errors, and then succeeds. */
function failing(...errors: Error[]) {
  let calls = 0;
  const call = async (): Promise<string> => {
    const error = errors[calls++];
    if (error !== undefined) {
      throw error;
    }
    return "done";
  };
  return { call, calls: () => calls };
}

test("I2: what may be repeated is repeated, with growing pauses", async (t) => {
  const world = new World(t);
  const { call, calls } = failing(
    refusal(Code.Unavailable, "STORE_UNAVAILABLE"),
    refusal(Code.Aborted, "IDEMPOTENCY_KEY_IN_USE"),
    new ConnectError("late", Code.DeadlineExceeded),
    new ConnectError("gone", Code.Canceled),
  );
  assert.equal(await world.live(retry(call), 10), "done");
  assert.equal(calls(), 5);
  assert.ok(world.passedMs >= 750 && world.passedMs <= 1600, `${world.passedMs} ms`);
});

test("the server says how long to wait, up to a minute", async (t) => {
  const world = new World(t);
  const told: number[] = [];
  const onWait = (_: unknown, waitMs: number): void => void told.push(waitMs);
  await world.live(retry(failing(refusal(Code.ResourceExhausted, "RATE_LIMITED", 7_000)).call, { onWait }));
  assert.ok(told.length === 1 && told[0]! >= 7_000 && told[0]! < 8_000, `${told}`);
  assert.ok(world.passedMs >= 7_000 && world.passedMs < 8_000, `${world.passedMs} ms`);
  await world.live(retry(failing(refusal(Code.Unavailable, "STORE_UNAVAILABLE", 86_400_000)).call));
  assert.ok(world.passedMs < 70_000, `${world.passedMs} ms`);
});

test("what the server refused is not repeated", async () => {
  for (const refused of [
    refusal(Code.InvalidArgument, "REQUEST_INVALID"),
    refusal(Code.FailedPrecondition, "IDEMPOTENCY_KEY_REUSED"),
    refusal(Code.AlreadyExists, "ORDER_ID_CONFLICT"),
    refusal(Code.NotFound, "ORDER_NOT_FOUND"),
    refusal(Code.PermissionDenied, "SCOPE_MISSING"),
    refusal(Code.Unauthenticated, "API_KEY_INVALID"),
    refusal(Code.Internal, "INTERNAL"),
    refusal(Code.ResourceExhausted, ""),
    new Error("of the caller's own"),
  ]) {
    const { call, calls } = failing(refused);
    await assert.rejects(retry(call), (error) => error === refused);
    assert.equal(calls(), 1, refused.message);
  }
});

test("it ends with its tries, its time and its signal", async (t) => {
  const world = new World(t);
  const away = refusal(Code.Unavailable, "STORE_UNAVAILABLE", 10_000);
  const thrice = failing(away, away, away, away);
  await assert.rejects(world.live(retry(thrice.call, { tries: 3 })), (error) => error === away);
  assert.equal(thrice.calls(), 3);

  const before = world.passedMs; // There is no use in waiting past the end.
  const once = failing(away, away);
  await assert.rejects(world.live(retry(once.call, { timeoutMs: 5_000 })), (error) => error === away);
  assert.deepEqual([once.calls(), world.passedMs], [1, before]);

  const aborter = new AbortController();
  const gone = new Error("the caller went away");
  setTimeout(() => aborter.abort(gone), 1_000);
  const left = world.live(retry(failing(away, away).call, { signal: aborter.signal }));
  await assert.rejects(left, (error) => error === gone);
  assert.ok(world.passedMs - before <= 1_050);
  await assert.rejects(retry(failing().call, { signal: aborter.signal }), (error) => error === gone);
});

test("I1: keys are printable, and no two are the same", () => {
  const keys = new Set(Array.from({ length: 1000 }, newKey));
  assert.equal(keys.size, 1000);
  for (const key of keys) {
    assert.match(key, /^[A-Z2-7]{26}$/);
  }
});

test("errors of others have no reason", () => {
  for (const error of [new Error("x"), undefined, "x", new ConnectError("x", Code.NotFound)]) {
    assert.deepEqual([reasonOf(error), metadataOf(error, "scope")], ["", ""]);
  }
});

const transports: Record<string, [http2: boolean, (server: string) => Transport]> = {
  "Connect over fetch": [false, webTransport()],
  "gRPC-Web over fetch": [false, webTransport("grpc-web")],
  "Connect over HTTP/2": [true, nodeTransport()],
  "gRPC over HTTP/2": [true, nodeTransport("grpc")],
  "gRPC-Web over HTTP/2": [true, nodeTransport("grpc-web")],
};

for (const [name, [http2, transport]] of Object.entries(transports)) {
  describe(`a server that fails, ${name}`, () => {
    const sockets = new Set<Socket>();
    let keys: string[] = [];
    let failures: (() => Promise<void>)[] = [];
    const handler = connectNodeAdapter({
      routes: (router) =>
        router.service(PaymentService, {
          createPaymentLink: async ({ idempotencyKey }) => {
            keys.push(idempotencyKey);
            await failures.shift()?.();
            return {};
          },
        }),
    });
    const server = http2 ? createHTTP2Server(handler) : createServer(handler);
    let client: PaymentClient;
    before(async () => {
      server.on("connection", (socket: Socket) => sockets.add(socket));
      await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
      const { port } = server.address() as AddressInfo;
      client = createClient({ server: `http://127.0.0.1:${port}/`, apiKey: "kvit_test_key", transport });
    });
    after(() => {
      sockets.forEach((socket) => socket.destroy());
      server.close();
    });
    const cut = async (): Promise<void> => sockets.forEach((socket) => socket.resetAndDestroy());
    const hang = (): Promise<never> => new Promise(() => undefined);
    const request = create(CreatePaymentLinkRequestSchema, { idempotencyKey: "the-key" });

    test("I2: a call that hangs or breaks off is made again, with the same key", async () => {
      [keys, failures] = [[], [hang, cut]];
      await retry((options) => client.createPaymentLink(request, options), { tryTimeoutMs: 200, waitFirstMs: 1 });
      assert.deepEqual(keys, ["the-key", "the-key", "the-key"]);
    });

    test("an answer that says internal or unknown is final", async () => {
      for (const code of [Code.Internal, Code.Unknown]) {
        const fail = (): Promise<never> => Promise.reject(new ConnectError("a fault", code));
        [keys, failures] = [[], [fail]];
        await assert.rejects(retry((options) => client.createPaymentLink(request, options)), { code });
        assert.equal(keys.length, 1);
      }
    });

    test("what never reached the PSP is another call, not this one again", async () => {
      [keys, failures] = [[], [(): Promise<never> => Promise.reject(refusal(Code.Unavailable, "PSP_NOT_ATTEMPTED"))]];
      await assert.rejects(retry((options) => client.createPaymentLink(request, options), { waitFirstMs: 1 }), { code: Code.Unavailable });
      assert.equal(keys.length, 1);
    });

    test("a request that cannot be written is not made again", async () => {
      const wrong = { idempotencyKey: "k", amount: { currencyCode: "AMD", minorUnits: 2n ** 64n } };
      await assert.rejects(client.createPaymentLink(wrong), (error) => !retryable(error));
    });

    test("a method that is not there ends a follow", async () => {
      await assert.rejects(follow(client, { from: "now", onEvent: () => undefined }), { code: Code.Unimplemented });
    });

    test("a client gives up a call that hangs", async () => {
      [keys, failures] = [[], [hang]];
      const { port } = server.address() as AddressInfo;
      const hasty = createClient({ server: `http://127.0.0.1:${port}`, apiKey: "k", transport, timeoutMs: 100 });
      await assert.rejects(hasty.createPaymentLink(request), { code: Code.DeadlineExceeded });
    });
  });
}
