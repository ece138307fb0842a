package order_test

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kvitpay/kvit/server/fault"
	"github.com/kvitpay/kvit/server/order"
)

// vector is a journal with every part that an entry can have, decided with fixed ids and salts.
func vector(t *testing.T) []order.Entry {
	t.Helper()
	link, _ := createBoth(t)
	s := newScript(t)
	s.policy = order.Policy{order.Overpaid: order.Return}
	p1 := payment("p1")
	a := s.start("liqpay")
	s.wait(1500 * time.Millisecond)
	s.hear(order.FactDeclined, a, func(ev *order.Evidence) { ev.Failure, ev.RawID = "insufficient funds <&>", "raw_1" }, closes, p1)
	b := s.start("liqpay")
	s.hear(order.FactAuthorized, b, p1)
	s.hear(order.FactSucceeded, b, p1, amount(12_000), paidExactly(s.now.Add(-time.Microsecond)))
	s.must(s.o.FailRefund(s.act(), s.o.Refunds[0].ID, "no"))
	s.resolve(order.DecideAccept)
	s.hear(order.FactRefunded, b, p1, amount(1))
	s.hear(order.FactChargedBack, b, p1, amount(1))
	return append([]order.Entry{link.Entries()[0]}, s.o.Entries()...)
}

// The bytes, digests and chain of testdata/journal_v1.txt are frozen: journals hold them for ever.
// The file was verified by a program of its own. A change of the format is a new first byte and a
// new file; this one stays.
func TestEncode_J3_FormatIsFrozen(t *testing.T) {
	t.Parallel()
	golden, err := os.ReadFile("testdata/journal_v1.txt")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(golden), printJournal(t, vector(t))); diff != "" {
		t.Errorf("the bytes of entries changed:\n%s", diff)
	}
}

// printJournal writes a line per entry: position, digest, chain hash, format, JSON.
func printJournal(t *testing.T, entries []order.Entry) string {
	t.Helper()
	var text strings.Builder
	var head order.Hash
	for i := range entries {
		stored, err := entries[i].Encode()
		if err != nil {
			t.Fatal(err)
		}
		position := uint64(i) + 1
		digest := order.Digest(stored)
		head = head.Next(position, digest)
		fmt.Fprintf(&text, "%d %x %x %02x %s\n", position, digest, head, stored[0], stored[1:])
	}
	return text.String()
}

// fill sets every field of a struct to something.
func fill(v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem())
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			v.Set(reflect.ValueOf(epoch.Add(123456 * time.Microsecond)))
			return
		}
		for _, field := range v.Fields() {
			fill(field)
		}
	case reflect.String:
		v.SetString("x")
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(v.Index(0))
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int64:
		v.SetInt(9_007_199_254_740_993) // No float64 holds it.
	}
}

// Every field has its name for ever; a new one is optional and comes with a new line here.
func TestEncode_J3_NamesOfFieldsAreFrozen(t *testing.T) {
	t.Parallel()
	var e order.Entry
	fill(reflect.ValueOf(&e).Elem())
	stored, err := e.Encode()
	if err != nil {
		t.Fatal(err)
	}
	golden, err := os.ReadFile("testdata/every_field_v1.txt")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.TrimSpace(string(golden)), string(stored[1:])); diff != "" {
		t.Errorf("the fields of entries changed:\n%s", diff)
	}
	back, err := order.Decode(append([]byte{1}, golden...))
	if err != nil {
		t.Fatal(err)
	}
	e.Position, e.Private = 0, nil // They stand beside the bytes.
	if diff := cmp.Diff(e, back); diff != "" {
		t.Errorf("the entry is read as another one:\n%s", diff)
	}
}

func TestDecode_J3_ReadsTheFrozenFormat(t *testing.T) {
	t.Parallel()
	golden, err := os.ReadFile("testdata/journal_v1.txt")
	if err != nil {
		t.Fatal(err)
	}
	var entries []order.Entry
	for line := range strings.Lines(string(golden)) {
		parts := strings.SplitN(strings.TrimSuffix(line, "\n"), " ", 5)
		entry, err := order.Decode(append([]byte{1}, parts[4]...))
		if err != nil {
			t.Fatal(err)
		}
		entries = append(entries, entry)
	}
	link, err := order.ReplayLink(entries[:1])
	if err != nil {
		t.Fatal(err)
	}
	o, err := order.Replay(entries)
	if err != nil {
		t.Fatal(err)
	}
	if link.ID != "lnk_1" || o.State != order.ChargedBack || o.Paid() != 12_000 || o.Refunded() != 1 || len(o.Refunds) != 2 {
		t.Errorf("link %s, order %s: paid %d, refunded %d", link.ID, o.State, o.Paid(), o.Refunded())
	}
	if entries[1].View == nil || entries[1].View.State != order.Pending || entries[1].View.AmountMinor != full {
		t.Errorf("order.created has the view %+v", entries[1].View)
	}
}

func TestDecode_J3_RefusesAnotherFormat(t *testing.T) {
	t.Parallel()
	for _, stored := range []string{"", "\x00{}", "\x02{}", "\x01", "\x01{", "\x01[]"} {
		if _, err := order.Decode([]byte(stored)); err == nil {
			t.Errorf("%q was read", stored)
		}
	}
}

func TestReplay_O3_RefusesAHistoryThatCannotBe(t *testing.T) {
	t.Parallel()
	entries := vector(t)
	for name, bend := range map[string]func([]order.Entry) []order.Entry{
		"an entry is missing":   func(e []order.Entry) []order.Entry { return append(e[:4:4], e[5:]...) },
		"two are exchanged":     func(e []order.Entry) []order.Entry { e[5], e[6] = e[6], e[5]; return e },
		"a state was forgotten": func(e []order.Entry) []order.Entry { e[1].Change.To = ""; return e },
		"a state was changed":   func(e []order.Entry) []order.Entry { e[1].Change.To = order.Paid; return e },
		"a type is unknown":     func(e []order.Entry) []order.Entry { e[3].Type = "order.eaten"; return e },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, err := order.Replay(bend(append([]order.Entry(nil), entries...))); !fault.Is(err, fault.ReasonInternal) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestEncode_J3_PrivateTextIsNotInTheBytes(t *testing.T) {
	t.Parallel()
	s := newScript(t)
	o, err := order.Create(s.act(), spec(s, func(spec *order.Spec) {
		spec.Terms.Customer = order.Customer{CustomerID: "secret-1", ViberBot: "secret-2", ViberUserID: "secret-3"}
		spec.Details = order.Details{
			Description: "secret-4", Name: "secret-5", Email: "secret-6", Phone: "secret-7",
			Items: []order.Item{{Name: "secret-8"}}, Metadata: map[string]string{"secret-9": "secret-10"},
			SuccessURL: "secret-11", FailureURL: "secret-12",
		}
	}))
	s.must(err)
	act := s.act()
	act.Reason = "secret-13"
	s.must(o.Cancel(act))
	for i := range o.Entries() {
		e := &o.Entries()[i]
		stored, err := e.Encode()
		s.must(err)
		if bytes.Contains(stored, []byte("secret")) {
			t.Errorf("%s says %s", e.Type, stored)
		}
		if !bytes.Contains(e.Private, []byte("secret")) || !bytes.Contains(stored, []byte(e.TextHash)) {
			t.Errorf("%s has lost its text or its hash", e.Type)
		}
	}
}

func TestPrivate_J3_HashIsSalted(t *testing.T) {
	t.Parallel()
	s := newScript(t)
	hash := func(salt byte) string {
		act := order.NewAct(s.now, order.Actor{}, order.IDs{Salt: [16]byte{salt}})
		return newOrder(t, act).Entries()[0].TextHash
	}
	if hash(1) == hash(2) {
		t.Error("the same text has the same hash under two salts")
	}
	if first, again := hash(1), hash(1); first != again {
		t.Error("a decision that runs twice gives two hashes")
	}
	act := s.act()
	if first, second := newOrder(t, act), newOrder(t, act); first.Entries()[0].TextHash == second.Entries()[0].TextHash {
		t.Error("two entries of a command share a salt")
	}
}

func TestTextFits_J3_KnowsItsText(t *testing.T) {
	t.Parallel()
	e := newScript(t).o.Entries()[0]
	if !e.TextFits(e.Private) {
		t.Error("its own text does not fit")
	}
	for i := range e.Private {
		bent := bytes.Clone(e.Private)
		bent[i] ^= 1
		if e.TextFits(bent) {
			t.Fatalf("a text that differs in byte %d fits", i)
		}
	}
}

func TestTextFits_J3_ErasedTextKeepsTheChainTrue(t *testing.T) {
	t.Parallel()
	e := newScript(t).o.Entries()[0]
	before, err := e.Encode()
	if err != nil {
		t.Fatal(err)
	}
	e.Private = nil
	after, err := e.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(before, after) || !e.TextFits(nil) {
		t.Error("erasing the text changed the entry")
	}
	if text, err := order.OpenPrivate(nil); err != nil || text.Details != nil || text.Reason != "" {
		t.Errorf("an erased text reads %+v, %v", text, err)
	}
}

func TestOpenPrivate_J3_RoundTrip(t *testing.T) {
	t.Parallel()
	e := newScript(t).o.Entries()[0]
	text, err := order.OpenPrivate(e.Private)
	if err != nil || text.Details.Description != "Lesson" || text.Customer.CustomerID != "c-1" {
		t.Errorf("read %+v, %v", text, err)
	}
	for _, broken := range [][]byte{{1}, e.Private[:15], e.Private[:20]} {
		if _, err := order.OpenPrivate(broken); err == nil {
			t.Errorf("%x was read", broken)
		}
	}
}

func TestCursor_J6_RoundTrip(t *testing.T) {
	t.Parallel()
	head := order.Digest([]byte("head"))
	c := order.CursorAt(42, head)
	back, err := order.ParseCursor(c.String())
	if err != nil || back != c || back.Position() != 42 || len(c.String()) != 23 {
		t.Errorf("%q reads as position %d, %v", c, back.Position(), err)
	}
}

func TestCursor_J6_RecognisesAnotherJournal(t *testing.T) {
	t.Parallel()
	head := order.Digest([]byte("head"))
	c := order.CursorAt(42, head)
	if !c.Fits(head) || c.Fits(order.Digest([]byte("restored backup"))) {
		t.Error("the cursor does not know its journal")
	}
	if !order.CursorAt(0, order.Hash{}).Fits(order.Hash{}) || order.CursorAt(0, order.Hash{}).Position() != 0 {
		t.Error("the beginning of every journal is the same")
	}
}

func TestParseCursor_J6_RefusesWhatIsNone(t *testing.T) {
	t.Parallel()
	good := order.CursorAt(42, order.Hash{}).String()
	for _, text := range []string{
		"", good + "A", good[:22], "Ag" + good[2:], good[:10] + "\n" + good[10:], good[:22] + "B", strings.Repeat("_", 23),
		"AYAAAAAAAAAqAAAAAAAAAAA", // A position that no database has.
	} {
		if _, err := order.ParseCursor(text); !fault.Is(err, fault.ReasonCursorInvalid) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestParseID_O1_Alphabet(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"A", "a-1_B.c:9", strings.Repeat("x", 64)} {
		if id, err := order.ParseID(text); err != nil || id.String() != text || id.IsZero() {
			t.Errorf("%q: %v", text, err)
		}
	}
	for _, text := range []string{"", strings.Repeat("x", 65), "a b", "a/b", "ա", "a\x00", "a\n"} {
		if _, err := order.ParseID(text); !fault.Is(err, fault.ReasonRequestInvalid) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func FuzzParseID(f *testing.F) {
	for _, seed := range []string{"A-1", "", "a b", "_:.-", strings.Repeat("9", 65)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		id, err := order.ParseID(text)
		if err != nil {
			return
		}
		if again, err := order.ParseID(id.String()); id.String() != text || err != nil || again != id {
			t.Errorf("%q became %q: %v", text, id, err)
		}
	})
}

func FuzzParseCursor(f *testing.F) {
	for _, seed := range []string{order.CursorAt(7, order.Hash{1}).String(), "", "AQ", strings.Repeat("A", 23)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if c, err := order.ParseCursor(text); err == nil && c.String() != text {
			t.Errorf("%q is read as %q", text, c)
		}
	})
}

// Decode reads what a database holds: it never panics, and what it accepts it writes so that it reads
// the same, replays or refuses alike.
func FuzzDecode(f *testing.F) {
	golden, err := os.ReadFile("testdata/journal_v1.txt")
	if err != nil {
		f.Fatal(err)
	}
	for line := range strings.Lines(string(golden)) {
		f.Add(append([]byte{1}, strings.SplitN(strings.TrimSpace(line), " ", 5)[4]...))
	}
	f.Add([]byte("\x01{}"))
	f.Fuzz(func(t *testing.T, stored []byte) {
		e, err := order.Decode(stored)
		if err != nil {
			return
		}
		once, err := e.Encode()
		if err != nil {
			t.Fatalf("%q is read and cannot be written: %v", stored, err)
		}
		again, err := order.Decode(once)
		if err != nil {
			t.Fatalf("%q is written as %q, which is not read: %v", stored, once, err)
		}
		twice, err := again.Encode()
		if err != nil || !bytes.Equal(once, twice) {
			t.Fatalf("%q is written as %q, then as %q (%v)", stored, once, twice, err)
		}
		o, err := order.Replay([]order.Entry{e})
		same, errAgain := order.Replay([]order.Entry{again})
		if (err == nil) != (errAgain == nil) {
			t.Fatalf("%s replays: %v, then %v", hex.EncodeToString(stored), err, errAgain)
		}
		if err == nil && !cmp.Equal(o, same, sameOrder()...) {
			t.Fatalf("%q replays to two orders: %s", stored, cmp.Diff(o, same, sameOrder()...))
		}
	})
}
