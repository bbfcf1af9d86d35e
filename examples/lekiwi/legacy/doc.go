// Package legacy is the system that is migrated away from: one process that
// asks its robots one after the other and keeps everything in memory.
//
// It does one thing at a time, as what it stands for did: whoever is served, or
// polled, holds the one lock. So a robot that does not answer holds all others
// up, their heartbeats and the operators' questions, until its time is over.
// Nothing survives a restart.
package legacy
