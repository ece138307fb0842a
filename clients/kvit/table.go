package main

import (
	"fmt"
	"slices"
	"strings"
	"unicode"

	"golang.org/x/text/width"
)

// column is one column of a table.
type column struct {
	title string
	// right puts numbers under numbers.
	right bool
	// optional columns are left out where the terminal is too narrow, the highest number first. 0 always stays.
	optional int
	// flexible texts are cut where that is not enough. Ids never are: people copy them.
	flexible bool
}

// flexibleMin is how much of a flexible column always stays.
const flexibleMin = 8

// gap stands between columns.
const gap = "  "

// table prints rows under titles, as wide as the terminal allows and no wider than needed.
func (a *app) table(columns []column, rows [][]string) error {
	cells := make([][]string, 0, len(rows)+1)
	titles := make([]string, len(columns))
	for i, c := range columns {
		titles[i] = c.title
	}
	cells = append(cells, titles)
	for _, row := range rows {
		cleaned := make([]string, len(row))
		for i, cell := range row {
			cleaned[i] = clean(cell)
		}
		cells = append(cells, cleaned)
	}
	widths := fit(columns, cells, a.width)
	var out strings.Builder
	for _, row := range cells {
		var line []string
		for i, cell := range row {
			switch {
			case widths[i] == 0:
			case columns[i].right:
				line = append(line, strings.Repeat(" ", widths[i]-display(cut(cell, widths[i])))+cut(cell, widths[i]))
			default:
				line = append(line, pad(cut(cell, widths[i]), widths[i]))
			}
		}
		out.WriteString(strings.TrimRight(strings.Join(line, gap), " ") + "\n")
	}
	_, err := fmt.Fprint(a.stdout, out.String())
	return err
}

// fit gives every column its width, 0 to those that are left out.
func fit(columns []column, rows [][]string, limit int) []int {
	widths := natural(rows)
	if limit <= 0 {
		return widths
	}
	whole := slices.Clone(widths)
	var left []int // What is left out, in this order.
	for total(widths) > limit {
		least := dispensable(columns, widths)
		if least < 0 {
			break
		}
		widths[least] = shrunk(columns[least], widths[least], total(widths)-limit)
		if widths[least] == 0 {
			left = append(left, least)
		}
	}
	for _, i := range slices.Backward(left) { // A wide column may have gone after a narrow one that fits in its place.
		if total(widths)+len(gap)+whole[i] <= limit {
			widths[i] = whole[i]
		}
	}
	for i, c := range columns {
		if over := total(widths) - limit; c.flexible && over > 0 {
			widths[i] = max(widths[i]-over, min(widths[i], flexibleMin))
		}
	}
	return widths
}

// natural is as wide as every column's longest text. A column without a single value says nothing.
func natural(rows [][]string) []int {
	widths := make([]int, len(rows[0]))
	for i := range widths {
		if len(rows) > 1 && empty(rows[1:], i) {
			continue
		}
		for _, row := range rows {
			widths[i] = max(widths[i], display(row[i]))
		}
	}
	return widths
}

// dispensable is the column to leave out first, -1 when all must stay.
func dispensable(columns []column, widths []int) int {
	least := -1
	for i, c := range columns {
		if widths[i] > 0 && c.optional > 0 && (least < 0 || c.optional > columns[least].optional) {
			least = i
		}
	}
	return least
}

// shrunk is what is left of a column that may go: a part of it where a part is of use, else nothing.
func shrunk(c column, width, over int) int {
	if c.flexible && width-over >= flexibleMin {
		return width - over
	}
	return 0
}

func empty(rows [][]string, i int) bool {
	for _, row := range rows {
		if row[i] != "" {
			return false
		}
	}
	return true
}

func total(widths []int) int {
	sum := 0
	for _, w := range widths {
		if w > 0 {
			sum += w + len(gap)
		}
	}
	return max(sum-len(gap), 0)
}

// display is how many columns a terminal needs for a text.
func display(text string) int {
	columns := 0
	for _, r := range text {
		columns += runeWidth(r)
	}
	return columns
}

func runeWidth(r rune) int {
	if unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf) {
		return 0
	}
	if kind := width.LookupRune(r).Kind(); kind == width.EastAsianWide || kind == width.EastAsianFullwidth {
		return 2
	}
	return 1
}

func pad(text string, columns int) string {
	return text + strings.Repeat(" ", max(columns-display(text), 0))
}

// cut shortens a text to a number of columns, and shows that it did.
func cut(text string, columns int) string {
	if display(text) <= columns {
		return text
	}
	used := 0
	for i, r := range text {
		if used+runeWidth(r) > columns-1 {
			return text[:i] + "…"
		}
		used += runeWidth(r)
	}
	return text
}

// wrap breaks a text into lines at its spaces, each with an indent.
func wrap(text, indent string, limit int) string {
	if limit <= 0 {
		return indent + text
	}
	var lines []string
	line := ""
	for w := range strings.FieldsSeq(text) {
		if line != "" && display(indent+line+" "+w) > limit {
			lines = append(lines, indent+line)
			line = w
			continue
		}
		line = strings.TrimPrefix(line+" "+w, " ")
	}
	return strings.Join(append(lines, indent+line), "\n")
}
