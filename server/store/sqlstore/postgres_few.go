package sqlstore

import (
	"fmt"
	"regexp"
	"strings"
)

// fewMax is how many rows a statement takes as values, each a parameter; more come as arrays. An array is
// a function that PostgreSQL scans, with a store of its own for each column: one order costs a
// third more that way, many cost next to nothing more.
const fewMax = 2

// arraysFrom begins where a statement takes its rows from.
const arraysFrom = "FROM unnest("

var arrayParam = regexp.MustCompile(`\$\d+::(\w+)\[\]`)

// rowsOf names the form of a statement for so many rows.
type rowsOf struct {
	sql  string
	rows int
}

// fewOf are the forms of statements for few rows.
func fewOf(statements []string) map[rowsOf]string {
	few := map[rowsOf]string{}
	for _, sql := range statements {
		if !strings.Contains(sql, arraysFrom) {
			continue
		}
		for rows := 1; rows <= fewMax; rows++ {
			few[rowsOf{sql, rows}] = asValues(sql, rows)
		}
	}
	return few
}

// asValues is a statement that takes so many rows as values in place of arrays. Its parameters stand in
// the order of the arrays' elements: all of the first column, all of the second ...
func asValues(sql string, rows int) string {
	before, arrays, _ := strings.Cut(sql, arraysFrom)
	arrays, after, _ := strings.Cut(arrays, ")")
	columns := arrayParam.FindAllStringSubmatch(arrays, -1)
	tuples := make([]string, rows)
	for row := range rows {
		values := make([]string, len(columns))
		for i, column := range columns {
			values[i] = fmt.Sprintf("$%d::%s", i*rows+row+1, column[1])
		}
		tuples[row] = "(" + strings.Join(values, ", ") + ")"
	}
	return before + "FROM (VALUES " + strings.Join(tuples, ", ") + ")" + after
}
