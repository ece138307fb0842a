package api

import (
	"context"
	"net/http"
	"net/http/pprof"
	"slices"
	"time"

	"connectrpc.com/connect"
	"connectrpc.com/grpcreflect"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/kvitpay/kvit/gen/kvit/v1/kvitv1connect"
	"github.com/kvitpay/kvit/server/fault"
)

const (
	// readyWithin bounds the question whether the server is ready.
	readyWithin = 2 * time.Second
	// watchEvery is how often a watched health is looked at.
	watchEvery = 5 * time.Second
	healthName = "grpc.health.v1.Health"
)

// readiness says whether this server should get requests.
type readiness struct {
	check    func(ctx context.Context) error
	stopping context.Context //nolint:containedctx // It ends with the server, not with a call.
}

func (r readiness) ready(ctx context.Context) bool {
	if r.stopping.Err() != nil {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, readyWithin)
	defer cancel()
	return r.check(ctx) == nil
}

// mountProbes mounts /healthz, which says that the process lives, and /readyz, which says that it
// should get requests.
func mountProbes(mux *http.ServeMux, ready readiness) {
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { answerProbe(w, true) })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) { answerProbe(w, ready.ready(r.Context())) })
}

func answerProbe(w http.ResponseWriter, well bool) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	text := "ok\n"
	if !well {
		w.WriteHeader(http.StatusServiceUnavailable)
		text = "not ready\n"
	}
	_, _ = w.Write([]byte(text)) // Who asked may be gone.
}

// mountHealth mounts grpc.health.v1, for load balancers that speak gRPC.
func mountHealth(mux *http.ServeMux, ready readiness) {
	mux.Handle("/"+healthName+"/Check", connect.NewUnaryHandlerSimple("/"+healthName+"/Check", ready.Check))
	mux.Handle("/"+healthName+"/Watch", connect.NewServerStreamHandlerSimple("/"+healthName+"/Watch", ready.Watch))
}

// publicServices are those of the public port.
func publicServices() []string {
	return []string{kvitv1connect.PaymentServiceName, kvitv1connect.CallbackServiceName, healthName}
}

// status is the health of one service; empty means the whole server.
func (r readiness) status(ctx context.Context, service string) healthv1.HealthCheckResponse_ServingStatus {
	switch {
	case service != "" && !slices.Contains(publicServices(), service):
		return healthv1.HealthCheckResponse_SERVICE_UNKNOWN
	case r.ready(ctx):
		return healthv1.HealthCheckResponse_SERVING
	}
	return healthv1.HealthCheckResponse_NOT_SERVING
}

// Check answers grpc.health.v1.Health/Check.
func (r readiness) Check(ctx context.Context, request *healthv1.HealthCheckRequest) (*healthv1.HealthCheckResponse, error) {
	status := r.status(ctx, request.GetService())
	if status == healthv1.HealthCheckResponse_SERVICE_UNKNOWN {
		f := fault.New(fault.NotFound, fault.ReasonMethodNotFound, "There is no such service.")
		return nil, answerTo(f, "")
	}
	return &healthv1.HealthCheckResponse{Status: status}, nil
}

// Watch answers grpc.health.v1.Health/Watch: the status now, and each change of it.
func (r readiness) Watch(ctx context.Context, request *healthv1.HealthCheckRequest, out *connect.ServerStream[healthv1.HealthCheckResponse]) error {
	ticks := time.NewTicker(watchEvery)
	defer ticks.Stop()
	last := healthv1.HealthCheckResponse_UNKNOWN
	for {
		over := r.stopping.Err() != nil
		status := r.status(ctx, request.GetService())
		if status != last {
			if err := out.Send(&healthv1.HealthCheckResponse{Status: status}); err != nil {
				return err
			}
			last = status
		}
		if over {
			return nil
		}
		select {
		case <-ticks.C:
		case <-r.stopping.Done():
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// mountReflection mounts the description of the API for tools such as buf curl and grpcurl.
func mountReflection(mux *http.ServeMux) {
	reflector := grpcreflect.NewStaticReflector(publicServices()...)
	mux.Handle(grpcreflect.NewHandlerV1(reflector))
	mux.Handle(grpcreflect.NewHandlerV1Alpha(reflector))
}

// mountProfiles mounts the profiles of net/http/pprof.
func mountProfiles(mux *http.ServeMux) {
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
}
