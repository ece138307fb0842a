package main

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/kvitpay/kvit/clients/go/kvit"
	kvitv1 "github.com/kvitpay/kvit/gen/kvit/v1"
)

// pageMax is how many rows one call brings at most.
const pageMax = 200

// rowFlags say how many rows a list has.
type rowFlags struct {
	Limit     int    `help:"How many at most; 0 is all." default:"50" placeholder:"N"`
	PageToken string `help:"Go on where an earlier list ended." placeholder:"TOKEN"`
}

// pageFlags are those of lists by time.
type pageFlags struct {
	rowFlags

	CreatedAfter  instant `help:"Only ones made at or after this time." placeholder:"TIME"`
	CreatedBefore instant `help:"Only ones made before this time." placeholder:"TIME"`
}

func (f *pageFlags) created(zone *time.Location) (after, before *timestamppb.Timestamp, err error) {
	if after, err = f.CreatedAfter.in(zone); err != nil {
		return nil, nil, err
	}
	before, err = f.CreatedBefore.in(zone)
	return after, before, err
}

// pages reads page after page until there are enough rows, and says where the next one begins.
func (f *rowFlags) pages(next func(token string, size int32) (count int, more string, err error)) (string, error) {
	if f.Limit < 0 {
		return "", usage(fmt.Errorf("--limit %d: want 0 or more", f.Limit))
	}
	token := f.PageToken
	for rows := 0; ; {
		size := pageMax
		if f.Limit > 0 {
			size = min(size, f.Limit-rows)
		}
		count, more, err := next(token, int32(size))
		rows += count
		if err != nil || more == "" || f.Limit > 0 && rows >= f.Limit {
			return more, err
		}
		token = more
	}
}

// more says to a person how to see the rest.
func (a *app) more(token string) {
	if token != "" {
		a.hint("There are more: add --page-token %s, or --limit 0 for all.", token)
	}
}

func itemFacts(items []*kvitv1.LineItem) []fact {
	facts := make([]fact, len(items))
	for i, item := range items {
		facts[i] = fact{"Item", fmt.Sprintf("%d x %s = %s", item.GetQuantity(), item.GetName(), kvit.FormatMoney(item.GetAmount()))}
	}
	return facts
}

func metadataFacts(metadata map[string]string) []fact {
	var facts []fact
	for _, name := range slices.Sorted(maps.Keys(metadata)) {
		facts = append(facts, fact{"Metadata", name + "=" + metadata[name]})
	}
	return facts
}

// manualWord speaks of capture only where it is not the usual one.
func manualWord(mode kvitv1.CaptureMode) string {
	if mode == kvitv1.CaptureMode_CAPTURE_MODE_MANUAL {
		return "MANUAL"
	}
	return ""
}
