// Package text is the catalog of what people read: payers and chats in Armenian, Ukrainian, Russian and
// English, operators in English.
//
// Its one idea: a sentence is written whole, once per language, and reads well without any of its
// details. What may be missing stands in brackets together with the words around it, "Please pay[
// {amount}] using the link[ by {until}].", and drops out together with them. So no caller can forget an
// argument, and nobody ever reads a brace.
//
// [Say] writes a payer's sentence. [Explain] and its neighbours write an operator's sentence about an
// entry of the journal. [Amount], [Instant] and [Span] write values as a reader of that language expects
// them, with integer arithmetic only (M1): separators and symbols are habits of the language, exponents
// are those of the money room (M2).
//
// The package knows states, steps and types by their words alone ("PAID", "order.paid"); what they mean
// is the order room's. Sentences are plain text: who puts one into HTML or JSON escapes it there.
//
// Concurrency: the catalog is constant; every function may be called from many goroutines.
//
// Failure: none. A key or word that the catalog does not have gives "".
package text

import (
	"strings"
	"time"

	"github.com/kvitpay/kvit/server/money"
)

// Name is the name of a placeholder in a sentence.
type Name string

// The placeholders that sentences have.
const (
	ArgAccount  Name = "account"  // A merchant's account at a PSP.
	ArgActor    Name = "actor"    // Who acted.
	ArgAmount   Name = "amount"   // The amount that the sentence is about.
	ArgApp      Name = "app"      // The app in whose browser a page is open.
	ArgAttempt  Name = "attempt"  // The id of an attempt.
	ArgExpected Name = "expected" // The amount that should have come.
	ArgFact     Name = "fact"     // What evidence says; see ExplainFact.
	ArgKind     Name = "kind"     // The kind of a link, an exception or a fulfillment.
	ArgLink     Name = "link"     // The id of a link, never its address (L1).
	ArgMerchant Name = "merchant" // The merchant's name.
	ArgOrder    Name = "order"    // The merchant's order_id.
	ArgPSP      Name = "psp"      // The payment service provider.
	ArgReason   Name = "reason"   // Why, in the words of who acted or of the PSP.
	ArgSource   Name = "source"   // Where a fact came from; see ExplainSource.
	ArgSupport  Name = "support"  // Where support is found: an address, a phone, a text.
	ArgUntil    Name = "until"    // The end of an offer.
)

// Arg is a value for a placeholder. A sentence without that placeholder ignores it, and an empty value
// is as good as none; so a caller may give everything it knows.
type Arg struct {
	name  Name
	write func(Lang) string
}

// With gives a placeholder a text, which is written as it is.
func With(name Name, value string) Arg {
	return Arg{name, func(Lang) string { return value }}
}

// WithAmount gives a placeholder an amount, written as by Amount in the sentence's language.
func WithAmount(name Name, a money.Amount) Arg {
	return Arg{name, func(lang Lang) string { return Amount(lang, a) }}
}

// WithInstant gives a placeholder a time, written as by Instant in the sentence's language.
func WithInstant(name Name, t time.Time, loc *time.Location) Arg {
	return Arg{name, func(lang Lang) string { return Instant(lang, t, loc) }}
}

// Say returns the sentence of a key in a language, its placeholders filled in.
// A key that the catalog does not have gives "".
func Say(lang Lang, key Key, args ...Arg) string {
	return fill(lang, lang.habits().texts[key], args)
}

// fill writes a sentence. A clause, from "[" to "]", is written when each of its placeholders has a
// value. What a value says is not read again: braces in it are plain text.
func fill(lang Lang, sentence string, args []Arg) string {
	var out strings.Builder
	out.Grow(len(sentence))
	for {
		before, rest, found := strings.Cut(sentence, "[")
		write(&out, before)
		if !found {
			return out.String()
		}
		clause, after, _ := strings.Cut(rest, "]")
		if filled, whole := fillClause(lang, clause, args); whole {
			write(&out, filled)
		}
		sentence = after
	}
}

// fillClause writes a clause, and reports whether each of its placeholders had a value.
func fillClause(lang Lang, clause string, args []Arg) (string, bool) {
	var out strings.Builder
	for {
		before, rest, found := strings.Cut(clause, "{")
		out.WriteString(before)
		if !found {
			return out.String(), true
		}
		name, after, _ := strings.Cut(rest, "}")
		value := valueOf(lang, Name(name), args)
		if value == "" {
			return "", false
		}
		out.WriteString(value)
		clause = after
	}
}

// valueOf returns the value of the first argument with this name that has one, or "".
func valueOf(lang Lang, name Name, args []Arg) string {
	for _, arg := range args {
		if arg.name != name {
			continue
		}
		if value := arg.write(lang); value != "" {
			return value
		}
	}
	return ""
}

// write appends part, without a second full stop where a value ended with one.
func write(out *strings.Builder, part string) {
	if strings.HasSuffix(out.String(), ".") {
		part = strings.TrimPrefix(part, ".")
	}
	out.WriteString(part)
}
