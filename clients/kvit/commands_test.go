package main

import (
	"errors"
	"fmt"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"connectrpc.com/connect"
	"google.golang.org/genproto/googleapis/rpc/errdetails"

	"github.com/kvitpay/kvit/clients/go/kvit"
	kvitv1 "github.com/kvitpay/kvit/gen/kvit/v1"
)

// every is one command line of each kind.
var every = [][]string{
	{
		"link", "create", "--order-id", "A-17", "--amount", "1500.00 AMD", "--description", "Երկու սուրճ", "--item", "2 x Սուրճ = 1 500",
		"--metadata", "table=7", "--metadata", "chat=viber, web", "--idempotency-key", "k-1",
	},
	{"link", "create", "--fixed", "--amount", "1200 JPY", "--account", "terminal", "--account", "sandbox", "--idempotency-key", "k-2"},
	{"link", "get", "lnk_06gvosbivhrut3r3ecifhsvgp8"},
	{"link", "list"},
	{"link", "deactivate", "lnk_06gvosbivhrut3r3ecifhsvgp8", "--reason", "sold out", "--idempotency-key", "k-3"},
	{"order", "get", "A-17"},
	{"order", "list"},
	{"order", "explain", "A-17"},
	{"order", "cancel", "A-17", "--idempotency-key", "k-4"},
	{"order", "capture", "A-17", "--idempotency-key", "k-7"},
	{"order", "refund", "A-17", "--amount", "500", "--reason", "one coffee was cold", "--idempotency-key", "k-8"},
	{"refund", "list"},
	{"refund", "get", "ref_06gvosbivhrut3r3ecifhsvgp8"},
	{"psp", "list"},
	{"key", "create", "--name", "shop", "--mode", "test", "--scope", "links:write,orders:read", "--idempotency-key", "k-5"},
	{"key", "list", "--revoked"},
	{"key", "revoke", "key_0Ji4NQSbv0lXGxFF3", "--reason", "lost", "--idempotency-key", "k-6"},
}

// People read what fits their terminal; what goes to a file is whole.
func TestCommands_PrintForPeople(t *testing.T) {
	t.Parallel()

	for _, width := range []int{0, 80, 120} {
		t.Run(strconv.Itoa(width), func(t *testing.T) {
			t.Parallel()

			server := (&shop{}).open(t)
			var out strings.Builder
			for _, args := range every {
				r := kvitAt(t, server, width, args...)
				out.WriteString(section(args, r))
				for line := range strings.Lines(r.stdout) {
					if columns := display(strings.TrimSuffix(line, "\n")); width > 0 && args[1] == "list" && columns > width {
						t.Errorf("%v: a line of %d columns on a terminal of %d: %s", args, columns, width, line)
					}
				}
			}
			golden(t, fmt.Sprintf("people_%d.txt", width), out.String())
		})
	}
}

// Programs read the API's own JSON, one document, with nothing beside it.
func TestCommands_PrintJSONForPrograms(t *testing.T) {
	t.Parallel()

	server := (&shop{}).open(t)
	var out strings.Builder
	for _, args := range every {
		out.WriteString(section(args, kvitAt(t, server, 0, slices.Concat(args, []string{"--json"})...)))
	}
	golden(t, "json.txt", out.String())
}

// What is typed reaches the server whole.
func TestCommands_SendWhatWasTyped(t *testing.T) {
	t.Parallel()

	s := &shop{}
	server := s.open(t)
	var out strings.Builder
	for _, args := range [][]string{
		{
			"link", "create", "--order-id", "A-17", "--amount", "1500 AMD", "--customer-id", "c-9", "--viber-bot", "b", "--viber-user", "u=",
			"--customer-name", "Олена", "--email", "o@example.com", "--phone", "+37477123456", "--locale", "hy", "--expires-in", "2h",
			"--success-url", "https://shop.example.com/ok", "--failure-url", "https://shop.example.com/no", "--manual", "--validate-only",
			"--item", "2 x Coffee x large = 900 AMD", "--item", "1 x Tea, green = 600.00", "--metadata", "a=b=c", "--idempotency-key", "k",
		},
		{
			"link", "create", "--fixed", "--amount", "1 EUR", "--expires-at", "2026-11-21 18:00", "--order-expires-in", "30m",
			"--account", "second", "--account", "fi-r_st", "--idempotency-key", "k",
		},
		{
			"link", "list", "--kind", "fixed", "--state", "active", "--state", "EXPIRED", "--order-id", "A-1", "--created-after", "2026-11-01",
			"--created-before", "2026-11-02T10:00:00Z", "--limit", "2", "--page-token", "page-1",
		},
		{
			"order", "list", "--state", "paid,partially-refunded", "--customer-id", "c", "--viber-bot", "b", "--viber-user", "u",
			"--link-id", "lnk_1", "--limit", "0",
		},
		{"order", "cancel", "A-17", "--reason", "changed, their mind", "--validate-only", "--idempotency-key", "k"},
		{"order", "capture", "A-17", "--amount", "1 000.50 UAH", "--reason", "one of two", "--validate-only", "--idempotency-key", "k"},
		{"order", "refund", "A-17", "--reason", "all of it", "--idempotency-key", "k"},
		{"order", "refund", "A-17", "--amount", "12.5", "--payment", "pay_2", "--reason", "twice", "--validate-only", "--idempotency-key", "k"},
		{"refund", "list", "--order-id", "A-17", "--state", "unknown,SENT", "--limit", "1", "--page-token", "t"},
		{"key", "create", "--name", "adapter", "--edge", "--idempotency-key", "k"},
		{"key", "create", "--name", "shop", "--mode", "live", "--scope", "links:write", "--scope", "orders:read", "--merchant-id", "m", "--idempotency-key", "k"},
		{"key", "list", "--merchant-id", "m", "--revoked"},
		{"key", "revoke", "key_1", "--merchant-id", "m", "--reason", "lost", "--idempotency-key", "k"},
	} {
		s.asked = nil
		r := kvitAt(t, server, 0, args...)
		fmt.Fprintf(&out, "$ kvit %s\n= %d\n", strings.Join(args, " "), r.code)
		for _, request := range s.asked {
			text, err := jsonOf(request)
			if err != nil {
				t.Fatal(err)
			}
			out.Write(append(text, '\n'))
		}
		out.WriteString("\n")
	}
	golden(t, "requests.txt", out.String())
}

// failures is one error for each reason that the API documents.
var failures = []error{
	refusal(connect.CodeInvalidArgument, "REQUEST_INVALID", "The request is not valid.", nil, &errdetails.BadRequest{
		FieldViolations: []*errdetails.BadRequest_FieldViolation{
			{Field: "amount.minor_units", Description: "must be more than zero"}, {Field: "order_id", Description: "is required for a dynamic link"},
		},
	}),
	refusal(connect.CodeUnauthenticated, "API_KEY_MISSING", "No API key.", nil),
	refusal(connect.CodeUnauthenticated, "API_KEY_INVALID", "The API key is not known.", nil),
	refusal(connect.CodePermissionDenied, "SCOPE_MISSING", "The key may not do this.", map[string]string{"scope": "links:write"}),
	refusal(connect.CodeFailedPrecondition, "IDEMPOTENCY_KEY_REUSED", "The idempotency key was used for another request.",
		map[string]string{"changed_fields": "amount.minor_units, description"}),
	refusal(connect.CodeAborted, "IDEMPOTENCY_KEY_IN_USE", "The same request is being worked on.", nil, soon()),
	refusal(connect.CodePermissionDenied, "MODE_DIFFERS", "A test key changes nothing live.", nil),
	refusal(connect.CodeAlreadyExists, "ORDER_ID_CONFLICT", "The order exists with other terms.", map[string]string{"changed_fields": "amount.minor_units"}),
	refusal(connect.CodeNotFound, "ORDER_NOT_FOUND", "There is no such order.", nil),
	refusal(connect.CodeNotFound, "LINK_NOT_FOUND", "There is no such link.", nil),
	refusal(connect.CodeNotFound, "API_KEY_NOT_FOUND", "There is no such key.", nil),
	refusal(connect.CodeNotFound, "MERCHANT_NOT_FOUND", "There is no such merchant.", nil),
	refusal(connect.CodeFailedPrecondition, "ORDER_STATE", "The order is paid.", map[string]string{"state": "PAID"}),
	refusal(connect.CodeFailedPrecondition, "LINK_INACTIVE", "The link is deactivated.", nil),
	refusal(connect.CodeFailedPrecondition, "ATTEMPT_IN_PROGRESS", "A payment is under way.", nil),
	refusal(connect.CodeFailedPrecondition, "REFUND_EXCEEDS_PAYMENT", "The refund is more than what is left.", nil),
	refusal(connect.CodeNotFound, "REFUND_NOT_FOUND", "There is no such refund.", nil),
	refusal(connect.CodeNotFound, "ACCOUNT_NOT_FOUND", "There is no such account.", map[string]string{"account_id": "liqpay-main"}),
	refusal(connect.CodeUnavailable, "ACCOUNT_UNAVAILABLE", "The account cannot be used now.", map[string]string{"account_id": "liqpay-main"}),
	refusal(connect.CodeUnavailable, "PSP_NOT_ATTEMPTED", "The PSP was not reached. Nothing happened.", nil),
	refusal(connect.CodeFailedPrecondition, "PSP_REFUSED", "The PSP refused: the refund period has ended.", nil),
	refusal(connect.CodeFailedPrecondition, "REFUND_UNSUPPORTED", "The account cannot give money back.", nil),
	refusal(connect.CodeFailedPrecondition, "CAPTURE_UNSUPPORTED", "The account cannot take a part of what is held.", nil),
	refusal(connect.CodeInvalidArgument, "CURRENCY_UNSUPPORTED", "The currency is not known.", nil),
	refusal(connect.CodeInvalidArgument, "AMOUNT_GRAIN", "The account takes whole drams.", nil),
	refusal(connect.CodeInvalidArgument, "AMOUNT_OVERFLOW", "The sum does not fit.", nil),
	refusal(connect.CodeInvalidArgument, "CURSOR_INVALID", "The cursor cannot be read.", nil),
	refusal(connect.CodeInvalidArgument, "PAGE_TOKEN_INVALID", "The page token cannot be read.", nil),
	refusal(connect.CodeInvalidArgument, "CARD_DATA_REFUSED", "A text holds a card number.", nil),
	refusal(connect.CodeUnavailable, "STORE_UNAVAILABLE", "The database is away.", nil, soon()),
	refusal(connect.CodeUnavailable, "SHUTTING_DOWN", "This server is stopping.", nil, soon()),
	refusal(connect.CodeResourceExhausted, "RATE_LIMITED", "Too many requests wait.", nil, soon()),
	refusal(connect.CodeDeadlineExceeded, "DEADLINE_EXCEEDED", "The deadline passed.", nil),
	refusal(connect.CodeCanceled, "CANCELLED", "The caller went away.", nil),
	refusal(connect.CodeInternal, "INTERNAL", "Something went wrong; look up 7Q2M4 in the log.", nil),
	refusal(connect.CodeUnimplemented, "METHOD_NOT_FOUND", "There is no such method on this port.", nil),
	connect.NewError(connect.CodeResourceExhausted, fmt.Errorf("message size %d is larger than configured max %d", 300000, 262144)),
	connect.NewError(connect.CodeInvalidArgument, errors.New("\x1b[31mmoves the cursor\u202e")),
}

// Section 3 of the design: each documented error is one sentence, its reason, what it names, and an exit code.
func TestCommands_SayWhatWentWrong(t *testing.T) {
	t.Parallel()

	for name, flags := range map[string][]string{"errors.txt": nil, "errors_json.txt": {"--json"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			var out strings.Builder
			for _, failure := range failures {
				s := &shop{}
				for range changeTries {
					s.failures = append(s.failures, failure)
				}
				args := slices.Concat([]string{"order", "cancel", "A-17", "--idempotency-key", "k-1"}, flags)
				r := kvitAt(t, s.open(t), 0, args...)
				out.WriteString(section([]string{"...", kvit.Reason(failure)}, r))
				if r.stdout != "" {
					t.Errorf("%s: the answer is %q, want none", kvit.Reason(failure), r.stdout)
				}
			}
			golden(t, name, out.String())
		})
	}
}

// Every reason that the API documents is tried here.
func TestCommands_KnowEveryDocumentedReason(t *testing.T) {
	t.Parallel()

	page, err := os.ReadFile("../../docs/api.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := regexp.MustCompile("(?m)^\\| `([A-Z_]+)` \\|").FindAllStringSubmatch(string(page), -1)
	if len(rows) < 20 {
		t.Fatalf("found %d reasons in docs/api.md", len(rows))
	}
	for _, row := range rows {
		if !slices.ContainsFunc(failures, func(err error) bool { return kvit.Reason(err) == row[1] }) {
			t.Errorf("%s is documented and not in failures", row[1])
		}
	}
}

// A command line that is wrong sends nothing, and ends with 2.
func TestCommands_WrongCommandLines(t *testing.T) {
	t.Parallel()

	s := &shop{}
	server := s.open(t)
	var out strings.Builder
	for _, args := range [][]string{
		{},
		{"link"},
		{"pay"},
		{"link", "create"},
		{"link", "create", "--amount", "1,500 AMD"},
		{"link", "create", "--amount", "15.005 AMD"},
		{"link", "create", "--amount", "15 DRAM"},
		{"link", "create", "--amount", "15 AMD", "--item", "coffee"},
		{"link", "create", "--amount", "15 AMD", "--item", "1 x coffee = 5 UAH"},
		{"link", "create", "--amount", "15 AMD", "--expires-at", "tomorrow"},
		{"link", "create", "--amount", "15 AMD", "--expires-at", "2026-11-22", "--expires-in", "1h"},
		{"link", "create", "--amount", "15 AMD", "--viber-user", "u"},
		{"link", "get"},
		{"link", "list", "--state", "open"},
		{"link", "list", "--limit", "-1"},
		{"order", "list", "--state", "unspecified"},
		{"order", "refund", "A-17"},
		{"order", "refund", "A-17", "--reason", "r", "--amount", "1,50"},
		{"order", "refund", "A-17", "--reason", "r", "--amount", "1.505 UAH"},
		{"refund", "list", "--state", "lost"},
		{"order", "watch", "--cursor", "c", "--from-beginning"},
		{"order", "watch", "--since", "yesterday"},
		{"key", "create", "--name", "n"},
		{"key", "create", "--name", "n", "--edge", "--mode", "test"},
		{"key", "create", "--name", "n", "--mode", "both"},
		{"order", "get", "A-17", "--server", "127.0.0.1:8080"},
		{"order", "get", "A-17", "--key", ""},
		{"order", "get", "A-17", "--verbose"},
	} {
		r := kvitAt(t, server, 0, args...)
		out.WriteString(section(args, r))
		if r.code != exitUsage {
			t.Errorf("%v: exit code %d, want %d", args, r.code, exitUsage)
		}
	}
	if len(s.asked) != 0 {
		t.Errorf("the server was asked %d times, want never", len(s.asked))
	}
	golden(t, "usage.txt", out.String())
}

// A name alone shows what there is.
func TestCommands_BareNameShowsHelp(t *testing.T) {
	t.Parallel()

	var stdout, stderr strings.Builder
	code := run(t.Context(), nil, &world{stdout: &stdout, stderr: &stderr})
	if code != exitDone || !strings.Contains(stdout.String(), "link create") || stderr.Len() > 0 {
		t.Errorf("got %d, %q and %q, want the commands", code, stdout.String(), stderr.String())
	}
}

// O1: an order that exists comes back as it is. Where nothing can be paid at its link, that is said beside the answer, which is the
// same as ever.
func TestLinkCreate_O1_WarnsOfWhatCannotBePaid(t *testing.T) {
	t.Parallel()

	const pending, active = kvitv1.OrderState_ORDER_STATE_PENDING, kvitv1.LinkState_LINK_STATE_ACTIVE
	var out strings.Builder
	warned := func(link kvitv1.LinkState, order kvitv1.OrderState) {
		s := &shop{made: func(l *kvitv1.Link, o *kvitv1.Order) { l.State, o.State = link, order }}
		server := s.open(t)
		for _, flags := range [][]string{nil, {"--json"}} {
			args := slices.Concat([]string{"link", "create", "--order-id", "A-17", "--amount", "1500 AMD"}, flags)
			r := kvitAt(t, server, 0, args...)
			if r.code != exitDone || strings.Contains(r.stdout, "Warning") || !strings.Contains(r.stdout, "A-17") {
				t.Errorf("%s %s: got %d and %q", link, order, r.code, r.stdout)
			}
			if flags == nil {
				fmt.Fprintf(&out, "%s %s\n%s\n", linkWord(link), orderWord(order), r.stderr)
			} else if !strings.HasSuffix(out.String(), "\n"+r.stderr+"\n") {
				t.Errorf("%s %s: said %q beside JSON", link, order, r.stderr)
			}
		}
	}
	for number := range int32(len(kvitv1.OrderState_name)) {
		if number != 0 {
			warned(active, kvitv1.OrderState(number))
		}
	}
	warned(kvitv1.LinkState_LINK_STATE_DEACTIVATED, pending)
	warned(kvitv1.LinkState_LINK_STATE_DEACTIVATED, kvitv1.OrderState_ORDER_STATE_CANCELLED)
	warned(kvitv1.LinkState_LINK_STATE_EXPIRED, pending)
	golden(t, "warnings.txt", out.String())
}

// A refund that finds no payment says where the payments are shown, and how one is named.
func TestOrderRefund_R1_SaysHowToNameAPayment(t *testing.T) {
	t.Parallel()

	s := &shop{failures: []error{refusal(connect.CodeFailedPrecondition, "ORDER_STATE",
		"The order has not settled on a payment. Name the one to refund: pay_2.", map[string]string{"state": "MANUAL_REVIEW"})}}
	r := kvitAt(t, s.open(t), 0, "order", "refund", "A-17", "--reason", "twice", "--idempotency-key", "k")
	for _, want := range []string{"Name the one to refund: pay_2.", "kvit order get A-17", "--payment"} {
		if r.code != exitRefused || !strings.Contains(r.stderr, want) {
			t.Errorf("got %d saying %q, want %q", r.code, r.stderr, want)
		}
	}
}

// A list of currencies that nobody reads is cut where a person looks, and whole for programs.
func TestPSPList_CutsManyCurrencies(t *testing.T) {
	t.Parallel()

	server := (&shop{}).open(t)
	if r := kvitAt(t, server, 0, "psp", "list"); !strings.Contains(r.stdout, " USD and 4 more\n") || strings.Contains(r.stdout, "KZT") {
		t.Errorf("got\n%s\nwant the first eight of twelve", r.stdout)
	}
	if r := kvitAt(t, server, 0, "psp", "list", "--json"); !strings.Contains(r.stdout, "KZT") {
		t.Errorf("got\n%s\nwant all", r.stdout)
	}
}

// I2: a change whose outcome is unclear is repeated with the key that it had, and once it works that is all there is to see.
func TestChange_I2_RepeatsWithTheSameKey(t *testing.T) {
	t.Parallel()

	away := refusal(connect.CodeUnavailable, "STORE_UNAVAILABLE", "The database is away.", nil, soon())
	s := &shop{failures: []error{away, away, away}}
	r := kvitAt(t, s.open(t), 0, "link", "create", "--order-id", "A-17", "--amount", "1500 AMD")
	if r.code != exitDone || r.stderr != "" || len(s.asked) != 4 {
		t.Fatalf("got %d after %d calls, saying %q, want done after 4 in silence", r.code, len(s.asked), r.stderr)
	}
	first, ok := s.asked[0].(*kvitv1.CreatePaymentLinkRequest)
	if !ok || len(first.GetIdempotencyKey()) < 20 {
		t.Fatalf("got %v, want a request with a key", s.asked[0])
	}
	for _, request := range s.asked {
		if again, ok := request.(*kvitv1.CreatePaymentLinkRequest); !ok || again.GetIdempotencyKey() != first.GetIdempotencyKey() {
			t.Errorf("got %v, want the key of the first call", request)
		}
	}
}

// I2: when it stays unclear, the person is told how to repeat it safely, with the key that was sent.
func TestChange_I2_SaysHowToRepeatWhatIsUnclear(t *testing.T) {
	t.Parallel()

	away := refusal(connect.CodeUnavailable, "STORE_UNAVAILABLE", "The database is away.", nil, soon())
	s := &shop{failures: []error{away, away, away, away, away}}
	r := kvitAt(t, s.open(t), 0, "link", "create", "--order-id", "A-17", "--amount", "1500 AMD")
	request, ok := s.asked[0].(*kvitv1.CreatePaymentLinkRequest)
	if !ok || r.code != exitUnavailable || !strings.Contains(r.stderr, "--idempotency-key "+request.GetIdempotencyKey()) {
		t.Errorf("got %d saying %q, want %d and how to repeat with the key", r.code, r.stderr, exitUnavailable)
	}
}

// I2: where certainly nothing was done, nobody is made to doubt it.
func TestChange_I2_IsSureWhenNothingWasSent(t *testing.T) {
	t.Parallel()

	server := httptest.NewServer(nil)
	server.Close()
	r := kvitAt(t, server.URL, 0, "order", "cancel", "A-17")
	if r.code != exitUnavailable || strings.Contains(r.stderr, "--idempotency-key") || !strings.Contains(r.stderr, "connection refused") {
		t.Errorf("got %d saying %q, want %d and that nobody is there", r.code, r.stderr, exitUnavailable)
	}
}

// I2: a recorded answer is called one.
func TestChange_I2_SaysThatAnAnswerWasRecorded(t *testing.T) {
	t.Parallel()

	server := (&shop{replayed: true}).open(t)
	args := []string{"link", "create", "--order-id", "A-17", "--amount", "1500 AMD", "--idempotency-key", "k-1"}
	if r := kvitAt(t, server, 0, args...); r.code != exitDone || !strings.Contains(r.stderr, "recorded answer") {
		t.Errorf("got %d saying %q, want done and that it was recorded", r.code, r.stderr)
	}
	r := kvitAt(t, server, 0, slices.Concat(args, []string{"--json"})...)
	if !strings.Contains(r.stdout, `"replayed": true`) || !strings.Contains(r.stdout, `"idempotencyKey": "k-1"`) || r.stderr != "" {
		t.Errorf("got %q saying %q, want the key and that it was recorded, in the document alone", r.stdout, r.stderr)
	}
}

// Lists are read page by page, as far as wanted.
func TestList_ReadsAsManyPagesAsWanted(t *testing.T) {
	t.Parallel()

	for limit, want := range map[string]struct{ rows, calls int }{"0": {7, 3}, "1": {1, 1}, "4": {4, 2}, "50": {7, 3}} {
		s := &shop{}
		r := kvitAt(t, s.open(t), 0, "link", "list", "--limit", limit)
		rows := strings.Count(r.stdout, "lnk_")
		if r.code != exitDone || rows != want.rows || len(s.asked) != want.calls {
			t.Errorf("--limit %s: %d rows after %d calls, want %d after %d", limit, rows, len(s.asked), want.rows, want.calls)
		}
		if more := strings.Contains(r.stderr, "--page-token"); more != (want.rows < 7) {
			t.Errorf("--limit %s: said that there are more: %t", limit, more)
		}
	}
}

// The environment says where the server is and which key to use.
func TestRun_ReadsTheEnvironment(t *testing.T) {
	s := &shop{}
	t.Setenv("KVIT_SERVER", s.open(t))
	t.Setenv("KVIT_API_KEY", "kvit_test_key")
	var stdout, stderr strings.Builder
	code := run(t.Context(), []string{"order", "get", "A-17"}, &world{stdout: &stdout, stderr: &stderr, now: noon.UTC, zone: noon.Location()})
	if code != exitDone || len(s.asked) != 1 {
		t.Errorf("got %d saying %q after %d calls, want one call", code, stderr.String(), len(s.asked))
	}
}

// A version can always be told.
func TestVersion_NeedsNoServer(t *testing.T) {
	t.Parallel()

	if r := kvitAt(t, "http://127.0.0.1:1", 0, "version"); r.code != exitDone || !strings.HasPrefix(r.stdout, "kvit ") {
		t.Errorf("got %d and %q", r.code, r.stdout)
	}
	if r := kvitAt(t, "http://127.0.0.1:1", 0, "version", "--json"); r.code != exitDone || !strings.HasPrefix(r.stdout, "{") {
		t.Errorf("got %d and %q", r.code, r.stdout)
	}
}
