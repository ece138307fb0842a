package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/kvitpay/kvit/clients/go/kvit"
	kvitv1 "github.com/kvitpay/kvit/gen/kvit/v1"
)

// What the names of enum values begin with.
const (
	orderPrefix  = "ORDER_STATE_"
	linkPrefix   = "LINK_STATE_"
	kindPrefix   = "LINK_KIND_"
	refundPrefix = "REFUND_STATE_"
	modePrefix   = "MODE_"
)

// orderState is a state as people type it: PAID or paid.
type orderState kvitv1.OrderState

// UnmarshalText reads a state.
func (s *orderState) UnmarshalText(text []byte) error {
	number, err := named(kvitv1.OrderState_value, orderPrefix, text)
	*s = orderState(number)
	return err
}

// linkState is a link's state as people type it.
type linkState kvitv1.LinkState

// UnmarshalText reads a state.
func (s *linkState) UnmarshalText(text []byte) error {
	number, err := named(kvitv1.LinkState_value, linkPrefix, text)
	*s = linkState(number)
	return err
}

// refundState is a refund's state as people type it.
type refundState kvitv1.RefundState

// UnmarshalText reads a state.
func (s *refundState) UnmarshalText(text []byte) error {
	number, err := named(kvitv1.RefundState_value, refundPrefix, text)
	*s = refundState(number)
	return err
}

// linkKind is a link's kind as people type it.
type linkKind kvitv1.LinkKind

// UnmarshalText reads a kind.
func (k *linkKind) UnmarshalText(text []byte) error {
	number, err := named(kvitv1.LinkKind_value, kindPrefix, text)
	*k = linkKind(number)
	return err
}

// named finds an enum value by its name without the prefix, and otherwise lists the names.
func named(values map[string]int32, prefix string, text []byte) (int32, error) {
	name := prefix + strings.ReplaceAll(strings.ToUpper(string(text)), "-", "_")
	if number, ok := values[name]; ok && number != 0 {
		return number, nil
	}
	numbers := make([]int32, 0, len(values))
	names := map[int32]string{}
	for name, number := range values {
		if number != 0 {
			numbers = append(numbers, number)
			names[number] = strings.TrimPrefix(name, prefix)
		}
	}
	slices.Sort(numbers)
	known := make([]string, len(numbers))
	for i, number := range numbers {
		known[i] = names[number]
	}
	return 0, fmt.Errorf("%q is none of %s", text, strings.Join(known, ", "))
}

// amount is money as people type it: "1500.00 AMD".
type amount struct{ money *kvitv1.Money }

// UnmarshalText reads an amount.
func (a *amount) UnmarshalText(text []byte) (err error) {
	a.money, err = kvit.ParseMoney(string(text))
	return err
}

// instant is a time as people type it: 2026-11-21T10:00:00+04:00, or a date or minute where they are.
type instant struct{ text string }

// UnmarshalText keeps the text; its zone is known later.
func (i *instant) UnmarshalText(text []byte) error {
	i.text = string(text)
	_, err := i.in(time.UTC)
	return err
}

func (i *instant) in(zone *time.Location) (*timestamppb.Timestamp, error) {
	if i.text == "" {
		return nil, nil //nolint:nilnil // No time was given.
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02 15:04:05", "2006-01-02 15:04", "2006-01-02"} {
		if t, err := time.ParseInLocation(layout, i.text, zone); err == nil {
			return timestamppb.New(t), nil
		}
	}
	return nil, fmt.Errorf("time %q: want 2026-11-21, \"2026-11-21 10:00\" or 2026-11-21T10:00:00Z", i.text)
}

// span leaves a duration out that was not given.
func span(d time.Duration) *durationpb.Duration {
	if d == 0 {
		return nil
	}
	return durationpb.New(d)
}
