/** The package and the real server, as two processes. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";

import {
  AccessService,
  ApiKeyKind,
  changedFields,
  Code,
  ConnectError,
  createAccessClient,
  createClient,
  CreatePaymentLinkResponseSchema,
  events,
  follow,
  LinkKind,
  metadataOf,
  Mode,
  OrderState,
  parse,
  reasonOf,
  replayed,
  retry,
  stop,
  stringify,
  violations,
  webTransport,
  type Checkpoint,
  type OrderEvent,
  type PaymentClient,
  type Transport,
} from "@kvitpay/client";
import { nodeTransport } from "@kvitpay/client/node";

import { Installation, Shears } from "./installation.js";

const transports: Record<string, (server: string) => Transport> = {
  "Connect over fetch": webTransport(),
  "gRPC-Web over fetch": webTransport("grpc-web"),
  "Connect over HTTP/2": nodeTransport(),
  "gRPC over HTTP/2": nodeTransport("grpc"),
  "gRPC-Web over HTTP/2": nodeTransport("grpc-web"),
};

/** quick makes waiting short. */
const quick = { waitFirstMs: 5, waitMaxMs: 100 };

function order(orderId: string, minorUnits = 150000n) {
  return {
    idempotencyKey: `key-of-${orderId}`,
    kind: LinkKind.DYNAMIC,
    orderId,
    amount: { currencyCode: "AMD", minorUnits },
  };
}

/** failure is the error of a call that has to fail. */
async function failure(call: Promise<unknown>): Promise<ConnectError> {
  const error = await call.then(
    () => assert.fail("the call succeeded"),
    (error: unknown) => error,
  );
  assert.ok(error instanceof ConnectError, String(error));
  return error;
}

for (const [name, transport] of Object.entries(transports)) {
  describe(name, () => {
    let server: Installation;
    let client: PaymentClient;
    before(async () => {
      server = await Installation.open();
      client = createClient({ server: server.url, apiKey: server.key, transport });
    });
    after(() => server.close());

    test("makes, reads, lists and cancels", async () => {
      const { link } = await client.createPaymentLink(order("made"));
      assert.equal(link?.amount?.minorUnits, 150000n);
      assert.ok(link.url.startsWith(`${server.url}/pay/`), link.url);
      assert.equal((await client.getPaymentLink({ linkId: link.id })).link?.url, link.url);

      await client.createPaymentLink(order("made-too"));
      const first = await client.listOrders({ pageSize: 1 });
      const second = await client.listOrders({ pageSize: 1, pageToken: first.nextPageToken });
      assert.deepEqual([...first.orders, ...second.orders].map((o) => o.orderId), ["made-too", "made"]);

      await client.cancelOrder({ idempotencyKey: "cancel-made", orderId: "made" });
      const status = await client.getOrderStatus({ orderId: "made" });
      assert.equal(status.order?.state, OrderState.CANCELLED);
      assert.ok((await client.explainOrder({ orderId: "made" })).steps.length > 1);
    });

    test("I2: the same call twice is replayed, another one with its key is refused", async () => {
      const headers: boolean[] = [];
      const onHeader = (header: Headers): void => void headers.push(replayed(header));
      const first = await client.createPaymentLink(order("twice"), { onHeader });
      const again = await client.createPaymentLink(order("twice"), { onHeader });
      assert.equal(again.link?.url, first.link?.url);
      assert.deepEqual(headers, [false, true]);

      const reused = await failure(client.createPaymentLink(order("twice", 150001n)));
      assert.equal(reused.code, Code.FailedPrecondition);
      assert.equal(reasonOf(reused), "IDEMPOTENCY_KEY_REUSED");
      assert.deepEqual(changedFields(reused), ["amount.minor_units"]);

      const conflict = await failure(client.createPaymentLink({ ...order("twice", 7n), idempotencyKey: "another" }));
      assert.equal(reasonOf(conflict), "ORDER_ID_CONFLICT");
      assert.deepEqual(changedFields(conflict), ["amount.minor_units"]);
    });

    test("errors say what is wrong", async () => {
      const missing = await failure(client.getOrderStatus({ orderId: "nobody" }));
      assert.deepEqual([missing.code, reasonOf(missing)], [Code.NotFound, "ORDER_NOT_FOUND"]);

      const invalid = await failure(client.createPaymentLink(order("bad", 0n)));
      assert.equal(reasonOf(invalid), "REQUEST_INVALID");
      assert.deepEqual(
        violations(invalid).map(({ field }) => field),
        ["amount"],
      );

      await client.createPaymentLink(order("over"));
      await client.cancelOrder({ idempotencyKey: "over-1", orderId: "over" });
      const stranger = createClient({ server: server.url, apiKey: "kvit_test_nobody", transport });
      assert.equal(reasonOf(await failure(stranger.getMerchant({}))), "API_KEY_INVALID");
      await assert.rejects(follow(stranger, { from: "now", onEvent: () => stop }), (error) => {
        assert.equal(reasonOf(error), "API_KEY_INVALID"); // At once: no repeat would change it.
        return true;
      });
      await assert.rejects(follow(client, { from: { cursor: "nonsense" }, onEvent: () => stop }), (error) => {
        assert.equal(reasonOf(error), "CURSOR_INVALID");
        return true;
      });
    });

    test("S1: a stream that was opened before sees what happens, from now on and through its filter", async () => {
      let listening = (): void => undefined;
      const opened = new Promise<void>((resolve) => (listening = resolve));
      const got: string[] = [];
      const followed = follow(client, {
        from: "now",
        orderIds: ["seen"],
        types: ["order.*"],
        onStatus: ({ connected }) => (connected ? listening() : undefined),
        onEvent: ({ type, orderId, order }) => {
          got.push(`${type} ${orderId} ${order?.amount?.minorUnits}`);
          return type === "order.cancelled" ? stop : undefined;
        },
      });
      await opened;
      await client.createPaymentLink(order("unseen"));
      await client.createPaymentLink(order("seen"));
      await client.cancelOrder({ idempotencyKey: "cancel-seen", orderId: "seen" });
      await followed;
      assert.deepEqual(got, ["order.created seen 150000", "order.cancelled seen 150000"]);
    });

    test("J6: it goes on after a kept checkpoint, also one that was JSON", async () => {
      let kept: Checkpoint | undefined;
      const onCheckpoint = (at: Checkpoint): void => void (kept = at);
      await follow(client, { from: "beginning", onCheckpoint, onEvent: ({ position }) => (position === 3n ? stop : undefined) });
      assert.equal(kept?.position, 3n);
      const positions: bigint[] = [];
      const from = JSON.parse(stringify(kept)) as { cursor: string; position: string };
      for await (const { position } of events(client, { from, onCheckpoint })) {
        positions.push(position);
        if (position === 5n) {
          break;
        }
      }
      assert.deepEqual(positions, [4n, 5n]);
      assert.equal(kept.position, 4n); // The event at which a loop is left may come again.
    });

    test("an abort ends what waits, at once", async () => {
      const aborter = new AbortController();
      const reason = new Error("enough");
      let listening = (): void => undefined;
      const opened = new Promise<void>((resolve) => (listening = resolve));
      const followed = follow(client, {
        from: "now",
        signal: aborter.signal,
        onStatus: listening,
        onEvent: () => undefined,
      });
      const polled = failure(
        client.listOrderEvents(
          { start: { case: "from", value: 2 }, wait: { seconds: 25n } },
          { signal: aborter.signal },
        ),
      );
      await opened;
      const began = Date.now();
      aborter.abort(reason);
      await assert.rejects(followed, (error) => error === reason);
      assert.equal((await polled).code, Code.Canceled);
      assert.ok(Date.now() - began < 1000, `it took ${Date.now() - began} ms`);
    });

    test("S4: it reads everything once through a network that cuts every connection", { timeout: 60_000 }, async () => {
      const shears = await Shears.open(server.address, 600);
      try {
        const cut = createClient({ server: shears.url, apiKey: server.key, transport });
        const positions: bigint[] = [];
        const made = (async () => {
          for (let i = 0; i < 30; i++) {
            await client.createPaymentLink(order(`cut-${i}`));
          }
          return client.createPaymentLink(order("last"));
        })();
        await follow(cut, {
          from: "beginning",
          ...quick,
          onEvent: ({ position, orderId, type }) => {
            positions.push(position);
            return orderId === "last" && type === "order.created" ? stop : undefined;
          },
        });
        await made;
        assert.deepEqual(positions, positions.map((_, i) => BigInt(i + 1)));
        assert.ok(positions.length > 60, `${positions.length} events`);
        assert.ok(shears.cuts > 3, `${shears.cuts} cuts`);
      } finally {
        await shears.close();
      }
    });
  });
}

for (const name of ["Connect over fetch", "Connect over HTTP/2", "gRPC over HTTP/2"]) {
  test(`S4, I2, J2: servers are killed and stopped, and nothing is lost or doubled (${name})`, { timeout: 120_000 }, async () => {
    const server = await Installation.open();
    try {
      await survives(server, createClient({ server: server.url, apiKey: server.key, transport: transports[name]! }));
    } finally {
      await server.close();
    }
  });
}

/** While links are made, the server ends again and again. Each link that was acknowledged is there once, and told of once. */
async function survives(server: Installation, client: PaymentClient): Promise<void> {
  const each = 24;
  const makers = ["a", "b", "c"];
  const acknowledged = new Map<string, string>();
  const making = makers.map(async (maker) => {
    for (let n = 0; n < each; n++) {
      const request = order(`${maker}-${n}`);
      const policy = { ...quick, tries: 500, tryTimeoutMs: 5_000 };
      const { link } = await retry((options) => client.createPaymentLink(request, options), policy);
      acknowledged.set(request.orderId, link?.id ?? "");
    }
  });
  const total = 2 * makers.length * each; // Each link is two events: it and its order were made.
  const positions: bigint[] = [];
  const created = new Map<string, number>();
  const ends = [30, 60, 90, 120].map((at, i) => ({ at, signal: i % 2 === 0 ? ("SIGKILL" as const) : ("SIGTERM" as const) }));
  let restarted = Promise.resolve();
  const note = ({ position, type, orderId }: OrderEvent): typeof stop | undefined => {
    positions.push(position);
    if (type === "order.created") {
      created.set(orderId, (created.get(orderId) ?? 0) + 1);
    }
    if (positions.length >= (ends[0]?.at ?? Infinity)) {
      const { signal } = ends.shift()!;
      restarted = restarted.then(() => server.stop(signal)).then(() => server.start());
    }
    return positions.length === total ? stop : undefined;
  };
  await follow(client, { from: "beginning", ...quick, onEvent: note });
  await Promise.all(making);
  await restarted;
  assert.equal(ends.length, 0);
  assert.deepEqual(positions, Array.from({ length: total }, (_, i) => BigInt(i + 1)));
  assert.equal(acknowledged.size, makers.length * each);
  for (const [orderId, link] of acknowledged) {
    assert.equal(created.get(orderId), 1, orderId);
    const again = await retry((options) => client.createPaymentLink(order(orderId), options), quick);
    assert.equal(again.link?.id, link, orderId);
  }
}

describe("one server", () => {
  let server: Installation;
  before(async () => (server = await Installation.open()));
  after(() => server.close());

  test("M1: amounts beyond 2^53 survive both JSON and the wire", async () => {
    const minorUnits = 2n ** 53n + 1n;
    const client = createClient({ server: server.url, apiKey: server.key });
    const { link } = await client.createPaymentLink(order("large", minorUnits));
    assert.equal(link?.amount?.minorUnits, minorUnits);

    const answer = await fetch(`${server.url}/kvit.v1.PaymentService/CreatePaymentLink`, {
      method: "POST",
      headers: { Authorization: `Bearer ${server.key}`, "Content-Type": "application/json" },
      body: stringify({ ...order("large", minorUnits), kind: "LINK_KIND_DYNAMIC" }),
    });
    const read = parse(CreatePaymentLinkResponseSchema, await answer.text());
    assert.equal(read.link?.id, link.id);
    assert.equal(read.order?.amount?.minorUnits, minorUnits);
    assert.deepEqual(parse(CreatePaymentLinkResponseSchema, stringify(read)), read);
  });

  test("A1: keys are made at the admin address, and their scopes hold", async () => {
    const access = createAccessClient({ server: `http://${server.admin}`, apiKey: server.key });
    const { secret } = await access.createApiKey({
      idempotencyKey: "reader",
      name: "reader",
      kind: ApiKeyKind.MERCHANT,
      mode: Mode.TEST,
      scopes: ["orders:read"],
    });
    const reader = createClient({ server: server.url, apiKey: secret });
    assert.deepEqual((await reader.listOrders({ customerId: "nobody" })).orders, []);
    const refused = await failure(reader.createPaymentLink(order("refused")));
    assert.deepEqual([reasonOf(refused), metadataOf(refused, "scope")], ["SCOPE_MISSING", "links:write"]);
    assert.equal(AccessService.typeName, "kvit.v1.AccessService");
  });

  test("the example of the README is what runs here, and it ends by itself", { timeout: 30_000 }, async () => {
    const example = await readFile(new URL("../../test/example.ts", import.meta.url), "utf8");
    const readme = await readFile(new URL("../../README.md", import.meta.url), "utf8");
    assert.ok(readme.includes("```ts\n" + example + "```\n"), "README.md does not hold test/example.ts");

    const fresh = await Installation.open();
    try {
      const child = spawn(process.execPath, [fileURLToPath(new URL("example.js", import.meta.url))], {
        env: { ...process.env, KVIT_SERVER: fresh.url, KVIT_API_KEY: fresh.key },
        stdio: ["ignore", "pipe", "inherit"],
      });
      let printed = "";
      child.stdout.on("data", (text: Buffer) => (printed += text.toString()));
      await once(child, "close");
      assert.match(printed, /^Send http:\S+\/pay\/\S+ to the payer of 1 500\.00 AMD\norder\.created A-17\n$/);
    } finally {
      await fresh.close();
    }
  });
});
