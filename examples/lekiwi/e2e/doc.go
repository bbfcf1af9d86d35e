// Package e2e holds the tests of Lekiwi's system as a whole: real processes on
// real stores, a fleet, and its ledger.
package e2e
