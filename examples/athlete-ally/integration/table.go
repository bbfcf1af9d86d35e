package integration

import (
	"context"
	"fmt"
	"strings"
)

// Test is one named question.
type Test struct {
	Name string
	Asks string // what holds if it passes
	run  func(ctx context.Context, p *probe) error
}

// Tests are all there are.
func Tests() []Test {
	return []Test{
		{"ingest/health", "it is healthy, and names the stream that takes its messages", ingestHealth},
		{"ingest/metrics", "requests, their time and what streams took are counted", ingestMetrics},
		{"ingest/hrv-stored", "202 comes with the place, in the owner of the subject, where the body lies as sent", hrvStored},
		{"ingest/hrv-user-named", "a reading without a user, or with one too long, is refused by name", hrvUserNamed},
		{"ingest/hrv-date-named", "a reading without a date that exists is refused by name", hrvDateNamed},
		{"ingest/hrv-rmssd-named", "a reading whose rmssd is missing, not positive or no number is refused by name", hrvRMSSDNamed},
		{"ingest/hrv-repeat-once", "a repeat is a duplicate, and stored once", hrvRepeatOnce},
		{"ingest/sleep-stored", "a night lies in the owner of the subject, as sent", sleepStored},
		{"ingest/sleep-duration-named", "a night of no or too long a duration is refused by name", sleepDurationNamed},
		{"ingest/oura-stored", "a signed webhook lies in the owner of the subject, as sent", ouraStored},
		{"ingest/oura-signature", "a webhook without its signature is refused and not stored", ouraSignature},
		{"ingest/oura-repeat-once", "a webhook's repeat is answered 200, and stored once", ouraRepeatOnce},
		{"ingest/body-refused", "a body that is too large, or no JSON, is refused by name", bodyRefused},
		{"ingest/method-refused", "only POST is taken, and only where there is something", methodRefused},

		{"normalize/health", "one deployment is whole, and each instance that answers is healthy", normalizeHealth},
		{"normalize/versions", "each instance says its version, one for all of a deployment", normalizeVersions},
		{"normalize/bound", "each instance reads each durable on the owner of its subject", normalizeBound},
		{"normalize/metrics", "a message is counted under its result, subject, stream and durable", normalizeMetrics},

		{"rows/hrv-logarithm", "an rmssd of 42 becomes a row with an ln_rmssd of 3.7377", hrvLogarithm},
		{"rows/hrv-newest-wins", "a newer reading replaces an older one", hrvNewestWins},
		{"rows/hrv-older-ignored", "an older reading, processed later, replaces nothing", hrvOlderIgnored},
		{"rows/vendor-once", "an event sent under two message ids becomes one row, with one effect", vendorOnce},
		{"rows/effect-once", "a reading sent under two message ids has one effect", effectOnce},

		{"deadletters/schema-invalid", "what breaks the schema is copied to dlq.> with the reason; while no stream owns that, it is kept", schemaInvalid},

		{"bus/consumer-settings", "the durables are there, on the owners of their subjects, with their settings", consumerSettings},
		{"bus/stream-settings", "the streams are there with their settings, on all nodes", streamSettings},
		{"bus/one-owner", "each subject is taken by exactly one stream", oneOwner},
		{"bus/message-id-once", "a message id is stored once", messageIDOnce},
		{"bus/healthy", "every node, stream and durable is up, with its replicas current", busHealthy},

		{"database/one-row-per-key", "a second row of one key is refused", oneRowPerKey},
	}
}

// choose marks the tests that are named, by themselves or by their group.
func choose(tests []Test, names []string) ([]bool, error) {
	chosen := make([]bool, len(tests))
	if len(names) == 0 {
		for i := range chosen {
			chosen[i] = true
		}
		return chosen, nil
	}
	for _, name := range names {
		any := false
		for i, t := range tests {
			if group, _, _ := strings.Cut(t.Name, "/"); name == t.Name || name == group {
				chosen[i], any = true, true
			}
		}
		if !any {
			return nil, fmt.Errorf("there is no test and no group %q: --list names them", name)
		}
	}
	return chosen, nil
}
