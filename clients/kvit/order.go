package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/kvitpay/kvit/clients/go/kvit"
	kvitv1 "github.com/kvitpay/kvit/gen/kvit/v1"
)

type orderGet struct {
	OrderID string `arg:"" name:"order-id" help:"The order's id."`
}

// Help shows how the command is used.
func (*orderGet) Help() string {
	return `Examples:

    kvit order get A-17

    kvit order get A-17 --json`
}

// Run shows the order.
func (c *orderGet) Run(ctx context.Context, a *app) error {
	answer, err := read(ctx, a, func(ctx context.Context, client *kvit.Client) (*kvitv1.GetOrderStatusResponse, error) {
		return client.Payments.GetOrderStatus(ctx, &kvitv1.GetOrderStatusRequest{OrderId: c.OrderID})
	})
	if err != nil {
		return err
	}
	if a.json {
		return a.document(answer)
	}
	facts := a.orderFacts(answer.GetOrder())
	for _, p := range answer.GetPayments() {
		facts = append(facts, paymentFacts(p)...)
	}
	for _, x := range answer.GetExceptions() {
		facts = append(facts, fact{"Exception", a.exception(x)})
	}
	step := answer.GetNextStep()
	next := strings.TrimSpace(word(step.GetAction(), "NEXT_STEP_ACTION_") + "  " + step.GetText())
	return a.facts(append(facts, fact{"Next", next}, fact{"", step.GetUrl()})...)
}

// paymentFacts tell money that arrived or is held, and what became of it.
func paymentFacts(p *kvitv1.Payment) []fact {
	where := p.GetPaymentId() + " at " + p.GetAccountId()
	if p.GetPspPaymentId() != "" {
		where += ", there " + p.GetPspPaymentId()
	}
	if p.GetSettles() {
		where += ", settles the order"
	}
	var sums []string
	for _, sum := range []struct {
		name  string
		money *kvitv1.Money
	}{
		{"paid", p.GetCaptured()},
		{"held", p.GetAuthorized()},
		{"refunded", p.GetRefunded()},
		{"being refunded", p.GetRefundReserved()},
		{"charged back", p.GetChargedBack()},
	} {
		if sum.money.GetMinorUnits() != 0 {
			sums = append(sums, sum.name+" "+kvit.FormatMoney(sum.money))
		}
	}
	return []fact{{"Payment", where}, {"", strings.Join(sums, ", ")}}
}

func (a *app) exception(x *kvitv1.OrderException) string {
	parts := []string{word(x.GetKind(), "EXCEPTION_KIND_"), word(x.GetState(), "EXCEPTION_STATE_")}
	for _, part := range []string{kvit.FormatMoney(x.GetAmount()), x.GetDetail(), a.instant(x.GetOpenedAt())} {
		if part != "" {
			parts = append(parts, part)
		}
	}
	return strings.Join(parts, "  ")
}

func (a *app) orderFacts(o *kvitv1.Order) []fact {
	state := orderWord(o.GetState())
	facts := []fact{
		{"Order", o.GetOrderId()},
		{"State", state},
		{"Amount", kvit.FormatMoney(o.GetAmount())},
		{"Paid", someMoney(o.GetPaidAmount())},
		{"Refunded", someMoney(o.GetRefundedAmount())},
		{"Held", someMoney(o.GetAuthorizedAmount())},
		{"Customer", customer(o.GetCustomer())},
		{"Language", o.GetCustomer().GetLocale()},
		{"Description", o.GetDescription()},
	}
	facts = append(facts, itemFacts(o.GetLineItems())...)
	facts = append(facts,
		fact{"Offered until", a.until(o.GetOfferUntil())},
		fact{"Link", o.GetLinkId()},
		fact{"Kind", kindWord(o.GetKind())},
		fact{"Capture", manualWord(o.GetCaptureMode())},
		fact{"Mode", modeWord(o.GetMode())},
		fact{"Created", a.instant(o.GetCreatedAt())},
		fact{"Changed", a.instant(o.GetUpdatedAt())},
		fact{"Version", strconv.FormatInt(o.GetVersion(), 10)},
	)
	return append(facts, metadataFacts(o.GetMetadata())...)
}

// orderNoun begins a sentence about an order, and tells a test from what is real.
func orderNoun(o *kvitv1.Order) string {
	if o.GetMode() == kvitv1.Mode_MODE_TEST {
		return "Test order"
	}
	return "Order"
}

// someMoney leaves zero out.
func someMoney(amount *kvitv1.Money) string {
	if amount.GetMinorUnits() == 0 {
		return ""
	}
	return kvit.FormatMoney(amount)
}

// customer names a customer by what there is. A language alone is nobody.
func customer(c *kvitv1.Customer) string {
	var parts []string
	if v := c.GetViber(); v != nil {
		parts = append(parts, "Viber "+v.GetBot()+"/"+v.GetUserId())
	}
	for _, part := range []string{c.GetCustomerId(), c.GetName(), c.GetEmail(), c.GetPhone()} {
		if part != "" {
			parts = append(parts, part)
		}
	}
	return strings.Join(parts, ", ")
}

type orderList struct {
	pageFlags

	State      []orderState `help:"Only ones in this state; may be repeated." placeholder:"STATE"`
	CustomerID string       `help:"Only ones of this customer." placeholder:"ID"`
	ViberBot   string       `help:"Only ones of a Viber user; with --viber-user." placeholder:"BOT" and:"viber"`
	ViberUser  string       `help:"That user's id at the bot." placeholder:"ID" and:"viber"`
	LinkID     string       `help:"Only ones that came from this link." placeholder:"ID"`
}

// Help shows how the command is used.
func (*orderList) Help() string {
	return `Test orders and live ones are listed alike, whatever the key's mode; MODE tells them apart.

Examples:

    kvit order list

    kvit order list --state paid --state partially-refunded --created-after 2026-11-01

    kvit order list --customer-id c-9 --json`
}

// Run lists orders.
func (c *orderList) Run(ctx context.Context, a *app) error {
	after, before, err := c.created(a.zone)
	if err != nil {
		return usage(err)
	}
	request := &kvitv1.ListOrdersRequest{CustomerId: c.CustomerID, CreatedAfter: after, CreatedBefore: before, LinkId: c.LinkID}
	for _, state := range c.State {
		request.States = append(request.States, kvitv1.OrderState(state))
	}
	if c.ViberUser != "" {
		request.ViberUser = &kvitv1.ViberUser{Bot: c.ViberBot, UserId: c.ViberUser}
	}
	all := &kvitv1.ListOrdersResponse{}
	all.NextPageToken, err = c.pages(func(token string, size int32) (int, string, error) {
		request.PageToken, request.PageSize = token, size
		page, err := read(ctx, a, func(ctx context.Context, client *kvit.Client) (*kvitv1.ListOrdersResponse, error) {
			return client.Payments.ListOrders(ctx, request)
		})
		all.Orders = append(all.Orders, page.GetOrders()...)
		return len(page.GetOrders()), page.GetNextPageToken(), err
	})
	if err != nil {
		return err
	}
	if a.json {
		return a.document(all)
	}
	return a.orders(all.GetOrders(), all.GetNextPageToken())
}

func (a *app) orders(orders []*kvitv1.Order, next string) error {
	defer a.more(next)
	if len(orders) == 0 {
		a.hint("No orders.")
		return nil
	}
	rows := make([][]string, len(orders))
	for i, o := range orders {
		rows[i] = []string{
			o.GetOrderId(), modeWord(o.GetMode()), orderWord(o.GetState()), kvit.FormatMoney(o.GetAmount()), someMoney(o.GetPaidAmount()),
			someMoney(o.GetRefundedAmount()), a.minute(o.GetCreatedAt()), a.minute(o.GetOfferUntil()),
			customer(o.GetCustomer()), o.GetDescription(),
		}
	}
	return a.table([]column{
		{title: "ORDER"},
		{title: "MODE"}, // Always: a test order that looks like a real one is goods given away.
		{title: "STATE"},
		{title: "AMOUNT", right: true},
		{title: "PAID", right: true, optional: 2},
		{title: "REFUNDED", right: true, optional: 3},
		{title: "CREATED", optional: 1},
		{title: "OFFERED UNTIL", optional: 5},
		{title: "CUSTOMER", optional: 4, flexible: true},
		{title: "DESCRIPTION", optional: 6, flexible: true},
	}, rows)
}

type orderExplain struct {
	OrderID string `arg:"" name:"order-id" help:"The order's id."`
}

// Help shows how the command is used.
func (*orderExplain) Help() string {
	return `Each step says who did it and on what evidence it rests.

Examples:

    kvit order explain A-17`
}

// Run tells the order's history.
func (c *orderExplain) Run(ctx context.Context, a *app) error {
	answer, err := read(ctx, a, func(ctx context.Context, client *kvit.Client) (*kvitv1.ExplainOrderResponse, error) {
		return client.Payments.ExplainOrder(ctx, &kvitv1.ExplainOrderRequest{OrderId: c.OrderID})
	})
	if err != nil {
		return err
	}
	if a.json {
		return a.document(answer)
	}
	var out strings.Builder
	o := answer.GetOrder()
	fmt.Fprintf(&out, "%s %s: %s, %s\n", orderNoun(o), o.GetOrderId(), orderWord(o.GetState()), kvit.FormatMoney(o.GetAmount()))
	if answer.GetSummary() != "" {
		out.WriteString(wrap(clean(answer.GetSummary()), "", a.width) + "\n")
	}
	for _, step := range answer.GetSteps() {
		a.step(&out, step)
	}
	_, err = fmt.Fprint(a.stdout, out.String())
	return err
}

// step tells one step: when and what, in words, by whom, and why.
func (a *app) step(out *strings.Builder, step *kvitv1.OrderStep) {
	const indent = "    "
	fmt.Fprintf(out, "\n%s  %s  #%d\n", a.instant(step.GetOccurredAt()), clean(step.GetType()), step.GetPosition())
	out.WriteString(wrap(clean(step.GetText()), indent, a.width) + "\n")
	named := step.GetActor().GetId() != "" && strings.Contains(step.GetText(), step.GetActor().GetId())
	if actor := actorWords(step.GetActor()); actor != "" && !named {
		out.WriteString(wrap("By "+clean(actor)+".", indent, a.width) + "\n")
	}
	for _, e := range step.GetEvidence() {
		line := "Evidence: " + e.GetSummary()
		if !strings.HasSuffix(line, ".") {
			line += "."
		}
		if e.GetReceivedAt() != nil {
			line += " Received " + a.instant(e.GetReceivedAt()) + "."
		}
		if e.GetReference() != "" {
			line += " At " + e.GetPspAccount() + " it is " + e.GetReference() + "."
		}
		out.WriteString(wrap(clean(line), indent, a.width) + "\n")
	}
}

// actors says who acts, by kind.
var actors = map[kvitv1.ActorKind]string{
	kvitv1.ActorKind_ACTOR_KIND_API_KEY:  "API key",
	kvitv1.ActorKind_ACTOR_KIND_SYSTEM:   "Kvit",
	kvitv1.ActorKind_ACTOR_KIND_PSP:      "PSP",
	kvitv1.ActorKind_ACTOR_KIND_PAYER:    "the payer",
	kvitv1.ActorKind_ACTOR_KIND_OPERATOR: "operator",
}

func actorWords(actor *kvitv1.Actor) string {
	return strings.TrimSpace(actors[actor.GetKind()] + " " + actor.GetId())
}

type orderCancel struct {
	onceFlags

	OrderID      string `arg:"" name:"order-id" help:"The order's id."`
	Reason       string `help:"Why, for the record." placeholder:"TEXT"`
	ValidateOnly bool   `help:"Have the request judged, and change nothing."`
}

// Help shows how the command is used.
func (*orderCancel) Help() string {
	return `Money that still comes from a payment under way opens the exception AFTER_CANCEL.

Examples:

    kvit order cancel A-17 --reason "customer changed their mind"`
}

// Run cancels the order.
func (c *orderCancel) Run(ctx context.Context, a *app) error {
	request := &kvitv1.CancelOrderRequest{
		IdempotencyKey: c.key(), OrderId: c.OrderID, Reason: c.Reason, ValidateOnly: c.ValidateOnly,
	}
	answer, err := change(ctx, a, request.GetIdempotencyKey(), func(ctx context.Context, client *kvit.Client) (answered[*kvitv1.CancelOrderResponse], error) {
		return recorded(ctx, func(ctx context.Context) (*kvitv1.CancelOrderResponse, error) {
			return client.Payments.CancelOrder(ctx, request)
		})
	})
	if err != nil {
		return err
	}
	if a.json {
		return a.changed(answer.message, request.GetIdempotencyKey(), answer.replayed)
	}
	a.judgedHint(c.ValidateOnly)
	a.replayedHint(answer.replayed)
	return a.facts(a.orderFacts(answer.message.GetOrder())...)
}
