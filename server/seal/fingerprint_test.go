package seal_test

import (
	"bytes"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/kvitpay/kvit/server/seal"
)

func fieldsOf(values map[string]string) (fields []seal.FieldValue) {
	for name, value := range values {
		fields = append(fields, seal.FieldValue{Name: name, Value: []byte(value)})
	}
	return fields
}

func TestCompare_I1_NamesExactlyTheChangedFields(t *testing.T) {
	t.Parallel()
	keys := parse(t, textK1)
	rapid.Check(t, func(t *rapid.T) {
		values := rapid.MapOf(rapid.StringMatching(`[a-f]{1,2}`), rapid.StringN(0, 4, 8))
		before, after := values.Draw(t, "before"), values.Draw(t, "after")
		var want []string
		for name, value := range before {
			if now, ok := after[name]; !ok || now != value {
				want = append(want, name)
			}
		}
		for name := range after {
			if _, ok := before[name]; !ok {
				want = append(want, name)
			}
		}
		slices.Sort(want)
		same, changed, err := keys.Compare(keys.Fingerprint(fieldsOf(before)), fieldsOf(after))
		if err != nil || same != (len(want) == 0) || !slices.Equal(changed, want) {
			t.Errorf("got %v %v %v, want %v", same, changed, err, want)
		}
	})
}

func TestFingerprint_I1_OrderOfFieldsDoesNotMatterAndInputIsKept(t *testing.T) {
	t.Parallel()
	keys := parse(t, textK1)
	there := []seal.FieldValue{{Name: "b", Value: []byte("2")}, {Name: "a", Value: []byte("1")}}
	back := []seal.FieldValue{{Name: "a", Value: []byte("1")}, {Name: "b", Value: []byte("2")}}
	if !bytes.Equal(keys.Fingerprint(there), keys.Fingerprint(back)) {
		t.Error("the order of fields matters")
	}
	if there[0].Name != "b" {
		t.Error("the caller's fields were sorted")
	}
}

func TestFingerprint_I1_RepeatedNamesCountTogetherInOrder(t *testing.T) {
	t.Parallel()
	keys := parse(t, textK1)
	list := func(values ...string) (fields []seal.FieldValue) {
		for _, v := range values {
			fields = append(fields, seal.FieldValue{Name: "types", Value: []byte(v)})
		}
		return fields
	}
	fingerprint := keys.Fingerprint(list("a", "b"))
	for _, other := range [][]seal.FieldValue{list("b", "a"), list("a"), list("ab"), list("a", "b", ""), nil} {
		if same, changed, err := keys.Compare(fingerprint, other); same || err != nil || !slices.Equal(changed, []string{"types"}) {
			t.Errorf("%v: %v %v %v", other, same, changed, err)
		}
	}
	if same, _, err := keys.Compare(fingerprint, list("a", "b")); !same || err != nil {
		t.Errorf("the same list: %v %v", same, err)
	}
}

func TestCompare_I1_WorksUnderAnOlderKey(t *testing.T) {
	t.Parallel()
	fields := fieldsOf(map[string]string{"order_id": "o-1", "amount": "1250"})
	old := parse(t, textK1).Fingerprint(fields)
	rotated := parse(t, textK2+textK1)
	if same, _, err := rotated.Compare(old, fields); !same || err != nil {
		t.Errorf("same request: %v %v", same, err)
	}
	fields = fieldsOf(map[string]string{"order_id": "o-1", "amount": "1300"})
	if same, changed, err := rotated.Compare(old, fields); same || err != nil || !slices.Equal(changed, []string{"amount"}) {
		t.Errorf("other amount: %v %v %v", same, changed, err)
	}
	if _, _, err := parse(t, textK2).Compare(old, fields); !errors.Is(err, seal.ErrKeyUnknown) {
		t.Errorf("without the key: %v", err)
	}
}

func TestFingerprint_I1_KeepsNoValue(t *testing.T) {
	t.Parallel()
	values := map[string]string{"phone": "+37410123456", "email": "payer@example.com"}
	fingerprint := parse(t, textK1).Fingerprint(fieldsOf(values))
	for value := range maps.Values(values) {
		if bytes.Contains(fingerprint, []byte(value)) {
			t.Errorf("%q is in the fingerprint", value)
		}
	}
	if other := parse(t, strings.Replace(textK2, "k2", "k1", 1)).Fingerprint(fieldsOf(values)); bytes.Equal(fingerprint, other) {
		t.Error("the hash has no key")
	}
}

func TestFingerprint_I1_LongNamesAreCut(t *testing.T) {
	t.Parallel()
	keys := parse(t, textK1)
	fields := fieldsOf(map[string]string{strings.Repeat("n", 1000): "x"})
	if same, _, err := keys.Compare(keys.Fingerprint(fields), fields); !same || err != nil {
		t.Errorf("got %v %v", same, err)
	}
}

func FuzzCompare(f *testing.F) {
	keys, err := seal.Parse([]byte(textK1))
	if err != nil {
		f.Fatal(err)
	}
	fields := fieldsOf(map[string]string{"order_id": "o-1", "amount": "1250"})
	f.Add(keys.Fingerprint(fields))
	f.Add(keys.Fingerprint(nil))
	f.Fuzz(func(t *testing.T, fingerprint []byte) {
		same, changed, err := keys.Compare(fingerprint, fields)
		if err == nil && same != (len(changed) == 0) {
			t.Errorf("same is %v with %v changed", same, changed)
		}
		if same && !bytes.Equal(fingerprint, keys.Fingerprint(fields)) {
			t.Error("two fingerprints for one request")
		}
	})
}

func BenchmarkFingerprint(b *testing.B) {
	keys, err := seal.Parse([]byte(textK1))
	if err != nil {
		b.Fatal(err)
	}
	var fields []seal.FieldValue
	for name := range strings.FieldsSeq("amount kind order_id description customer.id customer.viber expires_in metadata.a metadata.b success_url") {
		fields = append(fields, seal.FieldValue{Name: name, Value: []byte("some value of it")})
	}
	b.ReportAllocs()
	for b.Loop() {
		keys.Fingerprint(fields)
	}
}
