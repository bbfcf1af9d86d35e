// Package system brings Athlete Ally up on one machine and takes it away again.
// Production is a NATS cluster of three nodes, PostgreSQL, Prometheus, ingest,
// two instances of normalize, and as many of normalize-green, which run the next
// release and are not started. Staging is one of each, of the next release, on
// the topology after the migration; it has no Prometheus.
//
// Every process is a child of process-compose, which outlives the caller and
// answers on a unix socket in the system's directory (it knows no
// authentication, and over TCP it would listen on all interfaces). Everything a
// system has lies in that one directory, and every process carries the
// directory's name in its environment; so several systems live side by side, and
// Down finds what belongs to one even after process-compose has died.
//
// As root, everything runs as the user nobody.
package system
