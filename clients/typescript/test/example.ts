import { createClient, follow, formatMoney, LinkKind, Mode, newKey, reasonOf, retry, stop } from "@kvitpay/client";

const client = createClient({ server: process.env["KVIT_SERVER"] ?? "", apiKey: process.env["KVIT_API_KEY"] ?? "" });
const request = {
  idempotencyKey: newKey(), // Once, outside of the call that may be repeated.
  kind: LinkKind.DYNAMIC,
  orderId: "A-17",
  amount: { currencyCode: "AMD", minorUnits: 150000n },
};
try {
  const { link } = await retry((options) => client.createPaymentLink(request, options));
  console.log(`Send ${link?.url} to the payer of ${formatMoney(link?.amount)}`);
} catch (error) {
  console.log(reasonOf(error)); // Such as ORDER_ID_CONFLICT: the order exists with other terms.
}
const mine = Mode.TEST; // Mode.LIVE where this program runs for real.
await follow(client, {
  from: "beginning", // Or the checkpoint that onCheckpoint brought last.
  types: ["order.*"],
  onEvent: (event) => {
    if (event.order?.mode !== mine) return; // Test orders come beside live ones: grant nothing for what nobody paid.
    console.log(event.type, event.orderId);
    return stop; // Without stop it goes on for ever.
  },
});
