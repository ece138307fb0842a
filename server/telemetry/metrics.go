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
	size     prometheus.Histogram
	seconds  *prometheus.HistogramVec
	retries  *prometheus.CounterVec
	commands *prometheus.CounterVec
	depth    prometheus.Gauge
	queued   prometheus.Histogram
}

func newWriterMetrics(r prometheus.Registerer) *WriterMetrics {
	m := maker{r}
	return &WriterMetrics{
		size: m.histogram("writer_batch_commands", "Commands in one batch.",
			[]float64{1, 2, 4, 8, 16, 32, 64, 128, 256}),
		seconds: m.histograms("writer_step_seconds", "Time of a batch by step: load, decide, save, commit, or batch for the whole.",
			secondsBuckets(), "step"),
		retries:  m.counters("writer_batch_retries_total", "Batches that were run again, by reason.", "reason"),
		commands: m.counters("writer_commands_total", "Commands by outcome: committed, refused, failed, unclear, given_up, or full for those that were never queued.", "outcome"),
		depth:    m.gauge("writer_queue_commands", "Commands that wait for a batch."),
		queued:   m.histogram("writer_queue_seconds", "Time that a command waits for its batch.", secondsBuckets()),
	}
}

// Batch counts a batch of commands that was taken, and its whole time.
func (m *WriterMetrics) Batch(commands int, took time.Duration) {
	if m == nil {
		return
	}
	m.size.Observe(float64(commands))
	m.Step("batch", took)
}

// Step measures one step of a batch: load, decide, save or commit.
func (m *WriterMetrics) Step(step string, took time.Duration) {
	if m != nil {
		m.seconds.WithLabelValues(step).Observe(took.Seconds())
	}
}

// Retried counts a batch that is run again. The reason is a word of the writer's, such as serialization.
func (m *WriterMetrics) Retried(reason string) {
	if m != nil {
		m.retries.WithLabelValues(reason).Inc()
	}
}

// Commands counts commands that ended with the same outcome.
func (m *WriterMetrics) Commands(outcome string, n int) {
	if m != nil {
		m.commands.WithLabelValues(outcome).Add(float64(n))
	}
}

// Queued changes the number of waiting commands, down where n is negative.
func (m *WriterMetrics) Queued(n int) {
	if m != nil {
		m.depth.Add(float64(n))
	}
}

// Waited measures how long a command waited for its batch.
func (m *WriterMetrics) Waited(took time.Duration) {
	if m != nil {
		m.queued.Observe(took.Seconds())
	}
}

// LockMetrics count what the locks answered.
type LockMetrics struct {
	answers *prometheus.CounterVec
	seconds prometheus.Histogram
	away    prometheus.Gauge
}

func newLockMetrics(r prometheus.Registerer) *LockMetrics {
	m := maker{r}
	return &LockMetrics{
		answers: m.counters("lock_answers_total", "Locks asked for, by answer: acquired, held by another, or away.", "answer"),
		seconds: m.histogram("lock_seconds", "Time of one question to the locks.", secondsBuckets()),
		away:    m.gauge("lock_away", "1 while the locks cannot be asked and work goes on without (I3)."),
	}
}

// Acquired counts n locks that were taken.
func (m *LockMetrics) Acquired(n int) { m.answered("acquired", n) }

// Held counts n locks that another holds.
func (m *LockMetrics) Held(n int) { m.answered("held", n) }

// Unasked counts n locks that could not be asked for.
func (m *LockMetrics) Unasked(n int) { m.answered("away", n) }

func (m *LockMetrics) answered(answer string, n int) {
	if m != nil && n > 0 {
		m.answers.WithLabelValues(answer).Add(float64(n))
	}
}

// Took measures one question.
func (m *LockMetrics) Took(took time.Duration) {
	if m != nil {
		m.seconds.Observe(took.Seconds())
	}
}

// Away says whether the locks are away now.
func (m *LockMetrics) Away(away bool) {
	switch {
	case m == nil:
	case away:
		m.away.Set(1)
	default:
		m.away.Set(0)
	}
}

// StreamMetrics count watchers and what they are given.
type StreamMetrics struct {
	open      prometheus.Gauge
	delivered prometheus.Counter
	ended     *prometheus.CounterVec
	delay     prometheus.Histogram
	wakeups   *prometheus.CounterVec
}

func newStreamMetrics(r prometheus.Registerer) *StreamMetrics {
	m := maker{r}
	return &StreamMetrics{
		open:      m.gauge("streams_open", "Streams of order events that are open."),
		delivered: m.counter("stream_events_total", "Order events sent to streams."),
		ended:     m.counters("stream_ends_total", "Streams that ended, by reason: rotate, shutdown, reset, gone or failed.", "reason"),
		delay:     m.histogram("stream_delay_seconds", "Time from an event's commit to its sending, for streams that are not behind.", secondsBuckets()),
		wakeups:   m.counters("stream_wakeups_total", "Looks for new events, by what caused them: signal or poll.", "cause"),
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

// Woke counts a look for new events.
func (m *StreamMetrics) Woke(cause string) {
	if m != nil {
		m.wakeups.WithLabelValues(cause).Inc()
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
