// Package web checks what speaks HTTP or WebSocket, and follows a synthetic
// request through the systems behind it. Its checks are health checks: who
// cannot be reached fails. It reads and writes records as JSON.
package web

import "github.com/segue-run/segue/driver"

// Parts are what this driver brings to the catalog.
func Parts() []driver.Part {
	return []driver.Part{apiPart(), httpCheck(), websocketPart(), probeAction()}
}
