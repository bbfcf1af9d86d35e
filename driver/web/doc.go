// Package web checks what speaks HTTP, and follows a synthetic request through
// the systems behind it. Its check is a health check: who cannot be reached
// fails.
package web

import "github.com/segue-run/segue/driver"

// Parts are what this driver brings to the catalog.
func Parts() []driver.Part { return []driver.Part{httpCheck(), probeAction()} }
