package stream

import (
	"slices"
	"sort"
)

// Item is one event of a journal.
type Item[E any] struct {
	// Position is the event's number in its merchant's journal. The next event has the next number.
	Position uint64
	// Value is the event, shared by all who get it.
	Value E
	// Size is how many bytes the event counts for.
	Size int
}

// Limits of one chunk. A slow subscriber keeps at most the chunk that it is sending from alive.
const (
	chunkItemsMax = 64
	chunkBytesMax = 64 << 10
	// chunksMin is into how many chunks a small ring is divided, so that it is not forgotten all at once.
	chunksMin = 4
)

// ring holds the latest items of one journal, (base, last], in chunks of consecutive items. Only its
// tail writes it. What it gives out stays as it is: items are added behind those that a view shows,
// and forgotten by the chunk.
type ring[E any] struct {
	base, last uint64
	chunks     [][]Item[E]
	// sizes are the bytes of each chunk, bytes and count the sums of all.
	sizes []int
	bytes int
	count int

	itemsMax, bytesMax int
}

// add puts items behind last and reports whether each followed the one before. Where one did not, the
// ring is of no more use until it is restarted.
func (r *ring[E]) add(items []Item[E]) bool {
	for i := range items {
		if items[i].Position != r.last+1 {
			return false
		}
		r.push(items[i])
	}
	r.trim()
	return true
}

func (r *ring[E]) push(item Item[E]) {
	open := len(r.chunks) - 1
	if open < 0 || len(r.chunks[open]) >= r.chunkItems() || r.sizes[open] >= r.chunkBytes() {
		r.chunks, r.sizes = append(r.chunks, nil), append(r.sizes, 0)
		open++
	}
	r.chunks[open] = append(r.chunks[open], item)
	r.sizes[open] += item.Size
	r.bytes += item.Size
	r.count++
	r.last = item.Position
}

// trim forgets the oldest chunks until the ring is within its bounds. The newest chunk stays.
func (r *ring[E]) trim() {
	forget := 0
	for forget < len(r.chunks)-1 && (r.count > r.itemsMax || r.bytes > r.bytesMax) {
		oldest := r.chunks[forget]
		r.base = oldest[len(oldest)-1].Position
		r.count -= len(oldest)
		r.bytes -= r.sizes[forget]
		forget++
	}
	r.chunks = slices.Delete(r.chunks, 0, forget)
	r.sizes = slices.Delete(r.sizes, 0, forget)
}

// restart forgets everything and begins after head.
func (r *ring[E]) restart(head uint64) {
	*r = ring[E]{base: head, last: head, itemsMax: r.itemsMax, bytesMax: r.bytesMax}
}

func (r *ring[E]) chunkItems() int { return max(1, min(chunkItemsMax, r.itemsMax/chunksMin)) }

func (r *ring[E]) chunkBytes() int { return max(1, min(chunkBytesMax, r.bytesMax/chunksMin)) }

// view is the ring as its subscribers see it at one moment. It never changes.
type view[E any] struct {
	// epoch grows each time the tail begins anew. It starts at 1.
	epoch uint64
	// started is set when the head of the journal is known; before it there is nothing to see.
	started    bool
	base, last uint64
	chunks     [][]Item[E]
	// changed closes when a newer view is there: one close wakes all who wait.
	changed chan struct{}
	// closed is set on the last view.
	closed bool
}

// after returns up to limit items that follow position, all of one chunk, or none where position is
// the newest. Position must not be older than base.
func (v *view[E]) after(position uint64, limit int) []Item[E] {
	if position >= v.last {
		return nil
	}
	i := sort.Search(len(v.chunks), func(i int) bool {
		return v.chunks[i][len(v.chunks[i])-1].Position > position
	})
	chunk := v.chunks[i]
	if first := chunk[0].Position; position >= first {
		chunk = chunk[position-first+1:]
	}
	n := max(1, min(limit, len(chunk)))
	return chunk[:n:n]
}
