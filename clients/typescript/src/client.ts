import { createClient as connectClient, type Client, type Transport } from "@connectrpc/connect";
import { createConnectTransport, createGrpcWebTransport } from "@connectrpc/connect-web";

import { AccessService } from "./gen/kvit/v1/access_service_pb.js";
import { PaymentService } from "./gen/kvit/v1/payment_service_pb.js";

/** callTimeoutMs is the longest that the server keeps a call waiting (25 s, S3) and what an answer may take beyond that. */
const callTimeoutMs = 40_000;

/** Makes links, reads orders and brings their events. */
export type PaymentClient = Client<typeof PaymentService>;

/** Makes and ends API keys. The server has it on its admin listener. */
export type AccessClient = Client<typeof AccessService>;

/** How to reach an installation. */
export interface ClientOptions {
  /** The installation's address, such as https://pay.example.com. */
  server: string;
  /** The key that every call carries. It is a secret: keep it out of browsers. */
  apiKey: string;
  /** How calls travel: webTransport (the default, with fetch) or, from "@kvitpay/client/node", nodeTransport. */
  transport?: (server: string) => Transport;
  /** How long a call may take that does not say so itself. Default 40 s; 0 is for ever. Streams have no limit. */
  timeoutMs?: number;
}

/**
 * Opens a client for PaymentService. It connects with the first call. Redirects are not followed, so that the key goes
 * nowhere else.
 */
export function createClient(options: ClientOptions): PaymentClient {
  return connectClient(PaymentService, open(options));
}

/** Opens a client for AccessService, whose server is the admin listener's address. */
export function createAccessClient(options: ClientOptions): AccessClient {
  return connectClient(AccessService, open(options));
}

/** Sends calls with fetch, which every runtime has: the Connect protocol, or gRPC-Web. */
export function webTransport(protocol: "connect" | "grpc-web" = "connect"): (server: string) => Transport {
  const make = protocol === "connect" ? createConnectTransport : createGrpcWebTransport;
  return (server) => make({ baseUrl: server, useBinaryFormat: true });
}

function open({ server, apiKey, transport = webTransport(), timeoutMs = callTimeoutMs }: ClientOptions): Transport {
  checkAddress(server);
  return signed(transport(server.replace(/\/+$/, "")), apiKey, timeoutMs);
}

function checkAddress(server: string): void {
  const address = URL.canParse(server) ? new URL(server) : undefined;
  if (address === undefined || (address.protocol !== "http:" && address.protocol !== "https:")) {
    throw new TypeError(`address of the server ${JSON.stringify(server)}: want http://host or https://host`);
  }
  if (address.username !== "" || address.password !== "" || /[?#]/.test(server)) {
    throw new TypeError("address of the server: want no user, query or fragment");
  }
}

/** signed puts the key on every call, and a time limit on those that are not streams. */
function signed(transport: Transport, apiKey: string, timeoutMs: number): Transport {
  const sign = (given: HeadersInit | undefined): Headers => {
    const header = new Headers(given);
    header.set("Authorization", `Bearer ${apiKey}`);
    return header;
  };
  return {
    unary: (method, signal, callMs, header, input, values) =>
      transport.unary(method, signal, callMs ?? timeoutMs, sign(header), input, values),
    stream: (method, signal, callMs, header, input, values) =>
      transport.stream(method, signal, callMs, sign(header), input, values),
  };
}
