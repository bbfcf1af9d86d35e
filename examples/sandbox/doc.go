// Package sandbox is what the live systems of all examples stand on: a
// directory that holds everything of one, an unprivileged user, process-compose
// that runs its processes, and an end that leaves none of it.
package sandbox
