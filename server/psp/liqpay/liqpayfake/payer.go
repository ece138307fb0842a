package liqpayfake

import (
	"context"
	"fmt"
)

// The test cards of LiqPay's sandbox.
const (
	CardSuccess   = "4242424242424242"
	Card3DS       = "4000000000003063"
	CardOTP       = "4000000000003089"
	CardCVV       = "4000000000003055"
	CardLimit     = "4000000000000002"
	CardNoBalance = "4000000000009995"
)

// outcome is what a card leads to: what the payer is asked for first, and why the bank says no.
type outcome struct{ asks, errCode string }

// outcomes are those of the sandbox's table of cards.
var outcomes = map[string]outcome{
	CardSuccess:   {},
	Card3DS:       {asks: "3ds_verify"},
	CardOTP:       {asks: "otp_verify"},
	CardCVV:       {asks: "cvv_verify"},
	CardLimit:     {errCode: "limit"},
	CardNoBalance: {errCode: "9859"},
}

// Pay pays as the payer at the checkout does. A payment with the action hold is then held.
func (f *Fake) Pay(ctx context.Context, orderID string) error {
	return f.Charge(ctx, orderID, CardSuccess)
}

// Decline lets the payer's bank refuse; the payment can be tried again with another card.
func (f *Fake) Decline(ctx context.Context, orderID string) error {
	return f.Charge(ctx, orderID, CardNoBalance)
}

// Charge pays with a card of the sandbox; the number decides what happens and is not kept.
func (f *Fake) Charge(ctx context.Context, orderID, card string) error {
	result, known := outcomes[card]
	if !known {
		result = outcome{errCode: "9852"}
	}
	if err := f.charge(orderID, mask(card), result); err != nil {
		return err
	}
	f.flush(ctx)
	return nil
}

func (f *Fake) charge(orderID, cardMask string, result outcome) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	p := f.payments[orderID]
	switch {
	case p == nil:
		return unknown(orderID)
	case p.moved():
		return fmt.Errorf("liqpayfake: payment %q is %s: order_id_duplicate", orderID, p.status)
	case f.expired(p):
		return fmt.Errorf("liqpayfake: payment %q was to be paid until %s", orderID, p.expires)
	}
	p.cardMask, p.errCode = cardMask, ""
	if result.asks != "" {
		p.status = result.asks
		f.changed(p)
	}
	p.ended = f.account.Now()
	switch {
	case result.errCode != "":
		p.status, p.errCode = statusFailure, result.errCode
	case p.action == actionHold:
		p.status = statusHeld
	default:
		p.status = statusSuccess
	}
	f.changed(p)
	return nil
}

// Show puts a payment into any status and tells of it.
func (f *Fake) Show(ctx context.Context, orderID, status string) error {
	f.mu.Lock()
	p := f.payments[orderID]
	if p != nil {
		p.status = status
		f.changed(p)
	}
	f.mu.Unlock()
	if p == nil {
		return unknown(orderID)
	}
	f.flush(ctx)
	return nil
}

func (f *Fake) expired(p *payment) bool {
	return !f.account.IgnoreExpiry && !p.expires.IsZero() && f.account.Now().After(p.expires)
}

// mask leaves six digits and two, as LiqPay's sender_card_mask2 does.
func mask(card string) string {
	const shown, last = 6, 2
	if len(card) < shown+last {
		return "*"
	}
	return card[:shown] + "*" + card[len(card)-last:]
}
