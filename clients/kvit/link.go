package main

import (
	"context"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"connectrpc.com/connect"

	"github.com/kvitpay/kvit/clients/go/kvit"
	kvitv1 "github.com/kvitpay/kvit/gen/kvit/v1"
)

// onceFlags are those of every command that changes something.
type onceFlags struct {
	IdempotencyKey string `help:"Repeat an earlier call with its key; made here when not given." placeholder:"KEY"`
}

func (f *onceFlags) key() string {
	if f.IdempotencyKey == "" {
		f.IdempotencyKey = kvit.NewKey()
	}
	return f.IdempotencyKey
}

// answered is the answer to a change, and whether it was recorded before (I2).
type answered[T any] struct {
	message  T
	replayed bool
}

// recorded notes whether an answer is a recorded one.
func recorded[T any](ctx context.Context, call func(ctx context.Context) (T, error)) (answered[T], error) {
	ctx, info := connect.NewClientContext(ctx)
	message, err := call(ctx)
	if err != nil {
		return answered[T]{}, err
	}
	return answered[T]{message: message, replayed: kvit.Replayed(info.ResponseHeader())}, nil
}

// replayedHint says to a person that nothing new was made.
func (a *app) replayedHint(replayed bool) {
	if replayed {
		a.hint("This is the recorded answer to an earlier call with this idempotency key; nothing new was done.")
	}
}

type linkCreate struct {
	onceFlags

	Amount         amount            `help:"What a payer pays, such as \"1500.00 AMD\"." required:"" placeholder:"AMOUNT"`
	OrderID        string            `help:"Your id of the order; not for --fixed." placeholder:"ID"`
	Fixed          bool              `help:"Make a template: each payer gets an order of their own."`
	Description    string            `help:"What the payer reads." placeholder:"TEXT"`
	Item           []string          `help:"A line of what is bought, such as \"2 x Coffee = 900.00\"; may be repeated." sep:"none" placeholder:"LINE"`
	CustomerID     string            `help:"Your id of the customer." placeholder:"ID"`
	ViberBot       string            `help:"The bot that the customer talks to; with --viber-user." placeholder:"BOT" and:"viber"`
	ViberUser      string            `help:"The customer's id at that bot." placeholder:"ID" and:"viber"`
	CustomerName   string            `help:"What to call the customer." placeholder:"NAME"`
	Email          string            `help:"Where a receipt may be sent." placeholder:"ADDRESS"`
	Phone          string            `help:"The customer's number, such as +37477123456." placeholder:"NUMBER"`
	Locale         string            `help:"The language of the page: hy, uk, ru or en." placeholder:"TAG"`
	ExpiresIn      time.Duration     `help:"How long to offer, such as 2h." placeholder:"DURATION" xor:"expiry"`
	ExpiresAt      instant           `help:"When to stop offering, such as \"2026-11-21 18:00\"." placeholder:"TIME" xor:"expiry"`
	OrderExpiresIn time.Duration     `help:"How long each order of a fixed link is offered." placeholder:"DURATION"`
	Account        []string          `help:"A PSP account to offer, of those that kvit psp list shows; may be repeated, in the order for payers. Without it, all." sep:"none" placeholder:"ID"`
	SuccessURL     string            `help:"Where a button of the paid page leads." placeholder:"URL"`
	FailureURL     string            `help:"Where a button of the failed page leads." placeholder:"URL"`
	Metadata       map[string]string `help:"Your own words, given back with link and order; may be repeated." mapsep:"none" placeholder:"NAME=TEXT"`
	Manual         bool              `help:"Hold the money first, take it when you say so."`
	ValidateOnly   bool              `help:"Have the request judged, and make nothing."`
}

// Help shows how the command is used.
func (*linkCreate) Help() string {
	return `Repeating the command with the same --idempotency-key makes nothing twice; without one, each run is a new request, and an
order id that exists with the same terms comes back as it is. Where nothing can be paid at its link, a warning says so.

Examples:

    kvit link create --order-id A-17 --amount "1500.00 AMD" --description "Two coffees"

    kvit link create --order-id A-18 --amount "450 UAH" --expires-in 2h --customer-id c-9 --locale uk

    kvit link create --fixed --amount "20.00 EUR" --description "Ticket" --account liqpay-main --account portmone-main

    kvit link create --order-id A-19 --amount "900 AMD" --item "2 x Coffee = 900" --json`
}

// Run makes the link.
func (c *linkCreate) Run(ctx context.Context, a *app) error {
	request, err := c.request(a)
	if err != nil {
		return usage(err)
	}
	answer, err := change(ctx, a, request.GetIdempotencyKey(), func(ctx context.Context, client *kvit.Client) (answered[*kvitv1.CreatePaymentLinkResponse], error) {
		return recorded(ctx, func(ctx context.Context) (*kvitv1.CreatePaymentLinkResponse, error) {
			return client.Payments.CreatePaymentLink(ctx, request)
		})
	})
	if err != nil {
		return err
	}
	defer a.unpayableHint(answer.message.GetLink(), answer.message.GetOrder())
	if a.json {
		return a.changed(answer.message, request.GetIdempotencyKey(), answer.replayed)
	}
	if c.ValidateOnly {
		a.hint("The request is good; nothing was made.")
	}
	a.replayedHint(answer.replayed)
	return a.link(answer.message.GetLink(), answer.message.GetOrder())
}

func (c *linkCreate) request(a *app) (*kvitv1.CreatePaymentLinkRequest, error) {
	expiresAt, err := c.ExpiresAt.in(a.zone)
	if err != nil {
		return nil, err
	}
	items, err := lineItems(c.Item, c.Amount.money.GetCurrencyCode())
	if err != nil {
		return nil, err
	}
	request := &kvitv1.CreatePaymentLinkRequest{
		IdempotencyKey: c.key(),
		Kind:           kvitv1.LinkKind_LINK_KIND_DYNAMIC,
		OrderId:        c.OrderID,
		Amount:         c.Amount.money,
		Description:    c.Description,
		LineItems:      items,
		Customer:       c.customer(),
		ExpiresAt:      expiresAt,
		ExpiresIn:      span(c.ExpiresIn),
		OrderExpiresIn: span(c.OrderExpiresIn),
		PspAccounts:    c.Account,
		SuccessUrl:     c.SuccessURL,
		FailureUrl:     c.FailureURL,
		Metadata:       c.Metadata,
		ValidateOnly:   c.ValidateOnly,
	}
	if c.Fixed {
		request.Kind = kvitv1.LinkKind_LINK_KIND_FIXED
	}
	if c.Manual {
		request.CaptureMode = kvitv1.CaptureMode_CAPTURE_MODE_MANUAL
	}
	return request, nil
}

func (c *linkCreate) customer() *kvitv1.Customer {
	if c.CustomerID+c.ViberBot+c.ViberUser+c.CustomerName+c.Email+c.Phone+c.Locale == "" {
		return nil
	}
	customer := &kvitv1.Customer{
		CustomerId: c.CustomerID, Name: c.CustomerName, Email: c.Email, Phone: c.Phone, Locale: c.Locale,
	}
	if c.ViberBot != "" || c.ViberUser != "" {
		customer.Viber = &kvitv1.ViberUser{Bot: c.ViberBot, UserId: c.ViberUser}
	}
	return customer
}

// itemShape is "2 x Coffee = 900.00".
var itemShape = regexp.MustCompile(`^\s*([0-9]+)\s*x\s+(.*\S)\s*=\s*(\S.*)$`)

func lineItems(lines []string, currency string) ([]*kvitv1.LineItem, error) {
	items := make([]*kvitv1.LineItem, 0, len(lines))
	for _, line := range lines {
		parts := itemShape.FindStringSubmatch(line)
		if parts == nil {
			return nil, fmt.Errorf("item %q: want a number, x, a name, = and the line's total, such as \"2 x Coffee = 900.00\"", line)
		}
		quantity, err := strconv.ParseInt(parts[1], 10, 64)
		if err != nil {
			return nil, fmt.Errorf("item %q: too many", line)
		}
		text := strings.TrimSpace(parts[3])
		if last := text[len(text)-1]; last >= '0' && last <= '9' {
			text += " " + currency
		}
		total, err := kvit.ParseMoney(text)
		if err != nil {
			return nil, fmt.Errorf("item %q: %w", line, err)
		}
		if total.GetCurrencyCode() != currency {
			return nil, fmt.Errorf("item %q: want the currency of the amount, %s", line, currency)
		}
		items = append(items, &kvitv1.LineItem{Name: parts[2], Quantity: quantity, Amount: total})
	}
	return items, nil
}

type linkGet struct {
	LinkID string `arg:"" name:"link-id" help:"The link's id."`
}

// Help shows how the command is used.
func (*linkGet) Help() string {
	return `Examples:

    kvit link get lnk_7Q2M4

    kvit link get lnk_7Q2M4 --json`
}

// Run shows the link.
func (c *linkGet) Run(ctx context.Context, a *app) error {
	answer, err := read(ctx, a, func(ctx context.Context, client *kvit.Client) (*kvitv1.GetPaymentLinkResponse, error) {
		return client.Payments.GetPaymentLink(ctx, &kvitv1.GetPaymentLinkRequest{LinkId: c.LinkID})
	})
	if err != nil {
		return err
	}
	if a.json {
		return a.document(answer)
	}
	return a.link(answer.GetLink(), nil)
}

type linkDeactivate struct {
	onceFlags

	LinkID string `arg:"" name:"link-id" help:"The link's id."`
	Reason string `help:"Why, for the record." placeholder:"TEXT"`
}

// Help shows how the command is used.
func (*linkDeactivate) Help() string {
	return `No payment can be started at the link any more. An order made with it is not cancelled; that is kvit order cancel.

Examples:

    kvit link deactivate lnk_7Q2M4 --reason "sold out"`
}

// Run closes the link.
func (c *linkDeactivate) Run(ctx context.Context, a *app) error {
	request := &kvitv1.DeactivatePaymentLinkRequest{IdempotencyKey: c.key(), LinkId: c.LinkID, Reason: c.Reason}
	answer, err := change(ctx, a, request.GetIdempotencyKey(), func(ctx context.Context, client *kvit.Client) (answered[*kvitv1.DeactivatePaymentLinkResponse], error) {
		return recorded(ctx, func(ctx context.Context) (*kvitv1.DeactivatePaymentLinkResponse, error) {
			return client.Payments.DeactivatePaymentLink(ctx, request)
		})
	})
	if err != nil {
		return err
	}
	if a.json {
		return a.changed(answer.message, request.GetIdempotencyKey(), answer.replayed)
	}
	a.replayedHint(answer.replayed)
	return a.link(answer.message.GetLink(), nil)
}

type linkList struct {
	pageFlags

	Kind    linkKind    `help:"Only dynamic or fixed ones." placeholder:"KIND"`
	State   []linkState `help:"Only ones in this state; may be repeated." placeholder:"STATE"`
	OrderID string      `help:"Only ones of this order." placeholder:"ID"`
}

// Help shows how the command is used.
func (*linkList) Help() string {
	return `Addresses are secrets between you and the payer; kvit link get shows one.

Examples:

    kvit link list

    kvit link list --state active --kind fixed

    kvit link list --created-after 2026-11-01 --limit 0 --json`
}

// Run lists links.
func (c *linkList) Run(ctx context.Context, a *app) error {
	after, before, err := c.created(a.zone)
	if err != nil {
		return usage(err)
	}
	request := &kvitv1.ListPaymentLinksRequest{
		Kind: kvitv1.LinkKind(c.Kind), OrderId: c.OrderID, CreatedAfter: after, CreatedBefore: before, PageToken: c.PageToken,
	}
	for _, state := range c.State {
		request.States = append(request.States, kvitv1.LinkState(state))
	}
	all := &kvitv1.ListPaymentLinksResponse{}
	all.NextPageToken, err = c.pages(func(token string, size int32) (int, string, error) {
		request.PageToken, request.PageSize = token, size
		page, err := read(ctx, a, func(ctx context.Context, client *kvit.Client) (*kvitv1.ListPaymentLinksResponse, error) {
			return client.Payments.ListPaymentLinks(ctx, request)
		})
		all.Links = append(all.Links, page.GetLinks()...)
		return len(page.GetLinks()), page.GetNextPageToken(), err
	})
	if err != nil {
		return err
	}
	if a.json {
		return a.document(all)
	}
	return a.links(all.GetLinks(), all.GetNextPageToken())
}

func (a *app) links(links []*kvitv1.Link, next string) error {
	defer a.more(next)
	if len(links) == 0 {
		a.hint("No links.")
		return nil
	}
	rows := make([][]string, len(links))
	for i, l := range links {
		rows[i] = []string{
			l.GetId(), kindWord(l.GetKind()), linkWord(l.GetState()), kvit.FormatMoney(l.GetAmount()), l.GetOrderId(),
			a.minute(l.GetExpiresAt()), a.minute(l.GetCreatedAt()), l.GetDescription(),
		}
	}
	return a.table([]column{
		{title: "LINK"},
		{title: "KIND", optional: 2},
		{title: "STATE"},
		{title: "AMOUNT", right: true},
		{title: "ORDER"},
		{title: "EXPIRES", optional: 1},
		{title: "CREATED", optional: 4},
		{title: "DESCRIPTION", optional: 3, flexible: true},
	}, rows)
}

// link shows one link, with its order where it was made with one.
func (a *app) link(l *kvitv1.Link, order *kvitv1.Order) error {
	orderID := l.GetOrderId()
	if order != nil {
		orderID = order.GetOrderId() + " (" + orderWord(order.GetState()) + ")"
	}
	facts := []fact{
		{"Link", l.GetId()},
		{"Address", l.GetUrl()},
		{"State", linkWord(l.GetState())},
		{"Kind", kindWord(l.GetKind())},
		{"Amount", kvit.FormatMoney(l.GetAmount())},
		{"Order", orderID},
		{"Description", l.GetDescription()},
	}
	facts = append(facts, itemFacts(l.GetLineItems())...)
	facts = append(facts, fact{"Expires", a.until(l.GetExpiresAt())})
	if l.GetOrderExpiresIn() != nil {
		facts = append(facts, fact{"Orders last", short(l.GetOrderExpiresIn().AsDuration())})
	}
	facts = append(facts,
		fact{"PSP accounts", strings.Join(l.GetPspAccounts(), ", ")},
		fact{"Capture", manualWord(l.GetCaptureMode())},
		fact{"Mode", modeWord(l.GetMode())},
		fact{"Created", a.instant(l.GetCreatedAt())},
		fact{"Deactivated", a.instant(l.GetDeactivatedAt())},
	)
	return a.facts(append(facts, metadataFacts(l.GetMetadata())...)...)
}
