package api

import (
	"log/slog"
	"net/http"
	"time"
)

const (
	headerWithin = 10 * time.Second
	// requestWithin is how long a whole request may take to arrive, whoever sends it.
	requestWithin = 30 * time.Second
	idleMax       = 2 * time.Minute
	headerBytes   = 64 << 10
	// streamsMax is how many calls one connection of HTTP/2 carries at a time; watchers come by the hundred.
	streamsMax = 1000
	// pingAfter is how long a silent connection of HTTP/2 is trusted, pingWithin how long it has to answer.
	pingAfter  = 30 * time.Second
	pingWithin = 15 * time.Second
)

// NewHTTPServer returns a server for a door: HTTP/1.1 and HTTP/2 without TLS (h2c) on one port, with
// limits on everything but the length of a call: the read timeout ends with the request's last byte. A
// write timeout of the server would cut streams; dead connections are found by pings, and stuck streams
// by a limit of their own.
func NewHTTPServer(door http.Handler, logger *slog.Logger) *http.Server {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(true)
	return &http.Server{
		Handler:           door,
		Protocols:         protocols,
		ReadHeaderTimeout: headerWithin,
		ReadTimeout:       requestWithin,
		IdleTimeout:       idleMax,
		MaxHeaderBytes:    headerBytes,
		HTTP2: &http.HTTP2Config{
			MaxConcurrentStreams: streamsMax,
			SendPingTimeout:      pingAfter,
			PingTimeout:          pingWithin,
			WriteByteTimeout:     pingAfter,
		},
		ErrorLog: slog.NewLogLogger(logger.Handler(), slog.LevelWarn),
	}
}
