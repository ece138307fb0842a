package sandboxfake

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"
)

// trouble is a way in which the API fails. It holds for one operation, and for one reference where it
// names one.
type trouble struct {
	Operation string `json:"operation"`
	Mood      string `json:"mood"`
	Reference string `json:"reference,omitempty"`
	// Times is how many calls it meets; 0 is all of them.
	Times int `json:"times,omitempty"`
	// DelayMS is how long slow is; 0 is the default.
	DelayMS int64 `json:"delay_ms,omitempty"`
}

// The operations.
const (
	opCreate  = "create"
	opLookup  = "lookup"
	opRefund  = "refund"
	opCapture = "capture"
	opVoid    = "void"
)

// The moods of the API.
const (
	// moodNormal ends the operation's troubles; without an operation, all.
	moodNormal = "normal"
	// moodSlow has the effect at once and answers late; moodSlowBefore has it late, unless the caller has left.
	moodSlow       = "slow"
	moodSlowBefore = "slow_before"
	// moodError is 500 without the effect, moodErrorAfter 500 with it.
	moodError      = "error"
	moodErrorAfter = "error_after"
	// moodCut cuts the connection after the effect, moodCutBefore without it.
	moodCut       = "cut"
	moodCutBefore = "cut_before"
	// moodGarbled has the effect and answers half of what it should.
	moodGarbled = "garbled"
	// moodRefuse is a clear no, without the effect.
	moodRefuse = "refuse"
	// moodUnknown has lookups say that no payment has the reference.
	moodUnknown = "unknown"
	// moodConfirmFirst pays, and has the callback answered, before create answers.
	moodConfirmFirst = "confirm_first"
	// moodLater accepts a refund that is done later.
	moodLater = "later"
)

// troublesOf lists the moods that every operation has, and those of some alone.
var troublesOf = map[string][]string{
	"": {
		moodNormal, moodSlow, moodSlowBefore, moodError, moodErrorAfter, moodCut, moodCutBefore, moodGarbled, moodRefuse,
	},
	opCreate:  {moodConfirmFirst},
	opLookup:  {moodUnknown},
	opRefund:  {moodLater},
	opCapture: nil,
	opVoid:    nil,
}

const (
	troublesMax  = 100
	slowDefault  = 30 * time.Second
	laterDefault = 10 * time.Second
	// marker begins a mood of create in a description: "Tea [sandbox:confirm_first]".
	marker = "[sandbox:"
)

func (t *trouble) delay(otherwise time.Duration) time.Duration {
	if t.DelayMS > 0 {
		return time.Duration(t.DelayMS) * time.Millisecond
	}
	return otherwise
}

// before reports whether the call fails without its effect.
func (t *trouble) before() bool {
	return t.Mood == moodError || t.Mood == moodCutBefore || t.Mood == moodRefuse || t.Mood == moodUnknown
}

// setTrouble adds a trouble, or ends those of an operation.
func (p *PSP) setTrouble(t trouble) error {
	own, known := troublesOf[t.Operation]
	if t.Operation == "" && t.Mood != moodNormal || !known || !slices.Contains(own, t.Mood) && !slices.Contains(troublesOf[""], t.Mood) ||
		t.Times < 0 || t.DelayMS < 0 || t.DelayMS > delayMax.Milliseconds() {
		return &apiError{http.StatusBadRequest, "invalid_request", "operation, mood, times or delay_ms is not known"}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if t.Mood == moodNormal {
		p.troubles = slices.DeleteFunc(p.troubles, func(other trouble) bool {
			return (t.Operation == "" || t.Operation == other.Operation) && (t.Reference == "" || t.Reference == other.Reference)
		})
		return nil
	}
	if len(p.troubles) >= troublesMax {
		return conflict("full", "too many moods are set")
	}
	p.troubles = append(p.troubles, t)
	return nil
}

// meet returns the trouble that a call meets: that of its description, else the first that was set for
// it, else none.
func (p *PSP) meet(operation, reference, description string) trouble {
	if _, after, found := strings.Cut(description, marker); found {
		name, _, _ := strings.Cut(after, "]")
		if slices.Contains(troublesOf[operation], name) || slices.Contains(troublesOf[""], name) {
			return trouble{Operation: operation, Mood: name}
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := range p.troubles {
		t := &p.troubles[i]
		if t.Operation != operation || t.Reference != "" && t.Reference != reference {
			continue
		}
		met := *t
		if t.Times == 1 {
			p.troubles = slices.Delete(p.troubles, i, i+1)
		} else if t.Times > 1 {
			t.Times--
		}
		return met
	}
	return trouble{Operation: operation, Mood: moodNormal}
}

// pause waits, and reports whether the caller is still there.
func pause(ctx context.Context, wait time.Duration) bool {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
