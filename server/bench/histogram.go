package main

import (
	"math/bits"
	"slices"
	"time"
)

const (
	// fine is how many buckets each doubling of a latency has: values are kept to within 1.6 %.
	fine = 64
	// histogramMax is the longest latency that is told apart from longer ones, about an hour in microseconds.
	histogramMax = 1<<32 - 1
	bucketsMax   = 28 * fine
)

// histogram counts latencies. It belongs to one goroutine; merge brings several together.
type histogram struct {
	counts [bucketsMax]uint32
	total  uint64
}

func (h *histogram) add(latency time.Duration) {
	us := min(max(latency.Microseconds(), 0), histogramMax)
	h.counts[bucket(us)]++
	h.total++
}

func bucket(us int64) int {
	if us < 2*fine {
		return int(us)
	}
	shift := bits.Len64(uint64(us)) - bits.Len64(fine)
	return shift*fine + int(us>>shift)
}

// middle is the value in the middle of a bucket, in microseconds.
func middle(bucket int) int64 {
	if bucket < 2*fine {
		return int64(bucket)
	}
	shift := bucket/fine - 1
	return int64(bucket%fine+fine)<<shift + 1<<shift/2
}

func (h *histogram) merge(other *histogram) {
	for i, n := range other.counts {
		h.counts[i] += n
	}
	h.total += other.total
}

// quantile is the latency that a share q of all does not exceed; zero where there is none.
func (h *histogram) quantile(q float64) time.Duration {
	want := uint64(q * float64(h.total))
	var seen uint64
	for i, n := range h.counts {
		seen += uint64(n)
		if n > 0 && seen > want || seen == h.total && seen > 0 {
			return time.Duration(middle(i)) * time.Microsecond
		}
	}
	return 0
}

// spread is the median of some values with the least and the greatest.
type spread struct {
	Median float64 `json:"median"`
	Min    float64 `json:"min"`
	Max    float64 `json:"max"`
}

// spreadOf is zero where there are no values.
func spreadOf(values []float64) spread {
	if len(values) == 0 {
		return spread{}
	}
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	return spread{Median: (sorted[(n-1)/2] + sorted[n/2]) / 2, Min: sorted[0], Max: sorted[n-1]}
}
