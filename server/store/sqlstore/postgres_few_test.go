package sqlstore

import (
	"strings"
	"testing"
)

func TestAsValues_NumbersParametersByColumn(t *testing.T) {
	t.Parallel()

	got := asValues(moveHeads, 2)
	want := `UPDATE heads AS h SET position = r.position, hash = r.hash
FROM (VALUES ($1::text, $3::bigint, $5::bytea), ($2::text, $4::bigint, $6::bytea)) AS r(merchant, position, hash)
WHERE h.merchant = r.merchant`
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// A statement without a form for few rows would be slow in silence.
func TestFewOf_HasEveryStatementThatWritesRows(t *testing.T) {
	t.Parallel()

	few := fewOf(writeStatements)
	for _, sql := range writeStatements {
		if !strings.Contains(sql, "[]") || strings.HasPrefix(sql, "SELECT") {
			continue
		}
		for rows := 1; rows <= fewMax; rows++ {
			form := few[rowsOf{sql, rows}]
			if form == "" || strings.Contains(form, "unnest") || strings.Contains(form, "[]") {
				t.Errorf("%d rows: %q becomes %q", rows, sql, form)
			}
			if got, want := strings.Count(form, "$"), rows*strings.Count(sql, "$"); got != want {
				t.Errorf("%d rows: %d parameters, want %d: %s", rows, got, want, form)
			}
		}
	}
}
