/**
 * Transports for Node, over HTTP/2.
 *
 * All calls of a client share one connection, without TLS (h2c) to an http address. A connection that died without a word is
 * noticed by pings. Where something between speaks no HTTP/2, take webTransport.
 *
 * @module
 */
import type { Transport } from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport, createGrpcWebTransport } from "@connectrpc/connect-node";

const pingIntervalMs = 15_000;
const pingTimeoutMs = 15_000;
const idleConnectionTimeoutMs = 90_000;

/** Sends calls over HTTP/2: the Connect protocol, gRPC or gRPC-Web. Answers are small and not compressed. */
export function nodeTransport(protocol: "connect" | "grpc" | "grpc-web" = "connect"): (server: string) => Transport {
  return (baseUrl) => {
    const http2 = { pingIntervalMs, pingTimeoutMs, idleConnectionTimeoutMs, acceptCompression: [] };
    switch (protocol) {
      case "connect":
        return createConnectTransport({ baseUrl, httpVersion: "2", ...http2 });
      case "grpc":
        return createGrpcTransport({ baseUrl, ...http2 });
      case "grpc-web":
        return createGrpcWebTransport({ baseUrl, httpVersion: "2", ...http2 });
    }
  };
}
