package api

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"buf.build/go/protovalidate"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	kvitv1 "github.com/kvitpay/kvit/gen/kvit/v1"
	"github.com/kvitpay/kvit/server/fault"
	"github.com/kvitpay/kvit/server/order"
	"github.com/kvitpay/kvit/server/payment"
	"github.com/kvitpay/kvit/server/stream"
	"github.com/kvitpay/kvit/server/text"
)

// words finds the constants of a type in a room's source, so that a new one cannot be forgotten.
func words(t *testing.T, room, typ string) []string {
	t.Helper()
	files, err := os.ReadDir(room)
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, f := range files {
		if !strings.HasSuffix(f.Name(), ".go") || strings.HasSuffix(f.Name(), "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), room+"/"+f.Name(), nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			spec, ok := n.(*ast.ValueSpec)
			if !ok || len(spec.Values) != 1 {
				return true
			}
			name, typed := spec.Type.(*ast.Ident)
			value, literal := spec.Values[0].(*ast.BasicLit)
			if typed && literal && name.Name == typ {
				word, _ := strconv.Unquote(value.Value)
				found = append(found, word)
			}
			return true
		})
	}
	if len(found) == 0 {
		t.Fatalf("%s has no constants of type %s", room, typ)
	}
	slices.Sort(found)
	return found
}

// checkTable holds a table to all our words and to all of the API's, each once.
func checkTable[W ~string, E interface {
	~int32
	protoreflect.Enum
}](t *testing.T, table map[W]E, room, typ string) {
	t.Helper()
	var have []string
	used := map[E]W{}
	for word, value := range table {
		have = append(have, string(word))
		if other, twice := used[value]; twice || value == 0 {
			t.Errorf("%s: %s and %s both become %v", typ, word, other, value)
		}
		used[value] = word
	}
	slices.Sort(have)
	if want := words(t, room, typ); !slices.Equal(have, want) {
		t.Errorf("the table of %s has %v, want %v", typ, have, want)
	}
	values := E(0).Descriptor().Values()
	if len(used) != values.Len()-1 {
		t.Errorf("the table of %s leads to %d values of %s, which has %d", typ, len(used), E(0).Descriptor().Name(), values.Len()-1)
	}
}

func TestTables_HaveEveryWord(t *testing.T) {
	t.Parallel()
	checkTable(t, orderStates, "../order", "State")
	checkTable(t, linkStates, "../order", "LinkState")
	checkTable(t, linkKinds, "../order", "Kind")
	checkTable(t, captureModes, "../order", "Capture")
	checkTable(t, refundStates, "../order", "RefundState")
	checkTable(t, exceptionKinds, "../order", "ExceptionKind")
	checkTable(t, nextSteps, "../order", "Step")
	checkTable(t, actorKinds, "../order", "ActorKind")
	checkTable(t, evidenceSources, "../order", "Source")
	checkTable(t, resetReasons, "../payment", "ResetReason")
	checkTable(t, keyKinds, "../store", "CredentialKind")
	for _, state := range order.States() {
		if orderStates[state] == 0 {
			t.Errorf("state %s is not in the table", state)
		}
	}
	for _, kind := range order.ExceptionKinds() {
		if exceptionKinds[kind] == 0 {
			t.Errorf("exception %s is not in the table", kind)
		}
	}
}

// What happens to orders can be told: the catalog has words for all of it.
func TestCatalog_TellsEverythingThatCanHappen(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		typ  string
		told []string
	}{
		{"Type", text.Explained()},
		{"ExceptionKind", text.ExplainedExceptions()},
		{"Source", text.ExplainedSources()},
		{"Fact", text.ExplainedFacts()},
		{"DeathProof", text.ExplainedDeaths()},
	} {
		for _, word := range words(t, "../order", c.typ) {
			if !slices.Contains(c.told, word) {
				t.Errorf("the catalog has no words for the %s %s", c.typ, word)
			}
		}
	}
	for _, word := range words(t, "../order", "State") {
		if !text.Known(text.State(word)) {
			t.Errorf("the catalog has no words for the state %s", word)
		}
	}
	for _, word := range words(t, "../order", "Step") {
		if !text.Known(text.NextStep(word)) {
			t.Errorf("the catalog has no words for the step %s", word)
		}
	}
}

func TestCodes_HaveEveryKind(t *testing.T) {
	t.Parallel()
	for _, kind := range fault.AllKinds() {
		if codes[kind] == 0 {
			t.Errorf("kind %s has no code", kind)
		}
	}
	if len(codes) != len(fault.AllKinds()) {
		t.Errorf("the table has %d kinds, want %d", len(codes), len(fault.AllKinds()))
	}
}

// services are the services of the API, as the proto has them.
func services() []protoreflect.ServiceDescriptor {
	return []protoreflect.ServiceDescriptor{
		kvitv1.File_kvit_v1_payment_service_proto.Services().Get(0),
		kvitv1.File_kvit_v1_callback_service_proto.Services().Get(0),
		kvitv1.File_kvit_v1_access_service_proto.Services().Get(0),
	}
}

func TestProcedures_A1_HaveEveryMethod(t *testing.T) {
	t.Parallel()
	methods := 0
	for _, service := range services() {
		for i := range service.Methods().Len() {
			methods++
			name := "/" + string(service.FullName()) + "/" + string(service.Methods().Get(i).Name())
			if _, ok := procedures[name]; !ok {
				t.Errorf("%s is not in the table of who may call what", name)
			}
		}
	}
	if methods != len(procedures) {
		t.Errorf("the table has %d procedures, want %d", len(procedures), methods)
	}
}

// A rule about several fields stands at the message; its id begins with the field to be changed.
func TestValidation_RulesOfMessagesNameAField(t *testing.T) {
	t.Parallel()
	for _, service := range services() {
		for i := range service.Methods().Len() {
			request := service.Methods().Get(i).Input()
			rules, err := protovalidate.ResolveMessageRules(request)
			if err != nil {
				t.Fatal(err)
			}
			for _, rule := range rules.GetCel() {
				field, _, _ := strings.Cut(rule.GetId(), ".")
				if request.Fields().ByName(protoreflect.Name(field)) == nil {
					t.Errorf("%s: the rule %s names no field", request.Name(), rule.GetId())
				}
			}
		}
	}
}

// someEvents are items as a hub has them.
func someEvents(n int) []stream.Item[*event] {
	events := make([]payment.Event, n)
	for i := range events {
		at := time.Date(2026, 11, 21, 10, 0, i, 0, time.UTC)
		events[i] = payment.Event{
			Entry: order.Entry{
				ID: "evt_1", Merchant: "shop", Type: order.OrderPaid, OrderID: "A-1", Version: int64(i), At: at,
				Actor: order.Actor{Kind: order.ByPSP, ID: "liqpay"}, Position: uint64(i + 1),
				Change: order.Change{To: order.Paid, Payment: &order.PaymentFacts{ID: "pay_1"}},
				View: &order.View{
					State: order.Paid, Kind: order.Dynamic, Capture: order.Automatic, Currency: "AMD", AmountMinor: 125000,
					Paid: 125000, LinkID: "lnk_06c8p3qe0s7jv9q2v1m8k4r5t0", OfferUntil: at, AcceptUntil: at,
				},
			},
			Cursor: order.CursorAt(uint64(i+1), order.Hash{1, 2, 3}),
		}
	}
	return itemsOf(events)
}

// What is encoded once for all is what each would have got.
func TestFrame_IsTheMessage(t *testing.T) {
	t.Parallel()
	for _, n := range []int{1, 3, 200} {
		f := &frame{items: someEvents(n), scannedTo: uint64(n) + 7}
		wire, err := frameCodec{}.Marshal(f)
		if err != nil {
			t.Fatal(err)
		}
		got := &kvitv1.StreamOrderEventsResponse{}
		if err := (frameCodec{}).Unmarshal(wire, got); err != nil {
			t.Fatal(err)
		}
		if !proto.Equal(got, f.message()) {
			t.Errorf("got %v, want %v", got, f.message())
		}
	}
}

// Every field of an event is filled in, but for what may be erased.
func TestEventMessage_ShowsAllButWhatMayBeErased(t *testing.T) {
	t.Parallel()
	message := someEvents(1)[0].Value.message
	erasable := []string{"customer", "description", "line_items", "metadata", "success_url", "failure_url", "created_at"}
	zero := []string{"refunded_amount", "authorized_amount"}
	for _, m := range []proto.Message{message, message.GetOrder()} {
		fields := m.ProtoReflect().Descriptor().Fields()
		for i := range fields.Len() {
			name := string(fields.Get(i).Name())
			if name == "order_version" || name == "version" || slices.Contains(zero, name) {
				continue
			}
			if has := m.ProtoReflect().Has(fields.Get(i)); has == slices.Contains(erasable, name) {
				t.Errorf("%s: set is %t", name, has)
			}
		}
	}
}

// An event says what it is about, beside its order.
func TestDetail_TellsWhatTheEntryIsAbout(t *testing.T) {
	t.Parallel()
	amd := func(minor int64) *kvitv1.Money { return &kvitv1.Money{CurrencyCode: "AMD", MinorUnits: minor} }
	for name, c := range map[string]struct {
		change order.Change
		want   *kvitv1.EventDetail
	}{
		"nothing": {order.Change{To: order.Expired}, nil},
		"an attempt that was started": {
			order.Change{Attempt: &order.AttemptFacts{ID: "att_1", Account: "liqpay-main"}},
			&kvitv1.EventDetail{AttemptId: "att_1", AccountId: "liqpay-main"},
		},
		"an attempt that is dead": {
			order.Change{Attempt: &order.AttemptFacts{ID: "att_1", Proof: order.DeadSessionOver}},
			&kvitv1.EventDetail{AttemptId: "att_1", Reason: text.ExplainDeath(string(order.DeadSessionOver))},
		},
		"evidence": {
			order.Change{
				Evidence: &order.Evidence{
					Source: order.FromCallback, Fact: order.FactSucceeded, Account: "liqpay-main", AttemptID: "att_1",
					AmountMinor: 700, Currency: "UAH",
				},
				Payment: &order.PaymentFacts{ID: "pay_1", Account: "liqpay-main", AttemptID: "att_1", Currency: "UAH", Captured: 700},
			},
			&kvitv1.EventDetail{
				AttemptId: "att_1", AccountId: "liqpay-main", PaymentId: "pay_1", Amount: &kvitv1.Money{CurrencyCode: "UAH", MinorUnits: 700},
				Source: kvitv1.EvidenceSource_EVIDENCE_SOURCE_CALLBACK, Reason: "the money was taken",
			},
		},
		"evidence of a decline": {
			order.Change{Evidence: &order.Evidence{Source: order.FromLookup, Fact: order.FactDeclined, AttemptID: "att_1", Failure: "no money"}},
			&kvitv1.EventDetail{
				AttemptId: "att_1", Source: kvitv1.EvidenceSource_EVIDENCE_SOURCE_STATUS_LOOKUP, Reason: "declined: no money",
			},
		},
		"a capture that is asked for": {
			order.Change{Payment: &order.PaymentFacts{ID: "pay_1", CaptureAsked: 500}},
			&kvitv1.EventDetail{PaymentId: "pay_1", Amount: amd(500)},
		},
		"a hold that was not taken": {
			order.Change{Payment: &order.PaymentFacts{ID: "pay_1"}, Attempt: &order.AttemptFacts{ID: "att_1", Failure: "too late"}},
			&kvitv1.EventDetail{PaymentId: "pay_1", AttemptId: "att_1", Reason: "too late"},
		},
		"a refund": {
			order.Change{Refund: &order.RefundFacts{ID: "ref_1", PaymentID: "pay_1", AmountMinor: 300}},
			&kvitv1.EventDetail{RefundId: "ref_1", PaymentId: "pay_1", Amount: amd(300)},
		},
		"a refund in another currency": {
			order.Change{Refund: &order.RefundFacts{ID: "ref_1", PaymentID: "pay_1", AmountMinor: 300, Currency: "UAH"}},
			&kvitv1.EventDetail{RefundId: "ref_1", PaymentId: "pay_1", Amount: &kvitv1.Money{CurrencyCode: "UAH", MinorUnits: 300}},
		},
		"an exception": {
			order.Change{Exception: &order.ExceptionFacts{
				ID: "exc_1", Kind: order.Duplicate, PaymentID: "pay_2", AttemptID: "att_2", AmountMinor: 700, Currency: "UAH", Detail: "twice",
			}},
			&kvitv1.EventDetail{
				ExceptionId: "exc_1", ExceptionKind: kvitv1.ExceptionKind_EXCEPTION_KIND_DUPLICATE, PaymentId: "pay_2", AttemptId: "att_2",
				Amount: &kvitv1.Money{CurrencyCode: "UAH", MinorUnits: 700}, Reason: "twice",
			},
		},
	} {
		e := &payment.Event{Entry: order.Entry{Change: c.change, View: &order.View{Currency: "AMD", AmountMinor: 1000}}}
		if got := eventMessage(e).GetDetail(); !proto.Equal(got, c.want) {
			t.Errorf("%s: got %v, want %v", name, got, c.want)
		}
	}
}

func TestUnquote(t *testing.T) {
	t.Parallel()
	for quoted, want := range map[string]string{
		`"abc"`: "abc", `"a b"`: "a b", `"a\"b\\"`: `a"b\`, `"`: "-", `"abc`: "-", `"a"b"`: "-", `"a\b"`: "-", `"a\"`: "-",
	} {
		got, ok := unquote(quoted)
		if !ok {
			got = "-"
		}
		if got != want {
			t.Errorf("unquote(%s) = %s, want %s", quoted, got, want)
		}
	}
}
