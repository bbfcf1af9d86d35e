package datasync

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/segue-run/segue/driver"
)

// lookEvery is how often it is looked how much the source has to keep.
const lookEvery = time.Second

// bounded does work while the source need not keep more of its log for this sync
// than it may. It looks beside the work: who waits for the sink, copies for long
// or cannot even begin takes nothing from the log meanwhile.
func (f *follow) bounded(ctx context.Context, e driver.Effect, work func(context.Context) error) error {
	if f.most == 0 {
		return work(ctx)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	looking := make(chan error, 1)
	go func() {
		err := f.look(ctx, e)
		if err != nil {
			cancel(err)
		}
		looking <- err
	}()
	err := work(ctx)
	cancel(nil)
	if tooMuch := <-looking; tooMuch != nil {
		return tooMuch
	}
	return err
}

// errTooMuch: a log was closed, as it held more than it may.
var errTooMuch = errors.New("the source need not keep it any longer: undo this step and take it anew")

// look closes the log when it holds too much, which is an error, and looks until
// ctx ends. That it cannot look is none: who works finds out what is the matter.
func (f *follow) look(ctx context.Context, e driver.Effect) error {
	var source driver.RecordSource
	defer func() {
		if source != nil {
			_ = source.Close() // it only reads
		}
	}()
	for ; ctx.Err() == nil; _ = wait(ctx, lookEvery) {
		if source == nil {
			opened, err := f.source(ctx)
			if err != nil {
				continue
			}
			source = opened
		}
		follower := source.(driver.Follower) //nolint:forcetypeassert // newFollow has seen one
		log, err := follower.Log(ctx, f.name)
		if err != nil || log.Behind <= f.most {
			continue
		}
		if err := follower.End(ctx, e.Mine, f.name); err != nil {
			return fmt.Errorf("the source has to keep %d bytes of changes for this sync, more than most-log allows (%d): %w", log.Behind, f.most, err)
		}
		return fmt.Errorf("the source had to keep %d bytes of changes for this sync, more than most-log allows (%d); %w", log.Behind, f.most, errTooMuch)
	}
	return nil
}
