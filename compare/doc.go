// Package compare asks two systems the same questions and says where their
// answers differ: the A/B validator of a migration.
//
// Legacy is asked twice, with the new system in between. Where legacy differs
// from itself there is noise (times, ids, an order that is chance), and not
// every difference of the new system means something: it does when the new
// answer is the odd one out far more often than legacy's second answer is. On
// two equal systems each of both is as likely (see [Field]). Where a difference
// shows for the first time, the question is asked again until it is clear.
// Noise is counted and named.
//
// The comparison of two answers is package diff's. Counts are kept by endpoint
// and field, with examples ([Stats]), and become a [Report].
package compare

import "github.com/segue-run/segue/driver"

// Parts are what it brings to the catalog.
func Parts() []driver.Part { return []driver.Part{compareCheck()} }
