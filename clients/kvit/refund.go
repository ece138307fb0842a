package main

import (
	"context"

	"github.com/kvitpay/kvit/clients/go/kvit"
	kvitv1 "github.com/kvitpay/kvit/gen/kvit/v1"
)

type refundGet struct {
	RefundID string `arg:"" name:"refund-id" help:"The refund's id."`
}

// Help shows how the command is used.
func (*refundGet) Help() string {
	return `Examples:

    kvit refund get ref_06gv`
}

// Run shows the refund.
func (c *refundGet) Run(ctx context.Context, a *app) error {
	answer, err := read(ctx, a, func(ctx context.Context, client *kvit.Client) (*kvitv1.GetRefundResponse, error) {
		return client.Payments.GetRefund(ctx, &kvitv1.GetRefundRequest{RefundId: c.RefundID})
	})
	if err != nil {
		return err
	}
	if a.json {
		return a.document(answer)
	}
	return a.facts(a.refundFacts(answer.GetRefund())...)
}

func (a *app) refundFacts(r *kvitv1.Refund) []fact {
	return []fact{
		{"Refund", r.GetRefundId()},
		{"State", refundWord(r.GetState())},
		{"Amount", kvit.FormatMoney(r.GetAmount())},
		{"Order", r.GetOrderId()},
		{"Payment", r.GetPaymentId()},
		{"By policy", yes(r.GetAutomatic())},
		{"Requested", a.instant(r.GetRequestedAt())},
	}
}

type refundList struct {
	rowFlags

	OrderID string        `help:"Only ones of this order." placeholder:"ID"`
	State   []refundState `help:"Only ones in this state; may be repeated." placeholder:"STATE"`
}

// Help shows how the command is used.
func (*refundList) Help() string {
	return `Examples:

    kvit refund list --order-id A-17

    kvit refund list --state unknown --state sent --json`
}

// Run lists refunds.
func (c *refundList) Run(ctx context.Context, a *app) error {
	request := &kvitv1.ListRefundsRequest{OrderId: c.OrderID}
	for _, state := range c.State {
		request.States = append(request.States, kvitv1.RefundState(state))
	}
	all := &kvitv1.ListRefundsResponse{}
	var err error
	all.NextPageToken, err = c.pages(func(token string, size int32) (int, string, error) {
		request.PageToken, request.PageSize = token, size
		page, err := read(ctx, a, func(ctx context.Context, client *kvit.Client) (*kvitv1.ListRefundsResponse, error) {
			return client.Payments.ListRefunds(ctx, request)
		})
		all.Refunds = append(all.Refunds, page.GetRefunds()...)
		return len(page.GetRefunds()), page.GetNextPageToken(), err
	})
	if err != nil {
		return err
	}
	if a.json {
		return a.document(all)
	}
	return a.refunds(all.GetRefunds(), all.GetNextPageToken())
}

func (a *app) refunds(refunds []*kvitv1.Refund, next string) error {
	defer a.more(next)
	if len(refunds) == 0 {
		a.hint("No refunds.")
		return nil
	}
	rows := make([][]string, len(refunds))
	for i, r := range refunds {
		rows[i] = []string{
			r.GetRefundId(), refundWord(r.GetState()), kvit.FormatMoney(r.GetAmount()), r.GetOrderId(),
			a.minute(r.GetRequestedAt()), r.GetPaymentId(), yes(r.GetAutomatic()),
		}
	}
	return a.table([]column{
		{title: "REFUND"},
		{title: "STATE"},
		{title: "AMOUNT", right: true},
		{title: "ORDER"},
		{title: "REQUESTED", optional: 1},
		{title: "PAYMENT", optional: 3},
		{title: "BY POLICY", optional: 2},
	}, rows)
}

func refundWord(s kvitv1.RefundState) string { return word(s, refundPrefix) }

// yes leaves no out.
func yes(is bool) string {
	if is {
		return "yes"
	}
	return ""
}
