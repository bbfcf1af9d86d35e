// Package notify tells people what happens to a run: by Slack, e-mail,
// PagerDuty and a webhook of anybody's. Each is a kind of connection, and a
// [driver.Notifier]: it brings one notice to one address, once. Who is told
// what, and what is done again when it fails, is not known here.
//
// A notice that is told again has the same key. PagerDuty and a webhook that
// looks at Idempotency-Key then know it for the same; a mail has the same
// Message-ID, which mailboxes may go by; Slack has nothing of the kind, and shows
// it twice.
//
// An URL to which is posted is a secret, so errors name its host only.
package notify

import "github.com/segue-run/segue/driver"

// Parts are what this driver brings to the catalog.
func Parts() []driver.Part {
	return []driver.Part{slackPart(), mailPart(), pagerPart(), webhookPart()}
}
