import assert from "node:assert/strict";
import { once } from "node:events";
import { readdir } from "node:fs/promises";
import { createServer, type IncomingMessage, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import { createRouterTransport } from "@connectrpc/connect";

import * as kvit from "@kvitpay/client";
import { nodeTransport } from "@kvitpay/client/node";

const { createClient, createAccessClient, PaymentService, retryable } = kvit;

async function listening(server: Server): Promise<string> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

test("every call carries the key, and keeps its own headers", async () => {
  const seen: (string | null)[] = [];
  const transport = () =>
    createRouterTransport((router) =>
      router.service(PaymentService, {
        getMerchant: (_, { requestHeader }) => {
          seen.push(requestHeader.get("Authorization"), requestHeader.get("X-Request-Id"));
          return {};
        },
        streamOrderEvents: async function* (_, { requestHeader, timeoutMs }) {
          seen.push(requestHeader.get("Authorization"), String(timeoutMs()));
        },
      }),
    );
  const client = createClient({ server: "https://pay.example.com", apiKey: "kvit_test_key", transport });
  await client.getMerchant({}, { headers: { "X-Request-Id": "7" } });
  for await (const message of client.streamOrderEvents({})) {
    assert.fail(`got ${message.$typeName}`);
  }
  assert.deepEqual(seen, ["Bearer kvit_test_key", "7", "Bearer kvit_test_key", "undefined"]);
});

test("the address may have a path, and the key follows no redirect", async () => {
  const requests: IncomingMessage[] = [];
  const elsewhere = createServer((request, response) => {
    requests.push(request);
    response.end();
  });
  const target = await listening(elsewhere);
  const server = createServer((request, response) => {
    requests.push(request);
    response.writeHead(307, { Location: `${target}/caught` }).end();
  });
  const client = createClient({ server: `${await listening(server)}/kvit/`, apiKey: "kvit_test_key" });
  await assert.rejects(client.getMerchant({}));
  assert.deepEqual(
    requests.map(({ url }) => url),
    ["/kvit/kvit.v1.PaymentService/GetMerchant"],
  );
  server.close();
  elsewhere.close();
});

test("addresses that cannot be meant are refused", () => {
  for (const server of ["", "pay.example.com", "ftp://pay.example.com", "http://", "https://user:pass@pay.example.com"]) {
    assert.throws(() => createClient({ server, apiKey: "k" }), TypeError, server);
  }
  for (const server of ["https://pay.example.com?x=1", "https://pay.example.com/#x", "https://pay.example.com/?"]) {
    assert.throws(() => createAccessClient({ server, apiKey: "k" }), /no user, query or fragment/, server);
  }
});

for (const transport of [undefined, nodeTransport(), nodeTransport("grpc")]) {
  test("nobody there is worth another try", async () => {
    const server = createServer();
    const address = await listening(server);
    server.close();
    const options = transport === undefined ? {} : { transport };
    const call = createClient({ server: address, apiKey: "k", ...options }).getMerchant({});
    await assert.rejects(call, (error) => retryable(error) && kvit.reasonOf(error) === "");
  });
}

test("everything that is generated for kvit.v1 is exported", async () => {
  const exported = new Set(Object.keys(kvit));
  const files = (await readdir(new URL("../../src/gen/kvit/v1/", import.meta.url))).filter((name) => name.endsWith(".ts"));
  assert.ok(files.length >= 7, `${files}`);
  for (const file of files) {
    const built = new URL(`../../dist/gen/kvit/v1/${file.replace(/ts$/, "js")}`, import.meta.url);
    for (const name of Object.keys((await import(built.href)) as object)) {
      assert.ok(exported.has(name), `src/index.ts does not export ${name} of ${file}`);
    }
  }
});
