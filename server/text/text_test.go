package text_test

import (
	"math"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/kvitpay/kvit/server/money"
	"github.com/kvitpay/kvit/server/text"
)

// plain makes no-break spaces visible as ordinary ones, so that tests can be read.
func plain(s string) string { return strings.ReplaceAll(s, "\u00a0", " ") }

// amount returns a test's amount.
func amount(tb testing.TB, minor int64, code string) money.Amount {
	tb.Helper()
	a, err := money.New(minor, code)
	if err != nil {
		tb.Fatal(err)
	}
	return a
}

// march is a test's instant.
func march() time.Time { return time.Date(2026, time.March, 5, 10, 30, 0, 0, time.UTC) }

// yerevan is four hours before UTC, all year.
func yerevan() *time.Location { return time.FixedZone("AMT", 4*60*60) }

func TestSay_FillsWhatIsGivenAndDropsWhatIsNot(t *testing.T) {
	t.Parallel()
	price := text.WithAmount(text.ArgAmount, amount(t, 1250000, "AMD"))
	until := text.WithInstant(text.ArgUntil, march(), yerevan())
	support := text.With(text.ArgSupport, "+374 10 000000")
	for _, c := range []struct {
		lang text.Lang
		key  text.Key
		args []text.Arg
		want string
	}{
		{text.EN, text.NextPay, nil, "Please pay using the link."},
		{text.EN, text.NextPay, []text.Arg{price}, "Please pay 12,500 AMD using the link."},
		{text.EN, text.NextPay, []text.Arg{until, price}, "Please pay 12,500 AMD using the link by 5 March 2026, 14:30."},
		{text.UK, text.NextPay, []text.Arg{price, until}, "Будь ласка, сплатіть 12 500 ֏ за посиланням до 5 березня 2026, 14:30."},
		{text.RU, text.NextPay, []text.Arg{price, until}, "Пожалуйста, оплатите 12 500 ֏ по ссылке до 5 марта 2026, 14:30."},
		{text.HY, text.NextPay, []text.Arg{price, until}, "Խնդրում ենք հղումով վճարել 12 500 ֏՝ մինչև 5 մարտի 2026 թ., 14:30։"},
		{text.HY, text.NextPay, nil, "Խնդրում ենք հղումով վճարել։"},
		{text.EN, text.NextWait, []text.Arg{price, until, support}, "Your payment is being processed. Please wait and do not pay again."},
		{text.EN, text.NextContactSupport, []text.Arg{support}, "Your payment needs a closer look. Please contact support: +374 10 000000."},
		{text.EN, text.NextContactSupport, []text.Arg{text.With(text.ArgSupport, "")}, "Your payment needs a closer look. Please contact support."},
		{text.EN, text.NextContactSupport, []text.Arg{text.With(text.ArgSupport, "Shop Ltd.")}, "Your payment needs a closer look. Please contact support: Shop Ltd."},
		{text.UK, text.StatePaid, nil, "Сплачено"},
		{text.Lang(99), text.StatePaid, nil, "Paid"},
		{text.EN, "nothing", nil, ""},
	} {
		if got := plain(text.Say(c.lang, c.key, c.args...)); got != c.want {
			t.Errorf("Say(%s, %s) = %q, want %q", c.lang, c.key, got, c.want)
		}
	}
}

func TestSay_AValueIsNeverReadAsASentence(t *testing.T) {
	t.Parallel()
	got := text.Say(text.EN, text.NextContactSupport,
		text.With(text.ArgSupport, "{amount}[x] {until"), text.With(text.ArgAmount, "WRONG"))
	if want := "Your payment needs a closer look. Please contact support: {amount}[x] {until."; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestExplain_EveryEventOfTheDesignHasASentence(t *testing.T) {
	t.Parallel()
	types := "link.created link.deactivated " +
		"order.created order.reopened order.processing order.authorized order.captured order.paid " +
		"order.payment_failed order.expired order.cancelled order.review_required order.review_resolved " +
		"order.corrected order.partially_refunded order.refunded order.charged_back order.chargeback_reversed " +
		"attempt.started attempt.handed_off attempt.declined attempt.unknown attempt.dead " +
		"capture.requested capture.failed void.requested void.failed " +
		"evidence.noted refund.requested refund.sent refund.posted refund.failed refund.unknown " +
		"exception.opened exception.resolved fulfillment.claimed fulfillment.completed " +
		"chat_message.sent chat_message.delivered chat_message.seen chat_message.failed"
	kinds := "DUPLICATE LATE UNDERPAID OVERPAID WRONG_CURRENCY WRONG_MERCHANT ORPHAN UNREADABLE " +
		"CONFLICTING_EVIDENCE AFTER_CANCEL OVER_RETURNED STUCK"
	for _, table := range []struct {
		words   string
		listed  []string
		explain func(string, ...text.Arg) string
	}{
		{types, text.Explained(), text.Explain},
		{kinds, text.ExplainedExceptions(), text.ExplainException},
		{"CALLBACK LOOKUP REGISTER OPERATOR", text.ExplainedSources(), text.ExplainSource},
		{
			"PENDING AUTHORIZED SUCCEEDED DECLINED CLOSED VOIDED REFUNDED CHARGED_BACK CHARGEBACK_REVERSED UNREADABLE",
			text.ExplainedFacts(), text.ExplainFact,
		},
		{
			"CANCEL_CONFIRMED DECLINE_CLOSES_SESSION SESSION_OVER NOT_ATTEMPTED NEVER_HANDED_OFF OPERATOR VOIDED",
			text.ExplainedDeaths(), text.ExplainDeath,
		},
	} {
		words := strings.Fields(table.words)
		for _, word := range words {
			if table.explain(word) == "" {
				t.Errorf("%s is not explained", word)
			}
		}
		if len(table.listed) != len(words) {
			t.Errorf("listed are %v, want %v", table.listed, words)
		}
		if got := table.explain("unheard.of"); got != "" {
			t.Errorf("an unknown word is explained: %q", got)
		}
	}
}

func TestExplain_ReadsAsOneSentence(t *testing.T) {
	t.Parallel()
	all := []text.Arg{
		text.WithAmount(text.ArgAmount, amount(t, 1250, "UAH")),
		text.WithAmount(text.ArgExpected, amount(t, 1500, "UAH")),
		text.With(text.ArgPSP, "LiqPay"), text.With(text.ArgActor, "key_7"), text.With(text.ArgAttempt, "att_1"),
		text.With(text.ArgReason, "not enough money"),
		text.With(text.ArgSource, text.ExplainSource("CALLBACK", text.With(text.ArgPSP, "LiqPay"))),
		text.With(text.ArgFact, text.ExplainFact("SUCCEEDED")),
	}
	for got, want := range map[string]string{
		text.Explain("order.paid"):                      "The order is paid.",
		text.Explain("order.paid", all...):              "The order is paid: 12.50 UAH at LiqPay, known from a verified callback of LiqPay.",
		text.Explain("attempt.declined"):                "The payment attempt was declined.",
		text.Explain("attempt.declined", all...):        "The payment attempt att_1 was declined by LiqPay: not enough money.",
		text.Explain("order.cancelled", all[3]):         "The order was cancelled by key_7.",
		text.Explain("evidence.noted", all...):          "A report was noted from a verified callback of LiqPay: the money was taken, 12.50 UAH.",
		text.ExplainException("UNDERPAID", all...):      "Less money came than the order asks for: 12.50 UAH instead of 15.00 UAH.",
		text.ExplainException("UNDERPAID", all[0]):      "Less money came than the order asks for.",
		text.ExplainException("STUCK"):                  "How a payment attempt ended is still not known, and is no longer asked.",
		text.ExplainDeath("SESSION_OVER"):               "the PSP's session is over",
		text.Explain("attempt.started", all[2], all[4]): "A payment attempt, att_1, was started at LiqPay.",
	} {
		if plain(got) != want {
			t.Errorf("got %q, want %q", plain(got), want)
		}
	}
}

func TestAmount_M1_IsExactInTheReadersHabit(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		lang  text.Lang
		minor int64
		code  string
		want  string
	}{
		{text.HY, 1250000, "AMD", "12 500 ֏"},
		{text.HY, 1250050, "AMD", "12 500,50 ֏"},
		{text.UK, 125050, "UAH", "1 250,50 ₴"},
		{text.UK, 125000, "UAH", "1 250,00 ₴"},
		{text.RU, 99999, "RUB", "999,99 ₽"},
		{text.RU, 1, "EUR", "0,01 €"},
		{text.UK, -125050, "UAH", "-1 250,50 ₴"},
		{text.EN, 125050, "UAH", "1,250.50 UAH"},
		{text.EN, 1250000, "AMD", "12,500 AMD"},
		{text.EN, 125050, "USD", "$1,250.50"},
		{text.EN, -5, "EUR", "-€0.05"},
		{text.UK, 5, "CHF", "0,05 CHF"},
		{text.EN, 1250, "JPY", "1,250 JPY"},
		{text.EN, 1250, "BHD", "1.250 BHD"},
		{text.HY, 1500000, "IQD", "1 500 IQD"},
		{text.HY, 1500001, "IQD", "1 500,001 IQD"},
		{text.EN, 0, "AMD", "0 AMD"},
		{text.EN, 100000, "EUR", "€1,000.00"},
		{text.EN, 99900, "EUR", "€999.00"},
		{text.EN, math.MaxInt64, "EUR", "€92,233,720,368,547,758.07"},
		{text.UK, math.MinInt64, "JPY", "-9 223 372 036 854 775 808 JPY"},
	} {
		got := text.Amount(c.lang, amount(t, c.minor, c.code))
		if plain(got) != c.want {
			t.Errorf("Amount(%s, %d %s) = %q, want %q", c.lang, c.minor, c.code, got, c.want)
		}
		if strings.Contains(got, " ") {
			t.Errorf("%q can break in the middle", got)
		}
	}
	if got := text.Amount(text.EN, money.Amount{}); got != "" {
		t.Errorf("no amount is written %q", got)
	}
}

func TestAmount_M1_NeverChangesADigit(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		a := money.Of(rapid.Int64().Draw(t, "minor"), rapid.SampledFrom(money.Currencies()).Draw(t, "currency"))
		lang := rapid.SampledFrom(text.Langs()).Draw(t, "lang")
		written := text.Amount(lang, a)
		point := ","
		if lang == text.EN {
			point = "."
		}
		whole, decimals, _ := strings.Cut(written, point+decimalsOf(a))
		if decimalsOf(a) == "" || strings.Trim(decimalsOf(a), "0") == "" {
			whole, decimals = written, "" // Zeros may be left out; then all that is written is the whole.
		}
		if got, want := digits(whole)+digits(decimals), wholeOf(a); got != want && got != want+decimalsOf(a) {
			t.Fatalf("%v is written %q", a, written)
		}
	})
}

// digits returns the ASCII digits of s.
func digits(s string) string {
	return strings.Map(func(r rune) rune {
		if r < '0' || r > '9' {
			return -1
		}
		return r
	}, s)
}

func wholeOf(a money.Amount) string {
	whole, _, _ := strings.Cut(a.Decimal(), ".")
	return digits(whole)
}

func decimalsOf(a money.Amount) string {
	_, decimals, _ := strings.Cut(a.Decimal(), ".")
	return decimals
}

func TestInstant_IsWrittenInTheZoneAndLanguage(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		lang text.Lang
		loc  *time.Location
		want string
	}{
		{text.EN, yerevan(), "5 March 2026, 14:30"},
		{text.UK, yerevan(), "5 березня 2026, 14:30"},
		{text.RU, yerevan(), "5 марта 2026, 14:30"},
		{text.HY, yerevan(), "5 մարտի 2026 թ., 14:30"},
		{text.EN, time.UTC, "5 March 2026, 10:30 UTC"},
		{text.UK, nil, "5 березня 2026, 10:30 UTC"},
	} {
		if got := text.Instant(c.lang, march(), c.loc); got != c.want {
			t.Errorf("Instant(%s) = %q, want %q", c.lang, got, c.want)
		}
	}
	if got := text.Instant(text.EN, time.Time{}, nil); got != "" {
		t.Errorf("the zero time is written %q", got)
	}
	if got := text.Instant(text.UK, time.Date(2026, time.December, 31, 23, 5, 59, 0, time.UTC), yerevan()); got != "1 січня 2027, 03:05" {
		t.Errorf("the turn of the year is written %q", got)
	}
}

func TestSpan_CountsAsTheLanguageDoes(t *testing.T) {
	t.Parallel()
	const day = 24 * time.Hour
	for _, c := range []struct {
		span           time.Duration
		en, uk, ru, hy string
	}{
		{time.Minute, "1 minute", "1 хвилина", "1 минута", "1 րոպե"},
		{2 * time.Minute, "2 minutes", "2 хвилини", "2 минуты", "2 րոպե"},
		{5 * time.Minute, "5 minutes", "5 хвилин", "5 минут", "5 րոպե"},
		{11 * time.Minute, "11 minutes", "11 хвилин", "11 минут", "11 րոպե"},
		{12 * time.Minute, "12 minutes", "12 хвилин", "12 минут", "12 րոպե"},
		{14 * time.Minute, "14 minutes", "14 хвилин", "14 минут", "14 րոպե"},
		{21 * time.Minute, "21 minutes", "21 хвилина", "21 минута", "21 րոպե"},
		{24 * time.Minute, "24 minutes", "24 хвилини", "24 минуты", "24 րոպե"},
		{time.Hour, "1 hour", "1 година", "1 час", "1 ժամ"},
		{2 * time.Hour, "2 hours", "2 години", "2 часа", "2 ժամ"},
		{90 * time.Minute, "1 hour 30 minutes", "1 година 30 хвилин", "1 час 30 минут", "1 ժամ 30 րոպե"},
		{day, "1 day", "1 день", "1 день", "1 օր"},
		{3*day + 59*time.Minute, "3 days", "3 дні", "3 дня", "3 օր"},
		{90 * day, "90 days", "90 днів", "90 дней", "90 օր"},
		{111*day + 2*time.Hour, "111 days 2 hours", "111 днів 2 години", "111 дней 2 часа", "111 օր 2 ժամ"},
		{121 * day, "121 days", "121 день", "121 день", "121 օր"},
		{2*time.Minute - time.Second, "1 minute", "1 хвилина", "1 минута", "1 րոպե"},
		{59 * time.Second, "less than a minute", "менше хвилини", "меньше минуты", "մեկ րոպեից պակաս"},
		{0, "less than a minute", "менше хвилини", "меньше минуты", "մեկ րոպեից պակաս"},
		{-day, "less than a minute", "менше хвилини", "меньше минуты", "մեկ րոպեից պակաս"},
	} {
		for lang, want := range map[text.Lang]string{text.EN: c.en, text.UK: c.uk, text.RU: c.ru, text.HY: c.hy} {
			if got := plain(text.Span(lang, c.span)); got != want {
				t.Errorf("Span(%s, %v) = %q, want %q", lang, c.span, got, want)
			}
		}
	}
}
