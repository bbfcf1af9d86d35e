// Package e2e holds the tests of driver/web that need several live systems at
// once, each reached through its own driver: a real NATS cluster, PostgreSQL
// and Prometheus behind a server that publishes and a worker that inserts.
package e2e
