package telemetry

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Pool is the state of a pool of connections.
type Pool struct {
	// Busy and Idle are connections now; Most is how many there may be.
	Busy, Idle, Most int
	// Waits is how often a connection had to be waited for since the start, Waited for how long in all.
	Waits  int64
	Waited time.Duration
}

// Pool adds a pool of connections under a name that no other has, such as "write". Its state is asked
// for when the metrics are read.
func (m *Metrics) Pool(name string, state func() Pool) {
	m.registry.MustRegister(newPoolCollector(name, state))
}

type poolCollector struct {
	state                        func() Pool
	connections, most            *prometheus.Desc
	waitsTotal, waitSecondsTotal *prometheus.Desc
}

func newPoolCollector(name string, state func() Pool) *poolCollector {
	describe := func(metric, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc(namespace+"_store_pool_"+metric, help, labels, prometheus.Labels{"pool": name})
	}
	return &poolCollector{
		state:            state,
		connections:      describe("connections", "Connections of a pool by state: busy or idle.", "state"),
		most:             describe("connections_most", "How many connections a pool may have."),
		waitsTotal:       describe("waits_total", "How often a connection was waited for."),
		waitSecondsTotal: describe("wait_seconds_total", "How long connections were waited for."),
	}
}

// Describe implements prometheus.Collector.
func (c *poolCollector) Describe(out chan<- *prometheus.Desc) {
	out <- c.connections
	out <- c.most
	out <- c.waitsTotal
	out <- c.waitSecondsTotal
}

// Collect implements prometheus.Collector.
func (c *poolCollector) Collect(out chan<- prometheus.Metric) {
	pool := c.state()
	gauge := func(desc *prometheus.Desc, n int, labels ...string) {
		out <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, float64(n), labels...)
	}
	gauge(c.connections, pool.Busy, "busy")
	gauge(c.connections, pool.Idle, "idle")
	gauge(c.most, pool.Most)
	out <- prometheus.MustNewConstMetric(c.waitsTotal, prometheus.CounterValue, float64(pool.Waits))
	out <- prometheus.MustNewConstMetric(c.waitSecondsTotal, prometheus.CounterValue, pool.Waited.Seconds())
}
