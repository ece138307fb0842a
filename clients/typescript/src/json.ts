import {
  createRegistry,
  fromJsonString,
  isMessage,
  toJson,
  type DescFile,
  type DescMessage,
  type MessageShape,
  type Registry,
} from "@bufbuild/protobuf";
import { file_kvit_v1_access_service } from "./gen/kvit/v1/access_service_pb.js";
import { file_kvit_v1_payment_service } from "./gen/kvit/v1/payment_service_pb.js";

let known: Registry | undefined;

/** messages are those that stringify can write: what the services use. */
function messages(): Registry {
  known ??= createRegistry(...withDependencies(file_kvit_v1_payment_service, file_kvit_v1_access_service));
  return known;
}

function withDependencies(...files: DescFile[]): DescFile[] {
  return files.flatMap((file) => [file, ...withDependencies(...file.dependencies)]);
}

/**
 * Writes JSON without losing a digit, where JSON.stringify fails on bigint. A message, alone or inside of something else, is
 * written as the API writes it: 64-bit numbers as text, enums by name, instants in RFC 3339. Another bigint becomes text too.
 */
export function stringify(value: unknown, indent?: number): string {
  return JSON.stringify(value, replace, indent);
}

function replace(_key: string, value: unknown): unknown {
  if (typeof value === "bigint") {
    return value.toString();
  }
  if (!isMessage(value)) {
    return value;
  }
  const schema = messages().getMessage(value.$typeName);
  if (schema === undefined) {
    throw new TypeError(`cannot write ${value.$typeName} as JSON`);
  }
  return toJson(schema, value, { registry: messages() });
}

/**
 * Reads a message from JSON as the API and stringify write it. Fields that it does not know are left out. A whole number
 * beyond 2^53 that stands there without quotes is refused, because JSON.parse has already lost its last digits.
 */
export function parse<D extends DescMessage>(schema: D, text: string): MessageShape<D> {
  JSON.parse(text, refuseInexact);
  return fromJsonString(schema, text, { ignoreUnknownFields: true });
}

function refuseInexact(key: string, value: unknown): unknown {
  if (typeof value === "number" && Number.isInteger(value) && !Number.isSafeInteger(value)) {
    throw new SyntaxError(`${key === "" ? "the number" : key} is beyond 2^53: write it as text`);
  }
  return value;
}
