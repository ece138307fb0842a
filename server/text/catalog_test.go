package text //nolint:testpackage // The catalog's own tables are what is checked.

import (
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"

	"pgregory.net/rapid"
)

// states and steps are the words of O2 and of next_step (product.md, section 3).
var (
	states = []string{
		"PENDING", "PROCESSING", "AUTHORIZED", "PAID", "FAILED", "EXPIRED", "CANCELLED", "MANUAL_REVIEW",
		"PARTIALLY_REFUNDED", "REFUNDED", "CHARGED_BACK",
	}
	steps = []string{"PAY", "WAIT", "FULFILL", "TRY_AGAIN", "ASK_FOR_NEW_LINK", "CONTACT_SUPPORT", "NONE"}
)

// names are all placeholders.
var names = []Name{
	ArgAccount, ArgActor, ArgAmount, ArgApp, ArgAttempt, ArgExpected, ArgFact, ArgKind, ArgLink, ArgMerchant,
	ArgOrder, ArgPSP, ArgReason, ArgSource, ArgSupport, ArgUntil,
}

// placeholder is a name in a sentence.
var placeholder = regexp.MustCompile(`\{([^{}]*)\}`)

// everySentence yields each template of the room with a name for messages.
func everySentence(yield func(where, sentence string) bool) {
	for _, lang := range Langs() {
		for key, sentence := range lang.habits().texts {
			if !yield(lang.String()+" "+string(key), sentence) {
				return
			}
		}
	}
	for table, sentences := range map[string]map[string]string{
		"event": events, "exception": exceptions, "source": sources, "fact": facts, "death": deaths,
	} {
		for word, sentence := range sentences {
			if !yield(table+" "+word, sentence) {
				return
			}
		}
	}
}

func TestCatalog_EveryStateAndStepIsSaid(t *testing.T) {
	t.Parallel()
	want := make([]Key, 0, len(states)+len(steps))
	for _, word := range states {
		want = append(want, State(word))
	}
	for _, word := range steps {
		want = append(want, NextStep(word))
	}
	slices.Sort(want)
	got := slices.DeleteFunc(Keys(), func(key Key) bool { return strings.HasPrefix(string(key), page) })
	if !slices.Equal(got, want) {
		t.Errorf("the catalog has %v, want %v", got, want)
	}
	for _, key := range want {
		if !Known(key) {
			t.Errorf("%s is not known", key)
		}
	}
	if Known("state.LOST") || Say(UK, "state.LOST") != "" {
		t.Error("a key that is not there says something")
	}
}

func TestCatalog_NoKeyLacksALanguage(t *testing.T) {
	t.Parallel()
	for _, lang := range Langs() {
		for _, key := range Keys() {
			if lang.habits().texts[key] == "" {
				t.Errorf("%s is not said in %s", key, lang)
			}
		}
		if got, want := len(lang.habits().texts), len(Keys()); got != want {
			t.Errorf("%s has %d keys, want %d", lang, got, want)
		}
	}
}

func TestCatalog_LanguagesHaveTheSamePlaceholders(t *testing.T) {
	t.Parallel()
	for _, key := range Keys() {
		want := placeholders(EN.habits().texts[key])
		for _, lang := range Langs() {
			if got := placeholders(lang.habits().texts[key]); !slices.Equal(got, want) {
				t.Errorf("%s has %v in %s and %v in English", key, got, lang, want)
			}
		}
	}
}

// placeholders returns the sorted names in a sentence.
func placeholders(sentence string) []string {
	var found []string
	for _, match := range placeholder.FindAllStringSubmatch(sentence, -1) {
		found = append(found, match[1])
	}
	slices.Sort(found)
	return found
}

func TestCatalog_EveryPlaceholderIsKnownAndMayBeMissing(t *testing.T) {
	t.Parallel()
	clause := regexp.MustCompile(`\[[^\[\]]*\]`)
	used := map[Name]bool{}
	for where, sentence := range everySentence {
		for _, name := range placeholders(sentence) {
			used[Name(name)] = true
			if !slices.Contains(names, Name(name)) {
				t.Errorf("%s: {%s} is no placeholder", where, name)
			}
		}
		for _, part := range clause.FindAllString(sentence, -1) {
			if !placeholder.MatchString(part) {
				t.Errorf("%s: the clause %s has no placeholder, so it needs no brackets", where, part)
			}
		}
		if bare := clause.ReplaceAllString(sentence, ""); strings.ContainsAny(bare, "[]{}") {
			t.Errorf("%s: a placeholder stands outside of a clause, or a bracket alone: %s", where, sentence)
		}
		if inside := placeholder.ReplaceAllString(sentence, ""); strings.ContainsAny(inside, "{}") {
			t.Errorf("%s: a brace stands alone: %s", where, sentence)
		}
	}
	for _, name := range names {
		if !used[name] {
			t.Errorf("no sentence has {%s}", name)
		}
	}
}

func TestCatalog_NoTwoLanguagesSayTheSame(t *testing.T) {
	t.Parallel()
	for _, key := range Keys() {
		seen := map[string]Lang{}
		for _, lang := range Langs() {
			sentence := lang.habits().texts[key]
			if other, taken := seen[sentence]; taken {
				t.Errorf("%s is the same in %s and %s: %s", key, lang, other, sentence)
			}
			seen[sentence] = lang
		}
	}
}

func TestCatalog_EachLanguageKeepsToItsScript(t *testing.T) {
	t.Parallel()
	scripts := map[Lang]*unicode.RangeTable{EN: unicode.Latin, HY: unicode.Armenian, UK: unicode.Cyrillic, RU: unicode.Cyrillic}
	foreign := map[Lang]string{UK: "ыэъё", RU: "іїєґ", HY: "", EN: ""}
	for _, lang := range Langs() {
		habits := lang.habits()
		words := slices.Concat(habits.months[:], []string{habits.moment, habits.year})
		for _, forms := range habits.units {
			words = append(words, forms...)
		}
		for _, sentence := range habits.texts {
			words = append(words, placeholder.ReplaceAllString(sentence, ""))
		}
		for _, word := range words {
			for _, r := range word {
				if unicode.IsLetter(r) && !unicode.Is(scripts[lang], r) || strings.ContainsRune(foreign[lang], unicode.ToLower(r)) {
					t.Errorf("%s: %q is no letter of the language in %q", lang, r, word)
				}
			}
		}
	}
}

func TestCatalog_StatesAreLabelsAndStepsAreSentences(t *testing.T) {
	t.Parallel()
	for _, lang := range Langs() {
		for _, word := range states {
			if label := Say(lang, State(word)); len([]rune(label)) > 32 || strings.ContainsAny(label, ".։!") {
				t.Errorf("%s %s is no short label: %q", lang, word, label)
			}
		}
		for _, word := range steps {
			sentence := Say(lang, NextStep(word))
			if len([]rune(sentence)) > 120 || !strings.HasSuffix(sentence, ".") && !strings.HasSuffix(sentence, "!") && !strings.HasSuffix(sentence, "։") {
				t.Errorf("%s %s is no short sentence: %q", lang, word, sentence)
			}
		}
	}
}

// blemish is what a clause leaves behind when it drops out badly.
var blemish = regexp.MustCompile(`  |^ | $| [.,;:)!։]|[\[\]{}]|\.\.|,,|,\.|\( |::`)

func TestCatalog_ReadsWellWithAnyArguments(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var args []Arg
		for _, name := range names {
			if rapid.Bool().Draw(t, string(name)) {
				args = append(args, With(name, "x1"))
			}
		}
		lang := rapid.SampledFrom(Langs()).Draw(t, "lang")
		for where, sentence := range everySentence {
			if got := fill(lang, sentence, args); got == "" || blemish.MatchString(got) {
				t.Fatalf("%s reads %q", where, got)
			}
		}
	})
}
