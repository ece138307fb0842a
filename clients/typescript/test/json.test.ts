import assert from "node:assert/strict";
import { test } from "node:test";

import { create, MoneySchema, OrderEventSchema, OrderState, parse, stringify } from "@kvitpay/client";

const beyond = 2n ** 53n + 1n;

const paid = create(OrderEventSchema, {
  id: "evt_1",
  position: 2n ** 64n - 1n,
  type: "order.paid",
  occurredAt: { seconds: 1_750_000_000n, nanos: 120_000_000 },
  order: { orderId: "A-1", state: OrderState.PAID, amount: { currencyCode: "AMD", minorUnits: beyond } },
});

test("M1: a message survives JSON to the last digit", () => {
  const text = stringify(paid);
  assert.match(text, /"minorUnits":"9007199254740993"/);
  assert.match(text, /"position":"18446744073709551615"/);
  assert.match(text, /"state":"ORDER_STATE_PAID"/);
  assert.match(text, /"occurredAt":"2025-06-15T15:06:40.120Z"/);
  assert.deepEqual(parse(OrderEventSchema, text), paid);
});

test("messages and large numbers may stand in something else", () => {
  assert.equal(
    stringify({ got: [paid.order?.amount, undefined], at: paid.occurredAt, count: beyond, note: null }),
    '{"got":[{"currencyCode":"AMD","minorUnits":"9007199254740993"},null],' +
      '"at":"2025-06-15T15:06:40.120Z","count":"9007199254740993","note":null}',
  );
  assert.equal(stringify({ a: 1 }, 1), '{\n "a": 1\n}');
  assert.throws(() => stringify({ $typeName: "other.v1.Thing" }), /other\.v1\.Thing/);
});

test("M1: a number that lost its digits is refused, what is not known is left out", () => {
  assert.throws(() => parse(MoneySchema, '{"minorUnits": 9007199254740993}'), /minorUnits is beyond 2\^53/);
  assert.throws(() => parse(MoneySchema, '{"minorUnits": 12.5}'));
  assert.throws(() => parse(MoneySchema, '{"minorUnits": "9223372036854775808"}'));
  const money = parse(MoneySchema, '{"currency_code": "AMD", "minorUnits": 150000, "colour": "red"}');
  assert.deepEqual(money, create(MoneySchema, { currencyCode: "AMD", minorUnits: 150000n }));
});
