import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";

import { create, digits, formatMoney, MoneySchema, parseMoney } from "@kvitpay/client";

test("M2: every currency has ISO 4217's number of decimals, and no other code has one", async () => {
  // The list of the Go client, so that both write the same.
  const golden = await readFile(new URL("../../../go/kvit/testdata/iso4217.txt", import.meta.url), "utf8");
  const want = new Map([...golden.matchAll(/^([A-Z]{3}) (\d)$/gm)].map(([, code = "", n]) => [code, Number(n)]));
  assert.equal(want.size, 165);
  const letters = [..."ABCDEFGHIJKLMNOPQRSTUVWXYZ"];
  for (const code of letters.flatMap((a) => letters.flatMap((b) => letters.map((c) => a + b + c)))) {
    assert.equal(digits(code), want.get(code), code);
  }
  for (const code of ["", "amd", "AM", "D A", "AMDX", "051", "constructor"]) {
    assert.equal(digits(code), undefined, code);
  }
});

test("M1: amounts are written exactly, and what is written can be read", () => {
  for (const [minorUnits, currencyCode, want] of [
    [150000n, "AMD", "1 500.00 AMD"],
    [1n, "UAH", "0.01 UAH"],
    [-5n, "EUR", "-0.05 EUR"],
    [0n, "UAH", "0.00 UAH"],
    [100n, "JPY", "100 JPY"],
    [0n, "JPY", "0 JPY"],
    [1234567n, "JPY", "1 234 567 JPY"],
    [1234567n, "BHD", "1 234.567 BHD"],
    [7n, "CLF", "0.0007 CLF"],
    [2n ** 63n - 1n, "AMD", "92 233 720 368 547 758.07 AMD"],
    [-(2n ** 63n), "AMD", "-92 233 720 368 547 758.08 AMD"],
  ] as const) {
    const money = create(MoneySchema, { minorUnits, currencyCode });
    assert.equal(formatMoney(money), want);
    assert.deepEqual(parseMoney(want), money);
  }
  assert.equal(formatMoney({ currencyCode: "XYZ", minorUnits: 5n }), "5 minor units of XYZ");
  assert.equal(formatMoney(undefined), "");
});

test("M1: what could be meant in two ways, or would have to be rounded, is refused", () => {
  for (const [text, want] of Object.entries({
    "1500 AMD": 150000n,
    "1500.5 AMD": 150050n,
    " 1 500.00  AMD ": 150000n,
    "12\u00a0500 UAH": 1250000n,
    "007 JPY": 7n,
    "-1 EUR": -100n,
  })) {
    assert.equal(parseMoney(text).minorUnits, want, text);
  }
  for (const text of [
    ...["", "AMD", "1500", "1500 amd", "1500 XYZ", "1,5 AMD", "1,500.00 AMD", "1.505 AMD", "1.5 JPY", ".5 AMD", "5. AMD"],
    ...["1e3 AMD", "+5 AMD", "--5 AMD", "1 50 AMD", "1500 000 AMD", "0x10 AMD", "NaN AMD", "1 . 5 AMD"],
    ...["92233720368547758.08 AMD", "99999999999999999999 JPY", "١٥ AMD"],
  ]) {
    assert.throws(() => parseMoney(text), Error, text);
  }
});
