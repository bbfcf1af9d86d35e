package view_test

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/segue-run/segue/runner"
	"github.com/segue-run/segue/view"
)

func TestPlainLines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := recorded(t, "completed") // it begins when a bubble's time does
		gate := upTo(t, h, "gate.opened", 0)
		var out bytes.Buffer
		src := growing{h: h, from: 1, seen: readings(end(gate), 9)}
		if err := view.Run(t.Context(), src, &out, view.Options{Every: 1030 * time.Millisecond}); err != nil {
			t.Fatal(err)
		}
		golden(t, "plain.txt", out.String())
	})
}

func TestPlainLinesTellOfALongPastInShort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := recorded(t, "rolled-back")
		time.Sleep(time.Hour) // in the bubble
		var out bytes.Buffer
		if err := view.Run(t.Context(), growing{h: h, from: len(h.Events)}, &out, view.Options{}); err != nil {
			t.Fatal(err)
		}
		golden(t, "plain-past.txt", out.String())
	})
}

func TestAViewEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		var out bytes.Buffer
		if err := view.Run(ctx, growing{h: recorded(t, "completed"), from: 1}, &out, view.Options{}); err != nil {
			t.Errorf("leaving is no failure: %v", err)
		}
	})
}

type broken struct{ growing }

var errBroken = errors.New("the journal is damaged")

func (broken) Follow(context.Context, func(*runner.History) error) error { return errBroken }

func TestAJournalThatCannotBeFollowedIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		if err := view.Run(t.Context(), broken{}, &out, view.Options{}); !errors.Is(err, errBroken) {
			t.Errorf("got %v", err)
		}
	})
}
