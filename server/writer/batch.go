package writer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"time"

	"github.com/kvitpay/kvit/server/store"
)

// errLoad marks a failure to load that is no lost race: the store is away.
var errLoad = errors.New("load")

// batch runs commands together: load, decide, save, publish, answer. It is used again and again by
// one goroutine.
type batch struct {
	begins  store.Begins
	hooks   Hooks
	publish func(merchants []string)
	log     *slog.Logger
	// now and report may be nil.
	now    func() time.Time
	report func(BatchReport)
	// answer is called once for every command, after the commit. The command is not touched afterwards.
	answer func(i int, err error)

	cmds  []*Command
	errs  []error
	keys  store.Keys
	view  View
	stats BatchReport
}

func (b *batch) add(cmd *Command) {
	b.cmds = append(b.cmds, cmd)
	b.errs = append(b.errs, nil)
}

// run runs what was added, answers everybody and forgets it.
func (b *batch) run(ctx context.Context) {
	b.stats = BatchReport{Commands: len(b.cmds)}
	err := b.tries(ctx, b.cmds, b.errs)
	if alone(err, len(b.cmds)) {
		b.log.LogAttrs(ctx, slog.LevelWarn, "batch failed, its commands run one by one", b.attrs(err)...)
		b.runAlone(ctx)
	} else {
		if err != nil {
			b.log.LogAttrs(ctx, slog.LevelWarn, "batch failed", b.attrs(err)...)
			fill(b.errs, storeUnavailable(err))
		}
		b.reported()
		for i, err := range b.errs {
			b.answer(i, err)
		}
	}
	clear(b.cmds)
	clear(b.errs)
	b.cmds, b.errs = b.cmds[:0], b.errs[:0]
}

// alone reports whether commands that failed together with this error may do better one by one. A
// single command gets a second chance where it is not clear that the store is away.
func alone(err error, commands int) bool {
	switch {
	case err == nil, errors.Is(err, store.ErrCommitUnclear), errors.Is(err, errLoad):
		return false
	case errors.Is(err, store.ErrRetry):
		return commands > 1
	default:
		return true
	}
}

// runAlone runs each command as a batch of its own. Where the store turns out to be away, the rest is not run.
func (b *batch) runAlone(ctx context.Context) {
	b.stats.Alone = true
	cmds, errs := b.cmds, b.errs
	var away error
	for i := range cmds {
		if away != nil {
			errs[i] = away
		} else {
			err := b.tries(ctx, cmds[i:i+1], errs[i:i+1])
			switch {
			case err == nil:
			case errors.Is(err, errLoad), ctx.Err() != nil:
				away = storeUnavailable(err)
				errs[i] = away
			case errors.Is(err, store.ErrCommitUnclear), errors.Is(err, store.ErrRetry):
				errs[i] = storeUnavailable(err)
			default:
				errs[i] = internal(cmds[i].Name, err)
				b.log.LogAttrs(ctx, slog.LevelError, "command cannot be saved", b.attrs(errs[i])...)
			}
		}
		if i == len(cmds)-1 {
			b.reported()
		}
		b.answer(i, errs[i])
	}
}

// tries runs commands in one transaction, again on fresh rows while races are lost. Their answers
// are in errs when it returns nil.
func (b *batch) tries(ctx context.Context, cmds []*Command, errs []error) error {
	for run := 0; ; run++ {
		err := b.once(ctx, cmds, errs, run)
		if !errors.Is(err, store.ErrRetry) || run == retriesMax || ctx.Err() != nil {
			return err
		}
		if len(cmds) == len(b.cmds) {
			b.stats.Retries++
		}
	}
}

// once runs commands in one transaction: load, decide, save, publish. Where it returns an error
// nothing was written, but for store.ErrCommitUnclear.
func (b *batch) once(ctx context.Context, cmds []*Command, errs []error, run int) error {
	tx, err := b.load(ctx, cmds, run)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	b.view.begin(tx.Snapshot())
	defer b.view.end()
	for i, cmd := range cmds {
		errs[i] = b.decide(ctx, cmd)
	}
	b.view.collect()
	if b.view.unchanged() {
		return nil
	}
	if err := b.save(ctx, tx, cmds, run); err != nil {
		return err
	}
	if names := b.view.merchants(); b.publish != nil && len(names) > 0 {
		b.publish(names)
	}
	return nil
}

func (b *batch) load(ctx context.Context, cmds []*Command, run int) (store.Tx, error) {
	if err := b.hook(ctx, b.hooks.AfterCollect, cmds, run); err != nil {
		return nil, loadFailed(err)
	}
	b.gather(cmds)
	tx, err := b.begins.Begin(ctx, b.keys)
	if err != nil {
		return nil, loadFailed(err)
	}
	if err := b.hook(ctx, b.hooks.AfterLoad, cmds, run); err != nil {
		tx.Rollback()
		return nil, loadFailed(err)
	}
	return tx, nil
}

// gather names what the commands need.
func (b *batch) gather(cmds []*Command) {
	k := &b.keys
	k.Orders, k.Links, k.Records = k.Orders[:0], k.Links[:0], k.Records[:0]
	k.Messages, k.Tasks, k.Payments = k.Messages[:0], k.Tasks[:0], k.Payments[:0]
	k.Existing = false
	for _, cmd := range cmds {
		k.Orders = append(k.Orders, cmd.Keys.Orders...)
		k.Links = append(k.Links, cmd.Keys.Links...)
		k.Records = append(k.Records, cmd.Keys.Records...)
		k.Messages = append(k.Messages, cmd.Keys.Messages...)
		k.Tasks = append(k.Tasks, cmd.Keys.Tasks...)
		k.Payments = append(k.Payments, cmd.Keys.Payments...)
		k.Existing = k.Existing || cmd.Keys.Existing
	}
}

// loadFailed keeps a lost race apart from a store that is away.
func loadFailed(err error) error {
	if errors.Is(err, store.ErrRetry) {
		return err
	}
	return fmt.Errorf("%w: %w", errLoad, err)
}

// decide runs one decision. What it saved counts only where it returns nil.
func (b *batch) decide(ctx context.Context, cmd *Command) error {
	b.view.enter(cmd)
	err := b.decided(cmd)
	if broken := b.view.leave(err == nil); broken != nil {
		err = internal(cmd.Name, broken)
	}
	if p, is := errors.AsType[*panicked](err); is {
		b.log.LogAttrs(ctx, slog.LevelError, "decision panicked",
			slog.String("command", cmd.Name), slog.String("merchant", cmd.Merchant),
			slog.String("error", p.Error()), slog.String("stack", string(p.stack)))
	}
	return err
}

func (b *batch) decided(cmd *Command) (err error) {
	defer func() {
		if value := recover(); value != nil {
			err = internal(cmd.Name, &panicked{value: value, stack: debug.Stack()})
		}
	}()
	return cmd.Decide(&b.view)
}

func (b *batch) save(ctx context.Context, tx store.Tx, cmds []*Command, run int) error {
	if err := b.hook(ctx, b.hooks.BeforeSave, cmds, run); err != nil {
		return err
	}
	b.stats.Entries += len(b.view.changes.Entries)
	var began time.Time
	if b.now != nil {
		began = b.now()
	}
	if err := tx.Save(ctx, &b.view.changes); err != nil {
		return err
	}
	if b.now != nil {
		b.stats.Saved = b.now().Sub(began)
	}
	return b.hook(ctx, b.hooks.AfterSave, cmds, run)
}

func (b *batch) hook(ctx context.Context, hook func(context.Context, Step) error, cmds []*Command, run int) error {
	if hook == nil {
		return nil
	}
	names := make([]string, len(cmds))
	for i, cmd := range cmds {
		names[i] = cmd.Name
	}
	return hook(ctx, Step{Commands: names, Run: run})
}

func (b *batch) reported() {
	if b.report != nil {
		b.report(b.stats)
	}
}

func (b *batch) attrs(err error) []slog.Attr {
	return []slog.Attr{
		slog.Int("commands", len(b.cmds)), slog.Int("retries", b.stats.Retries), slog.String("error", err.Error()),
	}
}

func fill(errs []error, err error) {
	for i := range errs {
		errs[i] = err
	}
}
