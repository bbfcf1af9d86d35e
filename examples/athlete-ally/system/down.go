package system

import (
	"context"

	"github.com/segue-run/segue/examples/sandbox"
)

// owner is whose the system's directories are.
func owner() sandbox.Owner {
	return sandbox.Owner{Name: "athlete-ally", Variable: "AA_SYSTEM_DIR", Titled: map[string]string{"postgres": "data/postgres"}}
}

// Down ends every process of the system in dir and removes dir. It needs
// nothing of the system to work still, and is content when there is none.
func Down(ctx context.Context, dir string) error { return owner().Down(ctx, dir) }

// Stop takes the system down.
func (s *System) Stop(ctx context.Context) error { return Down(ctx, s.Dir) }
