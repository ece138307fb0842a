package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// row is one line of the table.
type row struct {
	Name  string        `json:"name"`
	Value spread        `json:"value"`
	Unit  string        `json:"unit"`
	P50   time.Duration `json:"p50_ns,omitempty"`
	P99   time.Duration `json:"p99_ns,omitempty"`
	Share float64       `json:"share,omitempty"`
	// ServerCPU and LoadCPU are per call or delivery.
	ServerCPU time.Duration `json:"server_cpu_ns,omitempty"`
	LoadCPU   time.Duration `json:"load_cpu_ns,omitempty"`
	Ratios    []ratio       `json:"ratios,omitempty"`
	Target    string        `json:"target,omitempty"`
	Reached   *bool         `json:"reached,omitempty"`
	Samples   []sample      `json:"samples"`
}

// ratio is a row divided by a yardstick, pair by pair.
type ratio struct {
	spread

	Of string `json:"of"`
}

// What a row's value is counted in.
const (
	unitRate    = "/s"
	unitBytes   = "KiB"
	unitLatency = "ms"
)

// rowsOf makes the table's rows, in the order of the groups.
func rowsOf(groups []*group, found results) []row {
	var rows []row
	for _, g := range groups {
		for _, c := range g.contestants {
			rows = append(rows, rowOf(c, found))
		}
	}
	return rows
}

func rowOf(c *contestant, found results) row {
	samples := found[c.name]
	if c.same != "" {
		samples = found[c.same]
	}
	median := func(of func(sample) time.Duration) time.Duration {
		return time.Duration(spreadOf(numbers(samples, func(s sample) float64 { return float64(of(s)) })).Median)
	}
	r := row{
		Name: c.name, Samples: samples, Unit: unitRate, Value: spreadOf(numbers(samples, func(s sample) float64 { return s.Rate })),
		P50: median(func(s sample) time.Duration { return s.P50 }), P99: median(func(s sample) time.Duration { return s.P99 }),
		Share:     spreadOf(numbers(samples, func(s sample) float64 { return s.Share })).Min,
		ServerCPU: median(func(s sample) time.Duration { return s.ServerCPU }), LoadCPU: median(func(s sample) time.Duration { return s.LoadCPU }),
	}
	for _, of := range c.of {
		r.Ratios = append(r.Ratios, ratio{Of: of, spread: pairwise(samples, found[of], func(s sample) float64 { return s.Rate })})
	}
	judged := r.Value.Median
	switch {
	case c.latencyOf != "":
		millis := func(s sample) float64 { return float64(s.P50) / float64(time.Millisecond) }
		r.Unit, r.Value = unitLatency, spreadOf(numbers(samples, millis))
		r.Ratios = []ratio{{Of: c.latencyOf, spread: pairwise(samples, found[c.latencyOf], millis)}}
	case len(samples) > 0 && samples[0].Bytes > 0:
		r.Unit, r.Value = unitBytes, spreadOf(numbers(samples, func(s sample) float64 { return s.Bytes / 1024 }))
		judged = r.Value.Median
	case c.most:
		judged = float64(r.P99) / float64(time.Millisecond)
	}
	if len(r.Ratios) > 0 {
		judged = r.Ratios[0].Median
	}
	if c.target > 0 {
		reached := judged >= c.target
		r.Target = fmt.Sprintf(">= %.3g", c.target)
		if c.most {
			reached = judged <= c.target
			r.Target = fmt.Sprintf("<= %.3g", c.target)
		}
		r.Reached = &reached
	}
	return r
}

func numbers(samples []sample, number func(sample) float64) []float64 {
	list := make([]float64, 0, len(samples))
	for _, s := range samples {
		list = append(list, number(s))
	}
	return list
}

// pairwise divides what was measured in the same round.
func pairwise(ours, theirs []sample, number func(sample) float64) spread {
	var ratios []float64
	for i := range min(len(ours), len(theirs)) {
		if divisor := number(theirs[i]); divisor > 0 {
			ratios = append(ratios, number(ours[i])/divisor)
		}
	}
	return spreadOf(ratios)
}

// columns of the printed table and their widths; all of them, with a space between, fit 120 characters.
var columns = []struct {
	title string
	width int
	left  bool
}{
	{"row", 36, true},
	{"value", 13, false},
	{"p50 ms", 8, false},
	{"p99 ms", 8, false},
	{"ratio", 5, false},
	{"min..max", 11, false},
	{"to", 10, true},
	{"and", 11, true},
	{"target", 9, true},
}

// printTable writes the table for people.
func printTable(w io.Writer, rows []row) error {
	var b strings.Builder
	line := func(cells ...string) {
		var parts []string
		for i, c := range columns {
			pad := strings.Repeat(" ", max(0, c.width-utf8.RuneCountInString(cells[i])))
			if c.left {
				parts = append(parts, cells[i]+pad)
			} else {
				parts = append(parts, pad+cells[i])
			}
		}
		b.WriteString(strings.TrimRight(strings.Join(parts, " "), " ") + "\n")
	}
	var titles []string
	for _, c := range columns {
		titles = append(titles, c.title)
	}
	line(titles...)
	for i := range rows {
		line(cells(&rows[i])...)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func cells(r *row) []string {
	value := thousands(int(r.Value.Median+0.5)) + unitRate
	switch {
	case r.Unit != unitRate:
		value = fmt.Sprintf("%.2f %s", r.Value.Median, r.Unit)
	case r.Share > 0 && r.Share < 1:
		value = fmt.Sprintf("%.0f%% %s", r.Share*100, value)
	}
	cells := []string{r.Name, value, latency(r.P50), latency(r.P99), "", "", "", "", ""}
	if len(r.Ratios) > 0 {
		first := r.Ratios[0]
		cells[4], cells[5], cells[6] = fmt.Sprintf("%.2f", first.Median), fmt.Sprintf("%.2f..%.2f", first.Min, first.Max), first.Of
		if word, _, long := strings.Cut(first.Of, " "); long { // "create", with the protocol and callers of this row
			cells[6] = word
		}
	}
	if len(r.Ratios) > 1 {
		cells[7] = fmt.Sprintf("%.2f %s", r.Ratios[1].Median, r.Ratios[1].Of)
	}
	if r.Reached != nil {
		cells[8] = r.Target + " no"
		if *r.Reached {
			cells[8] = r.Target + " ok"
		}
	}
	return cells
}

func latency(d time.Duration) string {
	if d == 0 {
		return ""
	}
	return fmt.Sprintf("%.2f", float64(d)/float64(time.Millisecond))
}

// thousands writes 12345 as 12,345.
func thousands(n int) string {
	text := strconv.Itoa(n)
	for at := len(text) - 3; at > 0; at -= 3 {
		text = text[:at] + "," + text[at:]
	}
	return text
}

// report is the table for programs.
type report struct {
	Date    string   `json:"date"`
	Machine string   `json:"machine"`
	Pairs   int      `json:"pairs"`
	Seconds int      `json:"seconds"`
	Rows    []row    `json:"rows"`
	Notes   []string `json:"notes"`
}

// print writes the report for programs or for people.
func (r *report) print(w io.Writer, forPrograms bool) error {
	if forPrograms {
		encoder := json.NewEncoder(w)
		encoder.SetIndent("", "  ")
		return encoder.Encode(r)
	}
	if _, err := fmt.Fprintf(w, "\n%s, %s; medians of %d rounds of %d s, ratios pair by pair\n\n", r.Date, r.Machine, r.Pairs, r.Seconds); err != nil {
		return err
	}
	if err := printTable(w, r.Rows); err != nil {
		return err
	}
	for _, note := range r.Notes {
		if _, err := fmt.Fprintf(w, "\n%s", note); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintln(w)
	return err
}
