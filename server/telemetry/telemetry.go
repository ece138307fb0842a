// Package telemetry is how the server says what it is doing: logs, metrics and traces.
//
// One request, callback, attempt or delivery is one wide log line: rooms on the way add what they know
// to the [Event] in the context ([Add]), and the door that opened the event writes it once, at the end.
// Numbers go to [Metrics], a registry of its own with one small handle per room; traces go nowhere
// unless a collector is named ([NewTracing]).
//
// The logger promises to be a last line of defence: what has the shape of a credential, a link's
// address or a password in a URL does not pass, wherever it stands. It is not a licence to log
// secrets, and it does not know payers' names.
//
// Concurrency: everything here may be used from many goroutines. A nil handle of [Metrics] counts
// nothing, so that a room can be built without.
//
// Failure: nothing here fails a request. A collector that is away is logged, and its spans are dropped.
package telemetry
