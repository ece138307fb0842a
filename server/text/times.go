package text

import (
	"fmt"
	"strconv"
	"time"
)

// Instant writes a day and a minute in the zone of loc: "5 березня 2026, 14:30". In UTC, also where loc
// is nil, it says so: "5 March 2026, 14:30 UTC". The zero time is "".
func Instant(lang Lang, t time.Time, loc *time.Location) string {
	if t.IsZero() {
		return ""
	}
	if loc == nil {
		loc = time.UTC
	}
	habits, t := lang.habits(), t.In(loc)
	zone := ""
	if loc == time.UTC {
		zone = " UTC"
	}
	return fmt.Sprintf("%d %s %d%s, %02d:%02d%s",
		t.Day(), habits.months[t.Month()-1], t.Year(), habits.year, t.Hour(), t.Minute(), zone)
}

// unit is a unit of time that spans are written in.
type unit int

const (
	day unit = iota
	hour
	minute
	unitCount
)

// Span writes a duration in its two largest units: "2 hours", "1 day 3 hours", "15 minutes". What is
// smaller is left out, so that a span never promises more time than there is. Below a minute, and below
// 0, it is "less than a minute".
func Span(lang Lang, d time.Duration) string {
	habits, minutes := lang.habits(), int64(max(d, 0)/time.Minute)
	days, hours, rest := minutes/(24*60), minutes/60%24, minutes%60
	switch {
	case days > 0:
		return habits.counted(day, days) + habits.further(hour, hours)
	case hours > 0:
		return habits.counted(hour, hours) + habits.further(minute, rest)
	case rest > 0:
		return habits.counted(minute, rest)
	default:
		return habits.moment
	}
}

// counted writes n units, "5 годин".
func (h *habits) counted(u unit, n int64) string {
	return strconv.FormatInt(n, 10) + nbsp + h.units[u][h.plural(n)]
}

// further writes n smaller units after larger ones, and nothing where there are none.
func (h *habits) further(u unit, n int64) string {
	if n == 0 {
		return ""
	}
	return " " + h.counted(u, n)
}

// pluralOne is the rule of a language whose nouns do not change after a number, as in Armenian.
func pluralOne(int64) int { return 0 }

// pluralTwo is the rule of English: one, and all others.
func pluralTwo(n int64) int {
	if n == 1 {
		return 0
	}
	return 1
}

// pluralSlavic is the rule of Ukrainian and Russian, by the last digits: 1, 21 (not 11); 2 to 4, 22 to 24
// (not 12 to 14); all others.
func pluralSlavic(n int64) int {
	last, teen := n%10, n%100 >= 11 && n%100 <= 14
	switch {
	case last == 1 && !teen:
		return 0
	case last >= 2 && last <= 4 && !teen:
		return 1
	default:
		return 2
	}
}
