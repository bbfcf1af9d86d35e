package system

import (
	"context"

	"github.com/segue-run/segue/examples/sandbox"
)

// owner is whose the system's directories are.
func owner() sandbox.Owner {
	return sandbox.Owner{Name: "lekiwi", Variable: "LEKIWI_SYSTEM_DIR", Titled: map[string]string{"nginx": ".", "postgres": "data/postgres", "redis-server": "data/redis"}}
}

// Down ends every process of the system in dir and removes dir. It needs
// nothing of the system to work still, and is content when there is none.
func Down(ctx context.Context, dir string) error { return owner().Down(ctx, dir) }
