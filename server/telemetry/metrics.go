package telemetry

import (
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Metrics are the numbers of one server: a registry of its own, and a handle for each room that counts.
// Every handle may be nil.
type Metrics struct {
	RPC         *RPCMetrics
	Writer      *WriterMetrics
	Lock        *LockMetrics
	Streams     *StreamMetrics
	Idempotency *IdempotencyMetrics
	Expiry      *ExpiryMetrics
	PSP         *PSPMetrics

	registry *prometheus.Registry
}

// NewMetrics returns metrics that are all zero, with those of the Go runtime and the process beside them.
func NewMetrics() *Metrics {
	r := prometheus.NewRegistry()
	r.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		collectors.NewBuildInfoCollector(),
	)
	return &Metrics{
		RPC: newRPCMetrics(r), Writer: newWriterMetrics(r), Lock: newLockMetrics(r),
		Streams: newStreamMetrics(r), Idempotency: newIdempotencyMetrics(r), Expiry: newExpiryMetrics(r),
		PSP:      newPSPMetrics(r),
		registry: r,
	}
}

// Handler answers with all metrics in the format of Prometheus.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{Registry: m.registry})
}

// maker registers what it makes. Names are constants of this room, so that registering cannot fail.
type maker struct{ prometheus.Registerer }

func (m maker) counter(name, help string) prometheus.Counter {
	c := prometheus.NewCounter(prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help})
	m.MustRegister(c)
	return c
}

func (m maker) counters(name, help string, labels ...string) *prometheus.CounterVec {
	c := prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help}, labels)
	m.MustRegister(c)
	return c
}

func (m maker) gauge(name, help string) prometheus.Gauge {
	g := prometheus.NewGauge(prometheus.GaugeOpts{Namespace: namespace, Name: name, Help: help})
	m.MustRegister(g)
	return g
}

func (m maker) histograms(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
	h := prometheus.NewHistogramVec(
		prometheus.HistogramOpts{Namespace: namespace, Name: name, Help: help, Buckets: buckets}, labels)
	m.MustRegister(h)
	return h
}

func (m maker) histogram(name, help string, buckets []float64) prometheus.Histogram {
	h := prometheus.NewHistogram(
		prometheus.HistogramOpts{Namespace: namespace, Name: name, Help: help, Buckets: buckets})
	m.MustRegister(h)
	return h
}

const namespace = "kvit"

// secondsBuckets reach from a read in memory to a call that waits for a PSP.
func secondsBuckets() []float64 {
	return []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30}
}

// RPCMetrics count requests at the API's door.
type RPCMetrics struct {
	requests *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
	running  prometheus.Gauge
}

func newRPCMetrics(r prometheus.Registerer) *RPCMetrics {
	m := maker{r}
	return &RPCMetrics{
		requests: m.counters("rpc_requests_total", "Finished requests by method and code.", "method", "code"),
		seconds: m.histograms("rpc_duration_seconds", "Time from a request to its answer, or to the end of its stream.",
			secondsBuckets(), "method"),
		running: m.gauge("rpc_requests_running", "Requests and streams that are not finished."),
	}
}

// Began counts a request that runs until Ended.
func (m *RPCMetrics) Began() {
	if m != nil {
		m.running.Inc()
	}
}

// Ended counts a finished request. The method is one of our own ("PaymentService/CreatePaymentLink"),
// never a text of the caller's; the code is Connect's, "ok" where all went well.
func (m *RPCMetrics) Ended(method, code string, took time.Duration) {
	if m == nil {
		return
	}
	m.running.Dec()
	m.requests.WithLabelValues(method, code).Inc()
	m.seconds.WithLabelValues(method).Observe(took.Seconds())
}

// WriterMetrics count batches and what became of commands.
type WriterMetrics struct {
	registry prometheus.Registerer
	commands *prometheus.CounterVec
	entries  prometheus.Counter
	retries  prometheus.Counter
	refused  *prometheus.CounterVec
	size     prometheus.Histogram
	seconds  *prometheus.HistogramVec
}

// WriterBatch is how a batch of the writer went.
type WriterBatch struct {
	Commands int
	Bytes    int
	Entries  int
	// Retries counts the runs after the first.
	Retries int
	// Alone is true where the commands were run one by one.
	Alone bool
	// Waited is how long the first command waited, Took the rest until the commit, Saved the part that saved.
	Waited, Took, Saved time.Duration
}

func newWriterMetrics(r prometheus.Registerer) *WriterMetrics {
	m := maker{r}
	return &WriterMetrics{
		registry: r,
		commands: m.counters("writer_commands_total", "Commands that were run, by how: in a batch, or alone after one failed.", "how"),
		entries:  m.counter("writer_entries_total", "Journal entries written."),
		retries:  m.counter("writer_batch_retries_total", "Runs of a batch after the first, because another transaction was in the way."),
		refused:  m.counters("writer_refusals_total", "Commands that were not run, by command and reason.", "command", "reason"),
		size:     m.histogram("writer_batch_commands", "Commands in one batch.", []float64{1, 2, 4, 8, 16, 32, 64, 128, 256}),
		seconds: m.histograms("writer_batch_seconds",
			"Time of a batch by part: waited, of its first command; took, from then to the commit; saved, within it.",
			secondsBuckets(), "part"),
	}
}

// Batch counts a batch that has ended.
func (m *WriterMetrics) Batch(batch WriterBatch) {
	if m == nil {
		return
	}
	how := "batch"
	if batch.Alone {
		how = "alone"
	}
	m.commands.WithLabelValues(how).Add(float64(batch.Commands))
	m.entries.Add(float64(batch.Entries))
	m.retries.Add(float64(batch.Retries))
	m.size.Observe(float64(batch.Commands))
	m.seconds.WithLabelValues("waited").Observe(batch.Waited.Seconds())
	m.seconds.WithLabelValues("took").Observe(batch.Took.Seconds())
	if batch.Saved > 0 {
		m.seconds.WithLabelValues("saved").Observe(batch.Saved.Seconds())
	}
}

// Refused counts a command that was not run.
func (m *WriterMetrics) Refused(command, reason string) {
	if m != nil {
		m.refused.WithLabelValues(command, reason).Inc()
	}
}

// Queue tells where to ask for the number of waiting commands. It is called once, when the writer is made.
func (m *WriterMetrics) Queue(waiting func() int) {
	if m == nil {
		return
	}
	m.registry.MustRegister(prometheus.NewGaugeFunc(
		prometheus.GaugeOpts{Namespace: namespace, Name: "writer_queue_commands", Help: "Commands that wait for a batch."},
		func() float64 { return float64(waiting()) },
	))
}

// LockMetrics count what the locks answered.
type LockMetrics struct {
	answers *prometheus.CounterVec
	away    prometheus.Gauge
	changes prometheus.Counter
}

func newLockMetrics(r prometheus.Registerer) *LockMetrics {
	m := maker{r}
	return &LockMetrics{
		answers: m.counters("lock_answers_total", "Locks asked for, by answer: acquired, held by another, or away.", "answer"),
		away:    m.gauge("lock_away", "1 while the lock service cannot be asked and work goes on without it (I3)."),
		changes: m.counter("lock_state_changes_total", "How often the lock service went away or came back."),
	}
}

// Acquired counts a lock that was taken.
func (m *LockMetrics) Acquired() { m.answered("acquired") }

// Held counts a lock that another holds.
func (m *LockMetrics) Held() { m.answered("held") }

// Away counts a lock that could not be asked for.
func (m *LockMetrics) Away() { m.answered("away") }

func (m *LockMetrics) answered(answer string) {
	if m != nil {
		m.answers.WithLabelValues(answer).Inc()
	}
}

// StateChanged counts that the lock service went away (up is false) or came back.
func (m *LockMetrics) StateChanged(up bool) {
	if m == nil {
		return
	}
	m.changes.Inc()
	if up {
		m.away.Set(0)
	} else {
		m.away.Set(1)
	}
}

// StreamMetrics count watchers and what they are given.
type StreamMetrics struct {
	open      prometheus.Gauge
	delivered prometheus.Counter
	ended     *prometheus.CounterVec
	delay     prometheus.Histogram
}

func newStreamMetrics(r prometheus.Registerer) *StreamMetrics {
	m := maker{r}
	return &StreamMetrics{
		open:      m.gauge("streams_open", "Streams of order events that are open."),
		delivered: m.counter("stream_events_total", "Order events sent to streams."),
		ended:     m.counters("stream_ends_total", "Streams that ended, by reason: rotate, shutdown, reset, gone or failed.", "reason"),
		delay:     m.histogram("stream_delay_seconds", "Time from an event's commit to its sending, for streams that are not behind.", secondsBuckets()),
	}
}

// Opened counts a stream that is open until Ended.
func (m *StreamMetrics) Opened() {
	if m != nil {
		m.open.Inc()
	}
}

// Ended counts the end of a stream.
func (m *StreamMetrics) Ended(reason string) {
	if m != nil {
		m.open.Dec()
		m.ended.WithLabelValues(reason).Inc()
	}
}

// Delivered counts n events sent to one stream.
func (m *StreamMetrics) Delivered(n int) {
	if m != nil {
		m.delivered.Add(float64(n))
	}
}

// Delayed measures the time from a commit to the sending of its event.
func (m *StreamMetrics) Delayed(took time.Duration) {
	if m != nil {
		m.delay.Observe(took.Seconds())
	}
}

// IdempotencyMetrics count repeated requests (I2).
type IdempotencyMetrics struct{ repeats *prometheus.CounterVec }

func newIdempotencyMetrics(r prometheus.Registerer) *IdempotencyMetrics {
	return &IdempotencyMetrics{repeats: maker{r}.counters("idempotency_repeats_total",
		"Requests with a key that is known, by method and answer: replayed, reused for another request, or in_use.", "method", "answer")}
}

// Replayed counts a request that was answered with the recorded result.
func (m *IdempotencyMetrics) Replayed(method string) { m.repeated(method, "replayed") }

// Reused counts a request whose key stands for another one.
func (m *IdempotencyMetrics) Reused(method string) { m.repeated(method, "reused") }

// InUse counts a request that waited for the first in vain.
func (m *IdempotencyMetrics) InUse(method string) { m.repeated(method, "in_use") }

func (m *IdempotencyMetrics) repeated(method, answer string) {
	if m != nil {
		m.repeats.WithLabelValues(method, answer).Inc()
	}
}

// ExpiryMetrics count what the sweeper does (E1).
type ExpiryMetrics struct {
	sweeps  *prometheus.CounterVec
	orders  prometheus.Counter
	seconds prometheus.Histogram
}

func newExpiryMetrics(r prometheus.Registerer) *ExpiryMetrics {
	m := maker{r}
	return &ExpiryMetrics{
		sweeps:  m.counters("expiry_sweeps_total", "Sweeps for expired orders, by outcome: ok or failed.", "outcome"),
		orders:  m.counter("expiry_orders_total", "Orders that a sweep expired."),
		seconds: m.histogram("expiry_sweep_seconds", "Time of one sweep.", secondsBuckets()),
	}
}

// Swept counts a sweep and the orders that it expired. A failed one may have expired some.
func (m *ExpiryMetrics) Swept(orders int, took time.Duration, err error) {
	if m == nil {
		return
	}
	outcome := "ok"
	if err != nil {
		outcome = "failed"
	}
	m.sweeps.WithLabelValues(outcome).Inc()
	m.orders.Add(float64(orders))
	m.seconds.Observe(took.Seconds())
}

// PSPMetrics count calls to payment service providers, and what they sent.
type PSPMetrics struct {
	calls     *prometheus.CounterVec
	seconds   *prometheus.HistogramVec
	callbacks *prometheus.CounterVec
	became    *prometheus.CounterVec
}

func newPSPMetrics(r prometheus.Registerer) *PSPMetrics {
	m := maker{r}
	return &PSPMetrics{
		calls: m.counters("psp_calls_total",
			"Calls to a PSP by outcome: ok, refused, not_attempted, handoff_lost or unknown.", "account", "method", "outcome"),
		seconds: m.histograms("psp_call_duration_seconds", "Time of one call to a PSP.", secondsBuckets(), "account", "method"),
		callbacks: m.counters("psp_callbacks_total",
			"Callbacks that were read, by outcome: ok, forged, unreadable or unknown.", "account", "outcome"),
		became: m.counters("psp_callbacks_became_total",
			"What became of callbacks: APPLIED, HINT, ORPHAN, FOREIGN, UNREADABLE, FAILED, FORGED or REPEATED.", "account", "became"),
	}
}

// Called counts a call that has ended.
func (m *PSPMetrics) Called(account, method, outcome string, took time.Duration) {
	if m != nil {
		m.calls.WithLabelValues(account, method, outcome).Inc()
		m.seconds.WithLabelValues(account, method).Observe(took.Seconds())
	}
}

// Callback counts a callback that was read.
func (m *PSPMetrics) Callback(account, outcome string) {
	if m != nil {
		m.callbacks.WithLabelValues(account, outcome).Inc()
	}
}

// Became counts what became of a callback.
func (m *PSPMetrics) Became(account, outcome string) {
	if m != nil {
		m.became.WithLabelValues(account, outcome).Inc()
	}
}
