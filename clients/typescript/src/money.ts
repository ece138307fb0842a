import { create } from "@bufbuild/protobuf";

import { MoneySchema, type Money } from "./gen/kvit/v1/money_pb.js";

/**
 * minorDigits lists the currencies by the number of their decimals (M2).
 *
 * Source: ISO 4217, list one, published by SIX on behalf of ISO, edition of 17 September 2026. Codes without a minor unit
 * (metals, units of account, XTS, XXX) are left out, because no amount can be counted in them.
 */
const minorDigits: readonly (readonly [number, string])[] = [
  [0, "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF"],
  [
    2,
    "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BOV BRL BSD BTN BWP BYN BZD CAD CDF CHE " +
      "CHF CHW CNY COP COU CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD " +
      "HKD HNL HTG HUF IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK " +
      "MNT MOP MRU MUR MVR MWK MXN MXV MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD " +
      "RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH " +
      "USD USN UYU UZS VED VES WST XAD XCD XCG YER ZAR ZMW ZWG",
  ],
  [3, "BHD IQD JOD KWD LYD OMR TND"],
  [4, "CLF UYW"],
];

const digitsOf: ReadonlyMap<string, number> = new Map(
  minorDigits.flatMap(([digits, codes]) => codes.split(" ").map((code) => [code, digits] as const)),
);

const int64Min = -(2n ** 63n);
const int64Max = 2n ** 63n - 1n;

/**
 * How many decimals amounts of a currency have: 2 for AMD, 0 for JPY, 3 for BHD (M2). It is undefined for a code that ISO 4217
 * does not list.
 */
export function digits(currencyCode: string): number | undefined {
  return digitsOf.get(currencyCode);
}

/**
 * Writes an amount exactly, with all its decimals and thousands apart: "1 500.00 AMD". An amount of a currency that this
 * program does not know is written as what it is: "150000 minor units of XYZ". No amount is "".
 */
export function formatMoney(amount: Pick<Money, "currencyCode" | "minorUnits"> | undefined): string {
  if (amount === undefined) {
    return "";
  }
  const { currencyCode, minorUnits } = amount;
  const decimals = digits(currencyCode);
  if (decimals === undefined) {
    return `${minorUnits} minor units of ${currencyCode}`;
  }
  const sign = minorUnits < 0n ? "-" : "";
  const text = (minorUnits < 0n ? -minorUnits : minorUnits).toString().padStart(decimals + 1, "0");
  const whole = text.slice(0, text.length - decimals).replace(/\B(?=(\d{3})+$)/g, " ");
  const point = decimals > 0 ? "." : "";
  return `${sign}${whole}${point}${text.slice(text.length - decimals)} ${currencyCode}`;
}

/**
 * Reads what formatMoney writes: "1500.00 AMD", also "1500 AMD" and, in groups of three, "1 500.00 AMD". More decimals than the
 * currency has are refused, not rounded (M1). A comma is refused, because some write it before decimals and some between
 * thousands.
 */
export function parseMoney(text: string): Money {
  const [, number = "", currencyCode = ""] = /^(.*?) +(\S+)$/.exec(text.replaceAll("\u00a0", " ").trim()) ?? [];
  const decimals = digits(currencyCode);
  if (number !== "" && decimals === undefined) {
    throw new SyntaxError(`currency ${JSON.stringify(currencyCode)}: want an ISO 4217 code in capitals, such as AMD`);
  }
  const minorUnits = parseDecimal(number, decimals ?? 0);
  return create(MoneySchema, { currencyCode, minorUnits });
}

function parseDecimal(text: string, decimals: number): bigint {
  if (text.includes(",")) {
    throw new SyntaxError(`amount "${text}": write a point before the decimals and nothing, or a space, between thousands`);
  }
  const [, sign = "", whole = "", fraction = ""] = /^(-?)(\d+|\d{1,3}(?: \d{3})+)(?:\.(\d+))?$/.exec(text) ?? [];
  if (whole === "") {
    throw new SyntaxError('want digits, a point before the decimals, and a currency code, such as "1500.00 AMD"');
  }
  if (fraction.length > decimals) {
    throw new SyntaxError(`amount "${text}": the currency has ${decimals} decimals`);
  }
  const units = BigInt(whole.replaceAll(" ", "") + fraction.padEnd(decimals, "0"));
  const minorUnits = sign === "-" ? -units : units;
  if (minorUnits < int64Min || minorUnits > int64Max) {
    throw new RangeError(`amount "${text}": too large`);
  }
  return minorUnits;
}
