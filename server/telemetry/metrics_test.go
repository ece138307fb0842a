package telemetry_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/kvitpay/kvit/server/telemetry"
)

// page returns what a scrape of m reads.
func page(t *testing.T, m *telemetry.Metrics) string {
	t.Helper()
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", nil))
	if w.Code != http.StatusOK {
		t.Fatalf("%d: %s", w.Code, w.Body)
	}
	return w.Body.String()
}

func TestMetrics_EveryHandleCounts(t *testing.T) {
	t.Parallel()
	m := telemetry.NewMetrics()
	const second = time.Second
	m.RPC.Began()
	m.RPC.Began()
	m.RPC.Ended("PaymentService/CreatePaymentLink", "ok", second)
	m.Writer.Batch(telemetry.WriterBatch{Commands: 3, Entries: 5, Retries: 2, Waited: second, Took: second, Saved: second})
	m.Writer.Batch(telemetry.WriterBatch{Commands: 1, Alone: true})
	m.Writer.Refused("create_link", "RATE_LIMITED")
	m.Writer.Queue(func() int { return 7 })
	m.Lock.Acquired()
	m.Lock.Held()
	m.Lock.Away()
	m.Lock.StateChanged(false)
	m.Streams.Opened()
	m.Streams.Opened()
	m.Streams.Ended("rotate")
	m.Streams.Delivered(12)
	m.Streams.Delayed(second)
	m.Idempotency.Replayed("CreatePaymentLink")
	m.Idempotency.Reused("CreatePaymentLink")
	m.Idempotency.InUse("CreatePaymentLink")
	m.Expiry.Swept(4, second, nil)
	m.Expiry.Swept(1, second, errors.New("away"))
	m.PSP.Called("liqpay-1", "ask", "unknown", second)
	m.PSP.Callback("liqpay-1", "forged")
	m.Pool("write", func() telemetry.Pool {
		return telemetry.Pool{Busy: 2, Idle: 3, Most: 8, Waits: 9, Waited: 1500 * time.Millisecond}
	})
	got := page(t, m)
	for _, line := range []string{
		`kvit_rpc_requests_total{code="ok",method="PaymentService/CreatePaymentLink"} 1`,
		`kvit_rpc_duration_seconds_sum{method="PaymentService/CreatePaymentLink"} 1`,
		`kvit_rpc_requests_running 1`,
		`kvit_writer_commands_total{how="batch"} 3`,
		`kvit_writer_commands_total{how="alone"} 1`,
		`kvit_writer_entries_total 5`,
		`kvit_writer_batch_retries_total 2`,
		`kvit_writer_batch_commands_count 2`,
		`kvit_writer_batch_seconds_count{part="took"} 2`,
		`kvit_writer_batch_seconds_sum{part="saved"} 1`,
		`kvit_writer_refusals_total{command="create_link",reason="RATE_LIMITED"} 1`,
		`kvit_writer_queue_commands 7`,
		`kvit_lock_answers_total{answer="acquired"} 1`,
		`kvit_lock_answers_total{answer="held"} 1`,
		`kvit_lock_answers_total{answer="away"} 1`,
		`kvit_lock_away 1`,
		`kvit_lock_state_changes_total 1`,
		`kvit_streams_open 1`,
		`kvit_stream_ends_total{reason="rotate"} 1`,
		`kvit_stream_events_total 12`,
		`kvit_stream_delay_seconds_sum 1`,
		`kvit_idempotency_repeats_total{answer="replayed",method="CreatePaymentLink"} 1`,
		`kvit_idempotency_repeats_total{answer="reused",method="CreatePaymentLink"} 1`,
		`kvit_idempotency_repeats_total{answer="in_use",method="CreatePaymentLink"} 1`,
		`kvit_expiry_sweeps_total{outcome="ok"} 1`,
		`kvit_expiry_sweeps_total{outcome="failed"} 1`,
		`kvit_expiry_orders_total 5`,
		`kvit_psp_calls_total{account="liqpay-1",method="ask",outcome="unknown"} 1`,
		`kvit_psp_call_duration_seconds_sum{account="liqpay-1",method="ask"} 1`,
		`kvit_psp_callbacks_total{account="liqpay-1",outcome="forged"} 1`,
		`kvit_store_pool_connections{pool="write",state="busy"} 2`,
		`kvit_store_pool_connections{pool="write",state="idle"} 3`,
		`kvit_store_pool_connections_most{pool="write"} 8`,
		`kvit_store_pool_waits_total{pool="write"} 9`,
		`kvit_store_pool_wait_seconds_total{pool="write"} 1.5`,
	} {
		if !strings.Contains(got, line+"\n") {
			t.Errorf("no line %s", line)
		}
	}
	for _, name := range []string{"go_goroutines ", "process_resident_memory_bytes ", "go_build_info{"} {
		if !strings.Contains(got, "\n"+name) {
			t.Errorf("no metric %s", name)
		}
	}
}

func TestMetrics_LockComesBack(t *testing.T) {
	t.Parallel()
	m := telemetry.NewMetrics()
	m.Lock.StateChanged(false)
	m.Lock.StateChanged(true)
	if got := page(t, m); !strings.Contains(got, "kvit_lock_away 0\n") || !strings.Contains(got, "kvit_lock_state_changes_total 2\n") {
		t.Error("the lock is still away")
	}
}

// Every method of every handle is called on a nil handle, with zero arguments.
func TestMetrics_NilHandlesCountNothing(t *testing.T) {
	t.Parallel()
	var none telemetry.Metrics
	handles := reflect.ValueOf(none)
	for i := range handles.NumField() {
		handle := handles.Field(i)
		if !handles.Type().Field(i).IsExported() {
			continue
		}
		for _, method := range handle.Methods() {
			var args []reflect.Value
			for in := range method.Type().Ins() {
				args = append(args, reflect.Zero(in))
			}
			method.Call(args)
		}
	}
}

func TestMetrics_TwoServersInOneProcessDoNotMeet(t *testing.T) {
	t.Parallel()
	one, two := telemetry.NewMetrics(), telemetry.NewMetrics()
	one.Streams.Opened()
	if got := page(t, two); !strings.Contains(got, "kvit_streams_open 0\n") {
		t.Error("metrics are shared")
	}
}

func ExampleMetrics_Pool() {
	m := telemetry.NewMetrics()
	m.Pool("read", func() telemetry.Pool { return telemetry.Pool{Idle: 4, Most: 12} })
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	for line := range strings.Lines(w.Body.String()) {
		if strings.HasPrefix(line, "kvit_store_pool_connections{") {
			fmt.Print(line)
		}
	}
	// Output:
	// kvit_store_pool_connections{pool="read",state="busy"} 0
	// kvit_store_pool_connections{pool="read",state="idle"} 4
}
