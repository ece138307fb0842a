package text

import "strings"

// Lang is a language of the catalog. The zero value is English.
type Lang uint8

// The languages of the catalog.
const (
	EN Lang = iota // English, and the language of who asks for none of the others.
	HY             // Armenian.
	UK             // Ukrainian.
	RU             // Russian.
)

// habits is what a language has of its own: its sentences and how it writes values.
type habits struct {
	tag    string
	texts  map[Key]string
	months [12]string // As they stand after the number of a day.
	year   string     // Stands after the number of a year.

	point, group string // The decimal separator, and what stands between thousands.
	symbols      map[string]symbol

	units  [unitCount][]string // The forms of each unit of time, as plural counts them.
	plural func(n int64) int   // Which form goes with n.
	moment string              // A span of less than a minute.
}

// languages holds each language's habits, in the order of the constants.
var languages = [...]habits{EN: english(), HY: armenian(), UK: ukrainian(), RU: russian()}

// Langs lists every language of the catalog, English first.
func Langs() []Lang { return []Lang{EN, HY, UK, RU} }

// habits returns the language's habits; those of English where lang is none of the catalog.
func (l Lang) habits() *habits {
	if int(l) >= len(languages) {
		l = EN
	}
	return &languages[l]
}

// String returns the language's tag: "hy", "uk", "ru" or "en".
func (l Lang) String() string { return l.habits().tag }

// LangOf returns the language of a BCP 47 tag, "uk", "uk-UA" or "UK_ua", and whether the catalog has it.
// Script and region do not matter.
func LangOf(tag string) (Lang, bool) {
	primary := strings.TrimSpace(tag)
	if end := strings.IndexAny(primary, "-_"); end >= 0 {
		primary = primary[:end]
	}
	for _, lang := range Langs() {
		if strings.EqualFold(primary, lang.String()) {
			return lang, true
		}
	}
	return EN, false
}

// Limits of what Match reads of one preference. A browser sends a tenth of it.
const (
	preferenceMax = 512
	rangesMax     = 32
)

// Match returns the first language that the catalog has, English where it has none of them.
// A preference is a tag, "hy-AM", or a list as in Accept-Language, "uk-UA,uk;q=0.9,en;q=0.8", which is
// read by weight. Earlier preferences win over later ones: the order's own locale before the browser's.
func Match(preferences ...string) Lang {
	for _, preference := range preferences {
		if lang, found := matchList(preference); found {
			return lang
		}
	}
	return EN
}

// matchList returns the heaviest language of a list that the catalog has, the first of equal ones.
func matchList(list string) (best Lang, found bool) {
	if len(list) > preferenceMax {
		list = list[:preferenceMax]
	}
	heaviest := 0
	for _, part := range strings.SplitN(list, ",", rangesMax+1) {
		tag, parameter, _ := strings.Cut(part, ";")
		lang, known := LangOf(tag)
		if weight := weightOf(parameter); known && weight > heaviest {
			best, heaviest = lang, weight
		}
	}
	return best, heaviest > 0
}

// weightOf reads "q=0.9" as thousandths (RFC 9110, 12.4.2). Without a weight it is 1000; what is not a
// weight is 0, which excludes.
func weightOf(parameter string) int {
	parameter = strings.ToLower(strings.ReplaceAll(parameter, " ", ""))
	if parameter == "" {
		return 1000
	}
	text, ok := strings.CutPrefix(parameter, "q=")
	whole, decimals, _ := strings.Cut(text, ".")
	if !ok || len(decimals) > 3 || whole != "0" && whole != "1" {
		return 0
	}
	weight := int(whole[0]-'0') * 1000
	for i, unit := 0, 100; i < len(decimals); i, unit = i+1, unit/10 {
		if decimals[i] < '0' || decimals[i] > '9' {
			return 0
		}
		weight += int(decimals[i]-'0') * unit
	}
	return min(weight, 1000)
}
