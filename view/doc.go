// Package view shows a run while it goes on: on a terminal a screen that keeps
// itself up to date, elsewhere plain lines.
//
// It is fed by the run's journal, followed, and by the readings stored beside
// it, so it can look at a run of any process. It writes nothing, holds no
// lease and never holds the run up: a view that is slow or gone is only that.
//
// What is shown is derived by package report; here it is only laid out. [Draw]
// is pure: the same state at the same size gives the same text.
package view
