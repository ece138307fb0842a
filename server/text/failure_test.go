package text_test

import (
	"testing"

	"github.com/kvitpay/kvit/server/text"
)

func TestFailure_EveryReasonIsInEveryLanguage(t *testing.T) {
	t.Parallel()
	for _, words := range text.Failures() {
		for _, lang := range text.Langs() {
			said := text.Failure(lang, words)
			if said == "" || lang != text.EN && said == words {
				t.Errorf("%q is not said in %s: %q", words, lang, said)
			}
		}
	}
	if got := text.Failure(text.HY, "declined with the code 77"); got != "" {
		t.Errorf("words that nobody translated are shown: %q", got)
	}
	if got := text.Failure(text.EN, "declined with the code 77"); got != "declined with the code 77" {
		t.Errorf("English says %q", got)
	}
}
