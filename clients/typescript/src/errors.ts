import type { DescMessage, MessageShape } from "@bufbuild/protobuf";
import { durationMs } from "@bufbuild/protobuf/wkt";
import { ConnectError } from "@connectrpc/connect";

import { BadRequestSchema, ErrorInfoSchema, RetryInfoSchema, type ErrorInfo } from "./gen/google/rpc/error_details_pb.js";

/** The domain of every ErrorInfo of Kvit. */
export const domain = "kvit.v1";

/** One field of a request that is not as it must be. */
export interface Violation {
  /** Its path in the request, such as amount.minor_units. */
  field: string;
  /** What is wrong, in words that follow the field's name. */
  description: string;
}

/**
 * The documented reason of an error, such as ORDER_NOT_FOUND. It is empty when the error does not come from Kvit: from the
 * network, from something between, or from Connect itself.
 */
export function reasonOf(error: unknown): string {
  return info(error)?.reason ?? "";
}

/** What an error says about its reason, such as scope for SCOPE_MISSING or state for ORDER_STATE; empty where it does not. */
export function metadataOf(error: unknown, key: string): string {
  return info(error)?.metadata[key] ?? "";
}

/**
 * The fields in which a request differs from the one that had its idempotency key or its order id before
 * (IDEMPOTENCY_KEY_REUSED, ORDER_ID_CONFLICT).
 */
export function changedFields(error: unknown): string[] {
  return metadataOf(error, "changed_fields")
    .split(/[, ]+/)
    .filter((field) => field !== "");
}

/** The fields of a request that are not as they must be (REQUEST_INVALID). */
export function violations(error: unknown): Violation[] {
  const fields = detail(error, BadRequestSchema)?.fieldViolations ?? [];
  return fields.map(({ field, description }) => ({ field, description }));
}

/** How long the server asks to wait before the call is repeated, in milliseconds; undefined when it does not say. */
export function retryAfterMs(error: unknown): number | undefined {
  const delay = detail(error, RetryInfoSchema)?.retryDelay;
  return delay === undefined ? undefined : durationMs(delay);
}

/**
 * Whether an answer is one that was recorded for the same idempotency key before (I2). The header is that of the answer,
 * which the call option onHeader brings.
 */
export function replayed(header: Headers): boolean {
  return header.get("Idempotency-Replayed") === "true";
}

/**
 * fromServer tells what was answered from what happened on the way: a broken connection has no headers, or has a cause.
 */
export function fromServer(error: ConnectError): boolean {
  return error.cause === undefined && !error.metadata.entries().next().done;
}

function info(error: unknown): ErrorInfo | undefined {
  const found = detail(error, ErrorInfoSchema);
  return found?.domain === domain ? found : undefined;
}

/** detail is the first detail of a type in an error. */
function detail<D extends DescMessage>(error: unknown, schema: D): MessageShape<D> | undefined {
  return error instanceof ConnectError ? error.findDetails(schema)[0] : undefined;
}
