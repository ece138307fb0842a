/**
 * Client of Kvit's API, and the companion of its generated code: what every caller needs and no generator writes.
 *
 * Its one idea: the network may fail at any moment, and a caller should not have to think about it. createClient opens a
 * client that is set up well. follow reads order events for as long as wanted, through cut connections, restarts and
 * proxies, and hands each over in order, without a gap and without a repeat (S4). retry calls again with the same
 * idempotency key, so that what may have happened cannot happen twice (I1, I2). reasonOf, changedFields and violations read
 * an error's details. formatMoney, parseMoney, stringify and parse keep 64-bit numbers exact (M1).
 *
 * It keeps nothing: the place in the journal belongs to the caller, beside what the events changed.
 *
 * Failure: calls reject with a ConnectError, as the API documents them; only those that end a follow for a reason of its own
 * are ResetError and GapError. After an abort everything rejects with the signal's reason.
 *
 * @module
 */
export * from "./client.js";
export * from "./errors.js";
export {
  events,
  follow,
  GapError,
  ResetError,
  stop,
  type Checkpoint,
  type Events,
  type FollowOptions,
  type Start,
  type Status,
} from "./follow.js";
export * from "./json.js";
export * from "./money.js";
export { newKey, retry, retryable, type RetryPolicy } from "./retry.js";

export { Code, ConnectError, type CallOptions, type Transport } from "@connectrpc/connect";
export { BadRequestSchema, ErrorInfoSchema, RetryInfoSchema } from "./gen/google/rpc/error_details_pb.js";
export { create, type MessageInitShape } from "@bufbuild/protobuf";

export * from "./gen/kvit/v1/access_service_pb.js";
export * from "./gen/kvit/v1/callback_service_pb.js";
export * from "./gen/kvit/v1/event_pb.js";
export * from "./gen/kvit/v1/link_pb.js";
export * from "./gen/kvit/v1/merchant_pb.js";
export * from "./gen/kvit/v1/money_pb.js";
export * from "./gen/kvit/v1/order_pb.js";
export * from "./gen/kvit/v1/payment_pb.js";
export * from "./gen/kvit/v1/payment_service_pb.js";
