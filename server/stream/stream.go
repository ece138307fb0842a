// Package stream wakes those who follow a merchant's journal, and shares what they read.
//
// A wake-up says "look again" and nothing more ([Bus]). Whoever follows a journal subscribes first,
// then reads from the store, then waits; so nothing falls between reading and waiting, and a wake-up
// that was lost costs time, never an event, because followers also look by themselves every second.
//
// A [Hub] follows on behalf of many. It runs one tail per merchant and process, which reads each event
// once into a ring that all subscribers of that merchant share. A subscriber has no buffer: it is a
// cursor into the ring. Whoever is too slow for the ring is told so, and reads on from the store by
// itself; it costs nobody else anything (S2). The ring knows positions and nothing about the events.
//
// Concurrency: a bus, its subscriptions and a hub may be used from many goroutines; a [Subscriber]
// belongs to one. Items that a subscriber got are shared with all others and must not be changed.
//
// Ordering: a subscriber gets a merchant's items in the order of their positions, without gap or
// repeat (J2), or is told that it must read from the store. Wake-ups have no order.
//
// Failure: a tail that cannot read tries again, with growing pauses, and says so once in the log.
// Meanwhile its subscribers wait. Positions that are not consecutive, or that went back, make the
// tail begin anew; all its subscribers then read from the store, where their cursors are judged (J6).
package stream
