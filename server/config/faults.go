package config

import (
	"fmt"
	"strings"
)

// Fault is one setting or one line that is not as it must be.
type Fault struct {
	// Name is the setting, or the file with its line.
	Name string
	// Problem says what is wrong and what is expected.
	Problem string
}

// FaultsError is everything that is wrong with the settings, in the order of the reference page.
type FaultsError []Fault

// Error returns one line per fault.
func (f FaultsError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d of the settings cannot be used:", len(f))
	for _, one := range f {
		fmt.Fprintf(&b, "\n  %s: %s", one.Name, one.Problem)
	}
	return b.String()
}

// shownMax is how much of a wrong value is shown.
const shownMax = 60

// quote shows a value that is no secret.
func quote(text string) string {
	if len(text) > shownMax {
		return fmt.Sprintf("%q and more", text[:shownMax])
	}
	return fmt.Sprintf("%q", text)
}

// suggest returns "; did you mean X?" where one of the names is near, else nothing.
func suggest(text string, names []string) string {
	best, bestDistance := "", nearMax+1
	for _, name := range names {
		if d := distance(text, name); d < bestDistance {
			best, bestDistance = name, d
		}
	}
	if best == "" || bestDistance >= len(text) {
		return ""
	}
	return fmt.Sprintf("; did you mean %s?", best)
}

// nearMax is how many letters a slip of the fingers may be.
const nearMax = 3

// distance is how many letters must be put in, left out or replaced to make b of a.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			diagonal, row[j+1] = row[j+1], min(row[j]+1, row[j+1]+1, diagonal+cost)
		}
	}
	return row[len(b)]
}
