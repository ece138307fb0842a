// Package stream wakes those who follow a merchant's journal, and shares what they read.
//
// A wake-up says "look again" and nothing more ([Bus]). Whoever follows a journal subscribes first,
// then reads from the store, then waits; so nothing falls between reading and waiting, and a wake-up
// that was lost costs time, never an event, because followers also look by themselves every second.
package stream
