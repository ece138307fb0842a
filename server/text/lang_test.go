package text_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/kvitpay/kvit/server/text"
)

func TestLangOf_ReadsTagsByTheirLanguage(t *testing.T) {
	t.Parallel()
	for tag, want := range map[string]text.Lang{
		"en": text.EN, "en-GB": text.EN, "hy": text.HY, "hy-AM": text.HY, "hy_AM": text.HY, "HY": text.HY,
		"uk": text.UK, "uk-UA": text.UK, "uk-Cyrl-UA": text.UK, "ru": text.RU, "RU_ru": text.RU, " ru ": text.RU,
	} {
		if got, ok := text.LangOf(tag); got != want || !ok {
			t.Errorf("LangOf(%q) = %v, %v, want %v", tag, got, ok, want)
		}
	}
	for _, tag := range []string{"", "*", "de", "ua", "ukr", "eng-US", "-", "x-hy", "h", "українська"} {
		if got, ok := text.LangOf(tag); ok || got != text.EN {
			t.Errorf("LangOf(%q) = %v, %v, want none", tag, got, ok)
		}
	}
}

func TestLang_ItsTagIsReadBack(t *testing.T) {
	t.Parallel()
	for _, lang := range text.Langs() {
		if got, ok := text.LangOf(lang.String()); got != lang || !ok {
			t.Errorf("LangOf(%q) = %v, %v", lang, got, ok)
		}
	}
	if len(text.Langs()) != 4 {
		t.Errorf("the languages are %v", text.Langs())
	}
}

func TestMatch_TheFirstPreferenceThatWeHaveWins(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		preferences []string
		want        text.Lang
	}{
		{nil, text.EN},
		{[]string{""}, text.EN},
		{[]string{"de-DE", "fr"}, text.EN},
		{[]string{"", "hy-AM"}, text.HY},
		{[]string{"uk", "ru"}, text.UK},
		{[]string{"de", "ru-RU"}, text.RU},
		{[]string{"uk-UA,uk;q=0.9,en;q=0.8"}, text.UK},
		{[]string{"de-DE,de;q=0.9,ru;q=0.5,en;q=0.4"}, text.RU},
		{[]string{"en;q=0.4, hy;q=0.8"}, text.HY},
		{[]string{"en;q=0.800,hy;q=0.801"}, text.HY},
		{[]string{"ru;q=0.9,uk;q=0.9"}, text.RU},
		{[]string{"ru;q=0, uk;q=0.1"}, text.UK},
		{[]string{"ru;q=0"}, text.EN},
		{[]string{"ru ; Q = 0.5 ,uk;q=0.4"}, text.RU},
		{[]string{"ru;q=2,uk;q=0.1"}, text.UK},
		{[]string{"ru;q=1.0001,uk;q=0.1"}, text.UK},
		{[]string{"ru;q=0.x,uk;q=0.1"}, text.UK},
		{[]string{"*;q=0.5"}, text.EN},
		{[]string{strings.Repeat("de,", 200) + "uk"}, text.EN},
	} {
		if got := text.Match(c.preferences...); got != c.want {
			t.Errorf("Match(%q) = %v, want %v", c.preferences, got, c.want)
		}
	}
}

func FuzzMatch(f *testing.F) {
	for _, list := range []string{"uk-UA,uk;q=0.9,en;q=0.8", "*", ";;,,q=", "hy;q=0.12a", "ru;q=1.", "uk;q=."} {
		f.Add(list)
	}
	f.Fuzz(func(t *testing.T, list string) {
		lang := text.Match(list)
		if !slices.Contains(text.Langs(), lang) {
			t.Fatalf("Match(%q) = %d", list, lang)
		}
		if lang != text.EN && !strings.Contains(strings.ToLower(list), lang.String()) {
			t.Fatalf("Match(%q) = %s, which was not asked for", list, lang)
		}
	})
}
