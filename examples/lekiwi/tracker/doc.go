// Package tracker is the migration-tracker: the one place that says how the
// migration stands, from what others have left behind.
//
// It reads the edge's log, so it knows which side answered each request and how
// fast, whatever was configured: that becomes request_logs, migration_tracking
// and migration_traffic_split. It reads migration_config.yaml for what was
// meant, and PostgreSQL and Redis for how they are. Of the services there may be
// several; of it there is one, so no figure is counted twice.
//
// How far the log was read is written in the transaction that writes what was
// read: a restart loses no line and doubles none.
package tracker
