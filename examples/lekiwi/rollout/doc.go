// Package rollout reads migration_config.yaml and follows it while it changes,
// so that a feature flag takes hold without a restart.
//
// A file that cannot be read, or holds something else than a configuration,
// changes nothing: what held before goes on to hold, and Problem says why.
package rollout
