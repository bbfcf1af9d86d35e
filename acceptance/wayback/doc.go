// Package wayback proves that a plain rollback, once all clients are on the new
// side, loses nothing of what they wrote there.
package wayback
