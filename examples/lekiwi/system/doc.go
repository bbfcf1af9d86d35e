// Package system brings Lekiwi up on one machine and takes it away again: the
// legacy monolith, the services of the new system, PostgreSQL, Redis, NGINX in
// front and Prometheus beside them. The second and third discovery-service and
// the second state-manager are there and not started.
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
