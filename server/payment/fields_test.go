package payment_test

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/kvitpay/kvit/server/fault"
	"github.com/kvitpay/kvit/server/lock/memlock"
	"github.com/kvitpay/kvit/server/money"
	"github.com/kvitpay/kvit/server/order"
	"github.com/kvitpay/kvit/server/payment"
	"github.com/kvitpay/kvit/server/seal"
)

// justKeys is a service that reaches no database.
func justKeys(tb testing.TB) (*payment.Service, *seal.Keyring) {
	tb.Helper()
	keys := newKeys(tb)
	return payment.New(payment.Needs{Keys: keys, IDs: newIDs, Merchants: []payment.Merchant{{ID: "demo", Locale: "en"}}}), keys
}

func TestCreateLink_I1_EveryFieldCounts(t *testing.T) {
	t.Parallel()
	s, keys := justKeys(t)
	caller := payment.Caller{Merchant: "demo"}
	full := payment.CreateLink{
		IdempotencyKey: "k", Kind: order.Dynamic, OrderID: "A-1", Amount: dram(t, 100), Capture: order.Automatic, Locale: "hy",
		Customer:  order.Customer{CustomerID: "c", ViberBot: "b", ViberUserID: "u"},
		ExpiresAt: time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC), ExpiresIn: time.Hour, OrderExpiresIn: time.Hour,
		Accounts: []string{"one", "two"},
		Details: order.Details{
			Description: "d", Name: "n", Email: "e", Phone: "p", SuccessURL: "https://s", FailureURL: "https://f",
			Items: []order.Item{{Name: "i", Quantity: 1, AmountMinor: 100}}, Metadata: map[string]string{"a": "b"},
		},
	}
	sent, err := s.FieldsOf(caller, full)
	if err != nil {
		t.Fatal(err)
	}
	fingerprint := keys.Fingerprint(sent)
	checked := 0
	eachField(reflect.ValueOf(&full).Elem(), "", func(path string, field reflect.Value) {
		if path == ".IdempotencyKey" || path == ".ValidateOnly" {
			return // The key is what is compared under; validate_only calls are not recorded (I2).
		}
		checked++
		for _, other := range others(t, path, field) {
			before := reflect.New(field.Type()).Elem()
			before.Set(field)
			field.Set(other)
			changed, err := s.FieldsOf(caller, full)
			field.Set(before)
			if err != nil {
				t.Fatalf("%s: %v", path, err)
			}
			same, names, err := keys.Compare(fingerprint, changed)
			if err != nil || same || len(names) != 1 {
				t.Errorf("with another %s the request is the same: %t, changed %v (%v)", path, same, names, err)
			}
		}
	})
	if checked < 20 {
		t.Fatalf("only %d fields were looked at", checked)
	}
	live := caller
	live.Live = true
	changed, err := s.FieldsOf(live, full)
	if err != nil {
		t.Fatal(err)
	}
	if _, names, err := keys.Compare(fingerprint, changed); err != nil || !slices.Equal(names, []string{"mode"}) {
		t.Errorf("a live key's request is a test key's: %v %v", names, err)
	}
}

// eachField walks the fields of a struct and those of the structs in it.
func eachField(v reflect.Value, path string, visit func(path string, field reflect.Value)) {
	for i := range v.NumField() {
		name := path + "." + v.Type().Field(i).Name
		switch field := v.Field(i); field.Type() {
		case reflect.TypeFor[money.Amount](), reflect.TypeFor[time.Time]():
			visit(name, field)
		default:
			if field.Kind() == reflect.Struct {
				eachField(field, name, visit)
			} else {
				visit(name, field)
			}
		}
	}
}

// others are values that differ from the one there: a small change, and none at all.
func others(t *testing.T, path string, field reflect.Value) []reflect.Value {
	t.Helper()
	zero := reflect.Zero(field.Type())
	switch value := field.Interface().(type) {
	case money.Amount:
		return []reflect.Value{reflect.ValueOf(dram(t, value.Minor()+1))}
	case time.Time:
		return []reflect.Value{reflect.ValueOf(value.Add(time.Nanosecond)), zero}
	case time.Duration:
		return []reflect.Value{reflect.ValueOf(value + time.Nanosecond), zero}
	case []order.Item:
		var list []reflect.Value
		for i := range reflect.TypeFor[order.Item]().NumField() { // Every field of an item counts.
			item := value[0]
			part := reflect.ValueOf(&item).Elem().Field(i)
			if part.Kind() == reflect.String {
				part.SetString("other")
			} else {
				part.SetInt(part.Int() + 1)
			}
			list = append(list, reflect.ValueOf([]order.Item{item}))
		}
		return append(list, reflect.ValueOf([]order.Item{value[0], value[0]}), zero)
	case []string:
		return []reflect.Value{
			reflect.ValueOf([]string{value[1], value[0]}), reflect.ValueOf(value[:1]), reflect.ValueOf([]string{value[0] + value[1]}), zero,
		}
	case map[string]string:
		return []reflect.Value{
			reflect.ValueOf(map[string]string{"a": "B"}), reflect.ValueOf(map[string]string{"A": "b"}),
			reflect.ValueOf(map[string]string{"a": "b", "": ""}), reflect.ValueOf(map[string]string{"a": ""}), zero,
		}
	}
	if field.Kind() != reflect.String {
		t.Fatalf("%s is a %s: say here how it is changed", path, field.Type())
	}
	other := reflect.New(field.Type()).Elem()
	other.SetString(field.String() + "x")
	if path == ".Kind" {
		other.SetString(string(order.Fixed))
	}
	if path == ".OrderID" {
		return []reflect.Value{other} // It is required.
	}
	return []reflect.Value{other, zero}
}

func TestCreateLink_I1_TheSameMeaningIsTheSameRequest(t *testing.T) {
	t.Parallel()
	s, keys := justKeys(t)
	caller := payment.Caller{Merchant: "demo"}
	in := lesson(t, "k", "A-1")
	in.Details.Metadata = map[string]string{"a": "1", "b": "2", "c": "3"}
	in.ExpiresAt = time.Date(2026, 11, 22, 12, 0, 0, 1, time.FixedZone("Yerevan", 4*60*60))
	sent, err := s.FieldsOf(caller, in)
	if err != nil {
		t.Fatal(err)
	}
	again := in
	again.ExpiresAt = in.ExpiresAt.UTC()
	again.Details.Metadata = map[string]string{"c": "3", "b": "2", "a": "1"}
	again.Details.Items = []order.Item{} // None, like nil.
	other, err := s.FieldsOf(caller, again)
	if err != nil {
		t.Fatal(err)
	}
	if same, names, err := keys.Compare(keys.Fingerprint(sent), other); err != nil || !same {
		t.Fatalf("changed: %v (%v)", names, err)
	}
}

func TestCards_J5_NothingBesideANumberHidesIt(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"4111111111111111", "4111 1111 1111 1111", "4111-1111-1111-1111", "4111\u00a01111\u00a01111\u00a01111", "4111.1111.1111.1111",
		"4111  1111  1111  1111", "4111 - 1111 - 1111 - 1111", "4111\u20131111\u20131111\u20131111", "4111\u202f1111\u202f1111\u202f1111",
		"4111 1111 1111 1111 12/27", "2 4111 1111 1111 1111", "1 4111111111111111 123", "№4111111111111111.", "a4111111111111111b",
		"378282246310005", "3782 822463 10005", "30569309025904", "2200000000000004", "2221000000000009", "6011111111111117",
		"9051000000000000", "9804 0000 0000 0000", "order 20261121 4111 1111 1111 1111",
		"4111\u200b1111\u200b1111\u200b1111", "\ufeff41\u00ad11111111111111", "４１１１１１１１１１１１１１１１", "٤١١١ ١١١١ ١١١١ ١١١١",
		"𝟜𝟙𝟙𝟙𝟙𝟙𝟙𝟙𝟙𝟙𝟙𝟙𝟙𝟙𝟙𝟙",
	} {
		if !payment.LooksLikeCard(withCheckDigit(text)) {
			t.Errorf("%q is let through", text)
		}
	}
	for _, text := range []string{
		"", "4111111111111112", "+37491234567", "2026-11-21 10:00", "41111111111111111111", "411111111111", "1234567812345670",
		"4111 1111 1111", "4111x1111x1111x1111", "4111    1111    1111    1111", "9999000000000007", "0.10 1.25 100.00",
	} {
		if payment.LooksLikeCard(text) {
			t.Errorf("%q is refused", text)
		}
	}
}

// withCheckDigit gives the two national examples, which are made up, their check digit.
func withCheckDigit(text string) string {
	if strings.HasPrefix(text, "9") {
		return text[:len(text)-1] + checkDigit(strings.ReplaceAll(text, " ", "")[:15])
	}
	return text
}

func checkDigit(digits string) string {
	sum := 0
	for i := range len(digits) {
		d := int(digits[len(digits)-1-i] - '0')
		if i%2 == 0 {
			d *= 2
		}
		sum += d/10 + d%10
	}
	return strconv.Itoa((10 - sum%10) % 10)
}

// FuzzCards puts a card number into any text: it is found.
func FuzzCards(f *testing.F) {
	f.Add("pay ", " 12/27", "-", uint64(0))
	f.Add("1 2 3 ", "", " ", uint64(99999999999))
	f.Fuzz(func(t *testing.T, before, after, gap string, number uint64) {
		first, _ := utf8.DecodeRuneInString(after)
		last, _ := utf8.DecodeLastRuneInString(before)
		if unicode.IsDigit(first) || unicode.IsDigit(last) {
			t.Skip() // Another number then.
		}
		digits := fmt.Sprintf("4%014d", number%100_000_000_000_000)
		digits += checkDigit(digits)
		if !slices.Contains([]string{"", " ", "-", ".", " - ", "\u00a0"}, gap) {
			gap = " "
		}
		text := before + strings.Join([]string{digits[:4], digits[4:8], digits[8:12], digits[12:]}, gap) + after
		if !payment.LooksLikeCard(text) {
			t.Errorf("%q is let through", text)
		}
	})
}

// FuzzPageToken reads what callers send: what is accepted is what we made.
func FuzzPageToken(f *testing.F) {
	s, _ := justKeys(f)
	caller := payment.Caller{Merchant: "demo"}
	f.Add("AAZgxL-ApsBsbmtf")
	f.Add("")
	f.Fuzz(func(t *testing.T, token string) {
		page, err := s.PageOf(caller, token)
		if err != nil {
			if !fault.Is(err, fault.ReasonPageTokenInvalid) || fault.KindOf(err) != fault.Invalid {
				t.Fatal(err)
			}
			return
		}
		if token != "" && s.TokenOf(caller, page) != token {
			t.Fatalf("%q was not made here", token)
		}
	})
}

func TestPageTokens_BelongToTheirMerchant(t *testing.T) {
	t.Parallel()
	s, _ := justKeys(t)
	page, err := s.PageOf(payment.Caller{Merchant: "demo"}, "")
	if err != nil || page.BeforeID != "" {
		t.Fatal(err)
	}
	page.BeforeTime, page.BeforeID = time.Date(2026, 11, 21, 8, 0, 0, 123_000, time.UTC), "lnk_1"
	token := s.TokenOf(payment.Caller{Merchant: "demo"}, page)
	read, err := s.PageOf(payment.Caller{Merchant: "demo"}, token)
	if err != nil || read != page {
		t.Fatalf("%+v is read as %+v: %v", page, read, err)
	}
	_, err = s.PageOf(payment.Caller{Merchant: "other"}, token)
	wantReason(t, err, fault.ReasonPageTokenInvalid)
}

func TestCreateLink_I2_AReplayIsTheFirstAnswerToTheLetter(t *testing.T) {
	t.Parallel()
	h := open(t, memlock.New())
	in := lesson(t, "k-1", "A-1")
	in.Capture, in.Locale, in.ExpiresAt = order.Manual, "uk", h.clock().Add(time.Hour+1234*time.Microsecond+999)
	in.Amount = dram(t, 1<<63-1)
	in.Customer = order.Customer{CustomerID: "c-7", ViberBot: "bot", ViberUserID: "01234567890A="}
	in.Details = order.Details{
		Description: "<b>Դաս & урок</b> \u2028 \"1\"", Name: "Ան\u0301ի", Email: "a@b.am", Phone: "+37491234567",
		Items:      []order.Item{{Name: "й", Quantity: 1 << 40, AmountMinor: 1<<63 - 1}, {Name: "", Quantity: 0}},
		Metadata:   map[string]string{"k": "v\n", "": ""},
		SuccessURL: "https://shop.test/?a=1&b=<2>", FailureURL: "https://shop.test/no",
	}
	first, _ := h.create(t, in)
	h.pass(time.Minute)
	again, replayed := h.create(t, in)
	if !replayed || !reflect.DeepEqual(first, again) {
		t.Fatalf("replayed %t\n%+v\n%+v", replayed, again, first)
	}
	read, err := h.OrderStatus(t.Context(), h.caller, "A-1")
	if err != nil || !reflect.DeepEqual(read.Order, *first.Order) {
		t.Fatalf("the order is read as\n%+v\n%+v\n%v", read.Order, *first.Order, err)
	}
	link, err := h.Link(t.Context(), h.caller, first.Link.ID)
	if err != nil || !reflect.DeepEqual(link, first.Link) {
		t.Fatalf("the link is read as\n%+v\n%+v\n%v", link, first.Link, err)
	}
}
