// Package announce fills the texts for people that a runbook holds: the
// announcement of a migration, say, and how it stands.
//
// A text is a Go template over [Facts], which are all that it may name, and the
// functions figure, verdict and input. [Compile] finds what is wrong with one
// before there is anything to fill it with: it knows the type of every part, so
// that a field that is not there is found in a branch that is never taken too,
// and [Template.DryRun] fills it with samples. [Fill] fills it.
//
// What is not known is said in words; there is no figure for it, and never an
// old one. Nothing here asks a live system, reads a journal or has a clock:
// package report knows the facts, and who asks the checks hands in the figures.
package announce
