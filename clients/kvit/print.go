package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	kvitv1 "github.com/kvitpay/kvit/gen/kvit/v1"
)

// document prints one message as JSON.
func (a *app) document(message proto.Message) error {
	text, err := jsonOf(message)
	if err != nil {
		return err
	}
	return a.indented(text)
}

// changed prints the answer to a change as JSON: its fields, with the idempotency key and whether it is a recorded answer.
func (a *app) changed(message proto.Message, key string, replayed bool) error {
	text, err := jsonOf(message)
	if err != nil {
		return err
	}
	quoted, err := json.Marshal(key)
	if err != nil {
		return err
	}
	head := fmt.Sprintf(`{"idempotencyKey":%s,"replayed":%t`, quoted, replayed)
	if rest := text[1:]; rest[0] != '}' {
		return a.indented([]byte(head + "," + string(rest)))
	}
	return a.indented([]byte(head + "}"))
}

// line prints one message as JSON on one line.
func (a *app) line(message proto.Message) error {
	text, err := jsonOf(message)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(a.stdout, "%s\n", text)
	return err
}

// jsonOf is compact, and the same for the same message.
func jsonOf(message proto.Message) ([]byte, error) {
	text, err := protojson.Marshal(message)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	err = json.Compact(&out, text)
	return out.Bytes(), err
}

func (a *app) indented(text []byte) error {
	var out bytes.Buffer
	if err := json.Indent(&out, text, "", "  "); err != nil {
		return err
	}
	out.WriteByte('\n')
	_, err := a.stdout.Write(out.Bytes())
	return err
}

// fact is one line of what is known about a thing; without a value it is left out.
type fact struct{ name, value string }

// facts prints names and values in two columns.
func (a *app) facts(facts ...fact) error {
	wide := 0
	for _, f := range facts {
		if f.value != "" {
			wide = max(wide, display(f.name))
		}
	}
	var out strings.Builder
	for _, f := range facts {
		if f.value != "" {
			name, value := pad(f.name, wide)+gap, clean(f.value)
			if a.width > 0 && display(name+value) > a.width {
				value = strings.TrimLeft(wrap(value, strings.Repeat(" ", wide)+gap, a.width), " ")
			}
			out.WriteString(name + value + "\n")
		}
	}
	_, err := fmt.Fprint(a.stdout, out.String())
	return err
}

// instant writes a time for a person, where they are.
func (a *app) instant(t *timestamppb.Timestamp) string {
	if t == nil {
		return ""
	}
	return t.AsTime().In(a.zone).Format("2006-01-02 15:04:05 MST")
}

// minute writes a time for a table.
func (a *app) minute(t *timestamppb.Timestamp) string {
	if t == nil {
		return ""
	}
	return t.AsTime().In(a.zone).Format("2006-01-02 15:04")
}

// until writes a time with how far away it is.
func (a *app) until(t *timestamppb.Timestamp) string {
	if t == nil {
		return ""
	}
	left := t.AsTime().Sub(a.now())
	if left <= 0 {
		return a.instant(t) + " (over)"
	}
	return a.instant(t) + " (in " + short(left) + ")"
}

// short writes a span roughly: its two greatest units.
func short(span time.Duration) string {
	const day = 24 * time.Hour
	switch {
	case span >= day:
		return strings.TrimSuffix(fmt.Sprintf("%d d %d h", span/day, span%day/time.Hour), " 0 h")
	case span >= time.Hour:
		return strings.TrimSuffix(fmt.Sprintf("%d h %d min", span/time.Hour, span%time.Hour/time.Minute), " 0 min")
	case span >= time.Minute:
		return strings.TrimSuffix(fmt.Sprintf("%d min %d s", span/time.Minute, span%time.Minute/time.Second), " 0 s")
	case span >= time.Second:
		return fmt.Sprintf("%d s", span/time.Second)
	default:
		return fmt.Sprintf("%d ms", span/time.Millisecond)
	}
}

// word is the value of an enum without its prefix, such as PAID.
func word(value fmt.Stringer, prefix string) string {
	name := strings.TrimPrefix(value.String(), prefix)
	if name == "UNSPECIFIED" {
		return ""
	}
	return name
}

func orderWord(s kvitv1.OrderState) string { return word(s, orderPrefix) }
func linkWord(s kvitv1.LinkState) string   { return word(s, linkPrefix) }
func kindWord(k kvitv1.LinkKind) string    { return word(k, kindPrefix) }
func modeWord(m kvitv1.Mode) string        { return word(m, modePrefix) }

// clean takes out what would let a text from elsewhere move the cursor or turn the writing around.
func clean(text string) string {
	return strings.Map(func(r rune) rune {
		turns := r >= '\u202a' && r <= '\u202e' || r >= '\u2066' && r <= '\u2069'
		if r < ' ' || r >= '\u007f' && r < '\u00a0' || turns {
			return '\ufffd'
		}
		return r
	}, text)
}
