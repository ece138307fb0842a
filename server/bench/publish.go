package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// eventsPerCreate is what a new dynamic link writes: link.created and order.created.
	eventsPerCreate = 2
	// publishers is how many calls the events of a fan-out are made by at the same time.
	publishers = 32
)

// publish publishes events at an even pace, and returns how many they are.
func publish(ctx context.Context, spec watchSpec) (int, error) {
	if spec.Publish != "" {
		return publishAtFloor(ctx, spec)
	}
	return publishByCreating(ctx, spec)
}

// publishByCreating makes orders.
func publishByCreating(ctx context.Context, spec watchSpec) (int, error) {
	t, err := newTemplate()
	if err != nil {
		return 0, err
	}
	var running sync.WaitGroup
	var made atomic.Int64
	failed := make(chan error, publishers)
	gap := time.Duration(float64(time.Second) * eventsPerCreate / float64(spec.Rate))
	total := int(spec.For / gap)
	var next atomic.Int64
	began := time.Now()
	for caller := range min(publishers, total) {
		running.Go(func() {
			h, err := dialH1(ctx, spec.Address, t, spec.APIKey)
			if err != nil {
				failed <- err
				return
			}
			defer h.close()
			for i := int(next.Add(1)) - 1; i < total; i = int(next.Add(1)) - 1 {
				if err := pause(ctx, time.Until(began.Add(time.Duration(i)*gap))); err != nil {
					failed <- err
					return
				}
				t.name(h.body, spec.Run, caller, i)
				replayed, err := h.call()
				if replayed {
					err = errors.New("an order is not new")
				}
				if err != nil {
					failed <- err
					return
				}
				made.Add(eventsPerCreate)
			}
		})
	}
	running.Wait()
	select {
	case err := <-failed:
		return 0, fmt.Errorf("publish: %w", err)
	default:
		return int(made.Load()), nil
	}
}

// publishAtFloor lets the floor's server publish.
func publishAtFloor(ctx context.Context, spec watchSpec) (int, error) {
	url := fmt.Sprintf("http://%s?rate=%d&for=%s", spec.Publish, spec.Rate, spec.For)
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, http.NoBody)
	if err != nil {
		return 0, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, err
	}
	defer func() { _ = response.Body.Close() }()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		return 0, err
	}
	n, err := strconv.Atoi(string(bytes.TrimSpace(answer)))
	if err != nil {
		return 0, fmt.Errorf("publish: the floor answers %q", answer)
	}
	return n, nil
}
