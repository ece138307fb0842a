package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/kvitpay/kvit/clients/go/kvit"
	kvitv1 "github.com/kvitpay/kvit/gen/kvit/v1"
)

type pspList struct{}

// Help shows how the command is used.
func (*pspList) Help() string {
	return `An account that can capture can hold money as well: kvit link create --manual. Of many currencies the first are shown;
--json has all.

Examples:

    kvit psp list`
}

// Run lists the merchant's PSP accounts.
func (*pspList) Run(ctx context.Context, a *app) error {
	answer, err := read(ctx, a, func(ctx context.Context, client *kvit.Client) (*kvitv1.ListPspAccountsResponse, error) {
		return client.Payments.ListPspAccounts(ctx, &kvitv1.ListPspAccountsRequest{})
	})
	if err != nil {
		return err
	}
	if a.json {
		return a.document(answer)
	}
	if len(answer.GetAccounts()) == 0 {
		a.hint("No PSP accounts: nothing can be paid.")
		return nil
	}
	rows := make([][]string, len(answer.GetAccounts()))
	for i, p := range answer.GetAccounts() {
		rows[i] = []string{
			p.GetAccountId(), p.GetPsp(), p.GetName(), modeWord(p.GetMode()), abilities(p), someOf(p.GetCurrencyCodes()),
		}
	}
	return a.table([]column{
		{title: "ACCOUNT"},
		{title: "PSP"},
		{title: "NAME", optional: 2, flexible: true},
		{title: "MODE"},
		{title: "CAN", optional: 1},
		{title: "CURRENCIES", optional: 3, flexible: true},
	}, rows)
}

// shownMax is how many currencies are shown of a list that is longer by more than one.
const shownMax = 8

// someOf is a list that can be read: its first, and how many more there are.
func someOf(codes []string) string {
	if len(codes) <= shownMax+1 {
		return strings.Join(codes, " ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(codes[:shownMax], " "), len(codes)-shownMax)
}

// abilities are what an account can do beside taking payments.
func abilities(p *kvitv1.PspAccount) string {
	var can []string
	for _, ability := range []struct {
		has  bool
		name string
	}{{p.GetRefunds(), "refund"}, {p.GetCaptures(), "capture"}, {p.GetVoids(), "void"}} {
		if ability.has {
			can = append(can, ability.name)
		}
	}
	return strings.Join(can, ", ")
}
